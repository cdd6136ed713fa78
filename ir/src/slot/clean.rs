//! Clean values: those that are 0 in every slot that no element and no replica reaches.

use super::routing::Routing;
use super::separable::Separable;
use super::{LinearMap, SlotGraph, SlotOp};
use crate::layout::Layout;
use crate::tensor::Basis;
use crate::{Constant, Node, ValueId};

impl LinearMap {
    /// Whether the map can be [open](LinearMap::open), and if so whether its result is clean then; it needs clean operands.
    pub fn opens(&self, constants: &[Constant]) -> Option<bool> {
        let reduce = self.plan.as_ref().map_or(&[][..], |plan| &plan.reduce);
        let routing = Routing::new(self, reduce).ok()?;
        let mut clean = true;
        for (operand, (term, input)) in self.terms.iter().zip(&self.inputs).enumerate() {
            let repeats = reduce.is_empty() && routing.length(operand) == self.output.period();
            let layouts = (input, &self.output);
            let separable = repeats.then(|| Separable::new(term, layouts, constants)).flatten()?;
            clean &= separable.opened(layouts)?.leaves_clean();
        }
        Some(clean)
    }
}

/// By value, whether it is clean, however it is computed: bootstraps leave their noise there as well, and what is lowered as a
/// constant in all slots can be one in the image's where that [matters](relied_on).
pub fn clean(graph: &SlotGraph) -> Vec<bool> {
    let mut clean: Vec<bool> = Vec::with_capacity(graph.len());
    for (_, node) in graph.iter() {
        let is_clean = stays_clean(graph, node, &|arg| clean[arg.index()]);
        clean.push(is_clean || node.ty.layout.is_full());
    }
    clean
}

fn stays_clean(graph: &SlotGraph, node: &Node<SlotOp>, clean: &dyn Fn(ValueId) -> bool) -> bool {
    let all = || node.args.iter().all(|arg| clean(*arg));
    match &node.op {
        SlotOp::Input { .. } | SlotOp::Constant { .. } => true,
        SlotOp::Linear(map) if map.open => all() && map.opens(&graph.constants) == Some(true),
        // What is spread over replicas and added up may leave partial sums.
        SlotOp::Linear(map) => match &map.plan {
            Some(plan) => plan.reduce.is_empty(),
            None => map.output.replicas.is_empty(),
        },
        SlotOp::View => all() && same_slots(&graph.ty(node.args[0]).layout, &node.ty.layout),
        SlotOp::Bootstrap { .. }
        | SlotOp::Alternatives
        | SlotOp::AddConst { .. }
        | SlotOp::Add
        | SlotOp::Sub => all(),
        SlotOp::Mul => node.args.iter().any(|arg| clean(*arg)),
        SlotOp::Poly { basis, .. } => all() && *basis == Basis::Power,
        _ => false,
    }
}

fn same_slots(a: &Layout, b: &Layout) -> bool {
    let sorted = |layout: &Layout| {
        let mut positions = layout.positions();
        positions.sort_unstable();
        positions
    };
    a == b || a.replicas == b.replicas && sorted(a) == sorted(b)
}

/// By value, whether an open map needs it to be clean, and it has slots without an element.
pub fn relied_on(graph: &SlotGraph) -> Vec<bool> {
    let mut needed = vec![false; graph.len()];
    for (id, node) in graph.iter().rev() {
        let passes_on = match &node.op {
            SlotOp::Linear(map) => map.open,
            _ => needed[id.index()],
        };
        if passes_on {
            for arg in &node.args {
                needed[arg.index()] |= !graph.ty(*arg).layout.is_full();
            }
        }
    }
    needed
}
