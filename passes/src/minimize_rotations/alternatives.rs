//! Which alternatives for a value are left for `place` to choose from.
//!
//! Where the graph has alternatives for a value (`SlotOp::Alternatives`), what one of them costs is the price of what only it
//! reads, and it takes the levels between the value and what all of them read. An alternative is dropped if another one
//! takes no more levels and costs no more, or so few levels more that they are not worth the difference.

use std::collections::{BTreeMap, BTreeSet};

use fhec_ir::ValueId;
use fhec_ir::slot::{SlotGraph, SlotOp};

use crate::maps::{Parts, Prices};
use crate::nominal::MAX_LEVELED;

/// By value that has alternatives, those that are left, in order; the first stands for all where it matters.
pub(super) type Alternatives = BTreeMap<ValueId, Vec<ValueId>>;

/// What a value costs on its own, in rotations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Price {
    /// No less than that.
    pub least: f64,
    /// And no more.
    pub exact: bool,
}

impl Price {
    pub(super) fn of(least: f64) -> Self {
        Self { least, exact: true }
    }
}

/// What a level more may cost, in rotations.
#[derive(Clone, Copy)]
pub(super) struct LevelPrice {
    /// Whatever the network.
    pub given: Option<f64>,
    /// In a network that needs bootstraps.
    pub bootstrapped: f64,
}

/// What an alternative takes beside what all alternatives for its value read.
struct Measure {
    id: ValueId,
    /// In rotations, at least.
    price: f64,
    exact: bool,
    levels: u32,
    /// Fewest ciphertexts of any value in between.
    narrowest: usize,
}

/// All alternatives of a graph.
pub(super) fn all(graph: &SlotGraph) -> Alternatives {
    let either = graph.iter().filter(|(_, n)| n.op == SlotOp::Alternatives);
    either.map(|(id, n)| (id, n.args.clone())).collect()
}

/// Drops alternatives that cannot pay, by the prices of the graph's values. Unless something is given, a level more may cost
/// what the network costs by its levels, if it will need no bootstraps.
pub(super) fn keep_worthwhile(
    graph: &SlotGraph,
    alternatives: &mut Alternatives,
    price: &dyn Fn(ValueId) -> Price,
    level: LevelPrice,
) {
    let share = || share_of_level(graph, price, alternatives).unwrap_or(level.bootstrapped);
    let level = level.given.unwrap_or_else(share);
    for id in alternatives.keys().copied().collect::<Vec<_>>() {
        if alternatives[&id].len() < 2 {
            continue;
        }
        let found = measured(graph, id, alternatives, price);
        let ciphertexts = graph.ty(id).layout.ciphertexts;
        let beats = |other: &Measure, one: &Measure| {
            let dearer = one.price - other.price;
            let is_narrow = one.narrowest < ciphertexts.min(other.narrowest);
            match other.levels.checked_sub(one.levels) {
                _ if !other.exact => false,
                Some(0) => dearer > 0.0 || dearer == 0.0 && other.id < one.id,
                Some(more) => dearer > level * f64::from(more),
                // A value of few ciphertexts in between may be a place for a bootstrap.
                None => dearer >= 0.0 && !is_narrow,
            }
        };
        let left = |one: &&Measure| !found.iter().any(|other| other.id != one.id && beats(other, one));
        let left = found.iter().filter(left).map(|one| one.id).collect();
        alternatives.insert(id, left);
    }
}

/// Price of a network without bootstraps by its levels, in rotations; None for one that needs them.
fn share_of_level(
    graph: &SlotGraph,
    price: &dyn Fn(ValueId) -> Price,
    alternatives: &Alternatives,
) -> Option<f64> {
    let read = read(graph, alternatives, graph.outputs.iter().map(|o| o.value));
    let mut heights: Vec<u32> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let args = operands(graph, id, alternatives);
        let below = args.iter().map(|a| heights[a.index()]).max().unwrap_or(0);
        heights.push(below + node.op.depth(&graph.constants));
    }
    let depth = graph.outputs.iter().map(|o| heights[o.value.index()]).max().unwrap_or(0);
    let share = || read.into_iter().map(|id| price(id).least).sum::<f64>() / f64::from(depth.max(1));
    (depth <= MAX_LEVELED).then(share)
}

/// The operands that are read for a value: of alternatives the first.
fn operands<'g>(graph: &'g SlotGraph, id: ValueId, alternatives: &'g Alternatives) -> &'g [ValueId] {
    match alternatives.get(&id) {
        Some(left) => &left[..1],
        None => &graph.node(id).args,
    }
}

