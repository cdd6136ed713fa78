//! Inputs that a network looks at in another order of axes before it computes.
//!
//! Exports of TensorFlow and Keras take [N, H, W, C] and begin with a transposition; others add an axis. The client packs an
//! input in any layout, so such an input gets the one under which its view is what a map at the network's entry should be:
//! the movement costs nothing.

use fhec_ir::ValueId;
use fhec_ir::layout::{Axis, Layout};
use fhec_ir::tensor::{Shape, TensorGraph, TensorOp};

use super::gip::Grid;

/// The shape that a network takes an input for.
pub(super) fn shape<'g>(graph: &'g TensorGraph, users: &[Vec<ValueId>], input: ValueId) -> &'g Shape {
    graph.ty(views(graph, users, input).last().copied().unwrap_or(input))
}

/// Layouts of an input and of the views that the network takes of it before it computes.
pub(super) fn layouts(
    graph: &TensorGraph,
    users: &[Vec<ValueId>],
    input: ValueId,
    grid: Grid,
) -> Vec<(ValueId, Layout)> {
    let chain = views(graph, users, input);
    let mut layout = grid.layout(shape(graph, users, input));
    let mut layouts = Vec::with_capacity(chain.len() + 1);
    for id in chain.into_iter().rev() {
        let operand = operand(graph, id, &layout);
        layouts.push((id, layout));
        layout = operand;
    }
    layouts.push((input, layout));
    layouts
}

/// The views of an input one after the other, up to the last one that is a map [N, C, H, W].
fn views(graph: &TensorGraph, users: &[Vec<ValueId>], input: ValueId) -> Vec<ValueId> {
    let (mut chain, mut at) = (vec![], input);
    let is_output = |id: ValueId| graph.outputs.iter().any(|o| o.value == id);
    while let [user] = users[at.index()][..]
        && !is_output(at)
        && is_view(graph, user)
    {
        chain.push(user);
        at = user;
    }
    let map = chain.iter().rposition(|id| graph.ty(*id).len() == 4);
    chain.truncate(map.map_or(0, |k| k + 1));
    chain
}

/// Axes of extents that are not 1.
fn proper(shape: &[usize]) -> impl Iterator<Item = usize> {
    shape.iter().copied().filter(|d| *d != 1)
}

/// Whether a node permutes axes, or adds and drops those of extent 1.
fn is_view(graph: &TensorGraph, id: ValueId) -> bool {
    let node = graph.node(id);
    match &node.op {
        TensorOp::Transpose { .. } => true,
        TensorOp::Reshape { out } => proper(out).eq(proper(graph.ty(node.args[0]))),
        _ => false,
    }
}

/// The layout of the operand of a view that has this one.
fn operand(graph: &TensorGraph, id: ValueId, view: &Layout) -> Layout {
    let node = graph.node(id);
    let from = graph.ty(node.args[0]);
    let axes = if let TensorOp::Transpose { perm } = &node.op {
        let mut axes: Vec<Axis> = view.axes.clone();
        perm.iter().zip(&view.axes).for_each(|(&k, axis)| axes[k] = axis.clone());
        axes
    } else {
        let mut kept = view.axes.iter().filter(|a| a.extent != 1);
        let unit = || Axis::strided(1, 1);
        let axis = |&d: &usize| if d == 1 { unit() } else { kept.next().cloned().unwrap_or_else(unit) };
        from.iter().map(axis).collect()
    };
    Layout { axes, ..view.clone() }
}
