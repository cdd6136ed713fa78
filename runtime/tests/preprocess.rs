//! Pictures become what torchvision and Pillow make of them: tensors that are kept beside the repository.

#![cfg(feature = "client")]

use std::path::{Path, PathBuf};

use fhec_ir::plan::{ChannelOrder, Normalisation, Preprocessing, Resize};
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
        // Transparency is dropped.
        ("cells_alpha.png", "as_is.npy", [1, 3, 135, 180], none, 0.001),
        // Grey in the file, or made grey.
        ("cells_gray.png", "gray.npy", [1, 1, 28, 28], exact(28), 0.001),
        ("cells.jpg", "jpeg.npy", [1, 3, 135, 180], none, 0.001),
        ("cells_exif6.jpg", "exif.npy", [1, 3, 64, 64], exact(64), 0.001),
    ] {
        let apart = levels_apart(&folder, picture, tensor, &input(shape, steps));
        assert!(apart <= allowed, "{tensor}: {apart:.3} grey levels apart");
    }
}

#[test]
fn pictures_are_turned_as_they_were_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let mut input = input([1, 3, 37, 29], Preprocessing::default());
    input.normalisation = Normalisation { divisor: 1.0, mean: vec![], std: vec![] };
    input.shape = vec![1, 37, 29, 3];
    let stored = std::fs::read(folder.join("422_turned.raw")).unwrap();
    let found: Vec<u8> = picture(&folder, "422_turned.jpg", &input).into_iter().map(|x| x as u8).collect();
    assert!(found == stored);
    // The other order of channels.
    input.preprocessing.channels = ChannelOrder::Bgr;
    let found: Vec<u8> = picture(&folder, "422_turned.jpg", &input).into_iter().map(|x| x as u8).collect();
    assert!(found.chunks(3).zip(stored.chunks(3)).all(|(a, b)| [a[2], a[1], a[0]] == b[..]));
}

#[test]
fn records_are_resized_and_cut_like_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let pixels: Vec<u8> = (0..2 * 6 * 6).map(|k| k as u8).collect();
    let head = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 6, 0, 0, 0, 6];
    std::fs::write(folder.path().join("records"), [&head[..], &pixels].concat()).unwrap();
    let mut input = input([1, 1, 4, 4], cropped(None));
    input.normalisation = Normalisation { divisor: 1.0, mean: vec![], std: vec![] };
    let source = Source { path: folder.path().join("records"), record: Some(1) };
    let found = load(&source, input.clone(), LoadOptions::default()).unwrap();
    let expected = (1..5).flat_map(|y| (1..5).map(move |x| f64::from(36 + 6 * y + x)));
    assert_eq!(found, expected.collect::<Vec<_>>());
    input.preprocessing = exact(3);
    input.shape = vec![1, 1, 3, 3];
    assert_eq!(load(&source, input.clone(), LoadOptions::default()).unwrap().len(), 9);
    input.preprocessing = Preprocessing::default();
    let refused = load(&source, input, LoadOptions::default()).unwrap_err().to_string();
    assert!(refused.contains("6×6, the network takes 3×3; --resize scales them"), "{refused}");
}
