//! Proven ranges of a network's values, by propagation of ranges of its inputs.
//!
//! An enclosure: whatever the inputs are within their ranges, no value leaves its own. Operands count as independent,
//! so bounds grow with depth, and may be infinite; they are never NaN. They hold for exact arithmetic and for f64.

mod activation;
mod interval;
mod linear;
mod poly;
mod shape;
mod value;

pub use interval::Interval;
pub use poly::{chebyshev, power_basis, shifted};
pub use value::Bounds;

use super::{Basis, Pool, TensorGraph, TensorOp};
use crate::{ConstId, Constant, Verified};
use interval::add;
use value::{Operand, channels, of_constant};

/// Bounds of every value of a network, by [`ValueId`], for inputs within the given bounds, in the order of
/// [`Graph::inputs`](crate::Graph::inputs).
///
/// # Panics
/// With another number of bounds than inputs, or of channels than an input has.
pub fn bounds(graph: &Verified<TensorGraph>, inputs: &[Bounds]) -> Vec<Bounds> {
    assert_eq!(graph.inputs().count(), inputs.len(), "bounds of the inputs");
    let mut given = inputs.iter();
    let mut known: Vec<Bounds> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let bounds = match &node.op {
            TensorOp::Input { .. } => {
                let bounds = given.next().expect("counted").clone();
                assert!(
                    channels(&node.ty).is_multiple_of(bounds.0.len()),
                    "bounds of {}",
                    graph.describe(id)
                );
                bounds
            }
            op => {
                let args: Vec<Operand<'_>> = node
                    .args
                    .iter()
                    .map(|&a| Operand { id: a, shape: graph.ty(a), bounds: &known[a.index()] })
                    .collect();
                of_node(&graph.constants, op, &args, &node.ty)
            }
        };
        debug_assert!(
            channels(&node.ty).is_multiple_of(bounds.0.len()),
            "channels of {}",
            graph.describe(id)
        );
        known.push(bounds);
    }
    known
}

fn of_node(constants: &[Constant], op: &TensorOp, args: &[Operand<'_>], out: &[usize]) -> Bounds {
    let x = || args[0].bounds;
    let same = || args[0].id == args[1].id;
    let both = |f: fn(Interval, Interval) -> Interval| args[0].bounds.zip(args[1].bounds, f);
    let data = |id: &ConstId| &constants[id.index()];
    match op {
        TensorOp::Input { name, .. } => panic!("input {name:?} has bounds of its own"),
        TensorOp::Constant { value } => of_constant(data(value)),
        TensorOp::Conv { .. }
        | TensorOp::ConvTranspose { .. }
        | TensorOp::Gemm { .. }
        | TensorOp::Affine { .. }
        | TensorOp::Resample { .. } => linear::bounds(constants, op, &args[0], out),
        TensorOp::Pool { kind, window, .. } => {
            let padded = window.pads != [0; 4] && *kind == Pool::AveragePadded;
            let zero = |x: Interval| if padded { x.hull(Interval::ZERO) } else { x };
            // A mean is rounded, a maximum is not.
            x().map(|x| if *kind == Pool::Max { x } else { zero(x).scaled(1.0) })
        }
        TensorOp::Reduce { .. }
        | TensorOp::Slice { .. }
        | TensorOp::Pad { .. }
        | TensorOp::Gather { .. }
        | TensorOp::Reshape { .. }
        | TensorOp::Transpose { .. }
        | TensorOp::Expand { .. }
        | TensorOp::Concat { .. } => shape::bounds(op, args, out),
        TensorOp::Add if same() => x().map(|x| x.scaled(2.0)),
        TensorOp::Add => both(add),
        TensorOp::Sub if same() => Bounds::uniform(Interval::ZERO),
        TensorOp::Sub => both(|a, b| add(a, b.negated())),
        TensorOp::Mul if same() => x().map(Interval::square),
        TensorOp::Mul => both(Interval::times),
        TensorOp::Div => both(|a, b| a.times(b.reciprocal())),
        TensorOp::Max => both(Interval::max),
        TensorOp::Min => both(Interval::min),
        TensorOp::Activation(a) => x().map(|x| activation::bounds(*a, x)),
        TensorOp::PRelu { slope } => x().zip(&of_constant(data(slope)), activation::prelu),
        TensorOp::Poly { coeffs, basis } => of_poly(data(coeffs), *basis, x()),
        // Clients' results bound nothing that is encrypted.
        TensorOp::Client(_) => Bounds::uniform(Interval::ALL),
    }
}

fn of_poly(coeffs: &Constant, basis: Basis, x: &Bounds) -> Bounds {
    let columns = coeffs.shape[1];
    let one = |c: usize| {
        let column: Vec<f64> = coeffs.data.values().skip(c % columns).step_by(columns).collect();
        match basis {
            Basis::Power => power_basis(&column, x.channel(c)),
            Basis::Chebyshev => chebyshev(&column, x.channel(c)),
        }
    };
    Bounds((0..columns.max(x.0.len())).map(one).collect())
}

#[cfg(test)]
mod tests;
