use std::path::Path;

use proptest::prelude::*;

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures");

const NAMES: [&str; 10] = [
    "420",
    "420_progressive_restarts",
    "420_tiny",
    "422",
    "422_turned",
    "444",
    "444_progressive",
    "cmyk",
    "grey_restarts",
    "rgb",
];

fn file(name: &str, extension: &str) -> Vec<u8> {
    std::fs::read(Path::new(FOLDER).join(format!("{name}.{extension}"))).unwrap()
}

#[test]
fn samples_are_those_of_libjpeg() {
    for name in NAMES.iter().filter(|n| **n != "422_turned") {
        let Jpeg { picture, exif } = decode(&file(name, "jpg"), 100).unwrap();
        assert_eq!(picture.channels, if *name == "grey_restarts" { 1 } else { 3 });
        assert!(picture.data == file(name, "raw"), "{name}");
        assert!(exif.is_none());
    }
    assert!(decode(&file("422_turned", "jpg"), 100).unwrap().exif.is_some());
}

#[test]
fn what_is_too_large_or_of_another_kind_is_refused() {
    let refused = |bytes: &[u8], most| decode(bytes, most).err().unwrap_or_default();
    let bytes = file("444", "jpg");
    assert_eq!(refused(&bytes, 36), "the picture is 29×37, more than 36 pixels");
    let start = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[start + at] = byte;
        refused(&bytes, 1 << 14)
    };
    assert!(changed(1, 0xc9).contains("save it as a baseline"));
    assert!(changed(4, 12).contains("12 bits"));
    assert!(changed(11, 0x31).contains("sampling factors") || changed(11, 0x00).contains("frame"));
    let mut large = bytes.clone();
    large[start + 5..start + 9].copy_from_slice(&[0x40, 0, 0x40, 0]);
    assert_eq!(refused(&large, 1 << 14), "the picture is too large");
    for length in 0..bytes.len() - 2 {
        assert!(decode(&bytes[..length], 100).is_err(), "{length}");
    }
}

/// The discrete cosine transform as T.81 defines it.
fn exact_samples(coefficients: &[i16]) -> Vec<f64> {
    let scale = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
    let wave = |k: usize, x: usize| ((2 * x + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos();
    let sample = |y: usize, x: usize| {
        let term = |v: usize, u: usize| {
            scale(u) * scale(v) * f64::from(coefficients[8 * v + u]) * wave(u, x) * wave(v, y)
        };
        128.0 + (0..64).map(|k| term(k / 8, k % 8)).sum::<f64>() / 4.0
    };
    (0..64).map(|k| sample(k / 8, k % 8)).collect()
}

proptest! {
    #[test]
    fn the_integer_transform_is_close_to_the_exact_one(
        coefficients in prop::collection::vec(-60i16..60, 64)
    ) {
        let found = idct::samples(&coefficients, &[1; 64]);
        for (a, b) in found.iter().zip(exact_samples(&coefficients)) {
            prop_assert!((f64::from(*a) - b.clamp(0.0, 255.0)).abs() < 0.6, "{a} {b}");
        }
    }

    #[test]
    fn damaged_files_never_panic(
        name in prop::sample::select(&NAMES[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = file(name, "jpg");
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        let _ = decode(&bytes, 1 << 9);
    }
}
