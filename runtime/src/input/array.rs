//! Arrays as files have them: numbers of some type, not yet read.

use half::f16;

use super::values::Values;
use crate::memory::probe;

/// How a number is stored, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
}

impl Dtype {
    /// Bytes of a number.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Numbers stored one after the other.
    fn numbers(self, bytes: &[u8]) -> Vec<f64> {
        match self {
            Self::Bool => each(bytes, |[x]| f64::from(u8::from(x != 0))),
            Self::U8 => each(bytes, |[x]| f64::from(x)),
            Self::I8 => each(bytes, |x| f64::from(i8::from_le_bytes(x))),
            Self::U16 => each(bytes, |x| f64::from(u16::from_le_bytes(x))),
            Self::I16 => each(bytes, |x| f64::from(i16::from_le_bytes(x))),
            Self::F16 => each(bytes, |x| f16::from_le_bytes(x).to_f64()),
            Self::U32 => each(bytes, |x| f64::from(u32::from_le_bytes(x))),
            Self::I32 => each(bytes, |x| f64::from(i32::from_le_bytes(x))),
            Self::F32 => each(bytes, |x| f64::from(f32::from_le_bytes(x))),
            Self::U64 => each(bytes, |x| u64::from_le_bytes(x) as f64),
            Self::I64 => each(bytes, |x| i64::from_le_bytes(x) as f64),
            Self::F64 => each(bytes, f64::from_le_bytes),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|chunk| number(*chunk)).collect()
}

/// An array, row-major.
#[derive(Debug)]
pub(super) struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Of the file, whose last bytes are those of the numbers.
    bytes: Vec<u8>,
    start: usize,
}

impl Array {
    /// The array of this type and shape whose numbers are the bytes of a file from `start` on.
    pub(super) fn new(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>, start: usize) -> Result<Self, String> {
        let wanted = shape.iter().try_fold(dtype.width(), |n, &d| n.checked_mul(d));
        let found = bytes.len().saturating_sub(start);
        if wanted != Some(found) {
            return Err(format!("truncated, or followed by something: {found} bytes of data do not fit"));
        }
        Ok(Self { dtype, shape, bytes, start })
    }

    /// Its shape.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether it holds bytes, which are normalised.
    pub(super) fn is_bytes(&self) -> bool {
        self.dtype == Dtype::U8
    }

    /// Part `k` of as many equal `parts`.
    pub(super) fn part(&self, k: usize, parts: usize) -> Values {
        let data = &self.bytes[self.start..];
        let length = data.len() / parts.max(1);
        let data = data.get(k * length..(k + 1) * length).unwrap_or_default();
        match self.dtype {
            Dtype::U8 => Values::Bytes(data.to_vec()),
            dtype => Values::Numbers(dtype.numbers(data)),
        }
    }

    /// Its numbers as labels of classes.
    pub(super) fn labels(&self) -> Result<Vec<usize>, String> {
        if self.shape.iter().filter(|d| **d != 1).count() > 1 {
            return Err("labels are a list of numbers".into());
        }
        // As numbers, and as labels.
        let count = (self.bytes.len() - self.start) / self.dtype.width();
        probe(count as u64 * (size_of::<f64>() + size_of::<usize>()) as u64).map_err(|e| e.to_string())?;
        let numbers = self.dtype.numbers(&self.bytes[self.start..]);
        numbers.into_iter().map(label).collect()
    }
}

/// A number as the label of a class.
pub(super) fn label(number: f64) -> Result<usize, String> {
    if number >= 0.0 && number.fract() == 0.0 && number < f64::from(u32::MAX) {
        Ok(number as usize)
    } else {
        Err(format!("{number} is no label of a class"))
    }
}
