//! `minimize-rotations`: gives every linear map its plan of rotations and plaintexts.
//!
//! For each map it tries the replicas over which partial sums may be spread and, for each, the baby-step/giant-step
//! splits of the actual offset set ([`split`]), and keeps the cheapest by the [`Prices`]. Baby steps of one
//! ciphertext are hoisted and shared by all outputs; giant steps are applied to sums.

mod prices;
mod split;

use std::collections::HashSet;

use fhec_ir::layout::Factor;
use fhec_ir::slot::routing::{Offsets, Routing};
use fhec_ir::slot::{LinearMap, MapPlan, SlotGraph, SlotOp};
use fhec_ir::{Constant, Verified};
use rayon::prelude::*;

use crate::PassError;
pub use prices::Prices;

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Config {
    /// What things cost.
    pub prices: Prices,
}

/// Plans all linear maps that have no plan yet.
///
/// # Errors
/// None today.
pub fn run(graph: &Verified<SlotGraph>, config: &Config) -> Result<SlotGraph, PassError> {
    Ok(planned(graph, config))
}

pub(crate) fn planned(graph: &SlotGraph, config: &Config) -> SlotGraph {
    let mut planned = graph.clone();
    let plans: Vec<_> = graph
        .ids()
        .collect::<Vec<_>>()
        .into_par_iter()
        .filter_map(|id| match &graph.node(id).op {
            SlotOp::Linear(map) if map.plan.is_none() => Some((id, plan(map, &graph.constants, config))),
            _ => None,
        })
        .collect();
    for (id, (plan, _)) in plans {
        if let SlotOp::Linear(map) = &mut planned.node_mut(id).op {
            map.plan = Some(plan);
        }
    }
    planned
}

/// The cheapest plan found for a map, and its price.
pub fn plan(map: &LinearMap, constants: &[Constant], config: &Config) -> (MapPlan, f64) {
    let mut best: Option<(MapPlan, f64)> = None;
    let mut offsets = None;
    for reduce in reductions(map) {
        let Ok(routing) = Routing::new(map, &reduce) else { continue };
        let offsets = offsets.get_or_insert_with(|| Offsets::new(&routing, map, constants));
        let classes = routing.classes_of(offsets);
        let (products, price) = split::cheapest(map, &routing, &classes, &config.prices);
        let price = price + config.prices.rotation * (reduce.len() * map.output.ciphertexts) as f64;
        if best.as_ref().is_none_or(|b| price < b.1) {
            best = Some((MapPlan { products, reduce }, price));
        }
    }
    best.expect("no reduction is always possible")
}

/// Chains of output replicas that partial sums can be spread over: from any stride up to the inputs' period.
fn reductions(map: &LinearMap) -> Vec<Vec<Factor>> {
    let top = map.inputs.iter().map(|l| l.period()).max().unwrap_or(1);
    let mut below: Vec<Factor> = map.output.replicas.iter().copied().filter(|r| r.stride < top).collect();
    below.sort_unstable_by_key(|r| r.stride);
    (0..=below.len()).map(|k| below[k..].to_vec()).rev().collect()
}

/// Rotations and plaintexts of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hoisted baby steps.
    pub babies: usize,
    /// Giant steps.
    pub giants: usize,
    /// Whole rotations that add up partial sums.
    pub sums: usize,
    /// Plaintext products.
    pub products: usize,
}

/// Counts a plan.
pub fn count(map: &LinearMap, plan: &MapPlan) -> Counts {
    let babies = plan.products.iter().filter(|p| p.baby != 0).map(|p| (p.operand, p.in_ct, p.baby));
    let giants = plan.products.iter().filter(|p| p.giant != 0).map(|p| (p.out_ct, p.giant));
    Counts {
        babies: babies.collect::<HashSet<_>>().len(),
        giants: giants.collect::<HashSet<_>>().len(),
        sums: plan.reduce.len() * map.output.ciphertexts,
        products: plan.products.len(),
    }
}
