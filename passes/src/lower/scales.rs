//! Scales that results are asked to have so that additions meet.

use std::collections::HashMap;

use fhec_ir::ValueId;
use fhec_ir::slot::{PolyStrategy, SlotGraph, SlotOp};

/// Factors on the default scale, for values whose scale is free.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    factors: HashMap<ValueId, f64>,
}

impl Targets {
    /// Factor asked of a value; 1 if nobody asked.
    pub(super) fn factor(&self, id: ValueId) -> f64 {
        self.factors.get(&id).copied().unwrap_or(1.0)
    }

    /// Changes one operand of the addition at `id`, whose first operand's scale is `ratio` times the second's.
    /// False if neither operand can be changed.
    pub(super) fn make_meet(&mut self, graph: &SlotGraph, id: ValueId, ratio: f64) -> bool {
        let args = &graph.node(id).args;
        if args[0] == args[1] {
            return false;
        }
        // Prefer the operand that comes straight from a free product: the other may feed other additions too.
        let distance = |a: ValueId| free_distance(graph, a);
        let (first, second) = (distance(args[0]), distance(args[1]));
        match (first, second) {
            (None, None) => false,
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                self.scale(graph, args[0], 1.0 / ratio);
                true
            }
            _ => {
                self.scale(graph, args[1], ratio);
                true
            }
        }
    }

    /// Multiplies the scale of `id` by `ratio`, at the free values that it comes from.
    fn scale(&mut self, graph: &SlotGraph, id: ValueId, ratio: f64) {
        let node = graph.node(id);
        match source(&node.op) {
            Source::Free => *self.factors.entry(id).or_insert(1.0) *= ratio,
            Source::Operand(power) => self.scale(graph, node.args[0], ratio.powf(1.0 / power)),
            Source::Operands => node.args.iter().for_each(|a| self.scale(graph, *a, ratio)),
        }
    }
}

/// Where the scale of an op's result comes from.
enum Source {
    /// It is free to choose.
    Free,
    /// The operand's scale to this power.
    Operand(f64),
    /// All operands alike.
    Operands,
}

fn source(op: &SlotOp) -> Source {
    match op {
        SlotOp::Poly { strategy: Some(PolyStrategy::MonicSquare), .. } => Source::Operand(2.0),
        SlotOp::Poly { strategy: Some(PolyStrategy::MonicQuartic), .. } => Source::Operand(4.0),
        SlotOp::View | SlotOp::ShiftSum { .. } | SlotOp::AddConst { .. } | SlotOp::Mul => {
            Source::Operand(1.0)
        }
        SlotOp::Add | SlotOp::Sub => Source::Operands,
        _ => Source::Free,
    }
}

/// Ops between a value and the free values that determine its scale; None if a change would reach a value twice,
/// as in a product of a value with itself.
fn free_distance(graph: &SlotGraph, id: ValueId) -> Option<usize> {
    let node = graph.node(id);
    match source(&node.op) {
        Source::Free => Some(0),
        Source::Operand(_) if node.op == SlotOp::Mul && node.args[0] == node.args[1] => None,
        Source::Operand(_) => free_distance(graph, node.args[0]).map(|d| d + 1),
        Source::Operands => {
            let far = node.args.iter().map(|a| free_distance(graph, *a)).collect::<Option<Vec<_>>>()?;
            // Shared values below would be changed for their other uses as well: a last resort.
            Some(far.into_iter().max().unwrap_or(0) + 100)
        }
    }
}
