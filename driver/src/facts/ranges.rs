//! How large values get, as far as samples or proofs tell.

use fhec_backend::facts::tame;
use fhec_ir::Verified;
use fhec_ir::slot::{self, SlotGraph};
use fhec_ir::tensor::bounds::{Bounds, Interval, bounds};
use fhec_ir::tensor::{Tensor, TensorGraph, run};

/// Room above the largest magnitude seen in the samples, where bootstraps lose precision for it.
pub(crate) const BOOTSTRAP_MARGIN: f64 = 1.5;

/// The same without bootstraps: bits of the base modulus are cheap.
pub(crate) const LEVELLED_MARGIN: f64 = 3.0;

/// What samples tell of a graph's values.
pub(crate) struct Ranges {
    /// By value, a bound on its slots.
    pub(crate) bounds: Vec<f64>,
    /// Samples on which the network diverges, which bound nothing.
    pub(crate) diverging: usize,
}

/// Bounds on the slots of every value, so many times what is seen in the samples on which the network does not diverge; None if
/// there is none.
pub(crate) fn slot_ranges(
    graph: &Verified<SlotGraph>,
    samples: &[Vec<Tensor<f64>>],
    margin: f64,
) -> Option<Ranges> {
    let mut seen = vec![vec![None; graph.len()]; samples.len()];
    slot::interp::run_by_ops(graph, samples, &mut |sample, id, slots| {
        let slots = slots.iter().flatten();
        // What is not a number would get lost in a maximum.
        let size = |x: &f64| if x.is_finite() { x.abs() } else { f64::INFINITY };
        seen[sample][id.index()] = Some(slots.map(size).fold(0.0, f64::max));
    })
    .ok()?;
    // By the outputs: what is large only on the way to them has to have room as well.
    let most = |seen: &Vec<Option<f64>>| {
        graph.outputs.iter().filter_map(|o| seen[o.value.index()]).fold(0.0, f64::max)
    };
    let tame = tame(&seen.iter().map(most).collect::<Vec<_>>());
    let tame: Vec<_> = seen.into_iter().zip(tame).filter(|(_, tame)| *tame).map(|(seen, _)| seen).collect();
    // What was not computed may not be bootstrapped.
    let size = |seen: &Vec<Option<f64>>, k: usize| seen[k].unwrap_or(f64::INFINITY) * margin;
    let range = |k: usize| tame.iter().map(|seen| size(seen, k)).fold(0.0, f64::max);
    let diverging = samples.len() - tame.len();
    (!tame.is_empty()).then(|| Ranges { bounds: (0..graph.len()).map(range).collect(), diverging })
}

/// The network's outputs for every sample; none for one that does not fit.
pub(crate) fn references(
    graph: &Verified<TensorGraph>,
    samples: &[Vec<Tensor<f64>>],
) -> Vec<Vec<Tensor<f64>>> {
    samples.iter().map(|sample| run(graph, sample).unwrap_or_default()).collect()
}

/// Largest absolute value of any output over the samples on which the network does not diverge.
pub(crate) fn largest_output(references: &[Vec<Tensor<f64>>]) -> f64 {
    let size = |x: &f64| if x.is_finite() { x.abs() } else { f64::INFINITY };
    let largest =
        |outputs: &Vec<Tensor<f64>>| outputs.iter().flat_map(|o| &o.data).map(size).fold(0.0, f64::max);
    let runs: Vec<f64> = references.iter().map(largest).collect();
    runs.iter().zip(tame(&runs)).filter(|(_, tame)| *tame).fold(0.0, |most, (x, _)| most.max(*x))
}

/// A bound on the outputs for inputs of magnitudes up to the given ones; infinite if there is none.
pub(crate) fn proven_output(graph: &Verified<TensorGraph>, inputs: &[f64]) -> f64 {
    let inputs: Vec<Bounds> = inputs.iter().map(|&x| Bounds::uniform(Interval::new(-x, x))).collect();
    let bounds = bounds(graph, &inputs);
    let outputs = graph.outputs.iter().map(|o| bounds[o.value.index()].hull().magnitude());
    outputs.fold(0.0, f64::max)
}
