//! Layouts and linear maps on the models of `../shared/data`, activations exact: the packed network equals the tensors.
//! `examples/check_layouts.rs` does the same for any model, however large.

#![cfg(feature = "compiler")]

use std::path::{Path, PathBuf};

use fhec::frontend::{Options, import};
use fhec::ir::tensor::{self, Tensor};
use fhec::ir::{slot, verify};
use fhec_passes::assign_layout;
use fhec_passes::estimate::estimator;
use fhec_passes::maps::Prices;

#[test]
fn packed_models_equal_their_tensors() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/models");
    let models: Vec<PathBuf> = ["ops", "rand/s"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(data.join(folder)).ok())
        .flat_map(|entries| entries.filter_map(Result::ok).map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "onnx"))
        // Seconds of search for one large map.
        .filter(|p| p.file_stem().is_none_or(|s| s != "large_map_224"))
        .collect();
    if models.is_empty() {
        eprintln!("skipped: {} is not here", data.display());
        return;
    }
    for model in models {
        let graph = import(&model, &Options::default()).unwrap().graph;
        let inputs: Vec<Tensor<f64>> = graph
            .inputs()
            .map(|(id, _)| {
                let shape = graph.ty(id).clone();
                let size: usize = shape.iter().product();
                Tensor::new(shape, (0..size).map(|i| ((i * 37 % 101) as f64 - 50.0) / 50.0).collect())
            })
            .collect();
        let want = tensor::run(&graph, &inputs).unwrap();
        for slots in [512, 8192] {
            let packed = assign_layout::run(
                &graph,
                &assign_layout::Config::new(slots),
                &mut estimator(Prices::default()),
            )
            .unwrap();
            let got = slot::interp::run(&verify(packed).unwrap(), &inputs).unwrap();
            for (want, got) in want.iter().zip(&got) {
                let scale = want.data.iter().fold(1.0f64, |m, x| m.max(x.abs()));
                let close =
                    |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * scale || (a.is_nan() && b.is_nan());
                assert!(want.data.iter().zip(&got.data).all(close), "{} at {slots} slots", model.display());
            }
        }
    }
}
