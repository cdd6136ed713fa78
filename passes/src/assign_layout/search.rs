//! Which base tile, and which maps are compacted: the cheapest of a few candidates.

use std::collections::HashMap;

use fhec_ir::slot::SlotGraph;
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{Node, ValueId, Verified};

use super::compaction::{Compaction, Sizes};
use super::gip::Base;
use super::{entry, pack};
use crate::PassError;

/// Candidates for maps of a size.
const COMPACTIONS: [Compaction; 2] = [Compaction::First, Compaction::Joins];

/// Multiplications up to which compacted maps are planned in full to compare them.
const COMPACTION_LIMIT: usize = 400_000_000;

/// Multiplications up to which all candidates are planned in full to compare them.
const SEARCH_LIMIT: usize = 60_000_000;

/// A packed network.
pub(super) struct Candidate {
    base: Base,
    pub packed: SlotGraph,
    /// Maps that can be compacted.
    sizes: Sizes,
    /// In rotations.
    price: f64,
}

/// The search for the cheapest packing.
pub(super) struct Search<'g> {
    pub graph: &'g Verified<TensorGraph>,
    /// Whether linear maps are composed where that may pay.
    pub composes: bool,
    /// Price of a packed network, in rotations.
    pub estimate: &'g mut dyn FnMut(&SlotGraph) -> f64,
}

impl Search<'_> {
    /// The network on a tile, and the maps that can be compacted.
    pub(super) fn packed(
        &self,
        base: Base,
        compaction: &dyn Fn([usize; 2]) -> Compaction,
    ) -> Result<(SlotGraph, Sizes), PassError> {
        pack::packed(self.graph, base, compaction, self.composes)
    }

    /// Packs and prices; replaces `best` by what is cheaper. True if it is.
    pub(super) fn consider(
        &mut self,
        base: Base,
        compaction: &dyn Fn([usize; 2]) -> Compaction,
        best: &mut Option<Candidate>,
    ) -> Result<bool, PassError> {
        let (packed, sizes) = self.packed(base, compaction)?;
        let price = (self.estimate)(&packed);
        tracing::debug!("assign-layout: tile {:?} costs {price:.1} rotations", base.tile);
        let is_better = best.as_ref().is_none_or(|least| price < least.price);
        if is_better {
            *best = Some(Candidate { base, packed, sizes, price });
        }
        Ok(is_better)
    }

    /// Sizes of maps that may be decided about.
    pub(super) fn tries(&self) -> usize {
        COMPACTION_LIMIT / COMPACTIONS.len() / multiplications(self.graph).max(1)
    }

    /// Decides about one size of maps after the other, in the order of the network, while comparing is quick.
    pub(super) fn compacted(&mut self, best: Candidate) -> Result<Candidate, PassError> {
        let (base, sizes) = (best.base, best.sizes.clone());
        let mut best = Some(best);
        let mut chosen: HashMap<[usize; 2], Compaction> = HashMap::new();
        for size in sizes.into_iter().take(self.tries()) {
            for compaction in COMPACTIONS {
                let other = |s: [usize; 2]| match chosen.get(&s) {
                    _ if s == size => compaction,
                    known => known.copied().unwrap_or(Compaction::Never),
                };
                if self.consider(base, &other, &mut best)? {
                    tracing::debug!("assign-layout: compacts maps of {size:?}: {compaction:?}");
                    chosen.insert(size, compaction);
                }
            }
        }
        Ok(best.expect("there was one"))
    }
}

/// Tiles to try: the one that holds the largest input map, and smaller ones while comparing them is quick.
pub(super) fn bases(graph: &TensorGraph, slots: usize) -> Vec<Base> {
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
fn default_base(graph: &TensorGraph, slots: usize) -> Base {
    let users = graph.users();
    let maps = graph.inputs().filter_map(|(id, _)| match *entry::shape(graph, &users, id).as_slice() {
        [_, _, h, w] => Some((h, w)),
        _ => None,
    });
    let (h, w) = maps.max_by_key(|(h, w)| h * w).unwrap_or((1, 1));
    Base::for_map(slots, h, w)
}
