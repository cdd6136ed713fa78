//! Checks layouts and linear maps on real networks: packs each ONNX model given, keeps its activations exact, and
//! compares the slot interpreter with the tensor interpreter on random inputs.
//!
//! `cargo run --release --example check_layouts -- [--slots N] MODEL.onnx…`

use std::time::Instant;

use fhec_ir::tensor::{self, Tensor};
use fhec_ir::{slot, verify};
use fhec_passes::assign_layout;

fn main() {
    let mut slots = 32768;
    let mut failures = 0;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--slots" {
            slots = arguments.next().and_then(|n| n.parse().ok()).expect("--slots takes a number");
            continue;
        }
        match check(&argument, slots) {
            Ok(report) => println!("ok    {argument}: {report}"),
            Err(reason) => {
                failures += 1;
                println!("FAIL  {argument}: {reason}");
            }
        }
    }
    std::process::exit(i32::from(failures > 0));
}

fn check(path: &str, slots: usize) -> Result<String, String> {
    let import = fhec_frontend::import(path.as_ref(), &Default::default()).map_err(|e| e.to_string())?;
    let graph = import.graph;
    let inputs: Vec<Tensor<f64>> = graph
        .inputs()
        .map(|(id, _)| {
            let shape = graph.ty(id).clone();
            let size: usize = shape.iter().product();
            let data = (0..size).map(|i| ((i as f64 * 0.618_033_988_75 + 0.1) % 1.0) * 2.0 - 1.0).collect();
            Tensor::new(shape, data)
        })
        .collect();
    let begin = Instant::now();
    let packed = assign_layout::run(&graph, &assign_layout::Config::new(slots)).map_err(|e| e.to_string())?;
    let packed = verify(packed).map_err(|e| e.to_string())?;
    let pass = begin.elapsed();
    let begin = Instant::now();
    let got = slot::interp::run(&packed, &inputs).map_err(|e| e.to_string())?;
    let run = begin.elapsed();
    let want = tensor::run(&graph, &inputs).map_err(|e| e.to_string())?;
    let mut worst = 0.0f64;
    for (want, got) in want.iter().zip(&got) {
        let scale = want.data.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
        for (a, b) in want.data.iter().zip(&got.data) {
            let error = (a - b).abs() / scale;
            if error > 1e-6 || error.is_nan() != (a.is_nan() && b.is_nan()) {
                return Err(format!("{a} packed as {b}"));
            }
            worst = worst.max(error);
        }
    }
    let cts = packed.iter().map(|(_, n)| n.ty.layout.ciphertexts).max().unwrap_or(0);
    Ok(format!(
        "largest difference {worst:.1e}, up to {cts} ciphertexts, packed in {pass:.1?}, ran in {run:.1?}"
    ))
}
