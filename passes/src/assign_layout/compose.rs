//! Linear maps of linear maps, and sums of them: one map where there were two.
//!
//! A map composed with the one before takes a level less and other rotations; a sum of two maps as one shares giant
//! steps and the division behind them. Whether that pays is a matter of prices and levels, so the packed network gets both:
//! [`SlotOp::Alternatives`] the maps as they are or the composed one. `minimize-rotations` plans all of them and drops what
//! cannot pay, `place` chooses. Sums of shifts count as maps here: a pool is a stage of the dense layer behind it.

use std::collections::HashMap;

use fhec_ir::layout::Layout;
use fhec_ir::slot::{Effort, LinearMap, SlotGraph, SlotOp, Stage, Term};
use fhec_ir::tensor::TensorOp;
use fhec_ir::{ConstId, Constant, Op, ValueId};

/// How often a map takes in those before it.
const ROUNDS: usize = 3;

/// Most operands of a composed map.
const MAX_OPERANDS: usize = 16;

/// Entries up to which a map is composed, however few the separate ones have.
const SMALL: usize = 1 << 23;

/// Entries that may be held between the stages of a map.
const HELD: usize = 1 << 22;

/// An affine map by its operands and their terms.
type Sum = Vec<(ValueId, Term)>;

/// The network with composed maps as alternatives for the values of maps. `moved` tells what views and sums of shifts
/// stand for.
pub(super) fn with_alternatives(packed: &SlotGraph, moved: &HashMap<ValueId, Stage>) -> SlotGraph {
    let mut new = SlotGraph::new(packed.name.clone(), packed.header.clone());
    new.constants.clone_from(&packed.constants);
    let (uses, live) = uses(packed);
    let mut composer = Composer { new, sums: vec![], left: 4 * SMALL };
    let mut renamed: Vec<Option<ValueId>> = vec![None; packed.len()];
    for (id, node) in packed.iter().filter(|(id, n)| live[id.index()] || n.op.input_name().is_some()) {
        let of = |arg: &ValueId| renamed[arg.index()].expect("operands come first");
        let args: Vec<ValueId> = node.args.iter().map(of).collect();
        let alone = node.args.iter().all(|a| uses[a.index()] == 1);
        let sum = composer.sum(&node.op, &args, alone, moved.get(&id));
        let own = matches!(node.op, SlotOp::Linear(_));
        let alternatives = match &sum {
            Some(sum) if own || matches!(node.op, SlotOp::Add | SlotOp::Sub) => {
                composer.alternatives(sum, own)
            }
            _ => vec![],
        };
        if let (true, Some(sum)) = (own, &sum) {
            composer.left = composer.left.saturating_add(composer.effort(sum).met);
        }
        let like = |composer: &mut Composer, op, args, sum| {
            composer.push(op, args, &node.ty.layout, &node.name, sum)
        };
        let mut value = like(&mut composer, node.op.clone(), args, sum.clone());
        if !alternatives.is_empty() {
            let mut all = vec![value];
            for sum in alternatives {
                let args = sum.iter().map(|(value, _)| *value).collect();
                let map = composer.map(sum, node.ty.layout.clone());
                all.push(like(&mut composer, map, args, None));
            }
            value = like(&mut composer, SlotOp::Alternatives, all, sum);
        }
        renamed[id.index()] = Some(value);
    }
    for output in &packed.outputs {
        let value = renamed[output.value.index()].expect("outputs are live");
        composer.new.add_output(output.name.clone(), value);
    }
    composer.new.compacted()
}

/// How often each value is read by those that outputs need, and which are.
fn uses(graph: &SlotGraph) -> (Vec<usize>, Vec<bool>) {
    let mut uses = vec![0; graph.len()];
    graph.outputs.iter().for_each(|o| uses[o.value.index()] += 1);
    for (id, node) in graph.iter().rev() {
        if uses[id.index()] > 0 {
            node.args.iter().for_each(|a| uses[a.index()] += 1);
        }
    }
    let live = uses.iter().map(|uses| *uses > 0).collect();
    (uses, live)
}

struct Composer {
    new: SlotGraph,
    /// By value of the new graph, the map that it is the result of, if any.
    sums: Vec<Option<Sum>>,
    /// Entries that composed maps may yet have: some, and as many as the others have.
    left: usize,
}

impl Composer {
    fn push(
        &mut self,
        op: SlotOp,
        args: Vec<ValueId>,
        layout: &Layout,
        name: &str,
        sum: Option<Sum>,
    ) -> ValueId {
        self.sums.push(sum);
        self.new.push_packed(op, args, layout.clone(), name)
    }

    /// The map from `sum` into a layout.
    fn map(&self, sum: Sum, output: Layout) -> SlotOp {
        let inputs = sum.iter().map(|(value, _)| self.new.ty(*value).layout.clone()).collect();
        let terms = sum.into_iter().map(|(_, term)| term).collect();
        SlotOp::Linear(Box::new(LinearMap { inputs, terms, output, open: false, plan: None }))
    }

