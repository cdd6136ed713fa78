//! What is known of a network and its functions.

use fhec_ir::ValueId;
use fhec_ir::tensor::bounds::{Bounds, Interval};
use fhec_ir::tensor::{Pool, TensorGraph, TensorOp};

use super::config::{Approximation, Ranges};
use super::method::Method;

/// What is known while a network is written.
pub(super) struct Facts<'g> {
    pub(super) approximation: &'g Approximation,
    pub(super) ranges: Ranges,
    pub(super) alpha: f64,
}

impl Facts<'_> {
    pub(super) fn bounds(&self, graph: &TensorGraph, id: ValueId) -> Result<Bounds, String> {
        let bounds = self.ranges.values.get(id.index()).and_then(Option::as_ref);
        let finite = bounds.filter(|b| b.channels().iter().all(|x| x.lo.is_finite() && x.hi.is_finite()));
        finite.cloned().ok_or_else(|| {
            format!(
                "the range of its operand {} is not known: give inputs with --samples",
                graph.describe(id)
            )
        })
    }

    /// How far the operands of a maximum are apart, where that was measured.
    pub(super) fn spread(&self, id: ValueId) -> Option<&Vec<f64>> {
        self.ranges.spreads.get(id.index())?.as_ref()
    }

    pub(super) fn method(&self, node: &str) -> &Method {
        self.approximation.methods.get(node).unwrap_or(&self.approximation.method)
    }
}

/// True for operators that are evaluated on ciphertexts as they are.
pub fn is_polynomial(op: &TensorOp) -> bool {
    !matches!(
        op,
        TensorOp::Activation(_)
            | TensorOp::PRelu { .. }
            | TensorOp::Pool { kind: Pool::Max, .. }
            | TensorOp::Div
            | TensorOp::Max
            | TensorOp::Min
            | TensorOp::Client(_)
    )
}

/// What a smooth function is fitted on: a little beyond the range of its operand.
pub(super) fn fitted_range(range: Interval) -> Interval {
    let width = range.hi - range.lo;
    let widened = if width > 0.0 { width * BEYOND } else { range.magnitude().max(1.0) * BEYOND };
    // Not across 0, where roots and reciprocals end.
    let lo = if range.lo > 0.0 { (range.lo - widened).max(range.lo / 2.0) } else { range.lo - widened };
    let hi = if range.hi < 0.0 { (range.hi + widened).min(range.hi / 2.0) } else { range.hi + widened };
    Interval::new(lo, hi)
}

/// How far beyond its range a smooth function is fitted, as a share of its width.
const BEYOND: f64 = 0.02;

/// Largest magnitude of a function on a range.
pub(super) fn largest(f: &dyn Fn(f64) -> f64, range: Interval) -> f64 {
    let at = |k: i32| range.lo + (range.hi - range.lo) * f64::from(k) / 256.0;
    (0..=256).map(|k| f(at(k)).abs()).fold(0.0, f64::max)
}
