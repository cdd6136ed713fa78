//! `assign-layout`: tensor IR → slot IR.
//!
//! Walks the network. Every value gets a layout of the GIP family ([`gip`]); which one is a matter of price: the walk is
//! repeated with other base tiles, and with maps of each size compacted or not ([`Compaction`]), each network is planned
//! and placed, and the cheapest stays. Linear layers become
//! [`SlotOp::Linear`] between the layouts of their operand and result, whatever their stride or padding. Ops that
//! only move elements (slices, pads, resizing, reshapes) cost nothing on their own: they are layouts read another
//! way where that is possible ([`views`]), and otherwise stages that the next linear layer takes in. Average pools
//! are sums of shifted copies, which need no level. Where linear layers follow each other, or their results are added,
//! one map for them is another way to the same value ([`compose`]).

mod compose;
pub mod gip;
mod pack;
pub mod views;

use std::collections::HashMap;

use fhec_ir::slot::SlotGraph;
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{Node, ValueId, Verified};

use crate::minimize_rotations::{Memo, Prices};
use crate::{PassError, place};
use gip::Base;

/// Parameters of the pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Slots of a ciphertext, a power of two.
    pub slots: usize,
    /// Base tile (rows, columns), powers of two; None chooses by planned cost.
    pub tile: Option<[usize; 2]>,
    /// What things cost.
    pub prices: Prices,
    /// When interleaved maps are compacted, whatever their size; None chooses by planned cost for each size.
    pub compaction: Option<Compaction>,
    /// Whether linear maps that follow each other, or whose results are added, are composed where that may pay.
    pub compose: bool,
    /// What bootstraps cost, if there will be any. Ranges are not known yet, and not read.
    pub bootstrap: Option<place::Bootstrap>,
}

/// When maps of a size leave interleaving for tiles of their own ([`gip::Grid::compacted`]). It takes two levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compaction {
    /// Not at all.
    Never,
    /// As soon as they arise: behind a stride on both ways of a residual block.
    First,
    /// Where values meet: behind the sum at the end of such a block, once.
    Joins,
}

/// Rows and columns of maps.
type Sizes = Vec<[usize; 2]>;

impl Config {
    /// The default choices for `slots` slots.
    pub fn new(slots: usize) -> Self {
        let prices = Prices::default();
        Self { slots, tile: None, prices, compaction: None, compose: true, bootstrap: None }
    }
}

/// Packs the network.
///
/// # Errors
/// Nodes without a packing.
pub fn run(graph: &Verified<TensorGraph>, config: &Config) -> Result<SlotGraph, PassError> {
    let bases = match config.tile {
        Some(tile) => vec![Base { slots: config.slots, tile }],
        None => candidates(graph, config.slots),
    };
    let given = config.compaction.unwrap_or(Compaction::Never);
    let mut search = Search { graph, config, memo: Memo::default() };
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

/// A packed network.
struct Candidate {
    base: Base,
    packed: SlotGraph,
    /// Maps that can be compacted.
    sizes: Sizes,
    /// In rotations.
    price: f64,
}

struct Search<'g> {
    graph: &'g Verified<TensorGraph>,
    config: &'g Config,
    memo: Memo,
}

impl Search<'_> {
    fn packed(
        &self,
        base: Base,
        compaction: &dyn Fn([usize; 2]) -> Compaction,
    ) -> Result<(SlotGraph, Sizes), PassError> {
        pack::Packer::new(self.graph, base, compaction).run(self.config.compose)
    }

    /// Packs and plans; replaces `best` by what is cheaper. True if it is.
    fn consider(
        &mut self,
        base: Base,
        compaction: &dyn Fn([usize; 2]) -> Compaction,
        best: &mut Option<Candidate>,
    ) -> Result<bool, PassError> {
        let (packed, sizes) = self.packed(base, compaction)?;
        let price = place::estimate(&packed, self.config, &mut self.memo);
        tracing::debug!("assign-layout: tile {:?} costs {price:.1} rotations", base.tile);
        let is_better = best.as_ref().is_none_or(|least| price < least.price);
        if is_better {
            *best = Some(Candidate { base, packed, sizes, price });
        }
        Ok(is_better)
    }

    /// Sizes of maps that may be decided about.
    fn tries(&self) -> usize {
        COMPACTION_LIMIT / WAYS.len() / multiplications(self.graph).max(1)
    }

    /// Decides about one size of maps after the other, in the order of the network, while comparing is quick.
    fn compacted(&mut self, best: Candidate) -> Result<Candidate, PassError> {
        let (base, sizes) = (best.base, best.sizes.clone());
        let mut best = Some(best);
        let mut chosen: HashMap<[usize; 2], Compaction> = HashMap::new();
        for size in sizes.into_iter().take(self.tries()) {
            for way in WAYS {
                let other = |s: [usize; 2]| match chosen.get(&s) {
                    _ if s == size => way,
                    known => known.copied().unwrap_or(Compaction::Never),
                };
                if self.consider(base, &other, &mut best)? {
                    tracing::debug!("assign-layout: compacts maps of {size:?}: {way:?}");
                    chosen.insert(size, way);
                }
            }
        }
        Ok(best.expect("there was one"))
    }
}

/// Ways to compact maps of a size.
const WAYS: [Compaction; 2] = [Compaction::First, Compaction::Joins];

/// Multiplications up to which compacted maps are planned in full to compare them.
const COMPACTION_LIMIT: usize = 400_000_000;

/// Multiplications up to which all candidates are planned in full to compare them.
const SEARCH_LIMIT: usize = 60_000_000;

/// Tiles to try: the one that holds the largest input map, and smaller ones while comparing them is quick.
fn candidates(graph: &TensorGraph, slots: usize) -> Vec<Base> {
    let full = default_base(graph, slots);
    let mut bases = vec![full];
    let mut work = multiplications(graph);
    let [mut h, mut w] = full.tile;
    while h.max(w) > 4 && work < SEARCH_LIMIT {
        (h, w) = (h.div_ceil(2), w.div_ceil(2));
        bases.push(Base { slots, tile: [h, w] });
        work += work / bases.len();
    }
    bases
}

fn multiplications(graph: &TensorGraph) -> usize {
    let of = |(id, node): (ValueId, &Node<TensorOp>)| {
        let elements: usize = graph.ty(id).iter().product();
        match &node.op {
            TensorOp::Conv { weight, .. }
            | TensorOp::ConvTranspose { weight, .. }
            | TensorOp::Gemm { weight, .. } => {
                let shape = &graph.constant(*weight).shape;
                elements * shape[1..].iter().product::<usize>()
            }
            _ => elements,
        }
    };
    graph.iter().map(of).sum()
}

/// The tile that holds one channel of the largest input map.
pub fn default_base(graph: &TensorGraph, slots: usize) -> Base {
    let maps = graph.inputs().filter_map(|(id, _)| match *graph.ty(id).as_slice() {
        [.., h, w] if graph.ty(id).len() == 4 => Some((h, w)),
        _ => None,
    });
    let (h, w) = maps.max_by_key(|(h, w)| h * w).unwrap_or((1, 1));
    Base::for_map(slots, h, w)
}
