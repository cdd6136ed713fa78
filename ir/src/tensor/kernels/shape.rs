//! Operators that move elements.

use crate::tensor::value::{broadcast_steps, for_each_strided, strides};
use crate::tensor::{Real, Tensor};

/// Base offset and steps over the operand of a slice.
pub(crate) fn slice_view(x: &[usize], start: &[usize], step: &[isize]) -> (isize, Vec<isize>) {
    let strides = strides(x);
    let base = start.iter().zip(&strides).map(|(&i, &s)| i * s).sum::<usize>();
    (base as isize, step.iter().zip(&strides).map(|(&i, &s)| i * s as isize).collect())
}

pub(super) fn slice<T: Real>(x: &Tensor<T>, start: &[usize], step: &[isize], out: &[usize]) -> Vec<T> {
    let (base, steps) = slice_view(&x.shape, start, step);
    let mut y = Vec::with_capacity(out.iter().product());
    for_each_strided(out, base, &steps, |_, i| y.push(x.data[i]));
    y
}

/// Base offset and steps over the result of a padding, for a walk over its operand.
pub(crate) fn pad_view(before: &[usize], out: &[usize]) -> (isize, Vec<isize>) {
    let strides = strides(out);
    let base = before.iter().zip(&strides).map(|(&b, &s)| b * s).sum::<usize>();
    (base as isize, strides.iter().map(|&s| s as isize).collect())
}

pub(super) fn pad<T: Real>(x: &Tensor<T>, before: &[usize], value: T, out: &[usize]) -> Vec<T> {
    let mut y = vec![value; out.iter().product()];
    let (base, steps) = pad_view(before, out);
    for_each_strided(&x.shape, base, &steps, |i, o| y[o] = x.data[i]);
    y
}

/// Products of the extents before and behind an axis.
pub(crate) fn around(shape: &[usize], axis: usize) -> (usize, usize) {
    (shape[..axis].iter().product(), shape[axis + 1..].iter().product())
}

pub(super) fn gather<T: Real>(x: &Tensor<T>, axis: usize, indices: &[usize]) -> Vec<T> {
    let (_, inner) = around(&x.shape, axis);
    let mut y = Vec::with_capacity(x.data.len() / x.shape[axis] * indices.len());
    for block in x.data.chunks_exact(x.shape[axis] * inner) {
        for &i in indices {
            y.extend_from_slice(&block[i * inner..][..inner]);
        }
    }
    y
}

pub(super) fn resample<T: Real>(x: &Tensor<T>, axis: usize, matrix: &[T], out: &[usize]) -> Vec<T> {
    let (_, inner) = around(&x.shape, axis);
    let (from, to) = (x.shape[axis], out[axis]);
    let mut y = vec![T::default(); out.iter().product()];
    for (block, y) in x.data.chunks_exact(from * inner).zip(y.chunks_exact_mut(to * inner)) {
        for i in 0..to {
            for j in 0..from {
                let w = matrix[i * from + j];
                if w != T::default() {
                    let row = y[i * inner..][..inner].iter_mut();
                    row.zip(&block[j * inner..]).for_each(|(y, &x)| *y += w * x);
                }
            }
        }
    }
    y
}

/// Steps over the operand of a transposition.
pub(crate) fn transpose_steps(x: &[usize], perm: &[usize]) -> Vec<isize> {
    let strides = strides(x);
    perm.iter().map(|&k| strides[k] as isize).collect()
}

pub(super) fn transpose<T: Real>(x: &Tensor<T>, perm: &[usize], out: &[usize]) -> Vec<T> {
    let mut y = Vec::with_capacity(x.data.len());
    for_each_strided(out, 0, &transpose_steps(&x.shape, perm), |_, i| y.push(x.data[i]));
    y
}

pub(super) fn expand<T: Real>(x: &Tensor<T>, out: &[usize]) -> Vec<T> {
    let mut y = Vec::with_capacity(out.iter().product());
    for_each_strided(out, 0, &broadcast_steps(&x.shape), |_, i| y.push(x.data[i]));
    y
}

pub(super) fn concat<T: Real>(args: &[&Tensor<T>], axis: usize, out: &[usize]) -> Vec<T> {
    let (outer, inner) = around(out, axis);
    let mut y = Vec::with_capacity(out.iter().product());
    for block in 0..outer {
        for x in args {
            let len = x.shape[axis] * inner;
            y.extend_from_slice(&x.data[block * len..][..len]);
        }
    }
    y
}
