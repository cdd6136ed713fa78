//! `assign-layout`: tensor IR → slot IR.
//!
//! Walks the network once. Every value gets a layout of the GIP family ([`gip`]); linear layers become
//! [`SlotOp::Linear`] between the layouts of their operand and result, whatever their stride or padding. Ops that
//! only move elements (slices, pads, resizing, reshapes) cost nothing on their own: they are layouts read another
//! way where that is possible ([`views`]), and otherwise stages that the next linear layer takes in. Average pools
//! are sums of shifted copies, which need no level.

pub mod gip;
mod pack;
pub mod views;

use fhec_ir::slot::SlotGraph;
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{Node, ValueId, Verified};

use crate::minimize_rotations::Prices;
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
    /// What bootstraps cost, if there will be any. Ranges are not known yet, and not read.
    pub bootstrap: Option<place::Bootstrap>,
}

impl Config {
    /// The default choices for `slots` slots.
    pub fn new(slots: usize) -> Self {
        Self { slots, tile: None, prices: Prices::default(), bootstrap: None }
    }
}

/// Packs the network.
///
/// # Errors
/// Nodes without a packing.
pub fn run(graph: &Verified<TensorGraph>, config: &Config) -> Result<SlotGraph, PassError> {
    let pack = |base: Base| pack::Packer::new(graph, base).run();
    if let Some(tile) = config.tile {
        return pack(Base { slots: config.slots, tile });
    }
    let mut best: Option<(f64, SlotGraph)> = None;
    for base in candidates(graph, config.slots) {
        let packed = pack(base)?;
        let price = place::estimate(&packed, config);
        tracing::debug!("assign-layout: tile {:?} costs {price:.1} rotations", base.tile);
        if best.as_ref().is_none_or(|(least, _)| price < *least) {
            best = Some((price, packed));
        }
    }
    Ok(best.expect("there is a candidate").1)
}

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
