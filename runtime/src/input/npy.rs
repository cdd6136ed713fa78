//! numpy's array files: little-endian f4, f8, and u1, C order.

use std::io::{self, Write};

use super::raw::Raw;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Parses an array; its shape is not looked at, only its numbers.
pub(super) fn parse(bytes: &[u8]) -> Result<Raw, String> {
    let malformed = || "no numpy array file".to_string();
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let (length, start) = match rest {
        [1, _, a, b, ..] => (u16::from_le_bytes([*a, *b]) as usize, 4usize),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => return Err(malformed()),
    };
    let header = start.checked_add(length).and_then(|end| rest.get(start..end)).ok_or_else(malformed)?;
    let data = &rest[start + length..];
    let header = std::str::from_utf8(header).map_err(|_| malformed())?;
    if !value_of(header, "fortran_order").is_some_and(|v| v.starts_with("False")) {
        return Err("the array is in Fortran order; save it with numpy.ascontiguousarray".into());
    }
    let kind = value_of(header, "descr").ok_or_else(malformed)?;
    let kind = kind.trim_start_matches(['\'', '"']);
    let kind = kind.split(['\'', '"']).next().unwrap_or("");
    let count = elements(value_of(header, "shape").ok_or_else(malformed)?).ok_or_else(malformed)?;
    let width = match kind {
        "<f4" => 4,
        "<f8" => 8,
        "|u1" | "<u1" | "u1" => 1,
        other => {
            return Err(format!("arrays of type {other:?} are not supported: use float32, float64 or uint8"));
        }
    };
    if count.checked_mul(width) != Some(data.len()) {
        return Err(format!("the array is truncated or followed by something: {} bytes of data", data.len()));
    }
    Ok(match width {
        1 => Raw::Bytes(data.to_vec()),
        4 => Raw::Floats(data.chunks_exact(4).map(|c| f64::from(f32::from_le_bytes(bytes_of(c)))).collect()),
        _ => Raw::Floats(data.chunks_exact(8).map(|c| f64::from_le_bytes(bytes_of(c))).collect()),
    })
}

fn bytes_of<const N: usize>(chunk: &[u8]) -> [u8; N] {
    std::array::from_fn(|k| chunk[k])
}

/// What follows `'key':` in the header's dictionary.
fn value_of<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let at = header.find(&format!("'{key}'"))?;
    let rest = &header[at + key.len() + 2..];
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// Number of elements of a shape such as `(1, 3, 32, 32), …`.
fn elements(shape: &str) -> Option<usize> {
    let inside = shape.strip_prefix('(')?.split(')').next()?;
    let extents = inside.split(',').map(str::trim).filter(|s| !s.is_empty());
    extents.map(str::parse).try_fold(1usize, |n, d: Result<usize, _>| n.checked_mul(d.ok()?))
}

/// Writes an array of f32.
///
/// # Errors
/// Those of `out`.
pub fn write_npy(out: &mut dyn Write, shape: &[usize], data: &[f64]) -> io::Result<()> {
    let extents: String = shape.iter().map(|d| format!("{d}, ")).collect();
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", extents.trim_end());
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    let length = u16::try_from(header.len()).map_err(|_| io::Error::other("too many axes"))?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    data.iter().try_for_each(|x| out.write_all(&(*x as f32).to_le_bytes()))
}
