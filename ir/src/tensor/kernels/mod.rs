//! Evaluation of single operators, one file per kind.

mod client;
pub(crate) mod conv;
mod pointwise;
pub(crate) mod pool;
pub(super) mod shape;

use super::{Pool, Real, ReduceKind, Tensor, TensorOp, infer_shape};
use crate::{ConstId, Constant};

pub use pointwise::activation;

/// What `op` makes of its operands; the same function runs networks and folds constants.
///
/// # Panics
/// If the operands do not fit the op ([`infer_shape`] would fail), or if it is an input.
pub fn eval_op<T: Real>(constants: &[Constant], op: &TensorOp, args: &[&Tensor<T>]) -> Tensor<T> {
    let shapes: Vec<&[usize]> = args.iter().map(|t| &t.shape[..]).collect();
    let out = match infer_shape(constants, op, &shapes) {
        Ok(shape) => shape,
        Err(e) => panic!("{op:?} on {shapes:?}: {e}"),
    };
    let weights = |id: ConstId| -> Vec<T> { Tensor::from_constant(&constants[id.index()]).data };
    let x = || args[0];
    let data = match op {
        TensorOp::Input { name, .. } => panic!("input {name:?} has no value of its own"),
        TensorOp::Constant { value } => weights(*value),
        TensorOp::Conv { window, groups, weight, bias } => {
            conv::conv(x(), window, *groups, &weights(*weight), bias.map(weights).as_deref(), &out)
        }
        TensorOp::ConvTranspose { window, groups, weight, bias, .. } => {
            conv::conv_transpose(x(), window, *groups, &weights(*weight), bias.map(weights).as_deref(), &out)
        }
        TensorOp::Gemm { weight, bias } => {
            conv::gemm(x(), &weights(*weight), bias.map(weights).as_deref(), &out)
        }
        TensorOp::Affine { scale, shift } => {
            let constant = |id: &Option<ConstId>| id.map(|id| &constants[id.index()]);
            pointwise::affine(x(), constant(scale), constant(shift))
        }
        TensorOp::PRelu { slope } => pointwise::prelu(x(), &constants[slope.index()]),
        TensorOp::Poly { coeffs, basis } => pointwise::poly(x(), &constants[coeffs.index()], *basis),
        TensorOp::Activation(a) => x().data.iter().map(|&v| pointwise::activation(*a, v)).collect(),
        TensorOp::Pool { kind: Pool::Max, window, .. } => pool::max(x(), window, &out),
        TensorOp::Pool { kind, window, .. } => pool::average(x(), *kind, window, &out),
        TensorOp::Reduce { kind, axes, .. } => pool::reduce(x(), *kind == ReduceKind::Mean, axes, &out),
        TensorOp::Slice { start, step, out } => shape::slice(x(), start, step, out),
        TensorOp::Pad { before, value, .. } => shape::pad(x(), before, T::from_f32(*value), &out),
        TensorOp::Gather { axis, indices } => shape::gather(x(), *axis, indices),
        TensorOp::Resample { axis, matrix } => shape::resample(x(), *axis, &weights(*matrix), &out),
        TensorOp::Reshape { .. } => x().data.clone(),
        TensorOp::Transpose { perm } => shape::transpose(x(), perm, &out),
        TensorOp::Expand { out } => shape::expand(x(), out),
        TensorOp::Concat { axis } => shape::concat(args, *axis, &out),
        TensorOp::Add => pointwise::binary(args, |a, b| a + b),
        TensorOp::Sub => pointwise::binary(args, |a, b| a - b),
        TensorOp::Mul => pointwise::binary(args, |a, b| a * b),
        TensorOp::Div => pointwise::binary(args, |a, b| a / b),
        TensorOp::Max => pointwise::binary(args, |a, b| if a > b { a } else { b }),
        TensorOp::Min => pointwise::binary(args, |a, b| if a < b { a } else { b }),
        TensorOp::Client(op) => client::eval(op, args, &out),
    };
    Tensor::new(out, data)
}
