//! Test data: where it lies, npy files, comparison of tensors.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::{Path, PathBuf};

use fhec_frontend::Import;
use fhec_ir::tensor::Tensor;

/// `../shared/data` beside the workspace, if it is there.
pub(crate) fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if path.is_dir() {
        Some(path)
    } else {
        eprintln!("skipped: {} is missing", path.display());
        None
    }
}

/// A folder of `../shared/cases`, if they are there: networks with inputs and onnxruntime's outputs.
pub(crate) fn case(name: &str) -> Option<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases");
    if cases.is_dir() {
        Some(cases.join(name))
    } else {
        eprintln!("skipped: {} is missing", cases.display());
        None
    }
}

/// Files of a folder with an extension, sorted.
pub(crate) fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == extension));
    files.sort();
    files
}

/// Reads an npy file of f32, f64, i64 or u8.
pub(crate) fn read_npy(path: &Path) -> Tensor<f64> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(&bytes[..6], b"\x93NUMPY", "{}", path.display());
    let len = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + len]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let field = |key: &str| &header[header.find(key).unwrap() + key.len()..];
    let shape = field("'shape': (");
    let shape: Vec<usize> =
        shape[..shape.find(')').unwrap()].split(',').filter_map(|d| d.trim().parse().ok()).collect();
    let body = &bytes[10 + len..];
    let descr = field("'descr': '");
    let data = match &descr[..descr.find('\'').unwrap()] {
        "<f4" => body.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        "<f8" => body.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        "<i8" => body.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        "|u1" => body.iter().map(|&b| f64::from(b)).collect(),
        other => panic!("{}: dtype {other}", path.display()),
    };
    Tensor::new(shape, data)
}

/// Runs an import in f64, with what it leaves to the client.
pub(crate) fn run(import: &Import, inputs: &[Tensor<f64>]) -> Vec<Tensor<f64>> {
    import.run(inputs).unwrap()
}

/// Largest difference, relative to the largest element but at least absolute. Infinite if shapes differ.
pub(crate) fn difference(got: &Tensor<f64>, want: &Tensor<f64>) -> f64 {
    if got.shape != want.shape {
        return f64::INFINITY;
    }
    let scale = want.data.iter().fold(1f64, |m, x| m.max(x.abs()));
    let pairs = got.data.iter().zip(&want.data);
    let worst = pairs.map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() });
    worst.fold(0.0, |m, d| if d.is_nan() { f64::INFINITY } else { f64::max(m, d) }) / scale
}
