//! Inputs of integer types, as networks have them that take bytes and normalise by themselves.
//!
//! Encrypted arithmetic is on real numbers. Integers may be moved and cast to reals; arithmetic on them wraps around or
//! drops fractions, and is refused.

use std::collections::HashMap;

use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;

use crate::call::{Call, Imported};
use crate::literal::Data;

/// Values of integer types, by name.
#[derive(Default)]
pub(crate) struct Integers(HashMap<String, DataType>);

/// Name, least and greatest number of a type; None for other types.
fn described(ty: DataType) -> Option<(&'static str, i128, i128)> {
    let unsigned = |name, bits: u32| Some((name, 0, (1 << bits) - 1));
    let signed = |name, bits: u32| Some((name, -(1 << (bits - 1)), (1 << (bits - 1)) - 1));
    match ty {
        DataType::Uint8 => unsigned("uint8", 8),
        DataType::Uint16 => unsigned("uint16", 16),
        DataType::Uint32 => unsigned("uint32", 32),
        DataType::Uint64 => unsigned("uint64", 64),
        DataType::Int8 => signed("int8", 8),
        DataType::Int16 => signed("int16", 16),
        DataType::Int32 => signed("int32", 32),
        DataType::Int64 => signed("int64", 64),
        _ => None,
    }
}

fn is_real(ty: DataType) -> bool {
    matches!(ty, DataType::Float | DataType::Float16 | DataType::Double | DataType::Bfloat16)
}

/// What an input's type is: the integer type's name, or None for real numbers.
pub(crate) fn element(ty: i32) -> Imported<Option<(&'static str, DataType)>> {
    let ty = DataType::try_from(ty).map_err(|_| "its type is not known")?;
    match described(ty) {
        Some((name, ..)) => Ok(Some((name, ty))),
        None if is_real(ty) => Ok(None),
        None => Err("only inputs of numbers can be encrypted".into()),
    }
}

impl Integers {
    pub(crate) fn declare(&mut self, name: &str, ty: DataType) {
        self.0.insert(name.into(), ty);
    }

    /// Whether a node may read what it reads. Where it is a cast from integers to other integers, no more than a
    /// move, that is true.
    pub(crate) fn admit(&mut self, node: &NodeProto, call: &Call) -> Imported<bool> {
        let Some(from) = node.input.iter().find_map(|name| self.0.get(name)).copied() else {
            return Ok(false);
        };
        let (name, low, high) = described(from).ok_or("integers of an unknown type")?;
        let outputs = |this: &mut Self, ty| node.output.iter().for_each(|o| this.declare(o, ty));
        match node.op_type.as_str() {
            "Shape" | "Size" | "DequantizeLinear" => Ok(false),
            "Cast" | "CastLike" => {
                let to = if node.op_type == "Cast" {
                    call.int("to")
                        .and_then(|t| i32::try_from(t).ok())
                        .and_then(|t| DataType::try_from(t).ok())
                } else {
                    let like = call.literal(1, "the type")?;
                    Some(if matches!(like.data, Data::Float(_)) { DataType::Float } else { like.ty })
                };
                let to = to.ok_or("a cast to a type without numbers")?;
                match described(to) {
                    None if is_real(to) => Ok(false),
                    Some((_, lowest, highest)) if lowest <= low && high <= highest => {
                        outputs(self, to);
                        Ok(true)
                    }
                    _ => Err(format!("a cast from {name} to a type that does not hold all of its numbers")),
                }
            }
            "Identity" | "Transpose" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Slice"
            | "Gather" | "Split" | "Concat" | "Expand" | "Tile" => {
                outputs(self, from);
                Ok(false)
            }
            _ => Err(format!("it computes with {name} numbers: cast the input to float first")),
        }
    }
}
