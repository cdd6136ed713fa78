//! Writes an extraction into the graph.

use fhec_ir::slot::{SlotGraph, SlotOp, SlotType};
use fhec_ir::{Op, ValueId};

use super::Bootstrap;
use super::choices::Choices;
use super::extract::Solution;

/// A value in the new graph.
#[derive(Clone, Copy)]
struct Copies {
    plain: ValueId,
    bootstrapped: Option<ValueId>,
}

/// The graph with strategies, levels and bootstraps, each right behind its operand and under its name; values that no
/// output needs are gone.
pub(super) fn placed(
    graph: &SlotGraph,
    choices: &Choices,
    solution: &Solution,
    bootstrap: Option<&Bootstrap>,
) -> SlotGraph {
    let mut placed = SlotGraph::new(graph.name.clone(), graph.header.clone());
    placed.constants.clone_from(&graph.constants);
    let mut copies: Vec<Option<Copies>> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let chosen = solution.chosen[id.index()];
        if chosen.is_none() && node.op.input_name().is_none() {
            copies.push(None);
            continue;
        }
        let level = solution.levels[id.index()];
        let mut node = node.clone();
        node.ty.level = Some(level);
        if let SlotOp::Poly { strategy, .. } = &mut node.op {
            *strategy = choices.strategy(id, chosen);
        }
        let executes = level + node.op.depth(&graph.constants);
        // An operand with a level to spare can take any scale on the way, and the two of a sum have to agree.
        let wanted = executes + u32::from(matches!(node.op, SlotOp::Add | SlotOp::Sub));
        for arg in &mut node.args {
            let source = copies[arg.index()].expect("what is computed reads what is computed");
            let suffices = solution.levels[arg.index()] >= wanted;
            *arg = source.bootstrapped.filter(|_| !suffices).unwrap_or(source.plain);
        }
        let (layout, name) = (node.ty.layout.clone(), node.name.clone());
        let plain = placed.push(node.op, node.args, node.ty, node.name);
        let bootstrapped = bootstrap.filter(|_| solution.bootstrapped[id.index()]).map(|b| {
            let range = b.range(id).expect("only what may be bootstrapped is");
            let ty = SlotType { layout, level: Some(b.levels) };
            placed.push(SlotOp::Bootstrap { range }, vec![plain], ty, name)
        });
        copies.push(Some(Copies { plain, bootstrapped }));
    }
    for output in &graph.outputs {
        let value = copies[output.value.index()].expect("outputs are computed").plain;
        placed.add_output(output.name.clone(), value);
    }
    placed
}
