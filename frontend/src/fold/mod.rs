//! Constant folding: what a node computes from constants, or from shapes alone.
//!
//! Operators that only move elements are run on the *positions* of the elements, and the result looks them up: so
//! integers stay exact and no operator is written twice. Float arithmetic that networks do runs through the interpreter;
//! [`pointwise`], [`reduce`] and [`quantise`] have what only constants know.

mod pointwise;
mod quantise;
mod reduce;

use std::path::Path;
use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;

use crate::builder::Builder;
use crate::call::{Call, Imported, Value};
use crate::literal::{self, Data, Literal};
use crate::ops;

/// Largest literal whose positions are exact in f32.
const MAX_POSITIONS: usize = 1 << 24;

/// Folds a node, if everything it needs is known. None if it works on computed values.
pub(crate) fn fold(b: &mut Builder, call: &Call, base: Option<&Path>) -> Imported<Option<Vec<Value>>> {
    let one = |l: Literal| Ok(Some(vec![Value::Const(Rc::new(l))]));
    match call.proto.op_type.as_str() {
        "Constant" => return one(constant(b, call, base)?),
        "Shape" => {
            let shape = b.shape_of(call.value(0)?);
            let rank = shape.len() as i64;
            let bound = |name: &str, default: i64| {
                let i = call.int(name).unwrap_or(default);
                (if i < 0 { i.saturating_add(rank) } else { i }).clamp(0, rank) as usize
            };
            let (start, end) = (bound("start", 0), bound("end", rank));
            let dims: Vec<i64> = shape[start..end.max(start)].iter().map(|&d| d as i64).collect();
            return one(Literal::ints(vec![dims.len()], dims));
        }
        "Size" => {
            let size = b.shape_of(call.value(0)?).iter().product::<usize>() as i64;
            return one(Literal::ints(vec![], vec![size]));
        }
        _ => {}
    }
    let mut given = Vec::with_capacity(call.inputs.len());
    for value in call.inputs.iter().flatten() {
        match value {
            Value::Const(c) => given.push(&**c),
            Value::Node(_) => return Ok(None),
        }
    }
    if given.is_empty() {
        return Ok(None);
    }
    let integers = given.iter().all(|c| matches!(c.data, Data::Int(_)));
    match call.proto.op_type.as_str() {
        "ConstantOfShape" => one(filled(b, call, base)?),
        "Identity" | "Dropout" => one(given[0].clone()),
        "Cast" => one(cast(given[0], call.int("to").unwrap_or(1))?),
        "CastLike" => one(match given[given.len() - 1].data {
            Data::Float(_) => Literal::floats(given[0].shape.clone(), given[0].to_floats()),
            Data::Int(_) => cast(given[0], DataType::Int64 as i64)?,
        }),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let shape = ops::shape::new_shape(call, &given[0].shape)?;
            if shape.iter().product::<usize>() != given[0].len() {
                return Err(format!("{:?} does not reshape to {shape:?}", given[0].shape));
            }
            one(given[0].reshaped(shape))
        }
        "Gather" | "Concat" | "Slice" | "Split" | "Transpose" | "Expand" | "Tile" => {
            moved(b, call, &given).map(Some)
        }
        "Range" => one(range(b, &given)?),
        "Where" if given.len() == 3 => one(pointwise::select(b, &given)?),
        "QuantizeLinear" | "DequantizeLinear" => {
            b.spend(given[0].len())?;
            let rounds = call.proto.op_type == "QuantizeLinear";
            one(if rounds { quantise::quantise(call, &given)? } else { quantise::dequantise(call, &given)? })
        }
        "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Xor" => {
            one(pointwise::compare(b, call, &given)?)
        }
        "ReduceSum" if integers => one(reduce::reduce(call, given[0])?),
        "ReduceProd" | "ReduceMax" | "ReduceMin" | "ReduceLogSum" | "ReduceLogSumExp" => {
            one(reduce::reduce(call, given[0])?)
        }
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Max" | "Min" if integers => {
            one(pointwise::arithmetic(b, call, &given)?)
        }
        "Neg" if integers => {
            let data = given[0].to_ints()?.iter().map(|x| x.wrapping_neg()).collect();
            one(Literal::ints(given[0].shape.clone(), data))
        }
        op => match (pointwise::function(op), ops::importer(op)) {
            (Some(f), _) => {
                b.spend(given[0].len())?;
                one(f(given[0])?)
            }
            (None, Some(importer)) => b.fold(|b| importer(b, call)).map(Some),
            (None, None) => Ok(None),
        },
    }
}

