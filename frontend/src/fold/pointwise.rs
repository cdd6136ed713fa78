//! Element-wise operators on constants: integer arithmetic, comparisons, functions.

use crate::builder::{Builder, broadcast, left_padded};
use crate::call::{Call, Imported};
use crate::literal::{self, Data, Literal};

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

pub(super) fn arithmetic(b: &mut Builder, call: &Call, given: &[&Literal]) -> Imported<Literal> {
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

pub(super) fn compare(b: &mut Builder, call: &Call, given: &[&Literal]) -> Imported<Literal> {
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
            "Xor" => (v[0] != 0.0) != (v[1] != 0.0),
            _ => v[0] != 0.0 || v[1] != 0.0,
        })
    };
    let (shape, out) = pointwise(b, &[&x.shape, &y.shape], &[&wide(x), &wide(y)], test)?;
    Ok(Literal::ints(shape, out))
}

pub(super) fn select(b: &mut Builder, given: &[&Literal]) -> Imported<Literal> {
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

/// A function of one constant.
type Function = fn(&Literal) -> Imported<Literal>;

fn map(x: &Literal, f: fn(f64) -> f64) -> Literal {
    let data: Vec<f32> = x.to_floats().iter().map(|&v| f(f64::from(v)) as f32).collect();
    Literal::floats(x.shape.clone(), data)
}

fn test(x: &Literal, f: fn(f32) -> bool) -> Literal {
    Literal::ints(x.shape.clone(), x.to_floats().iter().map(|&v| i64::from(f(v))).collect())
}

/// Functions of one operand that no network applies to computed values, or none that compiles.
pub(super) fn function(op: &str) -> Option<Function> {
    Some(match op {
        "Not" => |x| {
            let data = x.to_ints()?.iter().map(|&v| i64::from(v == 0)).collect();
            Ok(Literal::ints(x.shape.clone(), data))
        },
        "Sign" => |x| match &x.data {
            Data::Int(d) => Ok(Literal::ints(x.shape.clone(), d.iter().map(|v| v.signum()).collect())),
            Data::Float(_) => Ok(map(x, |v| if v == 0.0 { 0.0 } else { v.signum() })),
        },
        "IsNaN" => |x| Ok(test(x, f32::is_nan)),
        "IsInf" => |x| Ok(test(x, f32::is_infinite)),
        "Floor" => |x| Ok(map(x, f64::floor)),
        "Ceil" => |x| Ok(map(x, f64::ceil)),
        "Round" => |x| Ok(map(x, f64::round_ties_even)),
        "Log" => |x| Ok(map(x, f64::ln)),
        "Sin" => |x| Ok(map(x, f64::sin)),
        "Cos" => |x| Ok(map(x, f64::cos)),
        "Tan" => |x| Ok(map(x, f64::tan)),
        "Asin" => |x| Ok(map(x, f64::asin)),
        "Acos" => |x| Ok(map(x, f64::acos)),
        "Atan" => |x| Ok(map(x, f64::atan)),
        "Sinh" => |x| Ok(map(x, f64::sinh)),
        "Cosh" => |x| Ok(map(x, f64::cosh)),
        "Asinh" => |x| Ok(map(x, f64::asinh)),
        "Acosh" => |x| Ok(map(x, f64::acosh)),
        "Atanh" => |x| Ok(map(x, f64::atanh)),
        _ => return None,
    })
}
