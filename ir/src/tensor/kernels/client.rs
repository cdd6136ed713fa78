//! What the client evaluates.

use std::cmp::Ordering;

use crate::tensor::value::{for_each_strided, strides};
use crate::tensor::{ClientOp, Comparison, Function, Real, Tensor};

use super::pool::reduce_steps;

/// The result's elements.
pub(super) fn eval<T: Real>(op: &ClientOp, args: &[&Tensor<T>], out: &[usize]) -> Vec<T> {
    let x = args[0];
    match op {
        ClientOp::Softmax { axes, log } => softmax(x, axes, *log),
        ClientOp::Arg { axis, last, least, .. } => arg(x, *axis, *last, *least),
        ClientOp::TopK { axis, k, least, indices } => top_k(x, *axis, (*k, *least), *indices, out),
        ClientOp::Extreme { axes, least, .. } => extreme(x, axes, *least, out.iter().product()),
        ClientOp::Function(f) => x.data.iter().map(|&v| T::from_f64(function(*f, v.to_f64()))).collect(),
        ClientOp::Compare(c) => {
            let pairs = x.data.iter().zip(&args[1].data);
            pairs.map(|(a, b)| truth(compare(*c, a.to_f64(), b.to_f64()))).collect()
        }
        ClientOp::Select => {
            let sides = args[1].data.iter().zip(&args[2].data);
            x.data.iter().zip(sides).map(|(c, (a, b))| if c.to_f64() == 0.0 { *b } else { *a }).collect()
        }
    }
}

fn truth<T: Real>(x: bool) -> T {
    T::from_f64(f64::from(u8::from(x)))
}

fn function(f: Function, x: f64) -> f64 {
    match f {
        Function::Log => x.ln(),
        Function::Floor => x.floor(),
        Function::Ceil => x.ceil(),
        Function::Round => x.round_ties_even(),
        Function::Trunc => x.trunc(),
        Function::Sign if x == 0.0 => 0.0,
        Function::Sign => x.signum(),
        Function::Not => f64::from(u8::from(x == 0.0)),
        Function::Truth => f64::from(u8::from(x != 0.0)),
    }
}

fn compare(c: Comparison, a: f64, b: f64) -> bool {
    match c {
        Comparison::Equal => a == b,
        Comparison::Less => a < b,
        Comparison::LessOrEqual => a <= b,
        Comparison::And => a != 0.0 && b != 0.0,
        Comparison::Or => a != 0.0 || b != 0.0,
        Comparison::Xor => (a != 0.0) != (b != 0.0),
    }
}

/// By groups of elements that are normalised together, less their maximum, so that nothing overflows.
fn softmax<T: Real>(x: &Tensor<T>, axes: &[usize], log: bool) -> Vec<T> {
    let steps = reduce_steps(&x.shape, axes);
    let mut max = vec![f64::NEG_INFINITY; x.data.len()];
    let mut sum = vec![0.0; x.data.len()];
    for_each_strided(&x.shape, 0, &steps, |i, group| max[group] = max[group].max(x.data[i].to_f64()));
    for_each_strided(&x.shape, 0, &steps, |i, group| sum[group] += (x.data[i].to_f64() - max[group]).exp());
    let mut y = x.data.clone();
    for_each_strided(&x.shape, 0, &steps, |i, group| {
        let v = x.data[i].to_f64() - max[group];
        y[i] = T::from_f64(if log { v - sum[group].ln() } else { v.exp() / sum[group] });
    });
    y
}

/// Whether `a` comes before `b`; what is no number never does.
fn before(a: f64, b: f64, least: bool) -> bool {
    if least { a < b } else { a > b }
}

/// Calls `f` with the elements of each row along an axis, and its number.
fn rows<T: Real>(x: &Tensor<T>, axis: usize, mut f: impl FnMut(&mut dyn Iterator<Item = f64>, usize)) {
    let (extent, inner) = (x.shape[axis], strides(&x.shape)[axis]);
    let count = x.data.len() / extent;
    for row in 0..count {
        let first = row / inner * inner * extent + row % inner;
        f(&mut (0..extent).map(|k| x.data[first + k * inner].to_f64()), row);
    }
}

fn arg<T: Real>(x: &Tensor<T>, axis: usize, last: bool, least: bool) -> Vec<T> {
    let mut out = Vec::with_capacity(x.data.len() / x.shape[axis]);
    rows(x, axis, |row, _| {
        let mut best: Option<(usize, f64)> = None;
        for (k, v) in row.enumerate().filter(|(_, v)| !v.is_nan()) {
            if best.is_none_or(|(_, b)| before(v, b, least) || last && v == b) {
                best = Some((k, v));
            }
        }
        out.push(T::from_f64(best.map_or(0, |b| b.0) as f64));
    });
    out
}

fn top_k<T: Real>(
    x: &Tensor<T>,
    axis: usize,
    (k, least): (usize, bool),
    indices: bool,
    out: &[usize],
) -> Vec<T> {
    let inner = strides(&x.shape)[axis];
    let mut y = vec![T::default(); out.iter().product()];
    rows(x, axis, |row, number| {
        let mut all: Vec<(usize, f64)> = row.enumerate().collect();
        // What is no number comes last; the sort is stable.
        all.sort_by(|(_, a), (_, b)| match (a.is_nan(), b.is_nan()) {
            (false, false) => {
                let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
                if least { order } else { order.reverse() }
            }
            (a, b) => a.cmp(&b),
        });
        let first = number / inner * inner * k + number % inner;
        for (i, (at, v)) in all.into_iter().take(k).enumerate() {
            y[first + i * inner] = T::from_f64(if indices { at as f64 } else { v });
        }
    });
    y
}

fn extreme<T: Real>(x: &Tensor<T>, axes: &[usize], least: bool, groups: usize) -> Vec<T> {
    let mut best: Vec<Option<f64>> = vec![None; groups];
    for_each_strided(&x.shape, 0, &reduce_steps(&x.shape, axes), |i, group| {
        let v = x.data[i].to_f64();
        // As ONNX has it, what is no number wins.
        let wins = |b: f64| v.is_nan() || !b.is_nan() && before(v, b, least);
        if best[group].is_none_or(wins) {
            best[group] = Some(v);
        }
    });
    best.into_iter().map(|b| T::from_f64(b.unwrap_or_default())).collect()
}
