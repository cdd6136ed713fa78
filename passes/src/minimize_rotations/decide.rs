//! Which maps have to be planned to tell which alternatives are left.
//!
//! Maps that are computed in any case are planned first. Of the others only a bound on the price of their plans is found
//! out, which already rules out most alternatives; the maps of those that remain are planned then.

use std::collections::{BTreeMap, BTreeSet};

use fhec_ir::ValueId;
use fhec_ir::slot::SlotGraph;
use fhec_ir::slot::routing::Offsets;
use rayon::prelude::*;

use super::alternatives::{self, Alternatives, LevelPrice, Price};
use super::kinds::Kind;
use crate::maps::{self, Draft, Prices};

/// Kinds of maps to be planned, by their number, with their offsets where these are known.
pub(super) type Due = Vec<(usize, Option<Offsets>)>;

/// Has kinds of maps planned as far as it takes to tell which alternatives are left: `plan` gives the prices of the cheapest
/// plans, at once for those that are `known`.
pub(super) fn decide(
    graph: &SlotGraph,
    (kinds, known): (&[Kind], &[bool]),
    (prices_of_parts, level): (&Prices, LevelPrice),
    plan: &mut dyn FnMut(Due) -> Vec<(usize, f64)>,
) -> Alternatives {
    let mut left = alternatives::all(graph);
    let (certain, _) = alternatives::certain_and_possible(graph, &left);
    let within = |k: usize, set: &BTreeSet<ValueId>| kinds[k].values.iter().any(|v| set.contains(v));
    let (sure, open): (Vec<usize>, Vec<usize>) =
        (0..kinds.len()).partition(|k| left.is_empty() || known[*k] || within(*k, &certain));
    let mut prices = vec![Price { least: 0.0, exact: false }; kinds.len()];
    let exact = |found: Vec<(usize, f64)>, prices: &mut Vec<Price>| {
        found.into_iter().for_each(|(k, least)| prices[k] = Price { least, exact: true });
    };
    exact(plan(sure.into_iter().map(|k| (k, None)).collect()), &mut prices);
    if left.is_empty() {
        return left;
    }
    let mut kind_of = vec![None; graph.len()];
    let values = kinds.iter().enumerate().flat_map(|(k, kind)| kind.values.iter().map(move |v| (k, v)));
    values.for_each(|(k, v)| kind_of[v.index()] = Some(k));
    let price_by = |prices: &[Price], id: ValueId| match kind_of[id.index()] {
        Some(k) => prices[k],
        None => Price::of(alternatives::price_of(graph, id, prices_of_parts)),
    };
    let draft = |k: &usize| (*k, maps::draft(kinds[*k].map, &graph.constants, prices_of_parts));
    let mut drafts: BTreeMap<usize, Draft> = open.par_iter().map(draft).collect();
    drafts.iter().for_each(|(k, draft)| prices[*k].least = draft.least);
    alternatives::keep_worthwhile(graph, &mut left, &|id| price_by(&prices, id), level);
    let (_, possible) = alternatives::certain_and_possible(graph, &left);
    let due = open.into_iter().filter(|k| within(*k, &possible));
    let due = due.map(|k| (k, drafts.remove(&k).and_then(|draft| draft.offsets))).collect();
    exact(plan(due), &mut prices);
    alternatives::keep_worthwhile(graph, &mut left, &|id| price_by(&prices, id), level);
    left
}