/// All values that some values need, and they themselves.
fn read(
    graph: &SlotGraph,
    alternatives: &Alternatives,
    of: impl IntoIterator<Item = ValueId>,
) -> BTreeSet<ValueId> {
    let mut open: Vec<ValueId> = of.into_iter().collect();
    let mut read = BTreeSet::new();
    while let Some(id) = open.pop() {
        if read.insert(id) {
            open.extend(operands(graph, id, alternatives));
        }
    }
    read
}

fn measured(
    graph: &SlotGraph,
    id: ValueId,
    alternatives: &Alternatives,
    price: &dyn Fn(ValueId) -> Price,
) -> Vec<Measure> {
    let own = &alternatives[&id];
    let needs: Vec<BTreeSet<ValueId>> = own.iter().map(|one| read(graph, alternatives, [*one])).collect();
    let common = |value: &ValueId| needs.iter().all(|needs| needs.contains(value));
    // What others read that stand behind or beside the value.
    let mut cut = alternatives.clone();
    cut.insert(id, vec![id]);
    let elsewhere = read(graph, &cut, graph.outputs.iter().map(|o| o.value));
    let measure = |(one, needs): (&ValueId, &BTreeSet<ValueId>)| {
        let apart: Vec<ValueId> = needs.iter().filter(|value| !common(value)).copied().collect();
        let mut levels = BTreeMap::from([(*one, 0)]);
        let mut most = 0;
        for value in apart.iter().rev() {
            let below =
                levels.get(value).copied().unwrap_or(0) + graph.node(*value).op.depth(&graph.constants);
            for arg in operands(graph, *value, alternatives) {
                let known = levels.entry(*arg).or_insert(0);
                *known = below.max(*known);
                most = most.max(below);
            }
        }
        let inner = apart.iter().filter(|value| *value != one);
        let paid = apart.iter().filter(|value| !elsewhere.contains(value)).map(|value| price(*value));
        let price =
            paid.fold(Price::of(0.0), |a, b| Price { least: a.least + b.least, exact: a.exact && b.exact });
        Measure {
            id: *one,
            price: price.least,
            exact: price.exact,
            levels: most,
            narrowest: inner.map(|v| graph.ty(*v).layout.ciphertexts).min().unwrap_or(usize::MAX),
        }
    };
    own.iter().zip(&needs).map(measure).collect()
}

/// Price of a value, in rotations, as far as it is known without planning: of planned maps, and of sums of shifts.
pub(super) fn price_of(graph: &SlotGraph, id: ValueId, prices: &Prices) -> f64 {
    let node = graph.node(id);
    match &node.op {
        SlotOp::Linear(map) => map.plan.as_ref().map_or(0.0, |plan| Parts::of(map, plan).price(prices)),
        SlotOp::ShiftSum { shifts, .. } => {
            let sums: u32 = shifts.iter().map(|s| s.extent.next_power_of_two().trailing_zeros()).sum();
            prices.rotation * f64::from(sums) * node.ty.layout.ciphertexts as f64
        }
        _ => 0.0,
    }
}

/// Values that are read if the first alternative is taken everywhere, and those that are if any is.
pub(super) fn certain_and_possible(
    graph: &SlotGraph,
    alternatives: &Alternatives,
) -> (BTreeSet<ValueId>, BTreeSet<ValueId>) {
    let outputs: Vec<ValueId> = graph.outputs.iter().map(|o| o.value).collect();
    let certain = read(graph, alternatives, outputs.iter().copied());
    let mut possible = BTreeSet::new();
    let mut open = outputs;
    while let Some(id) = open.pop() {
        if possible.insert(id) {
            open.extend(alternatives.get(&id).unwrap_or(&graph.node(id).args));
        }
    }
    (certain, possible)
}

/// The graph with no alternatives but those that are left; where one is, it takes the place of its value.
pub(super) fn applied(graph: &SlotGraph, alternatives: &Alternatives) -> SlotGraph {
    if alternatives.is_empty() {
        return graph.clone();
    }
    let mut new = SlotGraph::new(graph.name.clone(), graph.header.clone());
    new.constants.clone_from(&graph.constants);
    let mut renamed: Vec<ValueId> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let args = alternatives.get(&id).unwrap_or(&node.args).iter().map(|a| renamed[a.index()]);
        let args: Vec<ValueId> = args.collect();
        renamed.push(match (&node.op, &args[..]) {
            (SlotOp::Alternatives, [only]) => *only,
            _ => new.push(node.op.clone(), args, node.ty.clone(), node.name.clone()),
        });
    }
    for output in &graph.outputs {
        new.add_output(output.name.clone(), renamed[output.value.index()]);
    }
    new.compacted()
}
