//! Convolutions, matrix products, batch normalisation.

use fhec_ir::tensor::TensorOp;
use fhec_ir::tensor::value::{broadcast_steps, for_each_strided};
use fhec_ir::{ConstId, Constant, ValueId};

use super::product;
use super::window::{AutoPad, as_image, distribute, from_image, geometry};
use crate::builder::{Builder, broadcast, left_padded};
use crate::call::{Call, Imported, Value, count};
use crate::literal::Literal;

fn bias(b: &mut Builder, call: &Call, i: usize) -> Imported<Option<ConstId>> {
    let Some(bias) = call.optional_literal(i, "the bias")? else { return Ok(None) };
    b.add(bias.to_constant()).map(Some)
}

/// Weight [O, I, ky, kx] of a 2-D convolution; a 1-D kernel gets height 1.
fn weight(b: &mut Builder, literal: &Literal) -> Imported<ConstId> {
    let mut constant = literal.to_constant();
    if constant.shape.len() == 3 {
        constant.shape.insert(2, 1);
    }
    b.add(constant)
}

pub(super) fn conv(b: &mut Builder, call: &Call) -> Imported {
    let kernel = call.literal(1, "the weight")?;
    if kernel.shape.len() < 3 {
        return Err(format!("weight of shape {:?}", kernel.shape));
    }
    let x = b.node(call.value(0)?)?;
    let (x, rank) = as_image(b, x)?;
    let mut geometry = geometry(call, rank, Some(&kernel.shape[2..]))?;
    geometry.resolve([b.shape(x)[2], b.shape(x)[3]])?;
    let groups = count(call.int("group").unwrap_or(1), "group")?;
    let (weight, bias) = (weight(b, kernel)?, bias(b, call, 2)?);
    let y = b.push(TensorOp::Conv { window: geometry.window, groups, weight, bias }, &[x])?;
    Ok(vec![Value::Node(from_image(b, y, rank)?)])
}

pub(super) fn conv_transpose(b: &mut Builder, call: &Call) -> Imported {
    let kernel = call.literal(1, "the weight")?;
    if kernel.shape.len() < 3 {
        return Err(format!("weight of shape {:?}", kernel.shape));
    }
    let x = b.node(call.value(0)?)?;
    let (x, rank) = as_image(b, x)?;
    let mut geometry = geometry(call, rank, Some(&kernel.shape[2..]))?;
    let image = [b.shape(x)[2], b.shape(x)[3]];
    let per_axis = |name: &str| -> Imported<Option<[usize; 2]>> {
        let Some(given) = call.ints(name).filter(|g| !g.is_empty()) else { return Ok(None) };
        // Some exporters give the shape with batch and channels.
        let given = if name == "output_shape" && given.len() == rank + 2 { &given[2..] } else { given };
        if given.len() != rank {
            return Err(format!("{name} has {} entries for {rank} spatial axes", given.len()));
        }
        let mut pair = [usize::from(name == "output_shape"), given[rank - 1] as usize];
        for (k, &v) in given.iter().enumerate() {
            pair[k + 2 - rank] = count(v, name)?;
        }
        Ok(Some(pair))
    };
    let mut extra = per_axis("output_padding")?.unwrap_or([0; 2]);
    let same = matches!(geometry.auto_pad, AutoPad::SameUpper | AutoPad::SameLower);
    let wanted = match per_axis("output_shape")? {
        Some(wanted) => Some(wanted),
        None if same => Some([0, 1].map(|k| image[k].saturating_mul(geometry.window.stride[k]))),
        None => None,
    };
    if let Some(wanted) = wanted {
        for k in 0..2 {
            let full = (image[k] - 1)
                .checked_mul(geometry.window.stride[k])
                .and_then(|f| f.checked_add(geometry.reach(k).ok()?)?.checked_add(extra[k]))
                .ok_or("the output is too large")?;
            let [begin, end] = match full.checked_sub(wanted[k]) {
                Some(total) if geometry.auto_pad == AutoPad::SameUpper => {
                    distribute(total, AutoPad::SameUpper)
                }
                Some(total) => distribute(total, AutoPad::SameLower),
                None => {
                    extra[k] += wanted[k] - full;
                    [0, 0]
                }
            };
            geometry.window.pads[k] = begin;
            geometry.window.pads[k + 2] = end;
        }
    }
    let groups = count(call.int("group").unwrap_or(1), "group")?;
    let (weight, bias) = (weight(b, kernel)?, bias(b, call, 2)?);
    let op = TensorOp::ConvTranspose { window: geometry.window, extra, groups, weight, bias };
    let y = b.push(op, &[x])?;
    Ok(vec![Value::Node(from_image(b, y, rank)?)])
}

