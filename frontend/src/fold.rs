//! Constant folding: what a node computes from constants, or from shapes alone.
//!
//! Operators that only move elements are run on the *positions* of the elements, and the result looks them up: so
//! integers stay exact and no operator is written twice. Float arithmetic runs through the interpreter.

use std::path::Path;
use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;

use crate::builder::{Builder, broadcast, left_padded};
use crate::call::{Call, Imported, Value, axes, count};
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
            one(Literal { shape, data: given[0].data.clone() })
        }
        "Gather" | "Concat" | "Slice" | "Split" | "Transpose" | "Expand" | "Tile" => {
            moved(b, call, &given).map(Some)
        }
        "Range" => one(range(b, &given)?),
        "Where" if given.len() == 3 => one(select(b, &given)?),
        "Not" => {
            let data = given[0].to_ints()?.iter().map(|&x| i64::from(x == 0)).collect();
            one(Literal::ints(given[0].shape.clone(), data))
        }
        "Floor" | "Ceil" | "Round" => {
            let op = call.proto.op_type.as_str();
            let round = |x: &f32| match op {
                "Floor" => x.floor(),
                "Ceil" => x.ceil(),
                _ => x.round_ties_even(),
            };
            let data: Vec<f32> = given[0].to_floats().iter().map(round).collect();
            one(Literal::floats(given[0].shape.clone(), data))
        }
        "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" => {
            one(compare(b, call, &given)?)
        }
        "ReduceProd" | "ReduceMax" | "ReduceMin" | "ReduceSum" if integers => one(reduce(call, &given)?),
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Max" | "Min" if integers => {
            one(arithmetic(b, call, &given)?)
        }
        "Neg" if integers => {
            let data = given[0].to_ints()?.iter().map(|x| x.wrapping_neg()).collect();
            one(Literal::ints(given[0].shape.clone(), data))
        }
        op => match ops::importer(op) {
            Some(importer) => b.fold(|b| importer(b, call)).map(Some),
            None => Ok(None),
        },
    }
}

/// The value of a `Constant` node.
fn constant(b: &mut Builder, call: &Call, base: Option<&Path>) -> Imported<Literal> {
    if let Some(tensor) = call.tensor("value") {
        let literal = literal::from_proto(tensor, base, b.budget)?;
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
    Err("a constant without a dense numeric value".into())
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
    let shape = x.shape.clone();
    Ok(match (to, &x.data) {
        (Some(DataType::Float | DataType::Float16 | DataType::Double | DataType::Bfloat16), _) => {
            Literal::floats(shape, x.to_floats())
        }
        (Some(DataType::Bool), _) => {
            Literal::ints(shape, x.to_floats().iter().map(|&v| i64::from(v != 0.0)).collect())
        }
        (Some(DataType::String) | None, _) => return Err("a cast to a type without numbers".into()),
        (_, Data::Int(_)) => x.clone(),
        (_, Data::Float(d)) => Literal::ints(shape, d.iter().map(|&v| v.trunc() as i64).collect()),
    })
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
                Literal::ints(shape, at.map(|i| int_data[i]).collect())
            }))
        }
        node => node,
    };
    Ok(results.into_iter().map(look_up).collect())
}

/// Broadcasts operands and applies `f` to each tuple of elements.
fn pointwise<T: Copy, U>(
    b: &mut Builder,
    shapes: &[&[usize]],
    data: &[&[T]],
    f: impl Fn(&[T]) -> U,
) -> Imported<(Vec<usize>, Vec<U>)> {
    let mut shape: Vec<usize> = Vec::new();
    for s in shapes {
        shape = broadcast(&shape, s)?;
    }
    let (shape, len) = literal::checked_len(&shape.iter().map(|&d| d as i64).collect::<Vec<_>>(), b.budget)?;
    b.spend(len)?;
    let strides = fhec_ir::tensor::value::strides(&shape);
    let steps: Vec<Vec<isize>> = shapes
        .iter()
        .map(|s| fhec_ir::tensor::value::broadcast_steps(&left_padded(s, shape.len())))
        .collect();
    let mut tuple = Vec::with_capacity(data.len());
    let element = |i: usize| {
        tuple.clear();
        for (d, steps) in data.iter().zip(&steps) {
            let at: usize = (0..shape.len()).map(|k| i / strides[k] % shape[k] * steps[k] as usize).sum();
            tuple.push(d[at]);
        }
        f(&tuple)
    };
    let out = (0..len).map(element).collect();
    Ok((shape, out))
}

