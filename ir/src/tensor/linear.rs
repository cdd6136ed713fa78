//! The matrices behind linear operators.
//!
//! Every linear operator is y = M·x + b over row-major flattened tensors. The packing passes work on M without
//! ever storing it: [`for_each_entry`] enumerates its entries, [`constant_part`] gives b.

use super::kernels::conv::valid_range;
use super::kernels::pool::{divisor, reduce_steps, taps};
use super::kernels::shape::{around, pad_view, slice_view, transpose_steps};
use super::value::{broadcast_steps, for_each_strided};
use super::{Pool, ReduceKind, TensorOp, Window};
use crate::{ConstId, Constant};

/// True for operators y = M·x + b with one operand, and for [`TensorOp::Concat`], which is one such map per
/// operand. `Add` and `Sub`, linear as well, need no map and are not counted.
pub fn is_linear(op: &TensorOp) -> bool {
    match op {
        TensorOp::Conv { .. }
        | TensorOp::ConvTranspose { .. }
        | TensorOp::Gemm { .. }
        | TensorOp::Affine { .. }
        | TensorOp::Reduce { .. }
        | TensorOp::Slice { .. }
        | TensorOp::Pad { .. }
        | TensorOp::Gather { .. }
        | TensorOp::Resample { .. }
        | TensorOp::Reshape { .. }
        | TensorOp::Transpose { .. }
        | TensorOp::Expand { .. }
        | TensorOp::Concat { .. } => true,
        TensorOp::Pool { kind, .. } => *kind != Pool::Max,
        _ => false,
    }
}

/// Calls `f(out, in, weight)` for every structural entry of the matrix that `op` applies to operand number
/// `operand` (0 except for `Concat`): flat row-major indices of the result and of that operand. Entries of equal
/// position are distinct taps and add up. Weights that happen to be 0 are enumerated too; elements of the result
/// that only see padding have no entry. Convolutions run in the order o, c, ky, kx, y, x.
///
/// # Panics
/// If `op` is not [linear](is_linear) or the shapes do not fit it.
pub fn for_each_entry(
    constants: &[Constant],
    op: &TensorOp,
    operand: usize,
    in_shapes: &[&[usize]],
    out: &[usize],
    mut f: impl FnMut(usize, usize, f64),
) {
    let x = in_shapes[operand];
    let size = |shape: &[usize]| shape.iter().product::<usize>();
    let data = |id: &ConstId| &constants[id.index()].data[..];
    match op {
        TensorOp::Conv { window, groups, weight, .. } => conv(window, *groups, data(weight), x, out, f),
        TensorOp::ConvTranspose { window, groups, weight, .. } => {
            // The transpose of the convolution that maps the result back to the operand.
            conv(window, *groups, data(weight), out, x, |i, o, w| f(o, i, w));
        }
        TensorOp::Gemm { weight, .. } => {
            let (inputs, outputs) = (x[x.len() - 1], out[out.len() - 1]);
            for row in 0..size(x) / inputs {
                for (k, &w) in data(weight).iter().enumerate() {
                    f(row * outputs + k / inputs, row * inputs + k % inputs, f64::from(w));
                }
            }
        }
        TensorOp::Affine { scale: None, .. } | TensorOp::Reshape { .. } => {
            (0..size(x)).for_each(|i| f(i, i, 1.0));
        }
        TensorOp::Affine { scale: Some(scale), .. } => {
            let scale = &constants[scale.index()];
            let steps = broadcast_steps(&scale.shape);
            for_each_strided(x, 0, &steps, |i, c| f(i, i, scale.at(c)));
        }
        TensorOp::Pool { kind, window, .. } => average_pool(*kind, window, x, out, f),
        TensorOp::Reduce { kind, axes, .. } => {
            let count: usize = axes.iter().map(|&k| x[k]).product();
            let weight = if *kind == ReduceKind::Mean { 1.0 / count as f64 } else { 1.0 };
            for_each_strided(x, 0, &reduce_steps(x, axes), |i, o| f(o, i, weight));
        }
        TensorOp::Slice { start, step, .. } => {
            let (base, steps) = slice_view(x, start, step);
            for_each_strided(out, base, &steps, |o, i| f(o, i, 1.0));
        }
        TensorOp::Pad { before, .. } => {
            let (base, steps) = pad_view(before, out);
            for_each_strided(x, base, &steps, |i, o| f(o, i, 1.0));
        }
        TensorOp::Gather { axis, indices } => {
            let (outer, inner) = around(x, *axis);
            for block in 0..outer {
                for (k, &i) in indices.iter().enumerate() {
                    let (o, i) = (block * indices.len() + k, block * x[*axis] + i);
                    (0..inner).for_each(|t| f(o * inner + t, i * inner + t, 1.0));
                }
            }
        }
        TensorOp::Resample { axis, matrix } => {
            let (outer, inner) = around(x, *axis);
            let (to, from) = (out[*axis], x[*axis]);
            for block in 0..outer {
                for (k, &w) in data(matrix).iter().enumerate().filter(|(_, w)| **w != 0.0) {
                    let (o, i) = (block * to + k / from, block * from + k % from);
                    (0..inner).for_each(|t| f(o * inner + t, i * inner + t, f64::from(w)));
                }
            }
        }
        TensorOp::Transpose { perm } => {
            for_each_strided(out, 0, &transpose_steps(x, perm), |o, i| f(o, i, 1.0));
        }
        TensorOp::Expand { .. } => for_each_strided(out, 0, &broadcast_steps(x), |o, i| f(o, i, 1.0)),
        TensorOp::Concat { axis } => {
            let (outer, inner) = around(x, *axis);
            let before: usize = in_shapes[..operand].iter().map(|s| s[*axis]).sum();
            let len = x[*axis] * inner;
            for block in 0..outer {
                let base = (block * out[*axis] + before) * inner;
                (0..len).for_each(|t| f(base + t, block * len + t, 1.0));
            }
        }
        other => panic!("{other:?} is not linear"),
    }
}

