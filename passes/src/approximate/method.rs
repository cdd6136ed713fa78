//! What an approximation has to offer.

use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{Node, ValueId};

/// A method of replacing non-polynomial operators.
pub(super) trait Method {
    /// Appends to `target` what computes `node` (its operands are already values of `target`), and returns the
    /// value. None if the method does not apply; `target` is unchanged then.
    fn replace(&self, target: &mut TensorGraph, node: &Node<TensorOp>) -> Option<ValueId>;
}
