//! No approximation at all.

use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{Node, ValueId};

use super::method::Method;

/// Keeps every operator.
pub(super) struct Exact;

impl Method for Exact {
    fn replace(&self, target: &mut TensorGraph, node: &Node<TensorOp>) -> Option<ValueId> {
        let node = node.clone();
        Some(target.push(node.op, node.args, node.ty, node.name))
    }
}
