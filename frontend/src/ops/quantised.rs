//! Integers that stand for real numbers.

use fhec_ir::Constant;

use crate::builder::Builder;
use crate::call::{Call, Imported, Value, axis};

/// `DequantizeLinear` of an input of integers: (x − zero point)·scale, one for all or one per index of an axis.
pub(super) fn dequantise(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let scales = call.literal(1, "the scale")?;
    let zeros = call.optional_literal(2, "the zero point")?.map(|z| z.to_ints()).transpose()?;
    let scales_of = scales.to_floats();
    let zeros = zeros.unwrap_or_else(|| vec![0; scales_of.len()]);
    if call.int("block_size").is_some_and(|n| n != 0) || zeros.len() != scales_of.len() {
        return Err("scales and zero points are per tensor or per channel".into());
    }
    let rank = b.shape(x).len();
    let shape = if scales_of.len() == 1 {
        vec![1; rank]
    } else {
        let k = axis(call.int("axis").unwrap_or(1), rank)?;
        if b.shape(x)[k] != scales_of.len() {
            return Err(format!("{} scales along an axis of {}", scales_of.len(), b.shape(x)[k]));
        }
        let mut shape = vec![1; rank];
        shape[k] = scales_of.len();
        shape
    };
    let shift: Vec<f32> = zeros.iter().zip(scales_of.iter()).map(|(&z, s)| -(z as f32) * s).collect();
    let scale = Constant::new(shape.clone(), scales_of.to_vec());
    Ok(vec![Value::Node(b.affine(x, Some(scale), Some(Constant::new(shape, shift)))?)])
}
