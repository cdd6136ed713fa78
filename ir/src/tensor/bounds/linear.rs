//! Bounds through convolutions and matrices, from their weights alone.

use std::collections::BTreeSet;

use super::interval::{Interval, Sum, add};
use super::value::{Bounds, Operand, channels, of_constant};
use crate::tensor::kernels::conv::valid_range;
use crate::tensor::{Real, TensorOp, Window};
use crate::{ConstId, Constant};

pub(super) fn bounds(constants: &[Constant], op: &TensorOp, x: &Operand<'_>, out: &[usize]) -> Bounds {
    let constant = |id: &ConstId| &constants[id.index()];
    let bias = |bias: &Option<ConstId>, o: usize| bias.map_or(0.0, |b| constant(&b).at(o));
    match op {
        TensorOp::Conv { window, groups, weight, bias: b } => {
            let weight = constant(weight);
            let (in_group, out_group) = (x.shape[1] / groups, out[1] / groups);
            let entry = |o: usize, i: usize| (o * in_group + i, o / out_group * in_group + i);
            let ends = [0, 1].map(|k| forward(window, k, x.shape[2 + k], out[2 + k]));
            per_output(out[1], in_group, window, &weight.data, x.bounds, &ends, entry, |o| bias(b, o))
        }
        TensorOp::ConvTranspose { window, groups, weight, bias: b, .. } => {
            let weight = constant(weight);
            let (in_group, out_group) = (x.shape[1] / groups, out[1] / groups);
            let entry = |o: usize, i: usize| {
                let from = o / out_group * in_group + i;
                (from * out_group + o % out_group, from)
            };
            let ends = [0, 1].map(|k| backward(window, k, x.shape[2 + k], out[2 + k]));
            per_output(out[1], in_group, window, &weight.data, x.bounds, &ends, entry, |o| bias(b, o))
        }
        TensorOp::Gemm { weight, bias: b } => {
            let inputs = constant(weight).shape[1];
            let last_is_channel = x.shape.len() == 2;
            let everywhere = x.bounds.hull();
            let row = |(o, row): (usize, &[f32])| {
                let mut sum = Sum::EMPTY;
                for (i, w) in row.iter().enumerate() {
                    sum.add(w.to_f64(), if last_is_channel { x.bounds.channel(i) } else { everywhere });
                }
                sum.add(bias(b, o), Interval::point(1.0));
                sum.bounds()
            };
            let rows = Bounds(constant(weight).data.chunks(inputs).enumerate().map(row).collect());
            if last_is_channel { rows } else { Bounds::uniform(rows.hull()) }
        }
        TensorOp::Affine { scale, shift } => {
            let of = |id: &Option<ConstId>, neutral: f64| match id {
                Some(id) => of_constant(constant(id)),
                None => Bounds::uniform(Interval::point(neutral)),
            };
            let scaled = if scale.is_some() {
                x.bounds.zip(&of(scale, 1.0), Interval::times)
            } else {
                x.bounds.clone()
            };
            if shift.is_some() { scaled.zip(&of(shift, 0.0), add) } else { scaled }
        }
        TensorOp::Resample { axis, matrix } => resample(constant(matrix), *axis, x, out),
        other => panic!("{} is no operator with weights", crate::Op::mnemonic(other)),
    }
}

/// Which taps of axis `k` meet the operand, for every kind of output position that there is.
type Meeting = BTreeSet<Vec<usize>>;

/// Of a convolution.
fn forward(window: &Window, k: usize, extent: usize, out: usize) -> Meeting {
    meeting(window, k, out, |tap| {
        let (range, _) = valid_range(extent, out, window.stride[k], tap * window.dilation[k], window.pads[k]);
        range.collect()
    })
}

/// Of a transposed one, which writes where a convolution would read.
fn backward(window: &Window, k: usize, extent: usize, out: usize) -> Meeting {
    meeting(window, k, out, |tap| {
        let (range, first) =
            valid_range(out, extent, window.stride[k], tap * window.dilation[k], window.pads[k]);
        range.enumerate().map(|(n, _)| first + n * window.stride[k]).collect()
    })
}

fn meeting(window: &Window, k: usize, out: usize, positions: impl Fn(usize) -> Vec<usize>) -> Meeting {
    let mut taps = vec![Vec::new(); out];
    for tap in 0..window.kernel[k] {
        positions(tap).into_iter().for_each(|o| taps[o].push(tap));
    }
    taps.into_iter().collect()
}

/// Bounds per output channel. `entry(o, i)` says where the kernel of output `o` and the i-th of its inputs stands among
/// the weights' kernels, and which channel that input is.
#[expect(clippy::too_many_arguments)]
fn per_output(
    outputs: usize,
    inputs: usize,
    window: &Window,
    weights: &[f32],
    x: &Bounds,
    [rows, columns]: &[Meeting; 2],
    entry: impl Fn(usize, usize) -> (usize, usize),
    bias: impl Fn(usize) -> f64,
) -> Bounds {
    let [ky, kx] = window.kernel;
    let one = |o: usize| {
        let mut taps = vec![Sum::EMPTY; ky * kx];
        for (kernel, from) in (0..inputs).map(|i| entry(o, i)) {
            let kernel = &weights[kernel * ky * kx..][..ky * kx];
            taps.iter_mut().zip(kernel).for_each(|(sum, w)| sum.add(w.to_f64(), x.channel(from)));
        }
        let at = |rows: &[usize], columns: &[usize]| {
            let mut sum = Sum::EMPTY;
            sum.add(bias(o), Interval::point(1.0));
            for ty in rows {
                columns.iter().for_each(|tx| sum.join(&taps[ty * kx + tx]));
            }
            sum.bounds()
        };
        let all = rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c)));
        all.map(|(r, c)| at(r, c)).reduce(Interval::hull).unwrap_or(Interval::ALL)
    };
    Bounds((0..outputs).map(one).collect())
}

fn resample(matrix: &Constant, axis: usize, x: &Operand<'_>, out: &[usize]) -> Bounds {
    let row = |row: &[f32], of: &dyn Fn(usize) -> Interval| {
        let mut sum = Sum::EMPTY;
        row.iter().enumerate().for_each(|(j, w)| sum.add(w.to_f64(), of(j)));
        sum.bounds()
    };
    let rows = || matrix.data.chunks(matrix.shape[1]);
    if axis == 1 {
        return Bounds(rows().map(|r| row(r, &|j| x.bounds.channel(j))).collect());
    }
    let one = |c: usize| {
        let x = x.bounds.channel(c);
        rows().map(|r| row(r, &|_| x)).reduce(Interval::hull).unwrap_or(Interval::ALL)
    };
    Bounds((0..channels(out).min(x.bounds.0.len())).map(one).collect())
}
