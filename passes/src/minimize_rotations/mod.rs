//! `minimize-rotations`: gives every linear map its plan of rotations and plaintexts.
//!
//! For each map it tries the replicas over which partial sums may be spread and, for each, the baby-step/giant-step
//! splits of the actual offset set ([`split`]), and keeps the cheapest by the [`Prices`]. Baby steps of one
//! ciphertext are hoisted and shared by all outputs; giant steps are applied to sums, two sums at a time as real and
//! imaginary part of one where that is cheaper ([`halves`]). A key for every step that occurs
//! has its price too: among plans that are nearly as cheap those win that share their steps with other maps ([`keys`]).
//!
//! Where a value is given in several ways, all are planned and those dropped that cannot pay ([`ways`]).

mod halves;
mod keys;
mod kinds;
mod prices;
mod split;
mod ways;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fhec_ir::layout::Factor;
use fhec_ir::slot::routing::{Offsets, Routing};
use fhec_ir::slot::{LinearMap, MapPlan, Product, SlotGraph, SlotOp};
use fhec_ir::{Constant, ValueId, Verified};
use rayon::prelude::*;

use crate::{PassError, place};
use kinds::Kind;
pub(crate) use kinds::Memo;
pub use prices::Prices;
use ways::{Level, Price, Ways};

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Config {
    /// What things cost.
    pub prices: Prices,
    /// What a way to a value may cost more than one that takes a level more, in rotations; None judges by the network: where
    /// it needs bootstraps one of these, else what it costs by its levels.
    pub level: Option<f64>,
}

/// Plans all linear maps that have no plan yet.
///
/// # Errors
/// None today.
pub fn run(graph: &Verified<SlotGraph>, config: &Config) -> Result<SlotGraph, PassError> {
    let kinds = Kind::all(graph);
    let mut options: Vec<Options> = vec![vec![]; kinds.len()];
    let known = vec![false; kinds.len()];
    let ways = decide(graph, (&kinds, &known), (config, place::NOMINAL.price), &mut |due| {
        let plan = |(k, offsets): (usize, Option<Offsets>)| {
            (k, self::options(kinds[k].map, &graph.constants, config, OPTIONS, offsets))
        };
        let found: Vec<(usize, Options)> = due.into_par_iter().map(plan).collect();
        let prices =
            found.iter().map(|(k, options)| (*k, price_of(kinds[*k].map, &options[0].0, &config.prices)));
        let prices = prices.collect();
        found.into_iter().for_each(|(k, found)| options[k] = found);
        prices
    });
    let (certain, _) = ways::certain_and_possible(graph, &ways);
    let count = |kind: &Kind| kind.values.iter().filter(|id| certain.contains(id)).count();
    let all = kinds.iter().zip(options).filter(|(_, options)| !options.is_empty());
    let (sure, open): (Vec<_>, Vec<_>) = all.partition(|(kind, _)| ways.is_empty() || count(kind) > 0);

    let (kinds, options): (Vec<_>, Vec<_>) = sure.into_iter().unzip();
    let counts: Vec<usize> = kinds.iter().map(|kind| count(kind)).collect();
    let slots = graph.header.slots;
    let key = (config.prices.key * slots as f64 / Prices::KEY_SLOTS, slots);
    let computed = graph.iter().filter(|(id, _)| certain.contains(id));
    let mut steps: BTreeSet<u32> = computed.flat_map(|(_, node)| keys::fixed(&node.op)).collect();
    let chosen = keys::shared(options, &counts, steps.iter().copied(), key);
    let mut planned = (**graph).clone();
    for (kind, plan) in kinds.iter().zip(chosen) {
        steps.extend(keys::steps(&plan, slots));
        kind.set(&mut planned, &plan);
    }
    // Whether others will be computed is open: each has to pay for its own keys.
    for (kind, options) in open {
        kind.set(&mut planned, &keys::beside(options, &steps, key));
    }
    Ok(ways::applied(&planned, &ways))
}

/// Kinds of maps to plan, by their number, with their offsets where these are known.
type Due = Vec<(usize, Option<Offsets>)>;

