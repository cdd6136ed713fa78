//! Operators that only clients evaluate: they choose, compare, round or normalise.

use fhec_ir::ValueId;
use fhec_ir::tensor::{ClientOp, Comparison, Function, TensorOp};

use super::activation::softmax_axes;
use crate::builder::{Builder, broadcast};
use crate::call::{Call, Imported, Value, axes, axis, count};

fn push(b: &mut Builder, op: ClientOp, args: &[ValueId]) -> Imported<ValueId> {
    b.push(TensorOp::Client(op), args)
}

pub(super) fn softmax(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let axes = softmax_axes(call, b.shape(x).len())?;
    let log = call.proto.op_type == "LogSoftmax";
    Ok(vec![Value::Node(push(b, ClientOp::Softmax { axes, log }, &[x])?)])
}

pub(super) fn arg(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let op = ClientOp::Arg {
        axis: axis(call.int("axis").unwrap_or(0), b.shape(x).len())?,
        keep: call.flag("keepdims", true)?,
        last: call.flag("select_last_index", false)?,
        least: call.proto.op_type == "ArgMin",
    };
    let y = push(b, op, &[x])?;
    b.mark_whole(y);
    Ok(vec![Value::Node(y)])
}

pub(super) fn top_k(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let rank = b.shape(x).len();
    let axis = axis(call.int("axis").unwrap_or(-1), rank)?;
    let k = match call.int("k") {
        Some(k) => k,
        None => *call.literal(1, "k")?.to_ints()?.first().ok_or("k is no number")?,
    };
    let (k, least) = (count(k, "k")?, !call.flag("largest", true)?);
    // Without an order any is right: these are sorted as well.
    let mut part = |indices| push(b, ClientOp::TopK { axis, k, least, indices }, &[x]);
    let (values, indices) = (part(false)?, part(true)?);
    b.mark_whole(indices);
    Ok(vec![Value::Node(values), Value::Node(indices)])
}

pub(super) fn extreme(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let rank = b.shape(x).len();
    let given = call.ints_or_input("axes", 1)?.unwrap_or_default();
    if given.is_empty() && call.flag("noop_with_empty_axes", false)? || rank == 0 {
        return Ok(vec![Value::Node(x)]);
    }
    let axes = if given.is_empty() { (0..rank).collect() } else { axes(&given, rank)? };
    let (keep, least) = (call.flag("keepdims", true)?, call.proto.op_type == "ReduceMin");
    Ok(vec![Value::Node(push(b, ClientOp::Extreme { axes, keep, least }, &[x])?)])
}

pub(super) fn function(b: &mut Builder, call: &Call) -> Imported {
    let function = match call.proto.op_type.as_str() {
        "Log" => Function::Log,
        "Floor" => Function::Floor,
        "Ceil" => Function::Ceil,
        "Round" => Function::Round,
        "Sign" => Function::Sign,
        _ => Function::Not,
    };
    let x = b.node(call.value(0)?)?;
    Ok(vec![Value::Node(push(b, ClientOp::Function(function), &[x])?)])
}

/// A cast to whole numbers, or to truth values.
pub(super) fn cast(b: &mut Builder, x: ValueId, truth: bool) -> Imported {
    let function = if truth { Function::Truth } else { Function::Trunc };
    let y = if b.is_whole(x) && !truth { x } else { push(b, ClientOp::Function(function), &[x])? };
    b.mark_whole(y);
    Ok(vec![Value::Node(y)])
}

pub(super) fn compare(b: &mut Builder, call: &Call) -> Imported {
    let (comparison, swapped) = match call.proto.op_type.as_str() {
        "Equal" => (Comparison::Equal, false),
        "Less" => (Comparison::Less, false),
        "Greater" => (Comparison::Less, true),
        "LessOrEqual" => (Comparison::LessOrEqual, false),
        "GreaterOrEqual" => (Comparison::LessOrEqual, true),
        "And" => (Comparison::And, false),
        "Or" => (Comparison::Or, false),
        _ => (Comparison::Xor, false),
    };
    let (x, y) = (b.node(call.value(0)?)?, b.node(call.value(1)?)?);
    let (x, y) = if swapped { (y, x) } else { (x, y) };
    Ok(vec![Value::Node(b.joined(x, y, TensorOp::Client(ClientOp::Compare(comparison)))?)])
}

/// A choice that depends on the input.
pub(super) fn select(b: &mut Builder, call: &Call) -> Imported {
    let mut shape = vec![];
    for k in 0..3 {
        shape = broadcast(&shape, b.shape_of(call.value(k)?))?;
    }
    let mut args = Vec::with_capacity(3);
    for k in 0..3 {
        let x = b.node(call.value(k)?)?;
        args.push(b.expand(x, &shape)?);
    }
    Ok(vec![Value::Node(push(b, ClientOp::Select, &args)?)])
}

/// The quotient of whole numbers, without its fraction.
pub(super) fn whole_quotient(b: &mut Builder, x: ValueId, y: ValueId) -> Imported<ValueId> {
    let quotient = b.joined(x, y, TensorOp::Div)?;
    let quotient = push(b, ClientOp::Function(Function::Trunc), &[quotient])?;
    b.mark_whole(quotient);
    Ok(quotient)
}

/// x − y·⌊x/y⌋.
pub(super) fn modulo(b: &mut Builder, call: &Call) -> Imported {
    if call.flag("fmod", false)? {
        return Err("a remainder with the sign of the dividend".into());
    }
    let (x, y) = (b.node(call.value(0)?)?, b.node(call.value(1)?)?);
    let quotient = b.joined(x, y, TensorOp::Div)?;
    let quotient = push(b, ClientOp::Function(Function::Floor), &[quotient])?;
    let product = b.joined(quotient, y, TensorOp::Mul)?;
    let rest = b.joined(x, product, TensorOp::Sub)?;
    if b.is_whole(x) {
        b.mark_whole(rest);
    }
    Ok(vec![Value::Node(rest)])
}
