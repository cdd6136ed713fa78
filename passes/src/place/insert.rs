//! Writes an extraction into the graph.

use fhec_ir::slot::{SlotGraph, SlotOp, SlotType};
use fhec_ir::{Op, ValueId};

use super::alternatives::Alternatives;
use super::config::Bootstrap;
use super::enode::Way;
use super::extract::Solution;
use crate::open_rows::clearing;

/// A value in the new graph.
#[derive(Clone, Copy)]
struct Placed {
    plain: ValueId,
    bootstrapped: Option<ValueId>,
}

/// The graph with strategies, levels and bootstraps: each right behind its operand, or of two at once behind the later
/// one, and under the operand's name. Values that no output needs are gone.
pub(super) fn placed(
    graph: &SlotGraph,
    alternatives: &Alternatives,
    solution: &Solution,
    bootstrap: Option<&Bootstrap>,
) -> SlotGraph {
    let mut placed = SlotGraph::new(graph.name.clone(), graph.header.clone());
    placed.constants.clone_from(&graph.constants);
    let mut values: Vec<Option<Placed>> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let chosen = solution.chosen[id.index()];
        if chosen.is_none() && node.op.input_name().is_none() {
            values.push(None);
            continue;
        }
        let level = solution.levels[id.index()];
        let (value, way) = chosen.map_or((id, Way::Given), |chosen| alternatives.computation(id, chosen));
        let mut node = graph.node(value).clone();
        let opened = way == Way::Opened;
        let own_level = level + u32::from(opened);
        node.ty.level = Some(own_level);
        match &mut node.op {
            SlotOp::Poly { strategy, .. } => *strategy = way.strategy(),
            SlotOp::Linear(map) if opened => map.open = true,
            _ => {}
        }
        let executes = own_level + node.op.depth(&graph.constants);
        // An operand with a level to spare can take any scale on the way, and the two of a sum have to agree.
        let wanted = executes + u32::from(matches!(node.op, SlotOp::Add | SlotOp::Sub));
        for arg in &mut node.args {
            let source = values[arg.index()].expect("what is computed reads what is computed");
            let suffices = solution.levels[arg.index()] >= wanted;
            *arg = source.bootstrapped.filter(|_| !suffices).unwrap_or(source.plain);
        }
        let (mut ty, name) = (node.ty.clone(), node.name.clone());
        let mut plain = placed.push(node.op, node.args, node.ty, node.name);
        if opened {
            let clearing = SlotOp::Linear(Box::new(clearing(&ty.layout)));
            ty.level = Some(level);
            plain = placed.push(clearing, vec![plain], ty, name);
        }
        values.push(Some(Placed { plain, bootstrapped: None }));
        if let Some(bootstrap) = bootstrap.filter(|_| solution.bootstrapped[id.index()]) {
            let with = solution.together[id.index()].map(|k| ValueId(k as u32));
            // The earlier of two waits for the later one.
            if with.is_none_or(|with| with < id) {
                with.into_iter()
                    .for_each(|with| refresh(&mut placed, graph, bootstrap, (with, true), &mut values));
                refresh(&mut placed, graph, bootstrap, (id, false), &mut values);
            }
        }
    }
    for output in &graph.outputs {
        let value = values[output.value.index()].expect("outputs are computed").plain;
        placed.add_output(output.name.clone(), value);
    }
    placed
}

/// Appends the bootstrap of a value, perhaps together with the one that is appended next.
fn refresh(
    placed: &mut SlotGraph,
    graph: &SlotGraph,
    bootstrap: &Bootstrap,
    (id, with_next): (ValueId, bool),
    values: &mut [Option<Placed>],
) {
    let node = graph.node(id);
    let range = bootstrap.range(graph, id).expect("only what may be bootstrapped is");
    let ty = SlotType { layout: node.ty.layout.clone(), level: Some(bootstrap.levels) };
    let value = values[id.index()].as_mut().expect("what is bootstrapped is computed");
    let op = SlotOp::Bootstrap { range, with_next };
    value.bootstrapped = Some(placed.push(op, vec![value.plain], ty, node.name.clone()));
}
