//! Maps that are opened for a level to spare.

use std::collections::BTreeMap;

use fhec_ir::layout::Layout;
use fhec_ir::slot::{LinearMap, MapPlan, Product, SlotGraph, SlotOp, SlotType, Term, clean};
use fhec_ir::{Node, ValueId};

use crate::maps::{self, Prices};

/// What clearing the rows of a ciphertext takes, in rotations: a product, its plaintext, rescaling.
const CLEARING: f64 = 1.0;

/// What one level more takes of a map's price.
const SHARE: f64 = 0.15;

/// What one level more takes of an op that is no map, in rotations and by ciphertext.
const HIGHER: f64 = 0.3;

/// A placed graph with those maps open for which it pays and levels suffice, each with a map behind it that leaves 0 in all slots
/// without an element. The open map works a level higher than before, with all that it is made of up to where a level is
/// to spare, or its readers a level lower.
pub(crate) fn with_spare_levels(graph: SlotGraph, prices: &Prices) -> SlotGraph {
    let clean = clean(&graph);
    let Some(mut levels) = graph.iter().map(|(_, node)| node.ty.level).collect::<Option<Vec<u32>>>() else {
        return graph;
    };
    let mut opened = vec![false; graph.len()];
    for id in graph.ids() {
        opened[id.index()] = open(&graph, id, &clean, prices, &mut levels);
    }
    if opened.contains(&true) { rebuilt(&graph, &opened, &levels) } else { graph }
}

/// Decides about a value, and raises the levels that it takes to open it.
fn open(graph: &SlotGraph, id: ValueId, clean: &[bool], prices: &Prices, levels: &mut [u32]) -> bool {
    let node = graph.node(id);
    let SlotOp::Linear(map) = &node.op else { return false };
    let Some(plan) = map.plan.as_ref().filter(|_| !map.open) else { return false };
    if !node.args.iter().all(|arg| clean[arg.index()]) {
        return false;
    }
    let saved = saved(map, plan, prices) - CLEARING * map.output.ciphertexts as f64;
    let level = levels[id.index()];
    let raised = if needed(graph, id, levels) < level {
        Some(BTreeMap::new())
    } else {
        let mut raised = BTreeMap::new();
        raise(graph, id, level + 1, levels, &mut raised).then_some(raised)
    };
    let Some(raised) = raised else { return false };
    let higher = |(id, _): (&ValueId, &u32)| match &graph.node(*id).op {
        SlotOp::Linear(map) => {
            map.plan.as_ref().map_or(0.0, |plan| SHARE * maps::Parts::of(map, plan).price(prices))
        }
        _ => HIGHER * graph.ty(*id).layout.ciphertexts as f64,
    };
    let pays = saved > raised.iter().map(higher).sum();
    if !pays || map.opens(&graph.constants).is_none() {
        return false;
    }
    raised.into_iter().for_each(|(id, level)| levels[id.index()] = level);
    true
}

/// Notes that a value, and what it is made of, is wanted at a level; false if that is impossible.
fn raise(
    graph: &SlotGraph,
    id: ValueId,
    level: u32,
    levels: &[u32],
    raised: &mut BTreeMap<ValueId, u32>,
) -> bool {
    if raised.get(&id).copied().unwrap_or(levels[id.index()]) >= level {
        return true;
    }
    let node = graph.node(id);
    if node.args.is_empty() || matches!(node.op, SlotOp::Bootstrap { .. }) {
        return false;
    }
    raised.insert(id, level);
    let wanted = level + node.op.depth(&graph.constants);
    node.args.iter().all(|arg| raise(graph, *arg, wanted, levels, raised))
}

fn rebuilt(graph: &SlotGraph, opened: &[bool], levels: &[u32]) -> SlotGraph {
    let mut new = SlotGraph::new(graph.name.clone(), graph.header.clone());
    new.constants.clone_from(&graph.constants);
    let mut values: Vec<ValueId> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let mut node = node.clone();
        node.args.iter_mut().for_each(|arg| *arg = values[arg.index()]);
        node.ty.level = Some(levels[id.index()]);
        let opens = opened[id.index()];
        if let (SlotOp::Linear(map), true) = (&mut node.op, opens) {
            map.open = true;
        }
        let (ty, name) = (node.ty.clone(), node.name.clone());
        let mut value = new.push(node.op, node.args, node.ty, node.name);
        if opens {
            let ty = SlotType { level: Some(levels[id.index()] - 1), ..ty };
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

/// The highest level that readers of a value need it at.
fn needed(graph: &SlotGraph, id: ValueId, levels: &[u32]) -> u32 {
    let readers = graph.iter().filter(|(_, node)| node.args.contains(&id));
    let needed = |(reader, node): (ValueId, &Node<SlotOp>)| match node.op {
        SlotOp::Bootstrap { .. } => 0,
        _ => levels[reader.index()] + node.op.depth(&graph.constants),
    };
    let outputs = graph.outputs.iter().filter(|o| o.value == id).map(|_| levels[id.index()]);
    readers.map(needed).chain(outputs).max().unwrap_or(0)
}

/// What shorter plaintexts save, in rotations.
fn saved(map: &LinearMap, plan: &MapPlan, prices: &Prices) -> f64 {
    let Some((_, stride)) = map.output.rows() else { return 0.0 };
    let shorter = (map.plaintext_period() as f64 - stride as f64) / map.output.slots as f64;
    prices.encode * shorter * maps::count(map, plan).products as f64
}

/// The identity on a layout, 0 elsewhere.
fn clearing(layout: &Layout) -> LinearMap {
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
