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
use fhec_ir::{ConstId, Constant, Op, Verified};
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
    Ok(planned(graph, config, &mut Memo::default()))
}

/// Plans of maps that were met before: they depend on which entries a map has, not on the entries themselves.
#[derive(Debug, Default)]
pub(crate) struct Memo(Vec<(LinearMap, MapPlan)>);

impl Memo {
    /// What stands for all maps with the same entries; None for maps whose constants may decide about that.
    fn key(map: &LinearMap, constants: &[Constant]) -> Option<LinearMap> {
        let mut key = map.clone();
        let mut dense = key.terms.iter().all(|t| t.stages.len() <= 1);
        for stage in key.terms.iter_mut().flat_map(|t| &mut t.stages) {
            stage.op.map_constants(&mut |c| {
                dense &= constants[c.index()].data.iter().all(|x| *x != 0.0);
                ConstId(0)
            });
        }
        dense.then_some(key)
    }

    fn get(&self, key: &LinearMap) -> Option<&MapPlan> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, plan)| plan)
    }
}

/// Plans all linear maps that have no plan yet, those of a kind once.
pub(crate) fn planned(graph: &SlotGraph, config: &Config, memo: &mut Memo) -> SlotGraph {
    let mut planned = graph.clone();
    let mut due = Vec::new();
    let mut like = Vec::new();
    for (id, node) in graph.iter() {
        let SlotOp::Linear(map) = &node.op else { continue };
        if map.plan.is_some() {
            continue;
        }
        let key = Memo::key(map, &graph.constants);
        let listed = |key| due.iter().any(|(_, _, k): &(_, _, Option<LinearMap>)| k.as_ref() == Some(key));
        let is_new = key.as_ref().is_none_or(|key| memo.get(key).is_none() && !listed(key));
        match (is_new, key) {
            (true, key) => due.push((id, map, key)),
            (false, Some(key)) => like.push((id, key)),
            (false, None) => unreachable!("maps without a key are new"),
        }
    }
    let plans: Vec<_> =
        due.into_par_iter().map(|(id, map, key)| (id, plan(map, &graph.constants, config).0, key)).collect();
    let mut set = |id, plan: MapPlan| {
        if let SlotOp::Linear(map) = &mut planned.node_mut(id).op {
            map.plan = Some(plan);
        }
    };
    for (id, plan, key) in plans {
        memo.0.extend(key.map(|key| (key, plan.clone())));
        set(id, plan);
    }
    for (id, key) in like {
        set(id, memo.get(&key).expect("planned above").clone());
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
