use std::io::Write;

use fhec_ir::layout::{Axis, Layout};
use fhec_ir::plan::ClientInput;
use proptest::prelude::*;

use super::*;

fn input(shape: &[usize]) -> ClientInput {
    let mut stride = 1;
    let mut axes: Vec<_> = shape
        .iter()
        .rev()
        .map(|&d| {
            stride *= d;
            Axis::strided(d, stride / d)
        })
        .collect();
    axes.reverse();
    ClientInput {
        name: "x".into(),
        layout: Layout { slots: stride.next_power_of_two(), ciphertexts: 1, axes, replicas: vec![] },
        normalisation: Normalisation { divisor: 255.0, mean: vec![0.5], std: vec![0.25] },
        level: 1,
        scale: 1.0,
        bound: f64::MAX,
    }
}

fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> Source {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Source { path, record: None }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn npy(shape: &[usize], data: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_npy(&mut bytes, shape, data).unwrap();
    bytes
}

fn idx(records: usize, height: usize, width: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    [records, height, width].iter().for_each(|d| bytes.extend((*d as u32).to_be_bytes()));
    bytes.extend((0..records * height * width).map(|k| k as u8));
    bytes
}

#[test]
fn sources_are_files_or_records() {
    let source = |t: &str| Source::parse(t);
    assert_eq!(source("a.bin#17"), Source { path: "a.bin".into(), record: Some(17) });
    assert_eq!(source("a#b.npy"), Source { path: "a#b.npy".into(), record: None });
    assert_eq!(source("#3"), Source { path: "#3".into(), record: None });
}

#[test]
fn every_format_gives_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(&[1, 1, 2, 3]);
    let bytes: Vec<u8> = vec![0, 51, 102, 153, 204, 255];
    let expected: Vec<f64> = bytes.iter().map(|b| (f64::from(*b) / 255.0 - 0.5) / 0.25).collect();
    let load = |source: &Source| load(source, &input, LoadOptions::default());
    assert_eq!(load(&file(&folder, "x.u8", &bytes)).unwrap(), expected);

    let floats: Vec<f64> = expected.iter().map(|x| f64::from(*x as f32)).collect();
    assert_eq!(load(&file(&folder, "x.npy", &npy(&[1, 1, 2, 3], &expected))).unwrap(), floats);
    let raw: Vec<u8> = expected.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
    assert_eq!(load(&file(&folder, "x.f32", &raw)).unwrap(), floats);

    let picture = image::GrayImage::from_raw(3, 2, bytes.clone()).unwrap();
    let path = folder.path().join("x.png");
    picture.save(&path).unwrap();
    assert_eq!(load(&Source { path, record: None }).unwrap(), expected);

    let cifar = [&[7][..], &bytes, &[8], &bytes].concat();
    let cifar = Source { record: Some(1), ..file(&folder, "batch.bin", &cifar) };
    assert_eq!(load(&cifar).unwrap(), expected);
    let records = RecordFile::open(&cifar.path, &[1, 1, 2, 3], false).unwrap();
    assert_eq!((records.len(), records.label(1).unwrap()), (2, Some(8)));

    let images = file(&folder, "images.idx.gz", &gzip(&idx(5, 2, 3)));
    let third = load(&Source { record: Some(3), ..images }).unwrap();
    assert_eq!(third[1], (19.0 / 255.0 - 0.5) / 0.25);
}

#[test]
fn colours_become_planes_and_sizes_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.png");
    image::RgbImage::from_fn(2, 2, |x, y| image::Rgb([10 * (x + 2 * y) as u8, 100, 200]))
        .save(&path)
        .unwrap();
    let source = Source { path, record: None };
    let mut wanted = input(&[1, 3, 2, 2]);
    wanted.normalisation = Normalisation { divisor: 1.0, mean: vec![0.0, 0.0, 100.0], std: vec![] };
    let planes = load(&source, &wanted, LoadOptions::default()).unwrap();
    assert_eq!(planes, [0., 10., 20., 30., 100., 100., 100., 100., 100., 100., 100., 100.]);
    let larger = input(&[1, 3, 4, 4]);
    let message = load(&source, &larger, LoadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("2×2") && message.contains("--resize"), "{message}");
    assert_eq!(load(&source, &larger, LoadOptions { resize: true }).unwrap().len(), 48);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(&[1, 1, 2, 3]);
    let refuse = |source: &Source, part: &str| {
        let message = load(source, &input, LoadOptions::default()).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    refuse(&file(&folder, "x.npy", &npy(&[7], &[0.0; 7])), "7 numbers");
    refuse(&file(&folder, "nan.npy", &npy(&[6], &[f64::NAN; 6])), "NaN");
    refuse(&file(&folder, "y.npy", b"\x93NUMPY\x01\x00\xff\xff"), "no numpy");
    refuse(&file(&folder, "x.u8", &[0; 5]), "5 bytes");
    refuse(&file(&folder, "x.f32", &[0; 5]), "multiple of 4");
    refuse(&file(&folder, "x.txt", b"hello"), "unknown kind");
    refuse(&file(&folder, "x.png", b"hello"), "x.png");
    refuse(&Source { path: "/nowhere.npy".into(), record: None }, "nowhere");
    let records = Source { record: Some(5), ..file(&folder, "a.idx", &idx(5, 2, 3)) };
    refuse(&records, "no record 5");
    let mut cut = idx(5, 2, 3);
    cut.pop();
    refuse(&Source { record: Some(0), ..file(&folder, "b.idx", &cut) }, "length does not fit");
}

proptest! {
    #[test]
    fn parsers_survive_anything(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0..4) {
        let start: &[u8] = match which {
            0 => b"\x93NUMPY\x01\x00\x40\x00{'descr': '<f4', 'fortran_order': False, 'shape': (",
            1 => &[0, 0, 8, 3],
            2 => &[0x1f, 0x8b, 8, 0],
            _ => b"",
        };
        let bytes = [start, &bytes].concat();
        let _ = npy::parse(&bytes);
        let _ = RecordFile::test(bytes.clone(), 6);
        let _ = picture::decode(&bytes, &[1, 3, 2, 2], true);
    }
}
