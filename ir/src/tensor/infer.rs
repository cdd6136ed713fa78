//! Shapes of results, and with them the checks of T1, T3 and T4.

use super::checked::{Checked, InferError, axis_extent, ensure, reduced, t1, t3, with_axis};
use super::{Activation, Pool, Shape, TensorOp, Window};
use crate::{ConstId, Constant};

/// Largest number of elements of a value (invariant T4).
pub const MAX_ELEMENTS: usize = 1 << 31;

/// Output extent of a sliding window: ⌊(extent + pads − dilation·(kernel−1) − 1)/stride⌋ + 1. None if the
/// kernel does not fit or a number overflows.
pub fn window_extent(
    extent: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    pads: [usize; 2],
) -> Option<usize> {
    let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    let padded = extent.checked_add(pads[0])?.checked_add(pads[1])?;
    padded.checked_sub(reach)?.checked_div(stride)?.checked_add(1)
}

/// Shape of what `op` computes from operands of the given shapes, checking T1, T3 and T4.
///
/// # Errors
/// The first broken invariant.
pub fn infer_shape(constants: &[Constant], op: &TensorOp, args: &[&[usize]]) -> Checked<Shape> {
    let arity = match op {
        TensorOp::Input { .. } | TensorOp::Constant { .. } => 0,
        TensorOp::Add | TensorOp::Sub | TensorOp::Mul | TensorOp::Div | TensorOp::Max | TensorOp::Min => 2,
        TensorOp::Concat { .. } => args.len().max(1),
        TensorOp::Client(op) => op.arity(),
        _ => 1,
    };
    if args.len() != arity {
        return t1(format!("{} operand(s) instead of {arity}", args.len()));
    }
    let shape = Infer { constants }.shape(op, args)?;
    if shape.contains(&0) {
        return Err(InferError { invariant: "T4", message: format!("shape {shape:?} has an extent 0") });
    }
    let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if size.is_none_or(|n| n > MAX_ELEMENTS) {
        return Err(InferError { invariant: "T4", message: format!("shape {shape:?} is too large") });
    }
    Ok(shape)
}

struct Infer<'a> {
    constants: &'a [Constant],
}

