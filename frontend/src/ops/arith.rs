//! Arithmetic with broadcasting.

use fhec_ir::tensor::value::{broadcast_steps, for_each_strided};
use fhec_ir::tensor::{Activation, Basis, TensorOp};
use fhec_ir::{Constant, ValueId};

use super::client;
use crate::builder::{Builder, broadcast, left_padded};
use crate::call::{Call, Imported, Value};
use crate::literal::{Data, Literal};

/// Highest natural exponent that becomes a polynomial.
const MAX_DEGREE: f32 = 64.0;

fn map(c: &Literal, f: impl Fn(f32) -> f32) -> Constant {
    Constant::new(c.shape.clone(), c.to_floats().iter().map(|&x| f(x)).collect::<Vec<_>>())
}

/// Before opset 7, `axis` aligned the second operand; rewrite it to today's broadcasting.
fn aligned(b: &Builder, call: &Call) -> Imported<Value> {
    let y = call.value(1)?.clone();
    let (Some(axis), true) = (call.int("axis"), call.opset < 7) else { return Ok(y) };
    let rank = b.shape_of(call.value(0)?).len();
    let axis = crate::call::axis(axis, rank)?;
    match y {
        Value::Const(c) => {
            let mut shape = c.shape.clone();
            shape.resize(rank.saturating_sub(axis).max(shape.len()), 1);
            Ok(Value::Const(c.reshaped(shape).into()))
        }
        Value::Node(_) => Err("broadcasting along an axis (opset < 7) of a computed value".into()),
    }
}

pub(super) fn binary(b: &mut Builder, call: &Call) -> Imported {
    let op = call.proto.op_type.as_str();
    let y = match (call.value(0)?.clone(), aligned(b, call)?, op) {
        (x, y, "Div") if whole(b, &x) && whole(b, &y) => {
            let (x, y) = (b.node(&x)?, b.node(&y)?);
            client::whole_quotient(b, x, y)?
        }
        (Value::Node(x), Value::Const(c), "Add") => b.affine(x, None, Some(map(&c, |c| c)))?,
        (Value::Node(x), Value::Const(c), "Sub") => b.affine(x, None, Some(map(&c, |c| -c)))?,
        (Value::Node(x), Value::Const(c), "Mul") => b.affine(x, Some(map(&c, |c| c)), None)?,
        (Value::Node(x), Value::Const(c), "Div") => {
            if c.to_floats().contains(&0.0) {
                return Err("division by a constant 0".into());
            }
            b.affine(x, Some(map(&c, |c| (1.0 / f64::from(c)) as f32)), None)?
        }
        (Value::Const(c), Value::Node(x), "Add") => b.affine(x, None, Some(map(&c, |c| c)))?,
        (Value::Const(c), Value::Node(x), "Mul") => b.affine(x, Some(map(&c, |c| c)), None)?,
        (Value::Const(c), Value::Node(x), "Sub") => {
            b.affine(x, Some(Constant::scalar(-1.0)), Some(map(&c, |c| c)))?
        }
        (Value::Const(c), Value::Node(x), "Div") => {
            let inverse = b.push(TensorOp::Activation(Activation::Reciprocal), &[x])?;
            b.affine(inverse, Some(map(&c, |c| c)), None)?
        }
        (Value::Node(x), Value::Node(y), "Add") => b.joined(x, y, TensorOp::Add)?,
        (Value::Node(x), Value::Node(y), "Sub") => b.joined(x, y, TensorOp::Sub)?,
        (Value::Node(x), Value::Node(y), "Mul") => b.joined(x, y, TensorOp::Mul)?,
        (Value::Node(x), Value::Node(y), "Div") => b.joined(x, y, TensorOp::Div)?,
        // Both constant: only reached while folding, where the first operand is made a node.
        (x @ Value::Const(_), y @ Value::Const(_), _) => {
            let (x, y) = (b.node(&x)?, b.node(&y)?);
            let op = match op {
                "Add" => TensorOp::Add,
                "Sub" => TensorOp::Sub,
                "Mul" => TensorOp::Mul,
                _ => TensorOp::Div,
            };
            b.joined(x, y, op)?
        }
        (_, _, other) => return Err(format!("{other} is no arithmetic operator")),
    };
    Ok(vec![Value::Node(y)])
}

