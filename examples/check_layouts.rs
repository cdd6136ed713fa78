//! Checks layouts and linear maps on real networks: packs each model given, keeps its activations exact, and compares the
//! slot interpreter with the tensor interpreter on an even spread of inputs.
//!
//! `cargo run --release --example check_layouts -- [--slots N] MODEL.onnx[.xz]…`

use std::error::Error;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use fhec::frontend::{Import, Options, import, import_bytes};
use fhec::ir::tensor::{self, Tensor};
use fhec::ir::{slot, verify};
use fhec_passes::assign_layout;
use fhec_passes::estimate::estimator;
use fhec_passes::maps::Prices;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    let (mut slots, mut failures) = (32768, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--slots" {
            slots = arguments.next().ok_or("--slots takes a number")?.parse()?;
            continue;
        }
        // A panic is a defect of one network; the others are still looked at.
        let outcome = catch_unwind(|| check(argument.as_ref(), slots).map_err(|e| e.to_string()));
        match outcome.unwrap_or_else(|_| Err("panicked".into())) {
            Ok(report) => println!("ok    {argument}: {report}"),
            Err(reason) => {
                failures += 1;
                println!("FAIL  {argument}: {reason}");
            }
        }
    }
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> Outcome<Import> {
    if path.extension().is_none_or(|e| e != "xz") {
        return Ok(import(path, &Options::default())?);
    }
    let (packed, mut bytes) = (std::fs::read(path)?, Vec::new());
    lzma_rs::xz_decompress(&mut &packed[..], &mut bytes).map_err(|e| format!("{e:?}"))?;
    Ok(import_bytes(&bytes, &Options::default())?)
}

fn check(path: &Path, slots: usize) -> Outcome<String> {
    let graph = read(path)?.graph;
    let spread = |(id, _)| {
        let shape: &Vec<usize> = graph.ty(id);
        let golden = |i: usize| ((i as f64 * 0.618_033_988_75 + 0.1) % 1.0) * 2.0 - 1.0;
        Tensor::new(shape.clone(), (0..shape.iter().product()).map(golden).collect())
    };
    let inputs: Vec<Tensor<f64>> = graph.inputs().map(spread).collect();
    let begin = Instant::now();
    let packed = verify(assign_layout::run(
        &graph,
        &assign_layout::Config::new(slots),
        &mut estimator(Prices::default()),
    )?)?;
    let pass = begin.elapsed();
    let begin = Instant::now();
    let got = slot::interp::run(&packed, &inputs)?;
    let run = begin.elapsed();
    let want = tensor::run(&graph, &inputs)?;
    let mut worst = 0.0f64;
    for (want, got) in want.iter().zip(&got) {
        let scale = want.data.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
        for (a, b) in want.data.iter().zip(&got.data) {
            let error = (a - b).abs() / scale;
            if error > 1e-6 || error.is_nan() != (a.is_nan() && b.is_nan()) {
                return Err(format!("{a} packed as {b}").into());
            }
            worst = worst.max(error);
        }
    }
    let cts = packed.iter().map(|(_, n)| n.ty.layout.ciphertexts).max().unwrap_or(0);
    Ok(format!(
        "largest difference {worst:.1e}, up to {cts} ciphertexts, packed in {pass:.1?}, ran in {run:.1?}"
    ))
}
