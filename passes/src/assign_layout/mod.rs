//! `assign-layout`: tensor IR → slot IR.
//!
//! Walks the network. Every value gets a layout of the GIP family ([`gip`]); which one is a matter of price: the walk is
//! repeated with other base tiles, and with maps of each size compacted or not ([`Compaction`]), the results are priced by
//! an estimate that the caller brings along, and the cheapest stays ([`search`]). Linear layers become `SlotOp::Linear`
//! between the layouts of their operand and result, whatever their stride or padding. Inputs that the network takes in
//! another order of axes are packed for what it makes of them ([`entry`]). Ops that only move elements (slices,
//! pads, resizing, reshapes) cost nothing on their own: they are layouts read differently where that is possible
//! ([`views`]), and otherwise stages that the next linear layer takes in. Average pools are sums of shifted images, which
//! need no level ([`pools`]). Where linear layers follow each other, or their results are added, one map for them is an
//! alternative for the same value ([`compose`]).

mod compaction;
mod compose;
mod entry;
pub mod gip;
mod pack;
mod packer;
mod pools;
mod search;
pub mod views;

use fhec_ir::Verified;
use fhec_ir::slot::SlotGraph;
use fhec_ir::tensor::TensorGraph;

use crate::PassError;
use gip::Base;
use search::{Candidate, Search};

pub use compaction::Compaction;

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Slots of a ciphertext, a power of two.
    pub slots: usize,
    /// Base tile (rows, columns), powers of two; None chooses by price.
    pub tile: Option<[usize; 2]>,
    /// When interleaved maps are compacted, whatever their size; None chooses by price for each size.
    pub compaction: Option<Compaction>,
    /// Whether linear maps that follow each other, or whose results are added, are composed where that may pay.
    pub compose: bool,
}

impl Config {
    /// The default choices for `slots` slots.
    pub fn new(slots: usize) -> Self {
        Self { slots, tile: None, compaction: None, compose: true }
    }
}

/// Packs the network. `estimate` tells what a packed network will cost, in any unit; its linear maps have no plans yet.
/// [`estimator`](crate::estimate::estimator) makes one.
///
/// # Errors
/// Nodes without a packing.
pub fn run(
    graph: &Verified<TensorGraph>,
    config: &Config,
    estimate: &mut dyn FnMut(&SlotGraph) -> f64,
) -> Result<SlotGraph, PassError> {
    let bases = match config.tile {
        Some(tile) => vec![Base { slots: config.slots, tile }],
        None => search::bases(graph, config.slots),
    };
    let given = config.compaction.unwrap_or(Compaction::Never);
    let mut search = Search { graph, composes: config.compose, estimate };
    // Pricing large networks takes seconds.
    let is_decided = config.compaction.is_some() || search.tries() == 0;
    if let [base] = bases[..]
        && is_decided
    {
        return Ok(search.packed(base, &|_| given)?.0);
    }
    let mut best: Option<Candidate> = None;
    for base in bases {
        search.consider(base, &|_| given, &mut best)?;
    }
    let best = best.expect("there is a candidate");
    match config.compaction {
        Some(_) => Ok(best.packed),
        None => Ok(search.compacted(best)?.packed),
    }
}
