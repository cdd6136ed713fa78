//! Operators that move, select, repeat or add up elements.

use fhec_ir::tensor::{Activation, ReduceKind, TensorOp};

use super::client;
use crate::builder::{Builder, broadcast};
use crate::call::{Call, Imported, Value, axes, axis, count};

pub(crate) fn identity(b: &mut Builder, call: &Call) -> Imported {
    if call.proto.op_type == "Dropout" {
        let training = call.optional_literal(2, "training_mode")?;
        if training.map(|t| t.to_ints()).transpose()?.is_some_and(|t| t.iter().any(|&x| x != 0)) {
            return Err("dropout in training mode; export the network for inference".into());
        }
        if call.used.get(1) == Some(&true) {
            return Err("the mask of a dropout is not supported".into());
        }
    }
    Ok(vec![Value::Node(b.node(call.value(0)?)?)])
}

pub(super) fn cast(b: &mut Builder, call: &Call) -> Imported {
    // FLOAT, FLOAT16, DOUBLE, BFLOAT16: real numbers all.
    match call.int("to") {
        Some(1 | 10 | 11 | 16) => Ok(vec![Value::Node(b.node(call.value(0)?)?)]),
        _ if call.proto.op_type == "CastLike" => Ok(vec![Value::Node(b.node(call.value(0)?)?)]),
        // INT8 to INT64 and the like, BOOL.
        Some(to @ (2..=7 | 9 | 12 | 13)) => {
            let x = b.node(call.value(0)?)?;
            client::cast(b, x, to == 9)
        }
        _ => Err("a cast to a type without numbers".into()),
    }
}

/// Resolves the target of a Reshape.
pub(crate) fn reshape_target(x: &[usize], target: &[i64], allow_zero: bool) -> Imported<Vec<usize>> {
    let mut out = Vec::with_capacity(target.len());
    let mut open = None;
    for (k, &d) in target.iter().enumerate() {
        out.push(match d {
            -1 if open.replace(k).is_none() => 1,
            0 if !allow_zero => {
                *x.get(k).ok_or_else(|| format!("shape {target:?} copies axis {k} of {x:?}"))?
            }
            _ => count(d, "an extent of the shape")?,
        });
    }
    let size: usize = x.iter().product();
    if let Some(k) = open {
        let rest = out.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&r| r > 0);
        out[k] =
            rest.filter(|&r| size.is_multiple_of(r)).map(|r| size / r).ok_or("the shape does not divide")?;
    }
    Ok(out)
}

/// Shape that Reshape, Flatten, Squeeze or Unsqueeze gives an operand of shape `x`.
pub(crate) fn new_shape(call: &Call, x: &[usize]) -> Imported<Vec<usize>> {
    match call.proto.op_type.as_str() {
        "Reshape" => {
            let target = call.ints_or_input("shape", 1)?.ok_or("the shape is missing")?;
            reshape_target(x, &target, call.flag("allowzero", false)?)
        }
        "Flatten" => {
            let at = call.int("axis").unwrap_or(1);
            let at = if at == x.len() as i64 { x.len() } else { axis(at, x.len())? };
            Ok(vec![x[..at].iter().product(), x[at..].iter().product()])
        }
        "Squeeze" => {
            let axes = match call.ints_or_input("axes", 1)? {
                Some(given) => axes(&given, x.len())?,
                None => (0..x.len()).filter(|&k| x[k] == 1).collect(),
            };
            if let Some(k) = axes.iter().find(|&&k| x[k] != 1) {
                return Err(format!("axis {k} of shape {x:?} is not 1"));
            }
            Ok((0..x.len()).filter(|k| !axes.contains(k)).map(|k| x[k]).collect())
        }
        _ => {
            let given = call.ints_or_input("axes", 1)?.ok_or("the axes are missing")?;
            let mut out = x.to_vec();
            for k in axes(&given, x.len() + given.len())? {
                out.insert(k, 1);
            }
            Ok(out)
        }
    }
}

pub(super) fn reshape(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let out = new_shape(call, b.shape(x))?;
    Ok(vec![Value::Node(b.reshape(x, &out)?)])
}

