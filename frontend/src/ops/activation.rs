//! Element-wise functions of one operand.

use std::f32;

use fhec_ir::tensor::{Activation, ReduceKind, TensorOp};

use crate::builder::{Builder, left_padded};
use crate::call::{Call, Imported, Value, axis};

/// The activation that a node is, if its operator is one with at most scalar attributes.
fn simple(call: &Call) -> Imported<Option<Activation>> {
    let alpha = |default: f32| call.float("alpha").unwrap_or(default);
    Ok(Some(match call.proto.op_type.as_str() {
        "Relu" => Activation::Relu,
        "LeakyRelu" => Activation::LeakyRelu(alpha(0.01)),
        "Elu" => Activation::Elu(alpha(1.0)),
        "Selu" => Activation::Selu(alpha(1.673_263_2), call.float("gamma").unwrap_or(1.050_701)),
        "Sigmoid" => Activation::Sigmoid,
        "Tanh" => Activation::Tanh,
        "Erf" => Activation::Erf,
        "Softplus" => Activation::Softplus,
        "Softsign" => Activation::Softsign,
        "HardSwish" => Activation::HardSwish,
        "HardSigmoid" => Activation::HardSigmoid(alpha(0.2), call.float("beta").unwrap_or(0.5)),
        "Mish" => Activation::Mish,
        "Swish" => Activation::Swish(alpha(1.0)),
        "Gelu" => match call.string("approximate").unwrap_or("none") {
            "none" => Activation::Gelu,
            "tanh" => Activation::GeluTanh,
            other => return Err(format!("approximation {other:?}")),
        },
        "ThresholdedRelu" => Activation::ThresholdedRelu(alpha(1.0)),
        "Abs" => Activation::Abs,
        "Exp" => Activation::Exp,
        "Sqrt" => Activation::Sqrt,
        "Reciprocal" => Activation::Reciprocal,
        _ => return Ok(None),
    }))
}

pub(super) fn activation(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let Some(activation) = simple(call)? else {
        return Err("not an activation".into());
    };
    Ok(vec![Value::Node(b.push(TensorOp::Activation(activation), &[x])?)])
}

pub(super) fn celu(b: &mut Builder, call: &Call) -> Imported {
    let alpha = call.float("alpha").unwrap_or(1.0);
    if alpha == 0.0 || !alpha.is_finite() {
        return Err(format!("alpha is {alpha}"));
    }
    let x = b.node(call.value(0)?)?;
    let x = b.affine_scalar(x, 1.0 / alpha, 0.0)?;
    let y = b.push(TensorOp::Activation(Activation::Elu(1.0)), &[x])?;
    Ok(vec![Value::Node(b.affine_scalar(y, alpha, 0.0)?)])
}

pub(super) fn clip(b: &mut Builder, call: &Call) -> Imported {
    let bound = |name: &str, i: usize, default: f32| -> Imported<f32> {
        if let Some(x) = call.float(name) {
            return Ok(x.clamp(f32::MIN, f32::MAX));
        }
        match call.optional_literal(i, name)? {
            None => Ok(default),
            Some(c) => match c.uniform() {
                Some(x) if c.len() == 1 => Ok(x.clamp(f32::MIN, f32::MAX)),
                _ => Err(format!("{name} is no single number")),
            },
        }
    };
    let (lo, hi) = (bound("min", 1, f32::MIN)?, bound("max", 2, f32::MAX)?);
    let x = b.node(call.value(0)?)?;
    let op = if (lo, hi) == (0.0, f32::MAX) { Activation::Relu } else { Activation::Clip(lo, hi) };
    Ok(vec![Value::Node(b.push(TensorOp::Activation(op), &[x])?)])
}

pub(super) fn prelu(b: &mut Builder, call: &Call) -> Imported {
    let slope = call.literal(1, "the slope")?;
    let x = b.node(call.value(0)?)?;
    let mut constant = slope.to_constant();
    constant.shape = left_padded(&constant.shape, b.shape(x).len());
    let slope = b.add(constant)?;
    Ok(vec![Value::Node(b.push(TensorOp::PRelu { slope }, &[x])?)])
}

/// Axes over which a softmax normalises: one since opset 13, all from `axis` on before.
pub(crate) fn softmax_axes(call: &Call, rank: usize) -> Imported<Vec<usize>> {
    let default = if call.opset >= 13 { -1 } else { 1 };
    let first = axis(call.int("axis").unwrap_or(default), rank)?;
    Ok(if call.opset >= 13 { vec![first] } else { (first..rank).collect() })
}

/// x / (Σ|x|^p)^(1/p), the sum over one axis.
pub(super) fn lp_normalisation(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let shape = b.shape(x).clone();
    let axes = vec![axis(call.int("axis").unwrap_or(-1), shape.len())?];
    let sum = TensorOp::Reduce { kind: ReduceKind::Sum, axes, keep: true };
    let norm = match call.int("p").unwrap_or(2) {
        1 => {
            let magnitude = b.push(TensorOp::Activation(Activation::Abs), &[x])?;
            b.push(sum, &[magnitude])?
        }
        2 => {
            let square = b.poly(x, &[0.0, 0.0, 1.0])?;
            let sum = b.push(sum, &[square])?;
            b.push(TensorOp::Activation(Activation::Sqrt), &[sum])?
        }
        p => return Err(format!("the norm with p = {p}")),
    };
    let norm = b.expand(norm, &shape)?;
    Ok(vec![Value::Node(b.push(TensorOp::Div, &[x, norm])?)])
}

/// x / (bias + alpha/size · Σ x²)^beta, the sum over neighbouring channels.
pub(super) fn lrn(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let shape = b.shape(x).clone();
    let size = call.int("size").filter(|&s| s > 0).ok_or("attribute size is missing")? as usize;
    if shape.len() < 2 {
        return Err(format!("operand of rank {}", shape.len()));
    }
    let channels = shape[1];
    b.spend(channels.saturating_mul(channels))?;
    let (before, after) = ((size - 1) / 2, size - 1 - (size - 1) / 2);
    let near = |o: usize, i: usize| i + before >= o && i <= o.saturating_add(after);
    let band = (0..channels * channels).map(|k| f32::from(u8::from(near(k / channels, k % channels))));
    let matrix = b.constant(&[channels, channels], band.collect())?;
    let square = b.poly(x, &[0.0, 0.0, 1.0])?;
    let sum = b.push(TensorOp::Resample { axis: 1, matrix }, &[square])?;
    let alpha = call.float("alpha").unwrap_or(1e-4) / size as f32;
    let base = b.affine_scalar(sum, alpha, call.float("bias").unwrap_or(1.0))?;
    let power = Activation::Pow(-call.float("beta").unwrap_or(0.75));
    let factor = b.push(TensorOp::Activation(power), &[base])?;
    Ok(vec![Value::Node(b.push(TensorOp::Mul, &[x, factor])?)])
}
