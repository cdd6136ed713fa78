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

use fhec_ir::Verified;
use fhec_ir::slot::SlotGraph;
use fhec_ir::tensor::TensorGraph;

use crate::PassError;
use gip::Base;

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Slots of a ciphertext, a power of two.
    pub slots: usize,
    /// Base tile (rows, columns), powers of two; None chooses the tile that holds the largest input.
    pub tile: Option<[usize; 2]>,
}

/// Packs the network.
///
/// # Errors
/// Nodes without a packing.
pub fn run(graph: &Verified<TensorGraph>, config: &Config) -> Result<SlotGraph, PassError> {
    let base = match config.tile {
        Some(tile) => Base { slots: config.slots, tile },
        None => default_base(graph, config.slots),
    };
    pack::Packer::new(graph, base).run()
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