/// Has kinds of maps planned as far as it takes to tell which ways to values are left: `plan` gives the prices of the
/// cheapest plans, at once for those that are known. In networks with bootstraps a level more may cost what `level` says.
fn decide(
    graph: &SlotGraph,
    (kinds, known): (&[Kind], &[bool]),
    (config, level): (&Config, f64),
    plan: &mut dyn FnMut(Due) -> Vec<(usize, f64)>,
) -> Ways {
    let mut ways = ways::all(graph);
    let (certain, _) = ways::certain_and_possible(graph, &ways);
    let within = |k: usize, set: &BTreeSet<ValueId>| kinds[k].values.iter().any(|v| set.contains(v));
    let (sure, open): (Vec<usize>, Vec<usize>) =
        (0..kinds.len()).partition(|k| ways.is_empty() || known[*k] || within(*k, &certain));
    let level = Level { given: config.level, bootstrapped: level };
    let mut prices = vec![Price { least: 0.0, exact: false }; kinds.len()];
    let exact = |found: Vec<(usize, f64)>, prices: &mut Vec<Price>| {
        found.into_iter().for_each(|(k, least)| prices[k] = Price { least, exact: true });
    };
    exact(plan(sure.into_iter().map(|k| (k, None)).collect()), &mut prices);
    if ways.is_empty() {
        return ways;
    }
    let mut kind_of = vec![None; graph.len()];
    let values = kinds.iter().enumerate().flat_map(|(k, kind)| kind.values.iter().map(move |v| (k, v)));
    values.for_each(|(k, v)| kind_of[v.index()] = Some(k));
    let price_by = |prices: &[Price], id: ValueId| match (kind_of[id.index()], &graph.node(id).op) {
        (Some(k), _) => prices[k],
        (None, SlotOp::Linear(map)) => {
            Price::of(map.plan.as_ref().map_or(0.0, |plan| price_of(map, plan, &config.prices)))
        }
        _ => Price::of(ways::price_of(graph, id, &config.prices)),
    };
    let draft = |k: &usize| (*k, least(kinds[*k].map, &graph.constants, &config.prices));
    let mut drafts: BTreeMap<usize, Draft> = open.par_iter().map(draft).collect();
    drafts.iter().for_each(|(k, draft)| prices[*k].least = draft.least);
    ways::keep_worthwhile(graph, &mut ways, &|id| price_by(&prices, id), &level);
    let (_, possible) = ways::certain_and_possible(graph, &ways);
    let due = open.into_iter().filter(|k| within(*k, &possible));
    let due = due.map(|k| (k, drafts.remove(&k).and_then(|draft| draft.offsets))).collect();
    exact(plan(due), &mut prices);
    ways::keep_worthwhile(graph, &mut ways, &|id| price_by(&prices, id), &level);
    ways
}

/// What is known of a map before it is planned.
struct Draft {
    /// Bound on the price of its plans.
    least: f64,
    /// Where they don't take much memory.
    offsets: Option<Offsets>,
}

/// Pairs of ciphertexts of a map whose offsets are kept.
const KEPT: usize = 64;

fn least(map: &LinearMap, constants: &[Constant], prices: &Prices) -> Draft {
    let mut offsets = None;
    let price = |reduce: Vec<Factor>| {
        let routing = Routing::new(map, &reduce).ok()?;
        let offsets = offsets.get_or_insert_with(|| Offsets::new(&routing, map, constants));
        Some(
            split::least(map, routing.classes_of(offsets).len(), prices)
                + price_of_sums(map, &reduce, prices),
        )
    };
    let least = reductions(map).into_iter().filter_map(price).fold(f64::INFINITY, f64::min);
    let inputs: usize = map.inputs.iter().map(|l| l.ciphertexts).sum();
    Draft { least, offsets: offsets.filter(|_| inputs * map.output.ciphertexts <= KEPT) }
}

/// Price of adding up what was spread over replicas.
fn price_of_sums(map: &LinearMap, reduce: &[Factor], prices: &Prices) -> f64 {
    prices.rotation * (reduce.len() * map.output.ciphertexts) as f64
}

/// Plans of a map and their prices, cheapest first.
type Options = Vec<(MapPlan, f64)>;

/// Plans of a map to choose from.
const OPTIONS: usize = 12;

