//! Bootstraps of sparse slots: where values repeat within a ciphertext, one that keeps fewer slots apart is cheaper.
//!
//! Such chains are designed after the placements on those for all slots are known, and only in place of those that may
//! still win by what a sparse bootstrap saves: designing takes most of the time of compilation.

use std::collections::{BTreeMap, BTreeSet};

use fhec_passes::place::Placer;
use rayon::prelude::*;

use crate::compile::{CompileOptions, Stages, timed};
use crate::search::{Placed, Shape, bootstrap_chains, placed};

/// Fewest slots that a bootstrap is designed for.
const LEAST_SLOTS: usize = 1 << 3;

/// What a bootstrap of sparse slots saves at most, as a part of one of all slots: a tenth for half of the slots, twice
/// that where SlotsToCoeffs takes a level less then, or special primes find room.
const MOST_SAVED: f64 = 0.2;

/// Chains designed at once.
const ROUND: usize = 6;

/// Placements of a graph on chains for sparse slots that may be faster than those on chains for all slots, with the
/// chains.
pub(crate) fn placed_sparsely(
    options: &CompileOptions,
    (log_n, key_bytes): (u32, usize),
    (placer, ranges): (&Placer<'_>, &[f64]),
    dense: &[Placed],
    stages: &mut Stages,
) -> Vec<Placed> {
    let fastest = |found: &[Placed]| found.iter().map(|p| p.report.seconds).fold(f64::INFINITY, f64::min);
    let mut best = fastest(dense);
    let mut hopes = timed(&mut stages.placement, || sparser(dense, placer, best));
    hopes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut found = Vec::new();
    for round in hopes.chunks(ROUND) {
        let mut shapes: Vec<Shape> = round.iter().filter(|(hope, _)| *hope < best).map(|(_, s)| *s).collect();
        if shapes.is_empty() {
            break;
        }
        shapes.sort_unstable();
        let chains = timed(&mut stages.design, || bootstrap_chains(options, log_n, key_bytes, &shapes));
        // That there is none is no error: others are known.
        let Ok(chains) = chains else { continue };
        let sparse = timed(&mut stages.placement, || placed(options, (0, placer), ranges, chains));
        found.extend(sparse.unwrap_or_default());
        best = best.min(fastest(&found));
    }
    found
}

/// Shapes like those of placements, with bootstraps of as many slots as some computed values repeat after, fewer than
/// all, if these take the graph to its outputs; with the seconds to hope for, where these are fewer than `best`.
fn sparser(placements: &[Placed], placer: &Placer<'_>, best: f64) -> Vec<(f64, Shape)> {
    // The variants of a chain differ little: the cheapest placement stands for all.
    let mut hopeful: Vec<&Placed> = placements.iter().filter(|placed| hope(placed) < best).collect();
    hopeful.sort_by(|a, b| a.report.seconds.total_cmp(&b.report.seconds));
    let mut known = BTreeSet::new();
    hopeful.retain(|p| known.insert(Shape::of(p.report.levels, &p.chain)));
    let graph = placer.graph();
    let computed = graph.iter().filter(|(_, node)| !node.args.is_empty());
    let periods: BTreeSet<usize> = computed.map(|(_, node)| node.ty.layout.period()).collect();
    let periods: Vec<usize> = periods.range(LEAST_SLOTS..graph.header.slots).rev().copied().collect();
    let by_levels: BTreeMap<u32, &Placed> = hopeful.iter().map(|p| (p.report.levels, *p)).collect();
    let sufficing = by_levels.par_iter().map(|(levels, placed)| {
        let mut config = placed.config.clone();
        let mut reaches = |period: usize| {
            config.bootstrap.iter_mut().for_each(|b| b.period = period);
            placer.reaches(&config)
        };
        // Where some slots do not suffice, fewer do not either.
        (*levels, periods.iter().copied().take_while(|period| reaches(*period)).collect())
    });
    let sufficing: BTreeMap<u32, Vec<usize>> = sufficing.collect();
    let shapes = hopeful.iter().flat_map(|placed| {
        let like = Shape::of(placed.report.levels, &placed.chain);
        let sparse = move |period: &usize| Shape { log_slots: Some(period.trailing_zeros()), ..like };
        sufficing[&like.levels].iter().map(move |period| (hope(placed), sparse(period)))
    });
    shapes.collect()
}

/// Seconds of a placement if its bootstraps were as cheap as can be.
fn hope(placed: &Placed) -> f64 {
    let each = placed.chain.bootstrap.map_or(0.0, |b| b.seconds);
    placed.report.seconds - MOST_SAVED * each * placed.report.bootstraps as f64
}