/// Whether these are whole numbers by their type.
fn whole(b: &Builder, value: &Value) -> bool {
    match value {
        Value::Const(c) => matches!(c.data, Data::Int(_)),
        Value::Node(id) => b.is_whole(*id),
    }
}

/// Where a known mask holds the second operand, elsewhere the third: mask·x + (1 − mask)·y.
pub(super) fn select(b: &mut Builder, call: &Call) -> Imported {
    let Value::Const(mask) = call.value(0)? else {
        return client::select(b, call);
    };
    let mask: Vec<bool> = mask.to_floats().iter().map(|&m| m != 0.0).collect();
    let mask_shape = call.value(0).map(|m| b.shape_of(m).to_vec())?;
    let mut out = mask_shape.clone();
    for i in [1, 2] {
        out = broadcast(&out, b.shape_of(call.value(i)?))?;
    }
    b.spend(out.iter().product())?;
    let mut sum: Option<ValueId> = None;
    // Computed values first, so that what is known is added to them.
    let mut sides = [(call.value(1)?, true), (call.value(2)?, false)];
    sides.sort_by_key(|(value, _)| matches!(value, Value::Const(_)));
    for (value, side) in sides {
        if mask.iter().all(|&m| m != side) {
            continue;
        }
        let everywhere = mask.iter().all(|&m| m == side);
        sum = Some(match (value, sum) {
            // Numbers that are not chosen may be anything, infinities among them.
            (Value::Const(c), Some(x)) => {
                b.affine(x, None, Some(chosen(&mask, &mask_shape, side, c, &out)))?
            }
            (Value::Node(x), sum) => {
                let factor = mask.iter().map(|&m| f32::from(u8::from(m == side))).collect::<Vec<_>>();
                let factor = Constant::new(mask_shape.clone(), factor);
                let x = b.expand(*x, &out)?;
                let x = if everywhere { x } else { b.affine(x, Some(factor), None)? };
                match sum {
                    Some(sum) => b.push(TensorOp::Add, &[sum, x])?,
                    None => x,
                }
            }
            (Value::Const(c), None) => {
                let known = Literal::floats(out.clone(), chosen(&mask, &mask_shape, side, c, &out).data);
                b.node(&Value::Const(known.into()))?
            }
        });
    }
    Ok(vec![Value::Node(sum.ok_or("an empty choice")?)])
}

/// The constant where the mask says so, else 0; all of them of shape `out`.
fn chosen(mask: &[bool], mask_shape: &[usize], side: bool, c: &Literal, out: &[usize]) -> Constant {
    let mut data = vec![0.0; out.iter().product()];
    let steps = |shape: &[usize]| broadcast_steps(&left_padded(shape, out.len()));
    let numbers = c.to_floats();
    for_each_strided(out, 0, &steps(&c.shape), |o, i| data[o] = numbers[i]);
    for_each_strided(out, 0, &steps(mask_shape), |o, i| {
        if mask[i] != side {
            data[o] = 0.0;
        }
    });
    Constant::new(out.to_vec(), data)
}

pub(super) fn neg(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    Ok(vec![Value::Node(b.affine_scalar(x, -1.0, 0.0)?)])
}

