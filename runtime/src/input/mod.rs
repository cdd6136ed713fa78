//! From files to network inputs.
//!
//! | file | becomes |
//! |---|---|
//! | `x.npy` | floats as they are; bytes (`u1`) normalised |
//! | `x.f32`, `x.raw` | little-endian floats, row-major |
//! | `x.u8` | bytes, row-major, normalised |
//! | `x.png`, `x.jpg`, `x.jpeg` | channels × height × width, normalised; grey or RGB by the network's channels |
//! | `batch.bin#17` | record 17 of a CIFAR file (label bytes, then planes), normalised |
//! | `images.idx.gz#17`, any idx file `#17` | record 17, normalised; compressed or not |
//!
//! Normalised means (x/255 − mean)/std with the plan's numbers. All parsers are bounded by what the network takes.

mod npy;
mod picture;
mod raw;
mod records;

use std::path::PathBuf;

use fhec_ir::plan::{ClientInput, Normalisation};

pub use npy::write_npy;
pub use raw::MAX_FILE;
use raw::{Raw, read_file};
pub use records::{RecordFile, read_labels};

/// Why an input cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct InputError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

/// An input as the command line names it: a file, and the number of a record in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Record number after a `#`.
    pub record: Option<usize>,
}

impl Source {
    /// Splits `FILE#17`.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('#') {
            Some((path, number)) if !path.is_empty() => match number.parse() {
                Ok(record) => Self { path: path.into(), record: Some(record) },
                Err(_) => Self { path: text.into(), record: None },
            },
            _ => Self { path: text.into(), record: None },
        }
    }
}

/// How inputs are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Resize pictures of another size instead of refusing them.
    pub resize: bool,
}

/// Reads an input of a network: a row-major tensor of the input's shape.
///
/// # Errors
/// If the file cannot be read or does not fit the input.
pub fn load(source: &Source, input: &ClientInput, options: LoadOptions) -> Result<Vec<f64>, InputError> {
    let fail = |message: String| InputError { path: source.path.clone(), message };
    let shape = input.layout.shape();
    let raw = read(source, &shape, options).map_err(fail)?;
    let tensor = match raw {
        Raw::Floats(x) => x,
        Raw::Bytes(bytes) => normalise(&bytes, &shape, &input.normalisation).map_err(fail)?,
    };
    let elements = input.layout.elements();
    if tensor.len() != elements {
        return Err(fail(format!("{} numbers, the network takes {elements} ({shape:?})", tensor.len())));
    }
    match tensor.iter().position(|x| !x.is_finite()) {
        Some(k) => Err(fail(format!("number {k} is {}", tensor[k]))),
        None => Ok(tensor),
    }
}

/// A record as an input of a network takes it: normalised, row-major.
///
/// # Errors
/// If there is no such record, or mean or standard deviation do not fit the channels.
pub fn record_tensor(records: &RecordFile, record: usize, input: &ClientInput) -> Result<Vec<f64>, String> {
    normalise(&records.record(record)?, &input.layout.shape(), &input.normalisation)
}

fn read(source: &Source, shape: &[usize], options: LoadOptions) -> Result<Raw, String> {
    let extension = source.path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    if let Some(record) = source.record {
        return Ok(Raw::Bytes(RecordFile::open(&source.path, shape, options.resize)?.record(record)?));
    }
    let bytes = read_file(&source.path)?;
    match extension.as_str() {
        "npy" => npy::parse(&bytes),
        "f32" | "raw" if bytes.len() % 4 == 0 => {
            let float = |c: &[u8]| f64::from(f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
            Ok(Raw::Floats(bytes.chunks_exact(4).map(float).collect()))
        }
        "f32" | "raw" => Err("its length is no multiple of 4".into()),
        "u8" => Ok(Raw::Bytes(bytes)),
        "png" | "jpg" | "jpeg" => picture::decode(&bytes, shape, options.resize).map(Raw::Bytes),
        _ => {
            Err("unknown kind of input; known: .npy .f32 .u8 .png .jpg, and FILE#17 for records of CIFAR or \
                  idx files"
                .into())
        }
    }
}

/// Bytes of a tensor of `shape` as network inputs.
///
/// # Errors
/// If mean or standard deviation do not fit the channels.
pub fn normalise(bytes: &[u8], shape: &[usize], n: &Normalisation) -> Result<Vec<f64>, String> {
    let elements: usize = shape.iter().product();
    if bytes.len() != elements {
        return Err(format!("{} bytes, the network takes {elements} ({shape:?})", bytes.len()));
    }
    let channels = shape.get(1).copied().unwrap_or(1).max(1);
    let batch = shape.first().copied().unwrap_or(1).max(1);
    let plane = (elements / channels / batch).max(1);
    let pick = |list: &[f64], c: usize, default: f64| match list.len() {
        0 => default,
        1 => list[0],
        _ => list.get(c).copied().unwrap_or(default),
    };
    let value = |(k, b): (usize, &u8)| {
        let c = k / plane % channels;
        (f64::from(*b) / n.divisor - pick(&n.mean, c, 0.0)) / pick(&n.std, c, 1.0)
    };
    Ok(bytes.iter().enumerate().map(value).collect())
}

#[cfg(test)]
mod tests;
