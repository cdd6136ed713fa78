//! Models of the test data: imports agree with stored results.

mod common;

use std::path::Path;

use common::{difference, files, read_npy, run, shared};
use fhec_frontend::{ImportError, Options, import};
use fhec_ir::tensor::Tensor;

/// Imports `model`, runs it on `NAME.in*.npy` and compares with `NAME.out*.npy`.
fn check(model: &Path) -> Result<f64, String> {
    let options = Options::default();
    let import = import(model, &options).map_err(|e| e.to_string())?;
    let numbered = |kind: &str| -> Vec<Tensor<f64>> {
        (0..)
            .map(|i| model.with_extension(format!("{kind}{i}.npy")))
            .take_while(|p| p.exists())
            .map(|p| read_npy(&p))
            .collect()
    };
    let (inputs, wanted) = (numbered("in"), numbered("out"));
    if inputs.is_empty() {
        return Ok(0.0);
    }
    let outputs = run(&import, &inputs);
    if outputs.len() != wanted.len() {
        return Err(format!("{} outputs instead of {}", outputs.len(), wanted.len()));
    }
    let worst = outputs.iter().zip(&wanted).map(|(a, b)| difference(a, b)).fold(0.0, f64::max);
    if worst < 1e-4 { Ok(worst) } else { Err(format!("differs by {worst:.3e}")) }
}

fn check_folder(folder: &str) {
    let Some(shared) = shared() else { return };
    let mut failures = Vec::new();
    for model in files(&shared.join("models").join(folder), "onnx") {
        match check(&model) {
            Ok(worst) => println!("{} {worst:.1e}", model.display()),
            Err(e) => failures.push(format!("{}: {e}", model.display())),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn ops() {
    check_folder("ops");
}

#[test]
fn random_nets() {
    for size in ["rand/s", "rand/m", "rand/l"] {
        check_folder(size);
    }
}

#[test]
fn graphs_without_weights() {
    let Some(shared) = shared() else { return };
    // VGG-19 and AlexNet would fill hundreds of megabytes with one number.
    for name in ["squeezenet", "shufflenet", "inception_v1"] {
        let path = shared.join(format!("models/onnx_light/light_{name}.onnx"));
        if let Err(e) = import(&path, &Options::default()) {
            panic!("{name}: {e}");
        }
    }
}

#[test]
fn unsupported_is_refused_by_name() {
    let Some(shared) = shared() else { return };
    for model in files(&shared.join("models/ops/unsupported"), "onnx") {
        match import(&model, &Options::default()) {
            Err(ImportError::Unsupported(refusals)) => {
                assert!(!refusals.is_empty() && refusals.iter().all(|r| !r.node.is_empty()), "{refusals:?}");
            }
            Err(ImportError::Malformed(_)) => assert!(model.ends_with("neg_truncated.onnx")),
            // What cannot be encrypted comes last: the client's part.
            Ok(import) => {
                let last = ["neg_data_dependent.onnx", "neg_div_by_ciphertext.onnx", "neg_nms_topk.onnx"];
                assert!(import.tail.is_some() && last.iter().any(|name| model.ends_with(name)), "{model:?}");
            }
            other => panic!("{}: {other:?}", model.display()),
        }
    }
}
