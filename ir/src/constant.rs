//! Constant tensors: weights, biases, polynomial coefficients.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Weights;

/// Index of a [`Constant`] in its graph; displays as `$3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConstId(pub u32);

impl ConstId {
    /// Position in [`Graph::constants`](crate::Graph::constants).
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ConstId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0)
    }
}

/// A dense row-major tensor of f32, or f64 where those would lose something. The data is shared, so cloning a graph never copies weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Constant {
    /// Extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` numbers, last axis fastest.
    pub data: Weights,
}

impl Constant {
    /// A constant of `shape` over `data`.
    ///
    /// # Panics
    /// If the number of elements is not the product of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, data: impl Into<Weights>) -> Self {
        let (shape, data) = (shape.into(), data.into());
        assert_eq!(shape.iter().product::<usize>(), data.len(), "constant of shape {shape:?}");
        Self { shape, data }
    }

    /// Weights: rounds f64 results of constant folding to f32, once, at the end.
    ///
    /// # Panics
    /// As [`Constant::new`].
    pub fn from_f64(shape: impl Into<Vec<usize>>, data: &[f64]) -> Self {
        Self::new(shape, data.iter().map(|&x| x as f32).collect::<Vec<_>>())
    }

    /// What must not be rounded: coefficients of polynomials, scales and biases.
    ///
    /// # Panics
    /// As [`Constant::new`].
    pub fn exact(shape: impl Into<Vec<usize>>, data: impl Into<Vec<f64>>) -> Self {
        Self::new(shape, data.into())
    }

    /// Number `k`, exactly.
    ///
    /// # Panics
    /// If there is none.
    pub fn at(&self, k: usize) -> f64 {
        self.data.at(k)
    }

    /// All numbers, exactly.
    pub fn values(&self) -> Vec<f64> {
        self.data.values().collect()
    }

    /// A single number.
    pub fn scalar(x: f32) -> Self {
        Self::new(vec![], vec![x])
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True if some axis has extent 0.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Digest of shape and bits; what texts give in place of many numbers.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for &d in &self.shape {
            hasher.update(&(d as u64).to_le_bytes());
        }
        match self.data.double() {
            Some(double) => double.iter().for_each(|x| _ = hasher.update(&x.to_bits().to_le_bytes())),
            None => self.data.iter().for_each(|x| _ = hasher.update(&x.to_bits().to_le_bytes())),
        }
        hasher.finalize().to_hex()[..16].to_string()
    }
}

/// Bitwise equality, so that a graph with a NaN constant still equals its own copy.
impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
            && self.data.len() == other.data.len()
            && self.data.values().zip(other.data.values()).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}
