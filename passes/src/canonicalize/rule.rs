//! What a rule is: what it looks at, and what it builds.

use egg::Id;
use fhec_ir::tensor::TensorOp;

use super::network::Network;

/// A directed rewrite.
pub(super) enum Rule {
    /// Looks at one operator.
    Node {
        /// Cheap filter on the operator.
        on: fn(&TensorOp) -> bool,
        /// What replaces it.
        rewrite: fn(&mut Network, &View) -> Option<Term>,
    },
    /// Looks at an operator and a form of its operand number `slot`.
    Pair {
        /// For people, and to remember where it was applied.
        name: &'static str,
        /// Cheap filter on the outer operator.
        on: fn(&TensorOp) -> bool,
        /// What replaces the outer operator.
        rewrite: fn(&mut Network, &View, usize, &View) -> Option<Term>,
    },
}

impl Rule {
    /// The filter on the outer operator.
    pub(super) fn may_match(&self, op: &TensorOp) -> bool {
        match self {
            Self::Node { on, .. } | Self::Pair { on, .. } => on(op),
        }
    }
}

/// What a rule builds.
pub(super) enum Term {
    /// An e-class as it is.
    Class(Id),
    /// An operator on other terms, with its name.
    Node(TensorOp, Vec<Term>, String),
}

/// An e-node as rules see it.
#[derive(Clone)]
pub(super) struct View {
    pub op: TensorOp,
    pub children: Vec<Id>,
    pub name: String,
}

/// True for affine maps per element.
pub(super) fn is_affine(op: &TensorOp) -> bool {
    matches!(op, TensorOp::Affine { .. })
}

/// True for operators with weights of their own.
pub(super) fn is_layer(op: &TensorOp) -> bool {
    matches!(op, TensorOp::Conv { .. } | TensorOp::ConvTranspose { .. } | TensorOp::Gemm { .. })
}