/// True for operators that are folded on constants and have no importer for computed values.
pub(crate) fn on_constants_only(op: &str) -> bool {
    let known = matches!(
        op,
        "Constant"
            | "Shape"
            | "Size"
            | "ConstantOfShape"
            | "Range"
            | "Equal"
            | "Greater"
            | "Less"
            | "GreaterOrEqual"
            | "LessOrEqual"
            | "And"
            | "Or"
            | "Xor"
            | "ReduceProd"
            | "ReduceMax"
            | "ReduceMin"
            | "ReduceLogSum"
            | "ReduceLogSumExp"
            | "Mod"
            | "QuantizeLinear"
            | "DequantizeLinear"
    );
    known || pointwise::function(op).is_some()
}

/// The value of a `Constant` node.
fn constant(b: &mut Builder, call: &Call, base: Option<&Path>) -> Imported<Literal> {
    if let Some(tensor) = call.tensor("value") {
        let literal = literal::from_proto(tensor, base, b.budget)?;
        b.spend(literal.len())?;
        return Ok(literal);
    }
    if let Some(tensor) = call.sparse_tensor("sparse_value") {
        let literal = literal::from_sparse(tensor, base, b.budget)?;
        b.spend(literal.len())?;
        return Ok(literal);
    }
    if let Some(x) = call.float("value_float") {
        return Ok(Literal::floats(vec![], vec![x]));
    }
    if let Some(x) = call.int("value_int") {
        return Ok(Literal::ints(vec![], vec![x]));
    }
    if let Some(x) = call.floats("value_floats") {
        return Ok(Literal::floats(vec![x.len()], x));
    }
    if let Some(x) = call.ints("value_ints") {
        return Ok(Literal::ints(vec![x.len()], x.to_vec()));
    }
    Err("a constant without numbers".into())
}

fn filled(b: &mut Builder, call: &Call, base: Option<&Path>) -> Imported<Literal> {
    let dims = call.literal(0, "the shape")?.to_ints()?;
    let (shape, len) = literal::checked_len(&dims, b.budget)?;
    b.spend(len)?;
    let fill = call.tensor("value").map(|t| literal::from_proto(t, base, 1)).transpose()?;
    Ok(match fill.map(|f| f.data) {
        None => Literal::floats(shape, vec![0.0; len]),
        Some(Data::Float(x)) => Literal::floats(shape, vec![*x.first().ok_or("an empty value")?; len]),
        Some(Data::Int(x)) => Literal::ints(shape, vec![*x.first().ok_or("an empty value")?; len]),
    })
}

fn cast(x: &Literal, to: i64) -> Imported<Literal> {
    let to = i32::try_from(to).ok().and_then(|t| DataType::try_from(t).ok());
    let to = to.filter(|t| *t != DataType::String).ok_or("a cast to a type without numbers")?;
    let shape = x.shape.clone();
    let cast = match (to, &x.data) {
        (DataType::Float | DataType::Float16 | DataType::Double | DataType::Bfloat16, _) => {
            Literal::floats(shape, x.to_floats())
        }
        (DataType::Bool, _) => {
            Literal::ints(shape, x.to_floats().iter().map(|&v| i64::from(v != 0.0)).collect())
        }
        (_, Data::Int(d)) => {
            let (lo, hi) = quantise::bounds(to).unwrap_or((i64::MIN, i64::MAX));
            // Integers keep their low bits.
            let wrap = |&v: &i64| match hi.checked_sub(lo).and_then(|d| d.checked_add(1)) {
                Some(span) => (v.wrapping_sub(lo)).rem_euclid(span) + lo,
                None => v,
            };
            Literal::ints(shape, d.iter().map(wrap).collect())
        }
        (_, Data::Float(d)) => Literal::ints(shape, d.iter().map(|&v| v.trunc() as i64).collect()),
    };
    Ok(Literal { ty: to, ..cast })
}