impl Infer<'_> {
    fn constant(&self, id: ConstId) -> Checked<&Constant> {
        match self.constants.get(id.index()) {
            Some(c) => Ok(c),
            None => t3(format!("constant {id} does not exist")),
        }
    }

    fn shape(&self, op: &TensorOp, args: &[&[usize]]) -> Checked<Shape> {
        match op {
            TensorOp::Input { shape, .. } => Ok(shape.clone()),
            TensorOp::Constant { value } => Ok(self.constant(*value)?.shape.clone()),
            TensorOp::Conv { window, groups, weight, bias } => {
                self.conv(args[0], window, *groups, *weight, *bias)
            }
            TensorOp::ConvTranspose { window, extra, groups, weight, bias } => {
                self.conv_transpose(args[0], window, *extra, *groups, *weight, *bias)
            }
            TensorOp::Gemm { weight, bias } => self.gemm(args[0], *weight, *bias),
            TensorOp::Affine { scale, shift } => {
                for c in [scale, shift].into_iter().flatten() {
                    self.broadcasts(*c, args[0])?;
                }
                Ok(args[0].to_vec())
            }
            TensorOp::PRelu { slope } => self.broadcasts(*slope, args[0]).map(|()| args[0].to_vec()),
            TensorOp::Poly { coeffs, .. } => self.poly(*coeffs, args[0]),
            TensorOp::Pool { kind, window, out } => pool(args[0], *kind, window, *out),
            TensorOp::Reduce { axes, keep, .. } => reduced(args[0], axes, *keep),
            TensorOp::Slice { start, step, out } => slice(args[0], start, step, out),
            TensorOp::Pad { before, after, value } => {
                ensure(value.is_finite(), || format!("pad value {value}"))?;
                pad(args[0], before, after)
            }
            TensorOp::Gather { axis, indices } => {
                let extent = axis_extent(args[0], *axis)?;
                ensure(indices.iter().all(|&i| i < extent), || format!("index beyond extent {extent}"))?;
                Ok(with_axis(args[0], *axis, indices.len()))
            }
            TensorOp::Resample { axis, matrix } => {
                let extent = axis_extent(args[0], *axis)?;
                let shape = &self.constant(*matrix)?.shape;
                ensure(shape.len() == 2 && shape[1] == extent, || {
                    format!("matrix of shape {shape:?} on an axis of extent {extent}")
                })?;
                Ok(with_axis(args[0], *axis, shape[0]))
            }
            TensorOp::Reshape { out } => {
                let size = out.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
                ensure(size == Some(args[0].iter().product()), || format!("reshape of {:?}", args[0]))?;
                Ok(out.clone())
            }
            TensorOp::Transpose { perm } => {
                let mut seen = vec![false; args[0].len()];
                let fresh = |&k: &usize| seen.get_mut(k).is_some_and(|s| !std::mem::replace(s, true));
                ensure(perm.len() == args[0].len() && perm.iter().all(fresh), || {
                    format!("{perm:?} is no permutation of {} axes", args[0].len())
                })?;
                Ok(perm.iter().map(|&k| args[0][k]).collect())
            }
            TensorOp::Expand { out } => {
                let fits =
                    out.len() == args[0].len() && args[0].iter().zip(out).all(|(&a, &b)| a == b || a == 1);
                ensure(fits, || format!("{:?} does not expand to {out:?}", args[0]))?;
                Ok(out.clone())
            }
            TensorOp::Concat { axis } => concat(args, *axis),
            TensorOp::Add | TensorOp::Sub | TensorOp::Mul | TensorOp::Div | TensorOp::Max | TensorOp::Min => {
                if args[0] != args[1] {
                    return t1(format!("operands of shapes {:?} and {:?}", args[0], args[1]));
                }
                Ok(args[0].to_vec())
            }
            TensorOp::Activation(a) => {
                ensure(parameters(*a).iter().all(|p| p.is_finite()), || format!("{a:?}"))?;
                Ok(args[0].to_vec())
            }
            TensorOp::Client(op) => op.shape(args),
        }
    }

    fn bias(&self, bias: Option<ConstId>, channels: usize) -> Checked {
        let Some(bias) = bias else { return Ok(()) };
        let shape = &self.constant(bias)?.shape;
        ensure(shape[..] == [channels], || format!("bias of shape {shape:?} for {channels} channels"))
    }

    fn broadcasts(&self, id: ConstId, to: &[usize]) -> Checked {
        let shape = &self.constant(id)?.shape;
        let fits = shape.len() == to.len() && shape.iter().zip(to).all(|(&c, &x)| c == 1 || c == x);
        ensure(fits, || format!("constant of shape {shape:?} does not broadcast to {to:?}"))
    }

    fn weight(&self, id: ConstId, window: &Window, groups: usize) -> Checked<[usize; 2]> {
        let shape = &self.constant(id)?.shape;
        ensure(shape.len() == 4 && shape[2..] == window.kernel, || {
            format!("weight of shape {shape:?} for kernel {:?}", window.kernel)
        })?;
        ensure(window.stride.iter().chain(&window.dilation).all(|&s| s >= 1), || {
            "strides and dilations start at 1".into()
        })?;
        ensure(groups >= 1, || "group counts start at 1".into())?;
        Ok([shape[0], shape[1]])
    }

    fn conv(
        &self,
        x: &[usize],
        window: &Window,
        groups: usize,
        weight: ConstId,
        bias: Option<ConstId>,
    ) -> Checked<Shape> {
        let [n, c, h, w] = nchw(x)?;
        let [o, per_group] = self.weight(weight, window, groups)?;
        ensure(per_group.checked_mul(groups) == Some(c) && o % groups == 0, || {
            format!("weight [{o},{per_group},…] in {groups} group(s) for {c} channels")
        })?;
        self.bias(bias, o)?;
        let Window { kernel: k, stride: s, dilation: d, pads: p } = *window;
        let oh = window_extent(h, k[0], s[0], d[0], [p[0], p[2]]);
        let ow = window_extent(w, k[1], s[1], d[1], [p[1], p[3]]);
        match (oh, ow) {
            (Some(oh), Some(ow)) => Ok(vec![n, o, oh, ow]),
            _ => t3(format!("{window:?} does not fit {x:?}")),
        }
    }

    fn conv_transpose(
        &self,
        x: &[usize],
        window: &Window,
        extra: [usize; 2],
        groups: usize,
        weight: ConstId,
        bias: Option<ConstId>,
    ) -> Checked<Shape> {
        let [n, c, h, w] = nchw(x)?;
        let [wc, per_group] = self.weight(weight, window, groups)?;
        ensure(wc == c && c % groups == 0, || {
            format!("weight [{wc},{per_group},…] in {groups} group(s) for {c} channels")
        })?;
        let Some(o) = per_group.checked_mul(groups) else { return t3("too many channels") };
        self.bias(bias, o)?;
        let extent = |k: usize, size: usize| {
            let full = (size - 1).checked_mul(window.stride[k])?;
            let reach = window.kernel[k].checked_sub(1)?.checked_mul(window.dilation[k])?.checked_add(1)?;
            full.checked_add(reach)?
                .checked_add(extra[k])?
                .checked_sub(window.pads[k])?
                .checked_sub(window.pads[k + 2])
        };
        match (extent(0, h), extent(1, w)) {
            (Some(oh), Some(ow)) => Ok(vec![n, o, oh, ow]),
            _ => t3(format!("{window:?} does not fit {x:?}")),
        }
    }

    fn gemm(&self, x: &[usize], weight: ConstId, bias: Option<ConstId>) -> Checked<Shape> {
        let shape = &self.constant(weight)?.shape;
        let fits = shape.len() == 2 && x.last() == Some(&shape[1]);
        ensure(fits, || format!("weight of shape {shape:?} for {x:?}"))?;
        self.bias(bias, shape[0])?;
        Ok(with_axis(x, x.len() - 1, shape[0]))
    }

    fn poly(&self, coeffs: ConstId, x: &[usize]) -> Checked<Shape> {
        let shape = &self.constant(coeffs)?.shape;
        let fits =
            shape.len() == 2 && shape[0] >= 1 && (shape[1] == 1 || x.get(1).is_some_and(|&c| c == shape[1]));
        ensure(fits, || format!("coefficients of shape {shape:?} for {x:?}"))?;
        Ok(x.to_vec())
    }
}

