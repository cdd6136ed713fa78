//! Pictures become what torchvision and Pillow make of them: tensors that are kept beside the repository.

#![cfg(feature = "client")]

use std::path::{Path, PathBuf};

use fhec_ir::plan::{Normalisation, Preprocessing, Resize};
use fhec_runtime::input::{InputType, LoadOptions, Source, load};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/cases/preprocess");

fn folder() -> Option<PathBuf> {
    let found = Path::new(CASES).is_dir();
    if !found {
        eprintln!("skipped: {CASES} is missing");
    }
    found.then(|| CASES.into())
}

fn input(shape: [usize; 4], preprocessing: Preprocessing) -> InputType {
    let (mean, std) = match shape[1] {
        1 => (vec![0.1307], vec![0.3081]),
        _ => (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]),
    };
    let normalisation = Normalisation { mean, std, ..Normalisation::default() };
    InputType { name: "x".into(), shape: shape.to_vec(), normalisation, preprocessing }
}

fn picture(folder: &Path, name: &str, input: &InputType) -> Vec<f64> {
    let source = Source { path: folder.join(name), record: None };
    load(&source, input.clone(), LoadOptions::default()).unwrap()
}

/// The largest difference from a stored tensor, in grey levels.
fn levels_apart(folder: &Path, name: &str, tensor: &str, input: &InputType) -> f64 {
    let found = picture(folder, name, input);
    let stored = std::fs::read(folder.join(tensor)).unwrap();
    let stored = &stored[stored.len() - 4 * found.len()..];
    let stored = stored.as_chunks().0.iter().map(|x| f64::from(f32::from_le_bytes(*x)));
    let (channels, plane) = (input.shape[1], input.shape[2] * input.shape[3]);
    let level = |k: usize| 1.0 / 255.0 / input.normalisation.std[k / plane % channels];
    let apart = stored.zip(&found).enumerate().map(|(k, (a, b))| (a - b).abs() / level(k));
    apart.fold(0.0, f64::max)
}

fn exact(size: usize) -> Preprocessing {
    Preprocessing { resize: Some(Resize::Exact { height: size, width: size }), ..Preprocessing::default() }
}

fn cropped(resize: Option<Resize>) -> Preprocessing {
    Preprocessing { resize, crop: true, ..Preprocessing::default() }
}

#[test]
fn pictures_are_those_of_torchvision() {
    let Some(folder) = folder() else { return };
    let none = Preprocessing::default();
    let short = cropped(Some(Resize::ShortSide(72)));
    for (picture, tensor, shape, steps, allowed) in [
        ("cells.png", "as_is.npy", [1, 3, 135, 180], none, 0.001),
        ("cells.png", "crop_larger.npy", [1, 3, 150, 150], cropped(None), 0.001),
        ("cells.png", "resize_exact.npy", [1, 3, 64, 64], exact(64), 0.001),
        ("cells.png", "imagenet.npy", [1, 3, 64, 64], short, 0.001),
        ("cells.png", "gray.npy", [1, 1, 28, 28], exact(28), 0.001),
        ("cells.jpg", "jpeg.npy", [1, 3, 135, 180], none, 1.001),
        ("cells_exif6.jpg", "exif.npy", [1, 3, 64, 64], exact(64), 1.001),
    ] {
        let apart = levels_apart(&folder, picture, tensor, &input(shape, steps));
        assert!(apart <= allowed, "{tensor}: {apart:.3} grey levels apart");
    }
}
