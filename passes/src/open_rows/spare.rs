//! Maps that are opened for a level to spare.

use fhec_ir::ValueId;
use fhec_ir::slot::{LinearMap, MapPlan, Product, SlotGraph, SlotOp, SlotType, Term, clean};

use crate::maps::{self, Prices};

/// What clearing the rows of a ciphertext takes, in rotations: a product, its plaintext, rescaling.
const CLEARING: f64 = 1.0;

/// A placed graph with those maps open for which it pays and levels suffice, each with a map behind it that leaves 0 in all slots
/// without an element. The open map works a level higher, or its readers a level lower, than before.
pub(crate) fn with_spare_levels(graph: SlotGraph, prices: &Prices) -> SlotGraph {
    let clean = clean(&graph);
    let found: Vec<Option<Spare>> = graph.ids().map(|id| spare(&graph, id, &clean, prices)).collect();
    if found.iter().all(Option::is_none) {
        return graph;
    }
    let mut new = SlotGraph::new(graph.name.clone(), graph.header.clone());
    new.constants.clone_from(&graph.constants);
    let mut values: Vec<ValueId> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let mut node = node.clone();
        node.args.iter_mut().for_each(|arg| *arg = values[arg.index()]);
        let spare = found[id.index()];
        if let (SlotOp::Linear(map), Some(spare)) = (&mut node.op, spare) {
            map.open = true;
            node.ty.level = Some(spare.level);
        }
        let (ty, name) = (node.ty.clone(), node.name.clone());
        let mut value = new.push(node.op, node.args, node.ty, node.name);
        if spare.is_some() {
            let ty = SlotType { level: ty.level.map(|level| level - 1), ..ty };
            let map = clearing(&ty.layout);
            value = new.push(SlotOp::Linear(Box::new(map)), vec![value], ty, name);
        }
        values.push(value);
    }
    for output in &graph.outputs {
        new.add_output(output.name.clone(), values[output.value.index()]);
    }
    new
}

/// Where an open map works.
#[derive(Clone, Copy)]
struct Spare {
    /// Level of its result; that of the cleared one is lower by one.
    level: u32,
}

fn spare(graph: &SlotGraph, id: ValueId, clean: &[bool], prices: &Prices) -> Option<Spare> {
    let node = graph.node(id);
    let SlotOp::Linear(map) = &node.op else { return None };
    let plan = map.plan.as_ref().filter(|_| !map.open)?;
    let (_, stride) = map.output.rows()?;
    let reads_clean = node.args.iter().all(|arg| clean[arg.index()]);
    if !reads_clean || !pays(map, plan, stride, prices) {
        return None;
    }
    let level = node.ty.level?;
    let lowest = level.min(given(graph, id));
    let highest = node.args.iter().filter_map(|arg| graph.ty(*arg).level).min()? - 1;
    // The result's level is one above the lowest that its readers do with, or above its own.
    let wanted = if lowest < level { level } else { level + 1 };
    (wanted <= highest && map.opens(&graph.constants).is_some()).then_some(Spare { level: wanted })
}

/// The highest level that readers of a value need.
fn given(graph: &SlotGraph, id: ValueId) -> u32 {
    let readers = graph.iter().filter(|(_, node)| node.args.contains(&id));
    let needed = |(_, node): (ValueId, &fhec_ir::Node<SlotOp>)| match node.op {
        SlotOp::Bootstrap { .. } => 0,
        _ => node.ty.level.unwrap_or(0) + node.op.depth(&graph.constants),
    };
    let outputs = graph.outputs.iter().filter(|o| o.value == id).map(|_| graph.ty(id).level.unwrap_or(0));
    readers.map(needed).chain(outputs).max().unwrap_or(0)
}

/// Whether shorter plaintexts save more than clearing and a higher level take.
fn pays(map: &LinearMap, plan: &MapPlan, stride: usize, prices: &Prices) -> bool {
    let slots = map.output.slots as f64;
    let shorter = (map.plaintext_period() as f64 - stride as f64) / slots;
    let products = maps::count(map, plan).products as f64;
    let saved = prices.encode * shorter * products;
    let higher = 0.15 * maps::Parts::of(map, plan).price(prices);
    saved > CLEARING * map.output.ciphertexts as f64 + higher
}

/// The identity on a layout, 0 elsewhere.
fn clearing(layout: &fhec_ir::layout::Layout) -> LinearMap {
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
