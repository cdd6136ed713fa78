//! Bootstraps of sparse slots: where values repeat within a ciphertext, one that keeps fewer slots apart is cheaper.
//!
//! Such chains are designed after the placements on those for all slots are known, and only in place of those that may
//! still win by what a sparse bootstrap saves: designing takes most of the time of compilation.

use std::collections::BTreeSet;

use fhec_ir::Verified;
use fhec_ir::slot::SlotGraph;
use fhec_passes::place;

use crate::compile::{CompileOptions, Stages, timed};
use crate::search::{Placed, Shape, bootstrap_chains, placed};

/// Fewest slots that a bootstrap is designed for.
const LEAST_SLOTS: usize = 1 << 3;

/// What a bootstrap of sparse slots saves at most, as a part of one of all slots (12 levels, 2^12 of 2^15 slots: 0.19).
const MOST_SAVED: f64 = 0.2;

/// Placements that chains for sparse slots are designed after at once.
const ROUND: usize = 4;

/// Placements of a graph on chains for sparse slots that may be faster than those on chains for all slots, with the
/// chains.
pub(crate) fn placed_sparsely(
    options: &CompileOptions,
    (log_n, key_bytes): (u32, usize),
    (graph, ranges): (&Verified<SlotGraph>, &[f64]),
    dense: &[Placed],
    stages: &mut Stages,
) -> Vec<Placed> {
    let mut hopes: Vec<(f64, &Placed)> = dense.iter().map(|placed| (hope(placed), placed)).collect();
    hopes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let fastest = |found: &[Placed]| found.iter().map(|p| p.report.seconds).fold(f64::INFINITY, f64::min);
    let mut best = fastest(dense);
    let mut known = BTreeSet::new();
    hopes.retain(|(_, p)| known.insert((p.report.levels, p.chain.data.scale_bits)));
    let mut found = Vec::new();
    for round in hopes.chunks(ROUND) {
        let promising: Vec<_> = round.iter().filter(|(hope, _)| *hope < best).map(|(_, p)| *p).collect();
        if promising.is_empty() {
            break;
        }
        let shapes = sparser(&promising, graph);
        let chains = timed(&mut stages.design, || bootstrap_chains(options, log_n, key_bytes, &shapes));
        // That there is none is no error: others are known.
        let Ok(chains) = chains else { continue };
        let sparse = timed(&mut stages.placement, || placed(options, (0, graph), ranges, chains));
        found.extend(sparse.unwrap_or_default());
        best = best.min(fastest(&found));
    }
    found
}

/// Seconds of a placement if its bootstraps were as cheap as can be.
fn hope(placed: &Placed) -> f64 {
    let each = placed.chain.bootstrap.map_or(0.0, |b| b.seconds);
    placed.report.seconds - MOST_SAVED * each * placed.report.bootstraps as f64
}

/// Shapes like those of placements, with bootstraps of as many slots as some computed values repeat after, fewer than
/// all, if these take the graph to its outputs.
fn sparser(placements: &[&Placed], graph: &SlotGraph) -> Vec<Shape> {
    let computed = graph.iter().filter(|(_, node)| !node.args.is_empty());
    let periods: BTreeSet<usize> = computed.map(|(_, node)| node.ty.layout.period()).collect();
    let periods: Vec<usize> = periods.range(LEAST_SLOTS..graph.header.slots).rev().copied().collect();
    let mut shapes = BTreeSet::new();
    for placed in placements {
        let mut config = placed.config.clone();
        let mut reaches = |period: &&usize| {
            config.bootstrap.iter_mut().for_each(|b| b.period = **period);
            place::reaches(graph, &config)
        };
        // Where some slots do not suffice, fewer do not either.
        for period in periods.iter().take_while(|period| reaches(period)) {
            let log_slots = Some(period.trailing_zeros());
            let (levels, scale_bits) = (placed.report.levels, placed.chain.data.scale_bits);
            shapes.insert(Shape { log_slots, scale_bits, levels });
        }
    }
    shapes.into_iter().collect()
}
