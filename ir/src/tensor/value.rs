//! Dense tensors of the reference interpreter, and the number types it runs on.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use super::Shape;
use crate::Constant;

/// A number type that the interpreter runs on: `f32` or `f64`.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + 'static
{
    /// Nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The same number as f64.
    fn to_f64(self) -> f64;
    /// Conversion of a weight, exact.
    fn from_f32(x: f32) -> Self;
}

impl Real for f32 {
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn from_f32(x: f32) -> Self {
        x
    }
}

impl Real for f64 {
    fn from_f64(x: f64) -> Self {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn from_f32(x: f32) -> Self {
        f64::from(x)
    }
}

/// A dense row-major tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T> {
    /// Extents; empty for a scalar.
    pub shape: Shape,
    /// The elements, last axis fastest.
    pub data: Vec<T>,
}

impl<T: Real> Tensor<T> {
    /// A tensor of `shape` over `data`.
    ///
    /// # Panics
    /// If the number of elements is not the product of the shape.
    pub fn new(shape: impl Into<Shape>, data: Vec<T>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), data.len(), "tensor of shape {shape:?}");
        Self { shape, data }
    }

    /// All elements 0.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let len = shape.iter().product();
        Self { shape, data: vec![T::default(); len] }
    }

    /// The numbers of a constant.
    pub fn from_constant(constant: &Constant) -> Self {
        Self { shape: constant.shape.clone(), data: constant.data.values().map(T::from_f64).collect() }
    }

    /// The same numbers in another precision.
    pub fn cast<U: Real>(&self) -> Tensor<U> {
        let data = self.data.iter().map(|x| U::from_f64(x.to_f64())).collect();
        Tensor { shape: self.shape.clone(), data }
    }

    /// The same numbers as a constant.
    pub fn to_constant(&self) -> Constant {
        Constant::exact(self.shape.clone(), self.data.iter().map(|x| x.to_f64()).collect::<Vec<_>>())
    }
}

/// Row-major strides of a shape.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for k in (1..shape.len()).rev() {
        strides[k - 1] = strides[k] * shape[k];
    }
    strides
}

/// Calls `f(flat, offset)` for every index of `shape` in row-major order, where `flat` counts up and `offset`
/// is `base + Σ index[k]·steps[k]`. Every strided view of a tensor is walked through this.
pub fn for_each_strided(shape: &[usize], base: isize, steps: &[isize], mut f: impl FnMut(usize, usize)) {
    if shape.contains(&0) {
        return;
    }
    let Some((&inner, outer)) = shape.split_last() else {
        f(0, base as usize);
        return;
    };
    let inner_step = steps[outer.len()];
    let mut index = vec![0usize; outer.len()];
    let (mut flat, mut row) = (0, base);
    loop {
        let mut offset = row;
        for _ in 0..inner {
            f(flat, offset as usize);
            flat += 1;
            offset += inner_step;
        }
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            row += steps[axis];
            if index[axis] < outer[axis] {
                break;
            }
            row -= steps[axis] * outer[axis] as isize;
            index[axis] = 0;
        }
    }
}

/// Steps that read a tensor of `shape` as if broadcast: 0 along axes of extent 1.
pub fn broadcast_steps(shape: &[usize]) -> Vec<isize> {
    strides(shape).iter().zip(shape).map(|(&s, &d)| if d == 1 { 0 } else { s as isize }).collect()
}