fn arithmetic(b: &mut Builder, call: &Call, given: &[&Literal]) -> Imported<Literal> {
    let data = given.iter().map(|c| c.to_ints()).collect::<Imported<Vec<_>>>()?;
    let op = call.proto.op_type.as_str();
    let divides = matches!(op, "Div" | "Mod");
    if given.len() < 2 && !matches!(op, "Max" | "Min") || divides && data[1].contains(&0) {
        return Err(if divides { "division by a constant 0".into() } else { "an operand is missing".into() });
    }
    let fold = |xs: &[i64]| {
        let combine = |a: i64, b: i64| match op {
            "Add" => a.wrapping_add(b),
            "Sub" => a.wrapping_sub(b),
            "Mul" => a.wrapping_mul(b),
            "Div" => a.wrapping_div(b),
            "Mod" => a.wrapping_rem(b).wrapping_add(b).wrapping_rem(b),
            "Max" => a.max(b),
            _ => a.min(b),
        };
        xs.iter().copied().reduce(combine).unwrap_or_default()
    };
    let shapes: Vec<&[usize]> = given.iter().map(|c| &c.shape[..]).collect();
    let data: Vec<&[i64]> = data.iter().map(|d| &d[..]).collect();
    let (shape, out) = pointwise(b, &shapes, &data, fold)?;
    Ok(Literal::ints(shape, out))
}

fn compare(b: &mut Builder, call: &Call, given: &[&Literal]) -> Imported<Literal> {
    let [x, y] = given else { return Err("two operands are needed".into()) };
    // i64 values beyond 2^53 are compared as f64: sizes stay far below.
    let wide = |c: &Literal| -> Vec<f64> {
        match &c.data {
            Data::Float(d) => d.iter().map(|&v| f64::from(v)).collect(),
            Data::Int(d) => d.iter().map(|&v| v as f64).collect(),
        }
    };
    let op = call.proto.op_type.as_str();
    let test = |v: &[f64]| {
        i64::from(match op {
            "Equal" => v[0] == v[1],
            "Greater" => v[0] > v[1],
            "Less" => v[0] < v[1],
            "GreaterOrEqual" => v[0] >= v[1],
            "LessOrEqual" => v[0] <= v[1],
            "And" => v[0] != 0.0 && v[1] != 0.0,
            _ => v[0] != 0.0 || v[1] != 0.0,
        })
    };
    let (shape, out) = pointwise(b, &[&x.shape, &y.shape], &[&wide(x), &wide(y)], test)?;
    Ok(Literal::ints(shape, out))
}

fn select(b: &mut Builder, given: &[&Literal]) -> Imported<Literal> {
    let shapes: Vec<&[usize]> = given.iter().map(|c| &c.shape[..]).collect();
    if let [Data::Int(c), Data::Int(x), Data::Int(y)] = [&given[0].data, &given[1].data, &given[2].data] {
        let (shape, out) = pointwise(b, &shapes, &[c, x, y], |v| if v[0] != 0 { v[1] } else { v[2] })?;
        return Ok(Literal::ints(shape, out));
    }
    let data = given.iter().map(|c| c.to_floats()).collect::<Vec<_>>();
    let data: Vec<&[f32]> = data.iter().map(|d| &d[..]).collect();
    let (shape, out) = pointwise(b, &shapes, &data, |v| if v[0] != 0.0 { v[1] } else { v[2] })?;
    Ok(Literal::floats(shape, out))
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

fn reduce(call: &Call, given: &[&Literal]) -> Imported<Literal> {
    let x = given[0];
    let rank = x.shape.len();
    let data = x.to_ints()?;
    let chosen = match call.ints_or_input("axes", 1)? {
        Some(a) if !a.is_empty() => axes(&a, rank)?,
        _ => (0..rank).collect(),
    };
    let keep = call.flag("keepdims", true)?;
    let kept: Vec<usize> = (0..rank).map(|k| if chosen.contains(&k) { 1 } else { x.shape[k] }).collect();
    let (strides, out_strides) =
        (fhec_ir::tensor::value::strides(&x.shape), fhec_ir::tensor::value::strides(&kept));
    let mut out: Vec<Option<i64>> = vec![None; kept.iter().product()];
    for (i, &v) in data.iter().enumerate() {
        let at: usize = (0..rank)
            .filter(|k| !chosen.contains(k))
            .map(|k| i / strides[k] % x.shape[k] * out_strides[k])
            .sum();
        out[at] = Some(match (out[at], call.proto.op_type.as_str()) {
            (None, _) => v,
            (Some(a), "ReduceProd") => a.wrapping_mul(v),
            (Some(a), "ReduceSum") => a.wrapping_add(v),
            (Some(a), "ReduceMax") => a.max(v),
            (Some(a), _) => a.min(v),
        });
    }
    let out = out.into_iter().collect::<Option<Vec<i64>>>().ok_or("a reduction of nothing")?;
    let shape =
        if keep { kept } else { (0..rank).filter(|k| !chosen.contains(k)).map(|k| x.shape[k]).collect() };
    count(out.len() as i64, "a reduction")?;
    Ok(Literal::ints(shape, out))
}
