//! `minimize-rotations`: gives every linear map its plan of rotations and plaintexts.
//!
//! For each map [`maps`] finds candidates: it tries the replicas over which partial sums may be spread and, for
//! each, the baby-step/giant-step splits of the actual offset set. Baby steps of one ciphertext are hoisted and shared by
//! all outputs; giant steps are applied to sums, two sums at a time as real and imaginary part of one where that is
//! cheaper. The key of every rotation step that occurs has its price too: among candidates that are nearly as cheap those
//! win that share their rotation steps with other maps ([`keys`]).
//!
//! Where the graph has alternatives for a value, they are planned as far as they may pay ([`decide`](mod@decide)), and
//! those dropped that cannot ([`alternatives`]).

mod alternatives;
mod decide;
mod keys;
mod kinds;
mod quick;

use std::collections::BTreeSet;

use fhec_ir::Verified;
use fhec_ir::slot::SlotGraph;
use fhec_ir::slot::routing::Offsets;
use rayon::prelude::*;

use crate::maps::{self, Candidates, Parts, Prices};
use crate::{PassError, nominal};
use alternatives::LevelPrice;
use decide::decide;
use kinds::Kind;

pub(crate) use kinds::Memo;
pub(crate) use quick::planned;

/// Candidate plans of a map.
const CANDIDATES: usize = 12;

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Config {
    /// What the parts of a plan cost, in rotations.
    pub prices: Prices,
    /// What an alternative may cost more than one that takes a level more, in rotations. None judges by the network: as much
    /// as a bootstrap where it needs any, else what it costs by its levels.
    pub level: Option<f64>,
}

/// Plans all linear maps that have no plan yet.
///
/// # Errors
/// None today.
pub fn run(graph: &Verified<SlotGraph>, config: &Config) -> Result<SlotGraph, PassError> {
    let kinds = Kind::all(graph);
    let prices = &config.prices;
    let mut candidates: Vec<Candidates> = vec![vec![]; kinds.len()];
    let known = vec![false; kinds.len()];
    let level = LevelPrice { given: config.level, bootstrapped: nominal::BOOTSTRAP_PRICE };
    let left = decide(graph, (&kinds, &known), (prices, level), &mut |due| {
        let plan = |(k, offsets): (usize, Option<Offsets>)| {
            (k, maps::candidates(kinds[k].map, &graph.constants, prices, CANDIDATES, offsets))
        };
        let found: Vec<(usize, Candidates)> = due.into_par_iter().map(plan).collect();
        let least = |(k, plans): &(usize, Candidates)| {
            let (cheapest, _) = &plans[0];
            (*k, Parts::of(kinds[*k].map, cheapest).price(prices))
        };
        let least = found.iter().map(least).collect();
        found.into_iter().for_each(|(k, found)| candidates[k] = found);
        least
    });
    let (certain, _) = alternatives::certain_and_possible(graph, &left);
    let count = |kind: &Kind| kind.values.iter().filter(|id| certain.contains(id)).count();
    let all = kinds.iter().zip(candidates).filter(|(_, candidates)| !candidates.is_empty());
    let (sure, open): (Vec<_>, Vec<_>) = all.partition(|(kind, _)| left.is_empty() || count(kind) > 0);

    let (kinds, candidates): (Vec<_>, Vec<_>) = sure.into_iter().unzip();
    let counts: Vec<usize> = kinds.iter().map(|kind| count(kind)).collect();
    let slots = graph.header.slots;
    let key = (prices.key * slots as f64 / Prices::KEY_SLOTS, slots);
    let computed = graph.iter().filter(|(id, _)| certain.contains(id));
    let mut steps: BTreeSet<u32> = computed.flat_map(|(_, node)| keys::fixed(&node.op)).collect();
    let chosen = keys::shared(candidates, &counts, steps.iter().copied(), key);
    let mut planned = (**graph).clone();
    for (kind, plan) in kinds.iter().zip(chosen) {
        steps.extend(maps::rotation_steps(&plan, slots));
        kind.set(&mut planned, &plan);
    }
    // Whether others will be computed is open: each has to pay for its own keys.
    for (kind, candidates) in open {
        kind.set(&mut planned, &keys::beside(candidates, &steps, key));
    }
    Ok(alternatives::applied(&planned, &left))
}
