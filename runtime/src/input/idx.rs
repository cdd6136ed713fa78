//! idx files of bytes, as MNIST is given away.

use super::array::{Array, Dtype};

/// Whether a file begins as an idx file of bytes does.
pub(super) fn is_idx(bytes: &[u8]) -> bool {
    matches!(bytes, [0, 0, 8, 1..=4, ..])
}

/// Parses an idx file.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Array, String> {
    let [0, 0, 8, rank, rest @ ..] = &bytes[..] else { return Err("no idx file of bytes".into()) };
    let rank = *rank as usize;
    let extents = rest.get(..4 * rank).ok_or("the idx header is truncated")?;
    let extents = extents.as_chunks().0.iter().map(|c| u32::from_be_bytes(*c) as usize).collect();
    Array::new(Dtype::U8, extents, bytes, 4 + 4 * rank)
}
