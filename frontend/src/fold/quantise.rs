//! Weights that are stored as integers: `QuantizeLinear` and `DequantizeLinear` on constants.

use tract_onnx::pb::tensor_proto::DataType;

use crate::call::{Call, Imported, axis};
use crate::literal::Literal;

/// Least and largest number of an integer type; None for others.
pub(super) fn bounds(ty: DataType) -> Option<(i64, i64)> {
    Some(match ty {
        DataType::Int8 => (-128, 127),
        DataType::Uint8 => (0, 255),
        DataType::Int16 => (-(1 << 15), (1 << 15) - 1),
        DataType::Uint16 => (0, (1 << 16) - 1),
        DataType::Int32 => (-(1 << 31), (1 << 31) - 1),
        DataType::Uint32 => (0, (1 << 32) - 1),
        _ => return None,
    })
}

/// For every element of the operand the scale and zero point that belong to it: one for all, or one per index of an axis.
fn parameters(call: &Call, given: &[&Literal]) -> Imported<impl Fn(usize) -> (f32, i64) + use<>> {
    let (x, scale) = (given[0], *given.get(1).ok_or("the scale is missing")?);
    if call.int("block_size").is_some_and(|n| n != 0) {
        return Err("scales per block are not supported; quantise per tensor or per channel".into());
    }
    let scales = scale.to_floats();
    let zeros = given.get(2).map_or_else(|| Ok(vec![0; scales.len()]), |z| z.to_ints())?;
    if zeros.len() != scales.len() {
        return Err(format!("{} zero points for {} scales", zeros.len(), scales.len()));
    }
    let (inner, extent) = if scales.len() == 1 {
        (1, 1)
    } else {
        let k = axis(call.int("axis").unwrap_or(1), x.shape.len())?;
        if scale.shape.len() != 1 || scales.len() != x.shape[k] {
            return Err(format!("scales of shape {:?} along an axis of {}", scale.shape, x.shape[k]));
        }
        (x.shape[k + 1..].iter().product::<usize>().max(1), x.shape[k])
    };
    Ok(move |i: usize| {
        let at = i / inner % extent;
        (scales[at], zeros[at])
    })
}

/// round(x / scale) + zero point, at most as far as the integer type reaches.
pub(super) fn quantise(call: &Call, given: &[&Literal]) -> Imported<Literal> {
    let asked = call.int("output_dtype").filter(|&t| t != 0);
    let ty = match (asked, given.get(2)) {
        (Some(t), _) => i32::try_from(t).ok().and_then(|t| DataType::try_from(t).ok()),
        (None, Some(zero)) => Some(zero.ty),
        (None, None) => Some(DataType::Uint8),
    };
    let (ty, (lo, hi)) = ty
        .and_then(|ty| Some((ty, bounds(ty)?)))
        .ok_or("its numbers would be of a type that is not supported")?;
    let parameters = parameters(call, given)?;
    let round = |(i, &v): (usize, &f32)| {
        let (scale, zero) = parameters(i);
        ((v / scale).round_ties_even() as i64).saturating_add(zero).clamp(lo, hi)
    };
    let data = given[0].to_floats().iter().enumerate().map(round).collect();
    Ok(Literal { ty, ..Literal::ints(given[0].shape.clone(), data) })
}

/// (x − zero point)·scale.
pub(super) fn dequantise(call: &Call, given: &[&Literal]) -> Imported<Literal> {
    let parameters = parameters(call, given)?;
    let value = |(i, &v): (usize, &i64)| {
        let (scale, zero) = parameters(i);
        v.saturating_sub(zero) as f32 * scale
    };
    let data: Vec<f32> = given[0].to_ints()?.iter().enumerate().map(value).collect();
    Ok(Literal::floats(given[0].shape.clone(), data))
}
