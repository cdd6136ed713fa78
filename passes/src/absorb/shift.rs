//! Where the shift of a polynomial's argument goes.

use fhec_ir::ValueId;
use fhec_ir::tensor::{TensorGraph, TensorOp};

/// The node whose bias takes a shift of `x`, if only one chain of nodes leads from it to the single use of `x`: a layer
/// with a bias, directly or behind additions. Returns the node and the sign with which it reaches `x`.
pub(super) fn bias_of(graph: &TensorGraph, users: &[Vec<ValueId>], x: ValueId) -> Option<(ValueId, f64)> {
    let output = graph.outputs.iter().any(|o| o.value == x);
    if users[x.index()].len() != 1 || output {
        return None;
    }
    let node = graph.node(x);
    match &node.op {
        TensorOp::Conv { .. } | TensorOp::ConvTranspose { .. } | TensorOp::Affine { .. } => Some((x, 1.0)),
        TensorOp::Gemm { .. } if node.ty.len() == 2 => Some((x, 1.0)),
        TensorOp::Add => node.args.iter().find_map(|&a| bias_of(graph, users, a)),
        TensorOp::Sub => bias_of(graph, users, node.args[0])
            .or_else(|| bias_of(graph, users, node.args[1]).map(|(id, sign)| (id, -sign))),
        _ => None,
    }
}
