//! Reductions of constants along axes.

use fhec_ir::tensor::value::strides;

use crate::call::{Call, Imported, axes};
use crate::literal::{Data, Literal};

/// For every element the index of the result that it goes to, and the shape of the result with its axes kept.
fn targets(x: &Literal, chosen: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let rank = x.shape.len();
    let kept: Vec<usize> = (0..rank).map(|k| if chosen.contains(&k) { 1 } else { x.shape[k] }).collect();
    let (from, to) = (strides(&x.shape), strides(&kept));
    let others: Vec<usize> = (0..rank).filter(|k| !chosen.contains(k)).collect();
    let target = |i: usize| others.iter().map(|&k| i / from[k] % x.shape[k] * to[k]).sum();
    ((0..x.len()).map(target).collect(), kept)
}

/// Combines the elements of each group.
fn combined<T: Copy>(
    data: &[T],
    targets: &[usize],
    groups: usize,
    f: impl Fn(T, T) -> T,
) -> Imported<Vec<T>> {
    let mut out: Vec<Option<T>> = vec![None; groups];
    for (&v, &at) in data.iter().zip(targets) {
        out[at] = Some(out[at].map_or(v, |a| f(a, v)));
    }
    out.into_iter().collect::<Option<Vec<T>>>().ok_or_else(|| "a reduction of nothing".into())
}

pub(super) fn reduce(call: &Call, x: &Literal) -> Imported<Literal> {
    let rank = x.shape.len();
    let given = call.ints_or_input("axes", 1)?.unwrap_or_default();
    if given.is_empty() && call.flag("noop_with_empty_axes", false)? {
        return Ok(x.clone());
    }
    let chosen = if given.is_empty() { (0..rank).collect() } else { axes(&given, rank)? };
    let (targets, kept) = targets(x, &chosen);
    let groups = kept.iter().product();
    let shape = if call.flag("keepdims", true)? {
        kept
    } else {
        (0..rank).filter(|k| !chosen.contains(k)).map(|k| x.shape[k]).collect()
    };
    let op = call.proto.op_type.as_str();
    let logarithmic = op.starts_with("ReduceLog");
    if let (Data::Int(data), false) = (&x.data, logarithmic) {
        let out = combined(data, &targets, groups, |a, b| match op {
            "ReduceProd" => a.wrapping_mul(b),
            "ReduceSum" => a.wrapping_add(b),
            "ReduceMax" => a.max(b),
            _ => a.min(b),
        })?;
        return Ok(Literal { ty: x.ty, ..Literal::ints(shape, out) });
    }
    let exponential = op == "ReduceLogSumExp";
    let data = x.to_floats();
    let data: Vec<f64> =
        data.iter().map(|&v| f64::from(v)).map(|v| if exponential { v.exp() } else { v }).collect();
    let out = combined(&data, &targets, groups, |a, b| match op {
        "ReduceProd" => a * b,
        "ReduceMax" => a.max(b),
        "ReduceMin" => a.min(b),
        _ => a + b,
    })?;
    let finish = |v: &f64| if logarithmic { v.ln() as f32 } else { *v as f32 };
    Ok(Literal::floats(shape, out.iter().map(finish).collect::<Vec<_>>()))
}
