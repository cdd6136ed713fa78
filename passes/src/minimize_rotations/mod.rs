//! `minimize-rotations`: gives every linear map its plan of rotations and plaintexts.
//!
//! For each map it tries the replicas over which partial sums may be spread and, for each, the baby-step/giant-step
//! splits of the actual offset set ([`split`]), and keeps the cheapest by the [`Prices`]. Baby steps of one
//! ciphertext are hoisted and shared by all outputs; giant steps are applied to sums, two sums at a time as real and
//! imaginary part of one where that is cheaper ([`halves`]). A key for every step that occurs
//! has its price too: among plans that are nearly as cheap those win that share their steps with other maps ([`keys`]).

mod halves;
mod keys;
mod prices;
mod split;

use std::collections::{BTreeSet, HashSet};

use fhec_ir::layout::Factor;
use fhec_ir::slot::routing::{Offsets, Routing};
use fhec_ir::slot::{LinearMap, MapPlan, Product, SlotGraph, SlotOp};
use fhec_ir::{ConstId, Constant, Op, ValueId, Verified};
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
    let kinds = Kind::all(graph);
    let options = kinds.par_iter().map(|k| options(k.map, &graph.constants, config, OPTIONS)).collect();
    let fixed = graph.iter().flat_map(|(_, node)| keys::fixed(&node.op));
    let counts: Vec<usize> = kinds.iter().map(|k| k.values.len()).collect();
    let key = config.prices.key * graph.header.slots as f64 / Prices::KEY_SLOTS;
    let chosen = keys::shared(options, &counts, fixed, (key, graph.header.slots));
    let mut planned = (**graph).clone();
    for (kind, plan) in kinds.iter().zip(chosen) {
        kind.set(&mut planned, &plan);
    }
    Ok(planned)
}

/// Plans of a map to choose from.
const OPTIONS: usize = 12;

/// Linear maps that have the same plans: they differ in numbers only.
struct Kind<'g> {
    map: &'g LinearMap,
    /// What they have in common; None for a map whose constants may decide about its plans.
    key: Option<LinearMap>,
    values: Vec<ValueId>,
}

impl<'g> Kind<'g> {
    /// The maps without a plan.
    fn all(graph: &'g SlotGraph) -> Vec<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        for (id, node) in graph.iter() {
            let SlotOp::Linear(map) = &node.op else { continue };
            if map.plan.is_some() {
                continue;
            }
            let key = Self::key(map, &graph.constants);
            match kinds.iter_mut().find(|k| key.is_some() && k.key == key) {
                Some(kind) => kind.values.push(id),
                None => kinds.push(Self { map, key, values: vec![id] }),
            }
        }
        kinds
    }

    /// Plans depend on which entries a map has, not on the entries themselves.
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

    fn set(&self, graph: &mut SlotGraph, plan: &MapPlan) {
        for id in &self.values {
            if let SlotOp::Linear(map) = &mut graph.node_mut(*id).op {
                map.plan = Some(plan.clone());
            }
        }
    }
}

/// Plans of maps that were met before.
#[derive(Debug, Default)]
pub(crate) struct Memo(Vec<(LinearMap, MapPlan)>);

impl Memo {
    fn get(&self, key: Option<&LinearMap>) -> Option<&MapPlan> {
        self.0.iter().find(|(known, _)| Some(known) == key).map(|(_, plan)| plan)
    }
}

/// The graph with the cheapest plan for each map, keys not counted: for estimates.
pub(crate) fn planned(graph: &SlotGraph, config: &Config, memo: &mut Memo) -> SlotGraph {
    let kinds = Kind::all(graph);
    let due: Vec<&Kind> = kinds.iter().filter(|k| memo.get(k.key.as_ref()).is_none()).collect();
    let plans: Vec<MapPlan> = due.par_iter().map(|k| plan(k.map, &graph.constants, config).0).collect();
    let mut planned = graph.clone();
    for (kind, plan) in due.iter().zip(plans) {
        kind.set(&mut planned, &plan);
        memo.0.extend(kind.key.clone().map(|key| (key, plan)));
    }
    for kind in &kinds {
        if let Some(plan) = memo.get(kind.key.as_ref()) {
            kind.set(&mut planned, plan);
        }
    }
    planned
}

/// The cheapest plan found for a map, and its price.
pub fn plan(map: &LinearMap, constants: &[Constant], config: &Config) -> (MapPlan, f64) {
    options(map, constants, config, 1).swap_remove(0)
}

/// The cheapest plans found for a map, at most `most`, cheapest first, and their prices.
fn options(map: &LinearMap, constants: &[Constant], config: &Config, most: usize) -> Vec<(MapPlan, f64)> {
    let mut options: Vec<(MapPlan, f64)> = Vec::new();
    let mut offsets = None;
    for reduce in reductions(map) {
        let Ok(routing) = Routing::new(map, &reduce) else { continue };
        let offsets = offsets.get_or_insert_with(|| Offsets::new(&routing, map, constants));
        let classes = routing.classes_of(offsets);
        // Large plans are not worth the memory that comparing them takes.
        let most = if classes.len() > LARGE { 1 } else { most };
        let sums = config.prices.rotation * (reduce.len() * map.output.ciphertexts) as f64;
        for way in split::cheapest(map, &routing, &classes, &config.prices, most) {
            let plan = MapPlan { products: way.products, reduce: reduce.clone(), fold: way.fold };
            options.push((plan, way.price + sums));
        }
        options.sort_by(|a, b| a.1.total_cmp(&b.1));
        options.truncate(most);
    }
    assert!(!options.is_empty(), "no reduction is always possible");
    options
}

/// Products above which only the cheapest plan is looked at.
const LARGE: usize = 10_000;

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
    /// Sums of complex halves: three images that share a decomposition each.
    pub folds: usize,
    /// Plaintext products, complex ones of two products of the plan counted once.
    pub products: usize,
}

/// Counts a plan.
pub fn count(map: &LinearMap, plan: &MapPlan) -> Counts {
    let slots = map.output.slots;
    let halves = plan.halves(slots);
    let babies = plan.products.iter().filter(|p| p.baby != 0).map(|p| (p.operand, p.in_ct, p.baby));
    let sum = |p: &Product| (p.out_ct, p.giant);
    let real = |s: (u32, u32)| if halves.contains(&s) { plan.real_half(s, slots) } else { s };
    let sums: HashSet<_> = plan.products.iter().map(|p| real(sum(p))).collect();
    let products = plan.products.iter().map(|p| (real(sum(p)), p.operand, p.in_ct, p.baby));
    Counts {
        babies: babies.collect::<HashSet<_>>().len(),
        giants: sums.iter().filter(|s| s.1 != 0).count(),
        sums: plan.reduce.len() * map.output.ciphertexts,
        folds: halves.iter().map(|h| h.0).collect::<HashSet<_>>().len(),
        products: products.collect::<HashSet<_>>().len(),
    }
}

/// The rotation steps of a plan; the number of slots and a step stand for a rotation that a conjugation follows.
pub fn steps(map: &LinearMap, plan: &MapPlan) -> BTreeSet<u32> {
    keys::steps(plan, map.output.slots)
}