pub(super) fn transpose(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let rank = b.shape(x).len();
    let perm = match call.ints("perm") {
        Some(given) => given.iter().map(|&k| axis(k, rank)).collect::<Imported<Vec<_>>>()?,
        None => (0..rank).rev().collect(),
    };
    Ok(vec![Value::Node(b.transpose(x, perm)?)])
}

pub(super) fn expand(b: &mut Builder, call: &Call) -> Imported {
    let target = call.literal(1, "the shape")?.to_ints()?;
    let target = target.iter().map(|&d| count(d, "an extent")).collect::<Imported<Vec<_>>>()?;
    let x = b.node(call.value(0)?)?;
    let out = broadcast(b.shape(x), &target)?;
    Ok(vec![Value::Node(b.expand(x, &out)?)])
}

pub(super) fn tile(b: &mut Builder, call: &Call) -> Imported {
    let repeats = call.literal(1, "repeats")?.to_ints()?;
    let mut x = b.node(call.value(0)?)?;
    let shape = b.shape(x).clone();
    if repeats.len() != shape.len() {
        return Err(format!("{} repeats for shape {shape:?}", repeats.len()));
    }
    for (axis, &n) in repeats.iter().enumerate().filter(|(_, n)| **n != 1) {
        let extent = shape[axis].checked_mul(count(n, "repeats")?).ok_or("too many repeats")?;
        b.spend(extent)?;
        let indices = (0..extent).map(|i| i % shape[axis]).collect();
        x = b.push(TensorOp::Gather { axis, indices }, &[x])?;
    }
    Ok(vec![Value::Node(x)])
}

pub(super) fn gather(b: &mut Builder, call: &Call) -> Imported {
    let literal = call.literal(1, "the indices")?;
    let x = b.node(call.value(0)?)?;
    let shape = b.shape(x).clone();
    let axis = axis(call.int("axis").unwrap_or(0), shape.len())?;
    let indices = literal.to_ints()?;
    let indices = indices.iter().map(|&i| crate::call::axis(i, shape[axis]));
    let indices = indices.collect::<Imported<Vec<_>>>().map_err(|_| "an index is out of range")?;
    let mut out = shape[..axis].to_vec();
    out.extend_from_slice(&literal.shape);
    out.extend_from_slice(&shape[axis + 1..]);
    let y = b.push(TensorOp::Gather { axis, indices }, &[x])?;
    Ok(vec![Value::Node(b.reshape(y, &out)?)])
}

pub(super) fn concat(b: &mut Builder, call: &Call) -> Imported {
    let values: Vec<&Value> = call.inputs.iter().flatten().filter(|v| !b.shape_of(v).contains(&0)).collect();
    let args = values.into_iter().map(|v| b.node(v)).collect::<Imported<Vec<_>>>()?;
    let &first = args.first().ok_or("no operand")?;
    let axis = axis(call.int("axis").unwrap_or(1), b.shape(first).len())?;
    if args.len() == 1 {
        return Ok(vec![Value::Node(first)]);
    }
    Ok(vec![Value::Node(b.push(TensorOp::Concat { axis }, &args)?)])
}

pub(super) fn split(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let shape = b.shape(x).clone();
    let axis = axis(call.int("axis").unwrap_or(0), shape.len())?;
    let parts = call.proto.output.len();
    let sizes = match call.ints_or_input("split", 1)? {
        Some(sizes) => sizes.iter().map(|&s| count(s, "a part")).collect::<Imported<Vec<_>>>()?,
        None => {
            let parts = match call.int("num_outputs") {
                Some(n) => count(n, "num_outputs")?,
                None => parts,
            };
            if parts == 0 || parts > shape[axis] {
                return Err(format!("{parts} parts of an axis of extent {}", shape[axis]));
            }
            let size = shape[axis].div_ceil(parts);
            (0..parts).map(|k| size.min(shape[axis].saturating_sub(k * size))).collect()
        }
    };
    if sizes.iter().sum::<usize>() != shape[axis] || sizes.len() < parts {
        return Err(format!("parts {sizes:?} of an axis of extent {}", shape[axis]));
    }
    let mut outputs = Vec::with_capacity(parts);
    let mut start = vec![0; shape.len()];
    for (k, &size) in sizes.iter().enumerate().take(parts) {
        if call.used[k] {
            let mut out = shape.clone();
            out[axis] = size;
            let op = TensorOp::Slice { start: start.clone(), step: vec![1; shape.len()], out };
            outputs.push(Value::Node(if size == shape[axis] { x } else { b.push(op, &[x])? }));
        } else {
            outputs.push(Value::Node(x));
        }
        start[axis] += size;
    }
    Ok(outputs)
}

