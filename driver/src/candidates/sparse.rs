//! Bootstraps of sparse slots: where values repeat within a ciphertext, one that keeps fewer slots apart is cheaper.
//!
//! Such chains are designed after the placements on those for all slots are known, and only in place of those that may
//! still win by what a sparse bootstrap saves: designing takes most of the time of compilation. For the same reason it is
//! seconds that decide which are designed, whatever the objective is.

use std::collections::{BTreeMap, BTreeSet};

use fhec_passes::place::Placer;
use rayon::prelude::*;

use super::candidate::Candidate;
use super::chains::Designs;
use super::placement::Placements;
use super::shape::Shape;
use crate::observer::Stage;

/// Fewest slots that a bootstrap is designed for.
const LEAST_SLOTS: usize = 1 << 3;

/// What a bootstrap of sparse slots saves at most, as a part of one of all slots: a tenth for half of the slots, twice
/// that where SlotsToCoeffs takes a level less then, or special primes find room.
const MOST_SAVED: f64 = 0.2;

/// Chains designed at once.
const ROUND: usize = 6;

/// Candidates on chains for sparse slots that may be faster than the `dense` ones of the same packed network.
pub(crate) fn candidates(
    designs: &Designs<'_>,
    placements: &Placements<'_>,
    packed: (usize, &Placer<'_>),
    dense: &[Candidate],
) -> Vec<Candidate> {
    let fastest = |found: &[Candidate]| found.iter().map(|c| c.report.seconds).fold(f64::INFINITY, f64::min);
    let mut best = fastest(dense);
    let mut hopes = placements.watch.stage(Stage::Placement, |_| sparser(dense, packed.1, best));
    hopes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut found = Vec::new();
    for round in hopes.chunks(ROUND) {
        let mut shapes: Vec<Shape> = round.iter().filter(|(hope, _)| *hope < best).map(|(_, s)| *s).collect();
        if shapes.is_empty() {
            break;
        }
        shapes.sort_unstable();
        // That there is none is no error: others are known.
        let Ok(chains) = designs.chains(designs.request.bootstrap_key_bytes, &shapes) else { continue };
        found.extend(placements.on(chains, packed).unwrap_or_default());
        best = best.min(fastest(&found));
    }
    found
}

/// Shapes like those of candidates, with bootstraps of as many slots as some computed values repeat after, fewer than
/// all, if these take the graph to its outputs; with the seconds to hope for, where these are fewer than `best`.
fn sparser(dense: &[Candidate], placer: &Placer<'_>, best: f64) -> Vec<(f64, Shape)> {
    // The variants of a chain differ little: the cheapest placement stands for all.
    let mut hopeful: Vec<&Candidate> = dense.iter().filter(|candidate| hope(candidate) < best).collect();
    hopeful.sort_by(|a, b| a.report.seconds.total_cmp(&b.report.seconds));
    let mut known = BTreeSet::new();
    hopeful.retain(|c| known.insert(Shape::of(c.report.levels, &c.chain)));
    let graph = placer.graph();
    let computed = graph.iter().filter(|(_, node)| !node.args.is_empty());
    let periods: BTreeSet<usize> = computed.map(|(_, node)| node.ty.layout.period()).collect();
    let periods: Vec<usize> = periods.range(LEAST_SLOTS..graph.header.slots).rev().copied().collect();
    let by_levels: BTreeMap<u32, &Candidate> = hopeful.iter().map(|c| (c.report.levels, *c)).collect();
    let sufficing = by_levels.par_iter().map(|(levels, candidate)| {
        let mut config = candidate.config.clone();
        let mut reaches = |period: usize| {
            config.bootstrap.iter_mut().for_each(|b| b.period = period);
            placer.reaches(&config)
        };
        // Where some slots do not suffice, fewer do not either.
        (*levels, periods.iter().copied().take_while(|period| reaches(*period)).collect())
    });
    let sufficing: BTreeMap<u32, Vec<usize>> = sufficing.collect();
    let shapes = hopeful.iter().flat_map(|candidate| {
        let like = Shape::of(candidate.report.levels, &candidate.chain);
        let sufficing = sufficing[&like.levels].iter();
        sufficing.map(move |period| (hope(candidate), like.with_slots(*period)))
    });
    shapes.collect()
}

/// Seconds of a candidate if its bootstraps were as cheap as can be.
fn hope(candidate: &Candidate) -> f64 {
    let each = candidate.chain.bootstrap.map_or(0.0, |b| b.seconds);
    candidate.report.seconds - MOST_SAVED * each * candidate.report.bootstraps as f64
}
