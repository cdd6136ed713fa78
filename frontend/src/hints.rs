//! What a network tells about its inputs, for messages.

use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{ConstId, ValueId};

/// What is known of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputHint {
    /// The type of its elements if that is one of integers: bytes are then taken as they are.
    pub integer: Option<&'static str>,
    /// The node that seems to normalise bytes, if the network begins with one: it divides by about 255, or subtracts means
    /// that only bytes can have.
    pub normalises: Option<String>,
}

/// Factors below it make small numbers of bytes: 1/255 over a deviation, 1/128.
const SMALL_FACTOR: f64 = 1.0 / 50.0;
/// Where a normalisation is 0: beyond it numbers between 0 and 1 have no mean.
const LARGE_MEAN: f64 = 1.5;

/// The node that normalises bytes, if the first one to compute with an input does.
pub(crate) fn normalising_node(graph: &TensorGraph, input: ValueId) -> Option<String> {
    let users = graph.users();
    let mut at = input;
    loop {
        let &[user] = &users[at.index()][..] else { return None };
        let node = graph.node(user);
        match &node.op {
            TensorOp::Transpose { .. } | TensorOp::Reshape { .. } | TensorOp::Gather { .. } => at = user,
            TensorOp::Affine { scale, shift } => {
                let numbers = |id: &Option<ConstId>, none| match id {
                    Some(id) => graph.constant(*id).data.iter().map(|x| f64::from(*x)).collect(),
                    None => vec![none],
                };
                let (scales, shifts) = (numbers(scale, 1.0), numbers(shift, 0.0));
                let small = scales.iter().all(|s| s.abs() < SMALL_FACTOR);
                let steepest = scales.iter().fold(0.0, |most: f64, s| most.max(s.abs()));
                let far = shifts.iter().any(|t| t.abs() > LARGE_MEAN * steepest);
                return (small || far).then(|| node.name.clone());
            }
            _ => return None,
        }
    }
}