/// Sum, Mean, Max, Min of any number of operands.
pub(super) fn variadic(b: &mut Builder, call: &Call) -> Imported {
    let op = call.proto.op_type.as_str();
    let mut sum: Option<ValueId> = None;
    // Constants go last, onto a computed value.
    let (constants, nodes): (Vec<&Value>, Vec<&Value>) =
        call.inputs.iter().flatten().partition(|v| matches!(v, Value::Const(_)));
    for value in nodes.iter().chain(&constants) {
        sum = Some(match (sum, value) {
            (None, value) => b.node(value)?,
            (Some(x), Value::Const(c)) => match (op, c.uniform().filter(|_| c.len() == 1)) {
                ("Sum" | "Mean", _) => b.affine(x, None, Some(c.to_constant()))?,
                ("Max", Some(lo)) => {
                    let op = if lo == 0.0 { Activation::Relu } else { Activation::Clip(lo, f32::MAX) };
                    b.push(TensorOp::Activation(op), &[x])?
                }
                ("Min", Some(hi)) => b.push(TensorOp::Activation(Activation::Clip(f32::MIN, hi)), &[x])?,
                _ => {
                    let y = b.node(value)?;
                    b.joined(x, y, extremum(op))?
                }
            },
            (Some(x), Value::Node(y)) => match op {
                "Sum" | "Mean" => b.joined(x, *y, TensorOp::Add)?,
                _ => b.joined(x, *y, extremum(op))?,
            },
        });
    }
    let y = sum.ok_or("no operand")?;
    let y = if op == "Mean" { b.affine_scalar(y, 1.0 / call.inputs.len() as f32, 0.0)? } else { y };
    Ok(vec![Value::Node(y)])
}

fn extremum(op: &str) -> TensorOp {
    if op == "Max" { TensorOp::Max } else { TensorOp::Min }
}

pub(super) fn pow(b: &mut Builder, call: &Call) -> Imported {
    if let (Value::Const(base), Value::Node(x)) = (call.value(0)?, call.value(1)?) {
        return match base.uniform().filter(|&c| c > 0.0) {
            Some(c) => {
                let x = b.affine_scalar(*x, f64::from(c).ln() as f32, 0.0)?;
                Ok(vec![Value::Node(b.push(TensorOp::Activation(Activation::Exp), &[x])?)])
            }
            None => Err("the base is no single positive number".into()),
        };
    }
    let exponents = call.literal(1, "the exponent")?;
    let x = b.node(call.value(0)?)?;
    let shape = broadcast(b.shape(x), &exponents.shape)?;
    let x = b.expand(x, &shape)?;
    let natural = |p: f32| ((0.0..=MAX_DEGREE).contains(&p) && p.fract() == 0.0).then_some(p as usize);
    let y = match exponents.uniform() {
        Some(1.0) => x,
        Some(0.5) => b.push(TensorOp::Activation(Activation::Sqrt), &[x])?,
        Some(-1.0) => b.push(TensorOp::Activation(Activation::Reciprocal), &[x])?,
        Some(p) => match natural(p) {
            Some(degree) => {
                let mut coeffs = vec![0.0; degree + 1];
                coeffs[degree] = 1.0;
                b.poly(x, &coeffs)?
            }
            None => b.push(TensorOp::Activation(Activation::Pow(p)), &[x])?,
        },
        None => {
            let per_axis = left_padded(&exponents.shape, shape.len());
            let channelwise = per_axis.iter().enumerate().all(|(k, &d)| d == 1 || k == 1);
            let degrees: Option<Vec<usize>> = exponents.to_floats().iter().map(|&p| natural(p)).collect();
            let Some(degrees) = degrees.filter(|_| channelwise) else {
                return Err("exponents that differ within a channel or are no natural numbers".into());
            };
            let top = degrees.iter().copied().max().unwrap_or(0);
            let mut coeffs = vec![0.0; (top + 1) * degrees.len()];
            for (channel, &degree) in degrees.iter().enumerate() {
                coeffs[degree * degrees.len() + channel] = 1.0;
            }
            let coeffs = b.constant(&[top + 1, degrees.len()], coeffs)?;
            b.push(TensorOp::Poly { coeffs, basis: Basis::Power }, &[x])?
        }
    };
    Ok(vec![Value::Node(y)])
}
