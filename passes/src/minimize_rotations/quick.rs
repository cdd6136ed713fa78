//! Quick plans, for estimates: the cheapest of each map by itself, rotation keys not counted.

use fhec_ir::slot::routing::Offsets;
use fhec_ir::slot::{MapPlan, SlotGraph};
use rayon::prelude::*;

use super::alternatives::{self, LevelPrice};
use super::decide::{Due, decide};
use super::kinds::{Kind, Memo};
use crate::maps::{self, Parts, Prices};
use crate::{nominal, open_rows};

/// The graph with the cheapest plan for each map. A level counts for no more than its share of a bootstrap.
pub(crate) fn planned(graph: &SlotGraph, prices: &Prices, memo: &mut Memo) -> SlotGraph {
    let graph = &open_rows::wherever_clean(graph);
    let kinds = Kind::all(graph);
    let share = nominal::BOOTSTRAP_PRICE / f64::from(nominal::BOOTSTRAP_LEVELS);
    let level = LevelPrice { given: None, bootstrapped: share };
    let known: Vec<bool> = kinds.iter().map(|kind| memo.get(&kind.key).is_some()).collect();
    let left = decide(graph, (&kinds, &known), (prices, level), &mut |due| {
        let (due_before, new): (Due, Due) = due.into_iter().partition(|(k, _)| known[*k]);
        let plan = |(k, offsets): (usize, Option<Offsets>)| {
            (k, maps::candidates(kinds[k].map, &graph.constants, prices, 1, offsets).swap_remove(0).0)
        };
        let plans: Vec<(usize, MapPlan)> = new.into_par_iter().map(plan).collect();
        let all: Vec<usize> = due_before.into_iter().map(|d| d.0).chain(plans.iter().map(|p| p.0)).collect();
        memo.0.extend(plans.into_iter().map(|(k, plan)| (kinds[k].key.clone(), plan)));
        let price = |k: usize| Some((k, Parts::of(kinds[k].map, memo.get(&kinds[k].key)?).price(prices)));
        all.into_iter().filter_map(price).collect()
    });
    let mut planned = graph.clone();
    for kind in &kinds {
        if let Some(plan) = memo.get(&kind.key) {
            kind.set(&mut planned, plan);
        }
    }
    alternatives::applied(&planned, &left)
}