/// Parameters of an activation; 0 where it has fewer than two.
fn parameters(a: Activation) -> [f32; 2] {
    match a {
        Activation::LeakyRelu(p)
        | Activation::Elu(p)
        | Activation::Swish(p)
        | Activation::ThresholdedRelu(p)
        | Activation::Pow(p) => [p, 0.0],
        Activation::Clip(p, q) | Activation::Selu(p, q) | Activation::HardSigmoid(p, q) => [p, q],
        _ => [0.0; 2],
    }
}

fn nchw(x: &[usize]) -> Checked<[usize; 4]> {
    match x.try_into() {
        Ok(x) => Ok(x),
        Err(_) => t3(format!("operand of shape {x:?} is not 4-dimensional")),
    }
}

fn pool(x: &[usize], kind: Pool, window: &Window, out: [usize; 2]) -> Checked<Shape> {
    let [n, c, h, w] = nchw(x)?;
    let Window { kernel, stride, dilation, pads } = *window;
    for (k, extent) in [h, w].into_iter().enumerate() {
        ensure(kernel[k] >= 1 && stride[k] >= 1 && dilation[k] >= 1, || {
            "kernels, strides and dilations start at 1".into()
        })?;
        let padded = extent.checked_add(pads[k]).and_then(|e| e.checked_add(pads[k + 2]));
        let reach = (kernel[k] - 1).checked_mul(dilation[k]);
        let last = out[k].checked_sub(1).and_then(|o| o.checked_mul(stride[k]));
        let (Some(padded), Some(reach), Some(last)) = (padded, reach, last) else {
            return t3(format!("{window:?} with output {out:?} on {x:?}"));
        };
        // A kernel longer than this has taps that no window position uses.
        ensure(last < padded && reach < padded.saturating_add(stride[k]), || {
            format!("{window:?} with output {out:?} reaches beyond {x:?}")
        })?;
        let counted = match kind {
            Pool::AveragePadded => 0..padded,
            Pool::Max | Pool::Average => pads[k]..pads[k] + extent,
        };
        let hits = |o: usize| (0..kernel[k]).any(|t| counted.contains(&(o * stride[k] + t * dilation[k])));
        ensure((0..out[k]).all(hits), || format!("{window:?} with output {out:?} has an empty window"))?;
    }
    Ok(vec![n, c, out[0], out[1]])
}

fn slice(x: &[usize], start: &[usize], step: &[isize], out: &[usize]) -> Checked<Shape> {
    let rank = x.len();
    ensure([start.len(), step.len(), out.len()] == [rank; 3], || format!("slice of a tensor {x:?}"))?;
    for k in 0..rank {
        let last = out[k].checked_sub(1).and_then(|o| isize::try_from(o).ok());
        let last = last.and_then(|o| o.checked_mul(step[k])).and_then(|o| start[k].checked_add_signed(o));
        let inside = start[k] < x[k] && last.is_some_and(|l| l < x[k]) && step[k] != 0;
        ensure(inside, || {
            format!("axis {k}: start {}, step {}, {} of {} elements", start[k], step[k], out[k], x[k])
        })?;
    }
    Ok(out.to_vec())
}

fn pad(x: &[usize], before: &[usize], after: &[usize]) -> Checked<Shape> {
    ensure([before.len(), after.len()] == [x.len(); 2], || format!("padding of a tensor {x:?}"))?;
    let extents = x.iter().zip(before).zip(after);
    let out: Option<Shape> = extents.map(|((x, b), a)| x.checked_add(*b)?.checked_add(*a)).collect();
    out.map_or_else(|| t3("padding overflows"), Ok)
}

fn concat(args: &[&[usize]], axis: usize) -> Checked<Shape> {
    let mut out = args[0].to_vec();
    axis_extent(&out, axis)?;
    for x in &args[1..] {
        let same = x.len() == out.len() && (0..x.len()).all(|k| k == axis || x[k] == out[k]);
        ensure(same, || format!("operands of shapes {:?} and {x:?}", args[0]))?;
        match out[axis].checked_add(x[axis]) {
            Some(sum) => out[axis] = sum,
            None => return t3("extent overflows"),
        }
    }
    Ok(out)
}