/// A matrix constant [rows, columns], transposed and scaled as asked.
fn matrix(literal: &Literal, transpose: bool, scale: f32) -> Imported<Constant> {
    let [rows, columns] = literal.shape[..] else {
        return Err(format!("matrix of shape {:?}", literal.shape));
    };
    let data = literal.to_floats();
    let at = |r: usize, c: usize| scale * data[r * columns + c];
    Ok(if transpose {
        let data: Vec<f32> =
            (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c))).map(|(r, c)| at(r, c)).collect();
        Constant::new(vec![columns, rows], data)
    } else {
        Constant::new(vec![rows, columns], data.iter().map(|x| scale * x).collect::<Vec<_>>())
    })
}

fn swap_last(b: &mut Builder, x: ValueId) -> Imported<ValueId> {
    let rank = b.shape(x).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 1);
    b.transpose(x, perm)
}

pub(super) fn gemm(b: &mut Builder, call: &Call) -> Imported {
    let (alpha, beta) = (call.float("alpha").unwrap_or(1.0), call.float("beta").unwrap_or(1.0));
    let (ta, tb) = (call.flag("transA", false)?, call.flag("transB", false)?);
    // Before opset 7 an attribute switched the broadcasting of C on; the shapes decide anyway.
    let addend = match call.optional(2) {
        Some(Value::Const(c)) if beta != 0.0 => Some(c.clone()),
        _ => None,
    };
    let mut fused = false;
    let matrix_operand = |b: &mut Builder, value: &Value, turn: bool| {
        let x = b.node(value)?;
        match b.shape(x).len() {
            2 if turn => b.transpose(x, vec![1, 0]),
            2 => Ok(x),
            _ => Err(format!("operand of shape {:?}", b.shape(x))),
        }
    };
    let mut y = match (call.value(0)?, call.value(1)?) {
        (a, Value::Const(weight)) => {
            let x = matrix_operand(b, a, ta)?;
            let weight = matrix(weight, !tb, alpha)?;
            let outputs = weight.shape[0];
            let weight = b.add(weight)?;
            let row = addend
                .as_ref()
                .filter(|c| c.len() == 1 || (c.shape.last() == Some(&outputs) && c.len() == outputs));
            let bias = match row {
                Some(c) => {
                    fused = true;
                    let c = c.to_floats();
                    let data = (0..outputs).map(|o| beta * c[if c.len() == 1 { 0 } else { o }]).collect();
                    Some(b.constant(&[outputs], data)?)
                }
                None => None,
            };
            b.push(TensorOp::Gemm { weight, bias }, &[x])?
        }
        (Value::Const(weight), x) => {
            // A·B = (Bᵀ·Aᵀ)ᵀ
            let x = matrix_operand(b, x, !tb)?;
            let weight = b.add(matrix(weight, ta, alpha)?)?;
            let product = b.push(TensorOp::Gemm { weight, bias: None }, &[x])?;
            b.transpose(product, vec![1, 0])?
        }
        (left, right) => {
            let (left, right) = (matrix_operand(b, left, ta)?, matrix_operand(b, right, tb)?);
            let product = product::of_computed(b, left, right)?;
            b.affine_scalar(product, alpha, 0.0)?
        }
    };
    match call.optional(2) {
        Some(Value::Node(c)) if beta != 0.0 => {
            let shape = b.shape(y).clone();
            let c = b.expand(*c, &shape)?;
            let c = b.affine_scalar(c, beta, 0.0)?;
            y = b.push(TensorOp::Add, &[y, c])?;
        }
        _ => {
            if let Some(c) = addend.filter(|_| !fused) {
                let shift = Constant::new(
                    c.shape.clone(),
                    c.to_floats().iter().map(|x| beta * x).collect::<Vec<_>>(),
                );
                y = b.affine(y, None, Some(shift))?;
            }
        }
    }
    Ok(vec![Value::Node(y)])
}

