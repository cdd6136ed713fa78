//! numpy's array files: numbers and booleans, little endian, C order.

use std::io::{self, Write};

use super::array::{Array, Dtype};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Parses an array.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Array, String> {
    let malformed = || "no numpy array file".to_string();
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let (length, start) = match rest {
        [1, _, a, b, ..] => (u16::from_le_bytes([*a, *b]) as usize, 4usize),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => return Err(malformed()),
    };
    let header = start.checked_add(length).and_then(|end| rest.get(start..end)).ok_or_else(malformed)?;
    let header = std::str::from_utf8(header).map_err(|_| malformed())?;
    let fortran = value_of(header, "fortran_order").ok_or_else(malformed)?;
    let dtype = dtype(value_of(header, "descr").ok_or_else(malformed)?)?;
    let shape = shape(value_of(header, "shape").ok_or_else(malformed)?).ok_or_else(malformed)?;
    // Of a list the order of axes does not matter.
    if !fortran.starts_with("False") && shape.iter().filter(|d| **d != 1).count() > 1 {
        return Err("the array is in Fortran order; save it with numpy.ascontiguousarray".into());
    }
    Array::new(dtype, shape, bytes, MAGIC.len() + start + length)
}

/// The type of numbers that numpy calls `'<f4'`.
fn dtype(text: &str) -> Result<Dtype, String> {
    let name = text.trim_start_matches(['\'', '"']).split(['\'', '"']).next().unwrap_or("");
    let (order, kind) = match name.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), kind)) => (order, kind),
        _ => ("", name),
    };
    let dtype = match kind {
        "b1" => Dtype::Bool,
        "u1" => Dtype::U8,
        "u2" => Dtype::U16,
        "u4" => Dtype::U32,
        "u8" => Dtype::U64,
        "i1" => Dtype::I8,
        "i2" => Dtype::I16,
        "i4" => Dtype::I32,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        _ => {
            return Err(format!(
                "numbers of type {name:?} are not supported: save it with .astype('float32')"
            ));
        }
    };
    if order == ">" && dtype.width() > 1 {
        return Err("its numbers are big endian: save it with .astype('float32')".into());
    }
    Ok(dtype)
}

/// What follows `'key':` in the header's dictionary.
fn value_of<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let at = header.find(&format!("'{key}'"))?;
    let rest = &header[at + key.len() + 2..];
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// A shape such as `(1, 3, 32, 32), …`.
fn shape(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0;
    let extents = inside.split(',').map(str::trim).filter(|s| !s.is_empty());
    extents.map(|s| s.parse().ok()).collect()
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