/// The graph with the cheapest plan for each map, keys not counted: for estimates. A level counts for no more than its share
/// of a bootstrap.
pub(crate) fn planned(graph: &SlotGraph, config: &Config, memo: &mut Memo) -> SlotGraph {
    let kinds = Kind::all(graph);
    let level = place::NOMINAL.price / f64::from(place::NOMINAL.levels);
    let known: Vec<bool> = kinds.iter().map(|kind| memo.get(&kind.key).is_some()).collect();
    let ways = decide(graph, (&kinds, &known), (config, level), &mut |due| {
        let (due_before, new): (Due, Due) = due.into_iter().partition(|(k, _)| known[*k]);
        let plan = |(k, offsets): (usize, Option<Offsets>)| {
            (k, options(kinds[k].map, &graph.constants, config, 1, offsets).swap_remove(0).0)
        };
        let plans: Vec<(usize, MapPlan)> = new.into_par_iter().map(plan).collect();
        let all: Vec<usize> = due_before.into_iter().map(|d| d.0).chain(plans.iter().map(|p| p.0)).collect();
        memo.0.extend(plans.into_iter().map(|(k, plan)| (kinds[k].key.clone(), plan)));
        let price = |k: usize| Some((k, price_of(kinds[k].map, memo.get(&kinds[k].key)?, &config.prices)));
        all.into_iter().filter_map(price).collect()
    });
    let mut planned = graph.clone();
    for kind in &kinds {
        if let Some(plan) = memo.get(&kind.key) {
            kind.set(&mut planned, plan);
        }
    }
    ways::applied(&planned, &ways)
}

/// The cheapest plan found for a map, and its price.
pub fn plan(map: &LinearMap, constants: &[Constant], config: &Config) -> (MapPlan, f64) {
    options(map, constants, config, 1, None).swap_remove(0)
}

/// The cheapest plans found for a map, at most `most`, cheapest first, and their prices.
fn options(
    map: &LinearMap,
    constants: &[Constant],
    config: &Config,
    most: usize,
    mut offsets: Option<Offsets>,
) -> Options {
    // Plans with the number of their reduction, which decides between equals.
    let mut options: Vec<(usize, MapPlan, f64)> = Vec::new();
    // The last ones have the fewest products.
    for (at, reduce) in reductions(map).into_iter().enumerate().rev() {
        let Ok(routing) = Routing::new(map, &reduce) else { continue };
        let offsets = offsets.get_or_insert_with(|| Offsets::new(&routing, map, constants));
        let classes = routing.classes_of(offsets);
        let sums = price_of_sums(map, &reduce, &config.prices);
        let least = split::least(map, classes.len(), &config.prices) + sums;
        if options.len() >= most && options.last().is_some_and(|o| o.2 < least) {
            continue;
        }
        // Large plans are not worth the memory that comparing them takes.
        let most = if classes.len() > LARGE { 1 } else { most };
        for way in split::cheapest(map, &routing, &classes, &config.prices, most) {
            let plan = MapPlan { products: way.products, reduce: reduce.clone(), fold: way.fold };
            options.push((at, plan, way.price + sums));
        }
        options.sort_by(|a, b| a.2.total_cmp(&b.2).then(a.0.cmp(&b.0)));
        options.truncate(most);
    }
    assert!(!options.is_empty(), "no reduction is always possible");
    options.into_iter().map(|(_, plan, price)| (plan, price)).collect()
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

/// Price of a plan, in rotations.
fn price_of(map: &LinearMap, plan: &MapPlan, prices: &Prices) -> f64 {
    Parts::of(map, plan).price(prices)
}

/// What a planned map consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    counts: Counts,
    hoists: usize,
    /// Of each of its plaintexts, period/S.
    weight: f64,
}

impl Parts {
    pub(crate) fn of(map: &LinearMap, plan: &MapPlan) -> Self {
        let hoists = map.inputs.iter().map(|l| l.ciphertexts).sum();
        let weight = map.output.period() as f64 / map.output.slots as f64;
        Self { counts: count(map, plan), hoists, weight }
    }

    /// In rotations.
    pub(crate) fn price(&self, prices: &Prices) -> f64 {
        let c = &self.counts;
        prices.hoist * self.hoists as f64
            + prices.baby * c.babies as f64
            + prices.giant * c.giants as f64
            + prices.rotation * c.sums as f64
            + if c.folds > 0 { prices.fold * c.folds as f64 } else { 0.0 }
            + (prices.product + prices.encode * self.weight) * c.products as f64
    }
}

/// The rotation steps of a plan; the number of slots and a step stand for a rotation that a conjugation follows.
pub fn steps(map: &LinearMap, plan: &MapPlan) -> BTreeSet<u32> {
    keys::steps(plan, map.output.slots)
}