    /// What an op is as an affine map, if it is one that can be a part of others. `alone` tells that nothing else reads its
    /// operands, `moved` what a view or a sum of shifts stands for.
    fn sum(&mut self, op: &SlotOp, args: &[ValueId], alone: bool, moved: Option<&Stage>) -> Option<Sum> {
        let of = |arg: &ValueId| self.sums[arg.index()].clone();
        match op {
            SlotOp::Linear(map) => Some(args.iter().copied().zip(map.terms.iter().cloned()).collect()),
            SlotOp::ShiftSum { .. } => Some(vec![(args[0], Term { stages: vec![moved?.clone()] })]),
            SlotOp::View => Some(after(&of(&args[0])?, &Term { stages: vec![moved?.clone()] })),
            SlotOp::AddConst { value } => {
                let shift = self.affine(args[0], None, Some(*value));
                Some(after(&of(&args[0])?, &shift))
            }
            SlotOp::Add | SlotOp::Sub if alone && args.iter().all(|a| self.takes_level(*a)) => {
                let (mut sum, second) = (of(&args[0])?, of(&args[1])?);
                sum.extend(if *op == SlotOp::Sub { after(&second, &self.negation(args[1])) } else { second });
                (sum.len() <= MAX_OPERANDS).then_some(sum)
            }
            _ => None,
        }
    }

    /// Whether a value is the result of maps that take a level, not of sums of shifts.
    fn takes_level(&self, value: ValueId) -> bool {
        let node = self.new.node(value);
        match &node.op {
            SlotOp::Linear(_) => true,
            SlotOp::View | SlotOp::AddConst { .. } | SlotOp::Add | SlotOp::Sub | SlotOp::Alternatives => {
                node.args.iter().all(|a| self.takes_level(*a))
            }
            _ => false,
        }
    }

    fn affine(&self, value: ValueId, scale: Option<ConstId>, shift: Option<ConstId>) -> Term {
        let shape = self.new.ty(value).layout.shape();
        let op = TensorOp::Affine { scale, shift };
        Term { stages: vec![Stage { op, operand: 0, in_shapes: vec![shape.clone()], out_shape: shape }] }
    }

    fn negation(&mut self, value: ValueId) -> Term {
        let rank = self.new.ty(value).layout.axes.len();
        let minus = self.new.add_constant(Constant::new(vec![1; rank], vec![-1.0]));
        self.affine(value, Some(minus), None)
    }

    /// The map that is `sum`, unless it is the value's `own` one, and those that take in ever more of the maps before.
    fn alternatives(&mut self, sum: &Sum, own: bool) -> Vec<Sum> {
        let mut alternatives = Vec::new();
        if !own && self.afford(sum, 0) {
            alternatives.push(sum.clone());
        }
        let mut sum = sum.clone();
        for _ in 0..ROUNDS {
            let mut next = Sum::new();
            let mut composed = false;
            for (value, term) in sum {
                if let Some(inner) = self.sums[value.index()].clone() {
                    let terms = after(&inner, &term);
                    let separate = self.effort(&inner).met + self.effort(&vec![(value, term.clone())]).met;
                    if self.afford(&terms, separate) {
                        next.extend(terms);
                        composed = true;
                        continue;
                    }
                }
                next.push((value, term));
            }
            sum = next;
            if !composed || sum.len() > MAX_OPERANDS {
                break;
            }
            alternatives.push(sum.clone());
        }
        alternatives
    }

    /// What enumerating the entries of a map takes.
    fn effort(&self, sum: &Sum) -> Effort {
        let of = |(value, term): &(ValueId, Term)| {
            term.effort(self.new.ty(*value).layout.elements(), &self.new.constants)
        };
        sum.iter().map(of).fold(Effort::default(), |a, b| Effort {
            met: a.met.saturating_add(b.met),
            held: a.held.max(b.held),
        })
    }

    /// Takes the effort of a map from what is left, if it is little enough beside that of the `separate` maps.
    fn afford(&mut self, sum: &Sum, separate: usize) -> bool {
        let effort = self.effort(sum);
        let most = SMALL.max(separate.saturating_mul(2)).min(self.left);
        let affordable = effort.met <= most && effort.held <= HELD;
        if affordable {
            self.left -= effort.met;
        }
        affordable
    }
}

/// A map of the result of another: what it adds is added once.
fn after(inner: &Sum, outer: &Term) -> Sum {
    let linear = outer.without_constant_part();
    let term = |(k, (value, term)): (usize, &(ValueId, Term))| {
        let last = if k == 0 { outer } else { &linear };
        (*value, Term { stages: term.stages.iter().chain(&last.stages).cloned().collect() })
    };
    inner.iter().enumerate().map(term).collect()
}
