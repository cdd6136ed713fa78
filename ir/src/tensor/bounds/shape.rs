//! Bounds through operators that move or add up elements.

use super::interval::{Interval, Sum};
use super::value::{Bounds, Operand, channels};
use crate::tensor::{ReduceKind, TensorOp};

pub(super) fn bounds(op: &TensorOp, args: &[Operand<'_>], out: &[usize]) -> Bounds {
    let Operand { shape, bounds: x, .. } = &args[0];
    let (x, hull) = (*x, || Bounds::uniform(x.hull()));
    let pick = |of: &dyn Fn(usize) -> usize| Bounds((0..channels(out)).map(|c| x.channel(of(c))).collect());
    match op {
        TensorOp::Reduce { kind, axes, keep } => reduce(shape, x, *kind, axes, *keep),
        TensorOp::Slice { start, step, .. } if start.len() > 1 => {
            pick(&|c| start[1].wrapping_add_signed(step[1] * c as isize))
        }
        TensorOp::Pad { before, after, value } => pad(shape, x, [before, after], f64::from(*value), out),
        TensorOp::Gather { axis: 1, indices } => pick(&|c| indices[c]),
        TensorOp::Transpose { perm } if perm.get(1) == Some(&1) => x.clone(),
        TensorOp::Reshape { .. } if shape.first() == out.first() && out.len() > 1 => reshape(shape, x, out),
        TensorOp::Concat { axis: 1 } => {
            let of =
                |a: &Operand<'_>| (0..channels(a.shape)).map(|c| a.bounds.channel(c)).collect::<Vec<_>>();
            Bounds(args.iter().flat_map(of).collect())
        }
        TensorOp::Concat { .. } => {
            let all = args[1..].iter().fold(x.clone(), |x, a| x.zip(a.bounds, Interval::hull));
            if out.len() > 1 { all } else { Bounds::uniform(all.hull()) }
        }
        TensorOp::Gather { .. } | TensorOp::Expand { .. } => x.clone(),
        _ => hull(),
    }
}

fn reduce(shape: &[usize], x: &Bounds, kind: ReduceKind, axes: &[usize], keep: bool) -> Bounds {
    let count: usize = axes.iter().map(|&k| shape[k]).product();
    let factor = if kind == ReduceKind::Mean { 1.0 / count as f64 } else { 1.0 };
    if axes.contains(&1) {
        let channels = channels(shape);
        let weight = factor * (count / channels) as f64;
        let mut sum = Sum::EMPTY;
        (0..channels).for_each(|c| sum.add(weight, x.channel(c)));
        return Bounds::uniform(sum.bounds());
    }
    let sums = x.map(|x| x.scaled(factor * count as f64));
    if keep || !axes.contains(&0) { sums } else { Bounds::uniform(sums.hull()) }
}

fn pad(shape: &[usize], x: &Bounds, [before, after]: [&[usize]; 2], value: f64, out: &[usize]) -> Bounds {
    let value = Interval::point(value);
    let around = |axis: usize| before[axis] + after[axis] > 0;
    let elsewhere = (0..shape.len()).any(|k| k != 1 && around(k));
    if shape.len() < 2 {
        return Bounds::uniform(if elsewhere { x.hull().hull(value) } else { x.hull() });
    }
    let one = |c: usize| match c.checked_sub(before[1]).filter(|&c| c < shape[1]) {
        Some(c) if elsewhere => x.channel(c).hull(value),
        Some(c) => x.channel(c),
        None => value,
    };
    Bounds((0..out[1]).map(one).collect())
}

/// A reshape that keeps axis 0: which indices of axis 1 meet within one of its indices.
fn reshape(shape: &[usize], x: &Bounds, out: &[usize]) -> Bounds {
    let inner = |shape: &[usize]| shape.iter().skip(2).product::<usize>().max(1);
    let (from, to) = (inner(shape), inner(out));
    let one = |c: usize| {
        let (first, last) = (c * to / from, ((c + 1) * to - 1) / from);
        (first..=last).map(|c| x.channel(c)).reduce(Interval::hull).unwrap_or(Interval::ALL)
    };
    Bounds((0..out[1]).map(one).collect())
}
