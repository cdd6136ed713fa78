//! `open-rows`: maps whose plaintexts need not end where the image ends.
//!
//! A convolution's plaintexts are the same in all rows of an image but for the first and last ones, where the kernel hangs over
//! its edge. In a tile that is taller than the image the operand has zeros there, so the plaintext may go on: it then repeats
//! after a row, lies in a small subring, and takes a fraction of the memory, the transforms and the time
//! ([`LinearMap::open`]). What the map leaves in the rows beyond the image is 0 for kernels that stay on their pixel; this pass
//! opens such maps. For larger kernels it is anything: `place` opens those where a level is to spare for a map behind
//! them that [clears](clearing) these rows.

use fhec_ir::layout::Layout;
use fhec_ir::slot::{LinearMap, MapPlan, Product, SlotGraph, SlotOp, Term, clean};
use fhec_ir::{Constant, Node, Verified};

use crate::PassError;

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
    for (id, node) in graph.iter() {
        if let SlotOp::Linear(map) = &mut opened.node_mut(id).op
            && map.plan.is_none()
            && opens(node, &clean, &graph.constants) == Some(true)
        {
            map.open = true;
        }
    }
    opened
}

/// By value, the map that computes it as an open one, where that leaves something to be [cleared](clearing).
pub(crate) fn to_be_cleared(graph: &SlotGraph) -> Vec<Option<LinearMap>> {
    let clean = clean(graph);
    let of = |node: &Node<SlotOp>| match &node.op {
        SlotOp::Linear(map) if !map.open && map.plan.is_some() => {
            let open = opens(node, &clean, &graph.constants) == Some(false);
            open.then(|| LinearMap { open: true, ..(**map).clone() })
        }
        _ => None,
    };
    graph.iter().map(|(_, node)| of(node)).collect()
}

/// Whether a map can be open, shorter for it, and if so whether that leaves its result clean.
fn opens(node: &Node<SlotOp>, clean: &[bool], constants: &[Constant]) -> Option<bool> {
    let SlotOp::Linear(map) = &node.op else { return None };
    let reads_clean = node.args.iter().all(|arg| clean[arg.index()]);
    let shorter = map.output.rows().is_some_and(|(_, stride)| stride < map.output.period());
    if reads_clean && shorter { map.opens(constants) } else { None }
}

/// The map that leaves a value of a layout as it is, and 0 in all slots without an element.
pub(crate) fn clearing(layout: &Layout) -> LinearMap {
    let product = |ct: u32| Product { out_ct: ct, giant: 0, operand: 0, in_ct: ct, baby: 0 };
    let products = (0..layout.ciphertexts as u32).map(product).collect();
    LinearMap {
        inputs: vec![layout.clone()],
        terms: vec![Term { stages: vec![] }],
        output: layout.clone(),
        open: false,
        plan: Some(MapPlan { products, reduce: vec![], fold: 0 }),
    }
}
