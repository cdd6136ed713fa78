//! What all kinds of input files share: bytes of bounded length, numbers before they are normalised, planes.

use std::io::Read;
use std::path::Path;

/// Largest file that is read whole.
pub const MAX_FILE: u64 = 1 << 30;

/// Numbers before normalisation.
pub(super) enum Raw {
    /// Taken as they are.
    Floats(Vec<f64>),
    /// To be normalised.
    Bytes(Vec<u8>),
}

/// Reads a file of bounded length.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > MAX_FILE { Err("it is larger than 1 GiB".into()) } else { Ok(bytes) }
}

/// (channels, height, width) of a tensor: its last three extents, missing ones 1.
pub(super) fn planes(shape: &[usize]) -> (usize, usize, usize) {
    let at = |k: usize| shape.len().checked_sub(k).map_or(1, |i| shape[i]);
    (at(3), at(2), at(1))
}
