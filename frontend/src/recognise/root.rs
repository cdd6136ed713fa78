//! Even powers of square roots: the square of `ReduceL2` is a sum of squares.
//!
//! √x² = x wherever the network's result is a number at all.

use fhec_ir::tensor::{Activation, Basis, TensorGraph, TensorOp};
use fhec_ir::{ConstId, Constant, ValueId};

/// What the root is taken of, if the node is a polynomial in even powers of one.
fn even_powers(graph: &TensorGraph, v: ValueId) -> Option<(ValueId, ConstId)> {
    let TensorOp::Poly { coeffs, basis: Basis::Power } = graph.node(v).op else { return None };
    let root = graph.node(graph.node(v).args[0]);
    let c = graph.constant(coeffs);
    let odd = c.values().chunks(c.shape[1]).skip(1).step_by(2).flatten().any(|&c| c != 0.0);
    (root.op == TensorOp::Activation(Activation::Sqrt) && !odd).then(|| (root.args[0], coeffs))
}

pub(super) fn run(graph: &mut TensorGraph) {
    for v in graph.ids() {
        let Some((x, coeffs)) = even_powers(graph, v) else { continue };
        let old = graph.constant(coeffs);
        let columns = old.shape[1];
        let data: Vec<f64> = old.values().chunks(columns).step_by(2).flatten().copied().collect();
        let rows = data.len() / columns;
        let op = if rows == 2 {
            // Along axis 1, or the same everywhere.
            let mut shape = vec![1; graph.ty(v).len()];
            if let Some(channels) = shape.get_mut(1) {
                *channels = columns;
            }
            let mut part = |data: &[f64], neutral: f64| {
                let needed = data.iter().any(|&c| c != neutral);
                needed.then(|| graph.add_constant(Constant::exact(shape.clone(), data.to_vec())))
            };
            let (shift, scale) = (part(&data[..columns], 0.0), part(&data[columns..], 1.0));
            TensorOp::Affine { scale, shift }
        } else {
            TensorOp::Poly {
                coeffs: graph.add_constant(Constant::exact(vec![rows, columns], data)),
                basis: Basis::Power,
            }
        };
        let node = graph.node_mut(v);
        (node.op, node.args) = (op, vec![x]);
    }
}
