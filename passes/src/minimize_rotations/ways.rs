//! Which of several ways to a value are left for `place` to choose from.
//!
//! What a way costs is the price of what only it reads, and it takes the levels between its value and what all ways read.
//! A way is dropped if another one takes no more levels and costs no more, or so few levels more that they are not worth
//! the difference.

use std::collections::{BTreeMap, BTreeSet};

use fhec_ir::ValueId;
use fhec_ir::slot::{SlotGraph, SlotOp};

use super::Prices;
use crate::place;

/// By value that is given in several ways, those that are left, in order; the first stands for all where it matters.
pub(super) type Ways = BTreeMap<ValueId, Vec<ValueId>>;

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
pub(super) struct Level {
    /// Whatever the network.
    pub given: Option<f64>,
    /// In a network that needs bootstraps.
    pub bootstrapped: f64,
}

/// One way to a value.
struct Way {
    id: ValueId,
    /// In rotations, at least.
    price: f64,
    exact: bool,
    levels: u32,
    /// Fewest ciphertexts of any value on the way.
    narrowest: usize,
}

/// All ways of a graph.
pub(super) fn all(graph: &SlotGraph) -> Ways {
    let either = graph.iter().filter(|(_, n)| n.op == SlotOp::Either);
    either.map(|(id, n)| (id, n.args.clone())).collect()
}

/// Drops ways that cannot pay, by the prices of the graph's values. Without bootstraps a level more may cost what the network
/// costs by its levels, unless something is given.
pub(super) fn keep_worthwhile(
    graph: &SlotGraph,
    ways: &mut Ways,
    price: &dyn Fn(ValueId) -> Price,
    level: &Level,
) {
    let share = || share_of_level(graph, price, ways).unwrap_or(level.bootstrapped);
    let level = level.given.unwrap_or_else(share);
    for id in ways.keys().copied().collect::<Vec<_>>() {
        if ways[&id].len() < 2 {
            continue;
        }
        let found = measured(graph, id, ways, price);
        let ciphertexts = graph.ty(id).layout.ciphertexts;
        let beats = |other: &Way, way: &Way| {
            let dearer = way.price - other.price;
            let is_narrow = way.narrowest < ciphertexts.min(other.narrowest);
            match other.levels.checked_sub(way.levels) {
                _ if !other.exact => false,
                Some(0) => dearer > 0.0 || dearer == 0.0 && other.id < way.id,
                Some(more) => dearer > level * f64::from(more),
                // A value of few ciphertexts on the way may be a place for a bootstrap.
                None => dearer >= 0.0 && !is_narrow,
            }
        };
        let left = |way: &&Way| !found.iter().any(|other| other.id != way.id && beats(other, way));
        let left = found.iter().filter(left).map(|way| way.id).collect();
        ways.insert(id, left);
    }
}

/// Price of a network without bootstraps by its levels, in rotations; None for one that needs them.
fn share_of_level(graph: &SlotGraph, price: &dyn Fn(ValueId) -> Price, ways: &Ways) -> Option<f64> {
    let read = read(graph, ways, graph.outputs.iter().map(|o| o.value));
    let mut heights: Vec<u32> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let args = operands(graph, id, ways);
        let below = args.iter().map(|a| heights[a.index()]).max().unwrap_or(0);
        heights.push(below + node.op.depth(&graph.constants));
    }
    let depth = graph.outputs.iter().map(|o| heights[o.value.index()]).max().unwrap_or(0);
    let share = || read.into_iter().map(|id| price(id).least).sum::<f64>() / f64::from(depth.max(1));
    (depth <= place::MAX_LEVELED).then(share)
}

/// The operands that are read for a value: of several ways the first.
fn operands<'g>(graph: &'g SlotGraph, id: ValueId, ways: &'g Ways) -> &'g [ValueId] {
    match ways.get(&id) {
        Some(ways) => &ways[..1],
        None => &graph.node(id).args,
    }
}