/// Start, step and number of elements of one sliced axis (ONNX clamping rules).
pub(crate) fn slice_axis(start: i64, end: i64, step: i64, extent: usize) -> Imported<(usize, isize, usize)> {
    let n = extent as i64;
    let resolve = |i: i64| if i < 0 { i.saturating_add(n) } else { i };
    if step == 0 || step == i64::MIN {
        return Err(format!("step {step}"));
    }
    let (first, len) = if step > 0 {
        let (first, end) = (resolve(start).clamp(0, n), resolve(end).clamp(0, n));
        (first, (end - first).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
    } else {
        let (first, end) = (resolve(start).clamp(0, n - 1), resolve(end).clamp(-1, n - 1));
        (first, (first - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
    };
    Ok((first as usize, if len <= 1 { 1 } else { step as isize }, len as usize))
}

/// The slice of every axis of an operand of shape `x`.
pub(crate) fn slice_spec(call: &Call, x: &[usize]) -> Imported<Vec<(usize, isize, usize)>> {
    let starts = call.ints_or_input("starts", 1)?.ok_or("starts are missing")?;
    let ends = call.ints_or_input("ends", 2)?.ok_or("ends are missing")?;
    let given = call.ints_or_input("axes", 3)?;
    let steps = call.optional_literal(4, "steps")?.map(|s| s.to_ints()).transpose()?;
    let given = given.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), given.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps differ in length".into());
    }
    let mut spec: Vec<(usize, isize, usize)> = x.iter().map(|&d| (0, 1, d)).collect();
    for (i, &a) in given.iter().enumerate() {
        let a = axis(a, x.len())?;
        spec[a] = slice_axis(starts[i], ends[i], steps[i], x[a])?;
    }
    Ok(spec)
}

pub(super) fn slice(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let shape = b.shape(x).clone();
    let spec = slice_spec(call, &shape)?;
    let out: Vec<usize> = spec.iter().map(|s| s.2).collect();
    if spec.iter().all(|s| s.0 == 0 && s.1 == 1) && out == shape {
        return Ok(vec![Value::Node(x)]);
    }
    if out.contains(&0) {
        return Err("the slice is empty".into());
    }
    let (start, step) = (spec.iter().map(|s| s.0).collect(), spec.iter().map(|s| s.1).collect());
    Ok(vec![Value::Node(b.push(TensorOp::Slice { start, step, out }, &[x])?)])
}

pub(super) fn pad(b: &mut Builder, call: &Call) -> Imported {
    let mut x = b.node(call.value(0)?)?;
    let shape = b.shape(x).clone();
    let rank = shape.len();
    let old = call.ints("pads").or_else(|| call.ints("paddings")).map(<[i64]>::to_vec);
    let given = match old {
        Some(pads) => pads,
        None => call.literal(1, "the padding")?.to_ints()?,
    };
    let axes = match call.optional_literal(3, "axes")? {
        Some(c) => c.to_ints()?.iter().map(|&a| axis(a, rank)).collect::<Imported<Vec<_>>>()?,
        None => (0..rank).collect(),
    };
    if given.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} axes", given.len(), axes.len()));
    }
    let mut pads = vec![(0i64, 0i64); rank];
    for (k, &a) in axes.iter().enumerate() {
        pads[a] = (given[k], given[k + axes.len()]);
    }
    let value = match (call.float("value"), call.optional_literal(2, "the pad value")?) {
        (Some(v), _) => v,
        (None, Some(c)) => *c.to_floats().first().ok_or("the pad value is empty")?,
        (None, None) => 0.0,
    };
    // Negative padding crops.
    if pads.iter().any(|p| p.0 < 0 || p.1 < 0) {
        let mut out = shape.clone();
        let mut start = vec![0; rank];
        for k in 0..rank {
            let cut = (count((-pads[k].0).max(0), "cropping")?, count((-pads[k].1).max(0), "cropping")?);
            start[k] = cut.0;
            out[k] = out[k].checked_sub(cut.0 + cut.1).filter(|&d| d > 0).ok_or("cropping leaves nothing")?;
        }
        x = b.push(TensorOp::Slice { start, step: vec![1; rank], out }, &[x])?;
    }
    let ends = |f: fn(&(i64, i64)) -> i64| {
        pads.iter().map(|p| count(f(p).max(0), "padding")).collect::<Imported<Vec<_>>>()
    };
    let (before, after) = (ends(|p| p.0)?, ends(|p| p.1)?);
    if before.iter().chain(&after).all(|&p| p == 0) {
        return Ok(vec![Value::Node(x)]);
    }
    match call.string("mode").unwrap_or("constant") {
        "constant" => {
            return Ok(vec![Value::Node(b.push(TensorOp::Pad { before, after, value }, &[x])?)]);
        }
        mode @ ("reflect" | "edge" | "wrap") => {
            for axis in (0..rank).filter(|&k| before[k] + after[k] > 0) {
                let n = b.shape(x)[axis] as i64;
                let out = before[axis] + n as usize + after[axis];
                b.spend(out)?;
                let period = (2 * n - 2).max(1);
                let source = |i: usize| {
                    let i = i as i64 - before[axis] as i64;
                    let at = match mode {
                        "edge" => i.clamp(0, n - 1),
                        "wrap" => i.rem_euclid(n),
                        _ => (n - 1) - ((n - 1) - i.rem_euclid(period)).abs(),
                    };
                    at as usize
                };
                x = b.push(TensorOp::Gather { axis, indices: (0..out).map(source).collect() }, &[x])?;
            }
        }
        other => return Err(format!("padding mode {other:?}")),
    }
    Ok(vec![Value::Node(x)])
}