pub(super) fn matmul(b: &mut Builder, call: &Call) -> Imported {
    match (call.value(0)?, call.value(1)?) {
        (x, Value::Const(w)) => {
            let x = b.node(x)?;
            right_product(b, x, w).map(|y| vec![Value::Node(y)])
        }
        (Value::Const(w), Value::Node(x)) => Ok(vec![Value::Node(left_product(b, w, *x)?)]),
        (Value::Node(x), Value::Node(y)) => {
            let y = product::of_computed(b, *x, *y)?;
            Ok(vec![Value::Node(y)])
        }
    }
}

/// W·x = (xᵀ·Wᵀ)ᵀ over the last two axes.
pub(super) fn left_product(b: &mut Builder, w: &Literal, x: ValueId) -> Imported<ValueId> {
    let (x, vector) = match b.shape(x)[..] {
        [n] => (b.reshape(x, &[1, n])?, true),
        [] => return Err("a matrix product of a scalar".into()),
        _ => (swap_last(b, x)?, false),
    };
    let row = w.shape.len() == 1;
    let y = right_product(b, x, &swapped(w)?)?;
    let mut shape = b.shape(y).clone();
    if vector {
        shape.remove(shape.len() - 2);
        b.reshape(y, &shape)
    } else if row {
        Ok(y)
    } else {
        swap_last(b, y)
    }
}

/// The literal with its last two axes swapped; vectors stay.
fn swapped(w: &Literal) -> Imported<Literal> {
    let rank = w.shape.len();
    if rank < 2 {
        return Ok(w.clone());
    }
    let (rows, columns) = (w.shape[rank - 2], w.shape[rank - 1]);
    let data = w.to_floats();
    let blocks = data.chunks(rows * columns);
    let swap =
        |m: &[f32]| -> Vec<f32> { (0..rows * columns).map(|i| m[i % rows * columns + i / rows]).collect() };
    let mut shape = w.shape.clone();
    shape.swap(rank - 2, rank - 1);
    Ok(Literal::floats(shape, blocks.flat_map(swap).collect::<Vec<_>>()))
}

/// Index of the block of a tensor of `shape` that each block of its broadcast to `out` repeats.
fn repeated(shape: &[usize], out: &[usize]) -> Vec<usize> {
    let mut blocks = Vec::with_capacity(out.iter().product());
    for_each_strided(out, 0, &broadcast_steps(shape), |_, i| blocks.push(i));
    blocks
}