/// Runs an operator that only moves elements on their positions.
fn moved(b: &mut Builder, call: &Call, given: &[&Literal]) -> Imported {
    // Concat moves all its operands, the others only the first.
    let data_operands = if call.proto.op_type == "Concat" { given.len() } else { 1 };
    let moved = &given[..data_operands];
    let total: usize = moved.iter().map(|c| c.len()).sum();
    if total > MAX_POSITIONS {
        return Err(format!("{total} elements moved while folding constants"));
    }
    let floats = moved.iter().any(|c| matches!(c.data, Data::Float(_)));
    let mut inputs = call.inputs.clone();
    let mut next = 0usize;
    for (slot, c) in inputs.iter_mut().flatten().zip(moved) {
        let positions: Vec<f32> = (next..next + c.len()).map(|i| i as f32).collect();
        next += c.len();
        *slot = Value::Const(Rc::new(Literal::floats(c.shape.clone(), positions)));
    }
    if total == 0 {
        return Err("an empty constant".into());
    }
    let (proto, opset, used) = (call.proto, call.opset, call.used.clone());
    let positions = Call { proto, inputs, opset, used };
    let importer = ops::importer(&call.proto.op_type).ok_or("not foldable")?;
    let results = b.fold(|b| importer(b, &positions))?;
    let float_data: Vec<f32> =
        if floats { moved.iter().flat_map(|c| c.to_floats().to_vec()).collect() } else { Vec::new() };
    let int_data: Vec<i64> = if floats {
        Vec::new()
    } else {
        moved.iter().map(|c| c.to_ints()).collect::<Imported<Vec<_>>>()?.concat()
    };
    let look_up = |value: Value| match value {
        Value::Const(p) => {
            let at = p.to_floats();
            let at = at.iter().map(|&i| i as usize);
            let shape = p.shape.clone();
            Value::Const(Rc::new(if floats {
                Literal::floats(shape, at.map(|i| float_data[i]).collect::<Vec<_>>())
            } else {
                Literal { ty: given[0].ty, ..Literal::ints(shape, at.map(|i| int_data[i]).collect()) }
            }))
        }
        node => node,
    };
    Ok(results.into_iter().map(look_up).collect())
}

fn range(b: &mut Builder, given: &[&Literal]) -> Imported<Literal> {
    let [start, limit, delta] = given else { return Err("three operands are needed".into()) };
    if [start, limit, delta].iter().any(|c| c.len() != 1) {
        return Err("the bounds are no single numbers".into());
    }
    let number = |c: &Literal| f64::from(c.to_floats()[0]);
    let len = ((number(limit) - number(start)) / number(delta)).ceil().max(0.0);
    if len.is_nan() || len > b.budget as f64 {
        return Err(format!("a range of {len} numbers"));
    }
    b.spend(len as usize)?;
    let len = len as usize;
    Ok(match (&start.data, &delta.data) {
        (Data::Int(s), Data::Int(d)) => {
            let value = |i: usize| s[0].wrapping_add(d[0].wrapping_mul(i as i64));
            Literal::ints(vec![len], (0..len).map(value).collect())
        }
        _ => {
            let value = |i: usize| (number(start) + number(delta) * i as f64) as f32;
            Literal::floats(vec![len], (0..len).map(value).collect::<Vec<_>>())
        }
    })
}
