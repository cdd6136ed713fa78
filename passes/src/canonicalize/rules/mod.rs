//! The rules. `RULES.md` says how to write one.

mod affine;
mod movement;
mod simplify;

use fhec_ir::tensor::TensorOp;

use super::rule::{Rule, is_affine, is_layer};

/// All rules, in the order in which they are tried.
pub(super) const RULES: &[Rule] = &[
    Rule::Node { on: |_| true, rewrite: simplify::fold_constants },
    Rule::Node { on: |_| true, rewrite: simplify::identity },
    Rule::Node { on: |op| !is_layer(op), rewrite: simplify::with_constant },
    Rule::Node { on: |_| true, rewrite: simplify::simpler_form },
    Rule::Pair { name: "same-twice", on: |_| true, rewrite: movement::same_twice },
    Rule::Pair { name: "affine-of-layer", on: is_affine, rewrite: affine::affine_of_layer },
    Rule::Pair { name: "layer-of-affine", on: is_layer, rewrite: affine::layer_of_affine },
    Rule::Pair { name: "affine-of-affine", on: is_affine, rewrite: affine::affine_of_affine },
    Rule::Pair { name: "affine-of-poly", on: is_affine, rewrite: affine::affine_of_poly },
    Rule::Pair {
        name: "poly-of-affine",
        on: |op| matches!(op, TensorOp::Poly { .. }),
        rewrite: affine::poly_of_affine,
    },
    Rule::Pair { name: "difference", on: |op| matches!(op, TensorOp::Sub), rewrite: affine::difference },
    Rule::Pair {
        name: "conv-of-pad",
        on: |op| matches!(op, TensorOp::Conv { .. }),
        rewrite: movement::conv_of_pad,
    },
    Rule::Pair { name: "move-affine-down", on: |_| true, rewrite: movement::move_affine_down },
];