/// x·W for x [.., M, K] or [K] and W [.., K, N] or [K].
pub(super) fn right_product(b: &mut Builder, x: ValueId, w: &Literal) -> Imported<ValueId> {
    let xs = b.shape(x).clone();
    if xs.is_empty() || w.shape.is_empty() {
        return Err("a matrix product of a scalar".into());
    }
    let (k, matrix_shape) = match w.shape[..] {
        [k] => (k, vec![k, 1]),
        _ => (w.shape[w.shape.len() - 2], w.shape.clone()),
    };
    if xs[xs.len() - 1] != k {
        return Err(format!("product of shapes {xs:?} and {:?}", w.shape));
    }
    let given: usize = matrix_shape[..matrix_shape.len() - 2].iter().product();
    let n = matrix_shape[matrix_shape.len() - 1];
    if given <= 1 {
        let flat = w.reshaped(vec![k, n]);
        let weight = b.add(matrix(&flat, true, 1.0)?)?;
        let y = b.push(TensorOp::Gemm { weight, bias: None }, &[x])?;
        let mut shape = b.shape(y).clone();
        if w.shape.len() == 1 {
            shape.pop();
        }
        let rank = if w.shape.len() > 2 { w.shape.len() } else { 0 };
        let shape = left_padded(&shape, rank.max(shape.len()));
        return b.reshape(y, &shape);
    }
    // One matrix per batch: a grouped 1×1 convolution with the batches as groups, K as channels, M as rows.
    let rank = xs.len().max(matrix_shape.len());
    let m = if xs.len() == 1 { 1 } else { xs[xs.len() - 2] };
    let mut shape = left_padded(&matrix_shape, rank);
    let x_padded = if xs.len() == 1 { left_padded(&[1, k], rank) } else { left_padded(&xs, rank) };
    let batch = broadcast(&x_padded[..rank - 2], &shape[..rank - 2])?;
    shape[..rank - 2].copy_from_slice(&batch);
    let batches: usize = batch.iter().product();
    b.spend(batches.saturating_mul(k * n))?;
    let matrices = repeated(&left_padded(&matrix_shape[..matrix_shape.len() - 2], batch.len()), &batch);
    let blocks = w.to_floats();
    let data: Vec<f32> = matrices.iter().flat_map(|i| &blocks[i * k * n..][..k * n]).copied().collect();
    shape[rank - 2] = m;
    shape[rank - 1] = k;
    let x = b.reshape(x, &x_padded)?;
    let x = b.expand(x, &shape)?;
    let x = b.reshape(x, &[batches, m, k])?;
    let x = b.transpose(x, vec![0, 2, 1])?;
    let x = b.reshape(x, &[1, batches * k, m, 1])?;
    let weights = swapped(&Literal::floats(vec![batches, k, n], data))?;
    let weight = b.add(Constant { shape: vec![batches * n, k, 1, 1], data: weights.to_floats() })?;
    let window = fhec_ir::tensor::Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], pads: [0; 4] };
    let y = b.push(TensorOp::Conv { window, groups: batches, weight, bias: None }, &[x])?;
    let y = b.reshape(y, &[batches, n, m])?;
    let y = b.transpose(y, vec![0, 2, 1])?;
    shape[rank - 1] = n;
    if xs.len() == 1 {
        shape.remove(rank - 2);
    }
    b.reshape(y, &shape)
}

pub(super) fn batch_norm(b: &mut Builder, call: &Call) -> Imported {
    if call.flag("training_mode", false)? || !call.flag("is_test", true)? {
        return Err("batch normalisation in training mode; export the network for inference".into());
    }
    if !call.flag("spatial", true)? {
        return Err("batch normalisation per element (spatial=0) is not supported".into());
    }
    if call.used.iter().skip(1).any(|&u| u) {
        return Err("the statistics of a batch normalisation are not supported as values".into());
    }
    let x = b.node(call.value(0)?)?;
    let rank = b.shape(x).len();
    if rank < 2 {
        return Err(format!("operand of rank {rank}"));
    }
    let channels = b.shape(x)[1];
    let mut parts = Vec::with_capacity(4);
    for (i, what) in ["the scale", "the bias", "the mean", "the variance"].into_iter().enumerate() {
        let part = call.literal(i + 1, what)?.to_floats();
        if part.len() != channels {
            return Err(format!("{what} has {} entries for {channels} channels", part.len()));
        }
        parts.push(part);
    }
    let epsilon = f64::from(call.float("epsilon").unwrap_or(1e-5));
    let (mut scale, mut shift) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    for c in 0..channels {
        let [gamma, beta, mean, variance] = [0, 1, 2, 3].map(|p| f64::from(parts[p][c]));
        let factor = gamma / (variance + epsilon).sqrt();
        scale.push(factor);
        shift.push(beta - mean * factor);
    }
    let mut shape = vec![1; rank];
    shape[1] = channels;
    let constant = |data: &[f64]| Some(Constant::from_f64(shape.clone(), data));
    Ok(vec![Value::Node(b.affine(x, constant(&scale), constant(&shift))?)])
}