fn conv(
    window: &Window,
    groups: usize,
    weight: &[f32],
    x: &[usize],
    out: &[usize],
    mut f: impl FnMut(usize, usize, f64),
) {
    let [n, c, h, w] = [x[0], x[1], x[2], x[3]];
    let [o, oh, ow] = [out[1], out[2], out[3]];
    let Window { kernel: [ky, kx], stride, dilation, pads } = *window;
    let (in_group, out_group) = (c / groups, o / groups);
    let rows: Vec<_> = (0..ky).map(|t| valid_range(h, oh, stride[0], t * dilation[0], pads[0])).collect();
    let columns: Vec<_> = (0..kx).map(|t| valid_range(w, ow, stride[1], t * dilation[1], pads[1])).collect();
    for image in 0..n {
        for oc in 0..o {
            let out_plane = (image * o + oc) * oh * ow;
            for ic in 0..in_group {
                let in_plane = (image * c + oc / out_group * in_group + ic) * h * w;
                for ty in 0..ky {
                    for tx in 0..kx {
                        let tap = f64::from(weight[((oc * in_group + ic) * ky + ty) * kx + tx]);
                        let (ys, first_y) = rows[ty].clone();
                        for (k, oy) in ys.enumerate() {
                            let (xs, first_x) = columns[tx].clone();
                            let mut i = in_plane + (first_y + k * stride[0]) * w + first_x;
                            for ox in xs {
                                f(out_plane + oy * ow + ox, i, tap);
                                i += stride[1];
                            }
                        }
                    }
                }
            }
        }
    }
}

fn average_pool(
    kind: Pool,
    window: &Window,
    x: &[usize],
    out: &[usize],
    mut f: impl FnMut(usize, usize, f64),
) {
    let [h, w] = [x[2], x[3]];
    let (rows, columns) = (taps(h, out[2], window, 0), taps(w, out[3], window, 1));
    for plane in 0..x[0] * x[1] {
        let mut o = plane * out[2] * out[3];
        for row in &rows {
            for column in &columns {
                let weight = 1.0 / divisor(kind, row, column) as f64;
                for &iy in &row.inside {
                    column.inside.iter().for_each(|&ix| f(o, (plane * h + iy) * w + ix, weight));
                }
                o += 1;
            }
        }
    }
}

/// What a linear operator adds, as a tensor of the shape of its result: bias, shift or padding. None if that is 0
/// everywhere, or if `op` is not linear.
///
/// # Panics
/// If the shapes do not fit the op.
pub fn constant_part(
    constants: &[Constant],
    op: &TensorOp,
    in_shapes: &[&[usize]],
    out: &[usize],
) -> Option<Vec<f64>> {
    let size: usize = out.iter().product();
    let part = match op {
        TensorOp::Conv { bias: Some(bias), .. } | TensorOp::ConvTranspose { bias: Some(bias), .. } => {
            let bias = &constants[bias.index()].data;
            let plane = out[2] * out[3];
            (0..size).map(|i| bias.at(i / plane % out[1])).collect()
        }
        TensorOp::Gemm { bias: Some(bias), .. } => {
            let bias = &constants[bias.index()].data;
            (0..size).map(|i| bias.at(i % bias.len())).collect()
        }
        TensorOp::Affine { shift: Some(shift), .. } => {
            let shift = &constants[shift.index()];
            let mut part = vec![0.0; size];
            let steps = broadcast_steps(&shift.shape);
            for_each_strided(out, 0, &steps, |i, c| part[i] = shift.at(c));
            part
        }
        TensorOp::Pad { before, value, .. } if *value != 0.0 => {
            let mut part = vec![f64::from(*value); size];
            let (base, steps) = pad_view(before, out);
            for_each_strided(in_shapes[0], base, &steps, |_, o| part[o] = 0.0);
            part
        }
        _ => return None,
    };
    part.iter().any(|&b| b != 0.0).then_some(part)
}