pub(super) fn reduce(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let rank = b.shape(x).len();
    let given = call.ints_or_input("axes", 1)?.unwrap_or_default();
    let keep = call.flag("keepdims", true)?;
    if given.is_empty() && call.flag("noop_with_empty_axes", false)? {
        return Ok(vec![Value::Node(x)]);
    }
    // A reduction of a number over no axes still applies its function.
    let axes = if given.is_empty() { (0..rank).collect() } else { axes(&given, rank)? };
    let op = call.proto.op_type.as_str();
    let x = match op {
        "ReduceSumSquare" | "ReduceL2" => b.poly(x, &[0.0, 0.0, 1.0])?,
        "ReduceL1" => b.push(TensorOp::Activation(Activation::Abs), &[x])?,
        _ => x,
    };
    let kind = if op == "ReduceMean" { ReduceKind::Mean } else { ReduceKind::Sum };
    let y = if axes.is_empty() { x } else { b.push(TensorOp::Reduce { kind, axes, keep }, &[x])? };
    Ok(vec![Value::Node(if op == "ReduceL2" {
        b.push(TensorOp::Activation(Activation::Sqrt), &[y])?
    } else {
        y
    })])
}

pub(super) fn blocks(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let [n, c, h, w] = b.shape(x)[..] else { return Err(format!("operand of shape {:?}", b.shape(x))) };
    let s = count(call.int("blocksize").unwrap_or(0), "blocksize")?;
    if s == 0 {
        return Err("blocksize is 0".into());
    }
    let area = s.checked_mul(s).ok_or("blocksize is too large")?;
    let (split, perm, out) = if call.proto.op_type == "SpaceToDepth" {
        if !h.is_multiple_of(s) || !w.is_multiple_of(s) {
            return Err(format!("blocks of {s} in {h}×{w}"));
        }
        (vec![n, c, h / s, s, w / s, s], vec![0, 3, 5, 1, 2, 4], vec![n, c * area, h / s, w / s])
    } else {
        if !c.is_multiple_of(area) {
            return Err(format!("blocks of {s} in {c} channels"));
        }
        let out = vec![n, c / area, h * s, w * s];
        match call.string("mode").unwrap_or("DCR") {
            "DCR" => (vec![n, s, s, c / area, h, w], vec![0, 3, 4, 1, 5, 2], out),
            "CRD" => (vec![n, c / area, s, s, h, w], vec![0, 1, 4, 2, 5, 3], out),
            other => return Err(format!("mode {other:?}")),
        }
    };
    let x = b.reshape(x, &split)?;
    let x = b.transpose(x, perm)?;
    Ok(vec![Value::Node(b.reshape(x, &out)?)])
}
