//! `open-rows`: maps whose plaintexts need not end where the image ends.
//!
//! A convolution's plaintexts are the same in all rows of an image but for the first and last ones, where the kernel hangs over
//! its edge. In a tile that is taller than the image the operand has zeros there, so the plaintext may go on: it then repeats
//! after a row, lies in a small subring, and takes a fraction of the memory, the transforms and the time.
//! ([`LinearMap::open`](fhec_ir::slot::LinearMap::open).) What the map leaves in the rows beyond the image is 0 for kernels
//! that stay on their pixel, and anything for larger ones. So it is done in two steps: before maps are planned, [`run`]
//! opens those that leave zeros; when levels are placed, [`with_spare_levels`] opens others where there is a level to spare for
//! a map behind them that clears these rows.

mod spare;

use fhec_ir::Verified;
use fhec_ir::slot::{SlotGraph, SlotOp, clean};

use crate::PassError;

pub(crate) use spare::with_spare_levels;

/// Opens the maps that have no plan yet, read clean values, and leave clean ones.
///
/// # Errors
/// None today.
pub fn run(graph: &Verified<SlotGraph>) -> Result<SlotGraph, PassError> {
    Ok(wherever_clean(graph))
}

/// As [`run`].
pub(crate) fn wherever_clean(graph: &SlotGraph) -> SlotGraph {
    let clean = clean(graph);
    let mut opened = graph.clone();
    for id in graph.ids() {
        let reads_clean = graph.node(id).args.iter().all(|arg| clean[arg.index()]);
        if let SlotOp::Linear(map) = &mut opened.node_mut(id).op
            && reads_clean
            && map.plan.is_none()
            && map.output.rows().is_some()
            && map.opens(&graph.constants) == Some(true)
        {
            map.open = true;
        }
    }
    opened
}