/// All values that some values need, and they themselves.
fn read(graph: &SlotGraph, ways: &Ways, of: impl IntoIterator<Item = ValueId>) -> BTreeSet<ValueId> {
    let mut open: Vec<ValueId> = of.into_iter().collect();
    let mut read = BTreeSet::new();
    while let Some(id) = open.pop() {
        if read.insert(id) {
            open.extend(operands(graph, id, ways));
        }
    }
    read
}

fn measured(graph: &SlotGraph, id: ValueId, ways: &Ways, price: &dyn Fn(ValueId) -> Price) -> Vec<Way> {
    let own = &ways[&id];
    let needs: Vec<BTreeSet<ValueId>> = own.iter().map(|way| read(graph, ways, [*way])).collect();
    let common = |value: &ValueId| needs.iter().all(|needs| needs.contains(value));
    // What others read that stand behind or beside the value.
    let mut cut = ways.clone();
    cut.insert(id, vec![id]);
    let elsewhere = read(graph, &cut, graph.outputs.iter().map(|o| o.value));
    let way = |(way, needs): (&ValueId, &BTreeSet<ValueId>)| {
        let apart: Vec<ValueId> = needs.iter().filter(|value| !common(value)).copied().collect();
        let mut levels = BTreeMap::from([(*way, 0)]);
        let mut most = 0;
        for value in apart.iter().rev() {
            let below =
                levels.get(value).copied().unwrap_or(0) + graph.node(*value).op.depth(&graph.constants);
            for arg in operands(graph, *value, ways) {
                let known = levels.entry(*arg).or_insert(0);
                *known = below.max(*known);
                most = most.max(below);
            }
        }
        let inner = apart.iter().filter(|value| *value != way);
        let paid = apart.iter().filter(|value| !elsewhere.contains(value)).map(|value| price(*value));
        let price =
            paid.fold(Price::of(0.0), |a, b| Price { least: a.least + b.least, exact: a.exact && b.exact });
        Way {
            id: *way,
            price: price.least,
            exact: price.exact,
            levels: most,
            narrowest: inner.map(|v| graph.ty(*v).layout.ciphertexts).min().unwrap_or(usize::MAX),
        }
    };
    own.iter().zip(&needs).map(way).collect()
}

/// Price of a value that is no linear map: sums of shifts have rotations.
pub(super) fn price_of(graph: &SlotGraph, id: ValueId, prices: &Prices) -> f64 {
    let node = graph.node(id);
    let SlotOp::ShiftSum { shifts, .. } = &node.op else { return 0.0 };
    let sums: u32 = shifts.iter().map(|s| s.extent.next_power_of_two().trailing_zeros()).sum();
    prices.rotation * f64::from(sums) * node.ty.layout.ciphertexts as f64
}

/// Values that are read if the first way is taken everywhere, and those that are if any is.
pub(super) fn certain_and_possible(graph: &SlotGraph, ways: &Ways) -> (BTreeSet<ValueId>, BTreeSet<ValueId>) {
    let outputs: Vec<ValueId> = graph.outputs.iter().map(|o| o.value).collect();
    let certain = read(graph, ways, outputs.iter().copied());
    let mut possible = BTreeSet::new();
    let mut open = outputs;
    while let Some(id) = open.pop() {
        if possible.insert(id) {
            open.extend(ways.get(&id).unwrap_or(&graph.node(id).args));
        }
    }
    (certain, possible)
}

/// The graph with the ways that are left only; where one is, it takes the place of its value.
pub(super) fn applied(graph: &SlotGraph, ways: &Ways) -> SlotGraph {
    if ways.is_empty() {
        return graph.clone();
    }
    let mut new = SlotGraph::new(graph.name.clone(), graph.header.clone());
    new.constants.clone_from(&graph.constants);
    let mut renamed: Vec<ValueId> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let args = ways.get(&id).unwrap_or(&node.args).iter().map(|a| renamed[a.index()]);
        let args: Vec<ValueId> = args.collect();
        renamed.push(match (&node.op, &args[..]) {
            (SlotOp::Either, [only]) => *only,
            _ => new.push(node.op.clone(), args, node.ty.clone(), node.name.clone()),
        });
    }
    for output in &graph.outputs {
        new.add_output(output.name.clone(), renamed[output.value.index()]);
    }
    new.compacted()
}
