//! `Op` for the slot IR, with its invariants.

use super::routing::Routing;
use super::{LinearMap, SlotGraph, SlotHeader, SlotOp, SlotType};
use crate::layout::{Factor, Layout, MAX_POSITIONS};
use crate::tensor::{Basis, infer_shape, linear};
use crate::{ConstId, Constant, Graph, Node, Op, ValueId, Violation};

impl Op for SlotOp {
    const IR: &'static str = "slot";
    type Type = SlotType;
    type Header = SlotHeader;

    fn mnemonic(&self) -> &'static str {
        match self {
            Self::Input { .. } => "Input",
            Self::Constant { .. } => "Constant",
            Self::Linear(_) => "Linear",
            Self::ShiftSum { .. } => "ShiftSum",
            Self::Bootstrap { .. } => "Bootstrap",
            Self::View => "View",
            Self::Alternatives => "Alternatives",
            Self::Poly { .. } => "Poly",
            Self::AddConst { .. } => "AddConst",
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Max => "Max",
            Self::Min => "Min",
            Self::Activation(_) => "Activation",
            Self::PRelu { .. } => "PRelu",
        }
    }

    fn input_name(&self) -> Option<&str> {
        match self {
            Self::Input { name } => Some(name),
            _ => None,
        }
    }

    fn with_next(&self) -> Option<bool> {
        match self {
            Self::Bootstrap { with_next, .. } => Some(*with_next),
            _ => None,
        }
    }

    fn visit_constants(&self, f: &mut dyn FnMut(ConstId)) {
        match self {
            Self::Constant { value } | Self::AddConst { value } => f(*value),
            Self::Poly { coeffs, .. } => f(*coeffs),
            Self::PRelu { slope } => f(*slope),
            Self::Linear(map) => map.visit_constants(f),
            _ => {}
        }
    }

    fn map_constants(&mut self, f: &mut dyn FnMut(ConstId) -> ConstId) {
        match self {
            Self::Constant { value } | Self::AddConst { value } => *value = f(*value),
            Self::Poly { coeffs, .. } => *coeffs = f(*coeffs),
            Self::PRelu { slope } => *slope = f(*slope),
            Self::Linear(map) => map.map_constants(f),
            _ => {}
        }
    }

    fn check_node(graph: &SlotGraph, id: ValueId, report: &mut Vec<Violation>) {
        if let Err((invariant, message)) = check(graph, id) {
            report.push(Violation::at(graph, id, invariant, message));
        }
    }

    fn check_graph(graph: &SlotGraph, report: &mut Vec<Violation>) {
        check_alternatives(graph, report);
        check_open(graph, report);
        let mut refreshed = graph.iter().filter(|(_, n)| matches!(n.op, SlotOp::Bootstrap { .. }));
        let Some((_, first)) = refreshed.next() else { return };
        for (id, node) in refreshed.filter(|(_, n)| n.ty.level != first.ty.level) {
            let message = format!("level {:?}, other bootstraps give {:?}", node.ty.level, first.ty.level);
            report.push(Violation::at(graph, id, "L8", message));
        }
    }
}

impl LinearMap {
    /// Calls `f` on every constant of the stages.
    pub fn visit_constants(&self, f: &mut dyn FnMut(ConstId)) {
        self.terms.iter().flat_map(|t| &t.stages).for_each(|s| s.op.visit_constants(f));
    }

    /// Replaces every constant of the stages.
    pub fn map_constants(&mut self, f: &mut dyn FnMut(ConstId) -> ConstId) {
        self.terms.iter_mut().flat_map(|t| &mut t.stages).for_each(|s| s.op.map_constants(f));
    }

    /// Checks that layouts are well formed and of `slots` slots, that the stages are linear ops whose shapes chain,
    /// and that the plan, if there is one, covers the map (invariants L2, L4, L5). Constants must exist.
    ///
    /// # Errors
    /// Number of the invariant and what is wrong.
    pub fn check(&self, slots: usize, constants: &[Constant]) -> Result<(), (&'static str, String)> {
        for layout in self.inputs.iter().chain([&self.output]) {
            layout.check().map_err(|e| ("L2", e))?;
            if layout.slots != slots {
                return Err(("L2", format!("a layout of {} slots in a graph of {slots}", layout.slots)));
            }
        }
        self.check_between(constants)
    }

    /// The part of [`LinearMap::check`] that takes the layouts as checked.
    fn check_between(&self, constants: &[Constant]) -> Result<(), (&'static str, String)> {
        self.check_terms(constants).map_err(|e| ("L4", e))?;
        self.check_plan(constants).map_err(|e| ("L5", e))
    }

    /// Checks that there is a term for each operand and that its stages are linear ops whose shapes chain from the
    /// operand's to the result's. Bounds what evaluating them takes: no shape on the way has more than
    /// [`MAX_POSITIONS`] elements.
    pub(crate) fn check_terms(&self, constants: &[Constant]) -> Result<(), String> {
        if self.terms.is_empty() || self.terms.len() != self.inputs.len() {
            return Err(format!("{} terms for {} operands", self.terms.len(), self.inputs.len()));
        }
        for (k, (term, input)) in self.terms.iter().zip(&self.inputs).enumerate() {
            let mut shape = input.shape();
            for stage in &term.stages {
                let name = stage.op.mnemonic();
                if !linear::is_linear(&stage.op) {
                    return Err(format!("stage {name} of operand {k} is not linear"));
                }
                let enters = stage.in_shapes.get(stage.operand);
                if enters != Some(&shape) {
                    return Err(format!("stage {name} takes {enters:?}, operand {k} gives {shape:?}"));
                }
                let shapes: Vec<&[usize]> = stage.in_shapes.iter().map(Vec::as_slice).collect();
                let out = infer_shape(constants, &stage.op, &shapes).map_err(|e| e.to_string())?;
                if out != stage.out_shape {
                    return Err(format!("stage {name} makes {out:?}"));
                }
                let sizes = shapes.iter().map(|s| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d)));
                if sizes.chain([Some(out.iter().product())]).any(|n| n.is_none_or(|n| n > MAX_POSITIONS)) {
                    return Err(format!("stage {name} has shapes that are too large"));
                }
                shape = out;
            }
            if shape != self.output.shape() {
                return Err(format!("operand {k} ends as {shape:?}, result {:?}", self.output.shape()));
            }
        }
        Ok(())
    }

    fn check_plan(&self, constants: &[Constant]) -> Result<(), String> {
        let Some(plan) = &self.plan else { return Ok(()) };
        if self.open && self.opens(constants).is_none() {
            return Err("an open map whose rows have to end where its image ends".into());
        }
        let slots = self.output.slots;
        let routing = Routing::new(self, &plan.reduce)?;
        let mut planned = std::collections::HashSet::new();
        for (at, p) in plan.products.iter().enumerate() {
            let known = (p.operand as usize) < self.inputs.len()
                && (p.in_ct as usize) < self.inputs[p.operand as usize].ciphertexts
                && (p.out_ct as usize) < self.output.ciphertexts
                && (p.baby as usize) < slots
                && (p.giant as usize) < slots;
            if !known {
                return Err(format!("product {at} is out of range: {p:?}"));
            }
            if at > 0 && plan.products[at - 1] >= *p {
                return Err(format!("product {at} is not in order"));
            }
            let offset = (p.baby as usize + p.giant as usize) & (routing.modulus(p.operand as usize) - 1);
            if !planned.insert((p.out_ct, p.operand, p.in_ct, offset as u32)) {
                return Err(format!("product {at} repeats an offset"));
            }
        }
        if plan.fold as usize >= slots || plan.fold != 0 && plan.products.iter().all(|p| p.baby == 0) {
            return Err(format!("a fold by {} without baby steps or of {slots} slots at most", plan.fold));
        }
        for c in routing.classes(self, constants) {
            if !planned.contains(&(c.out_ct, c.operand, c.in_ct, c.offset)) {
                return Err(format!("the plan lacks {c:?}"));
            }
        }
        Ok(())
    }
}

fn check(graph: &SlotGraph, id: ValueId) -> Result<(), (&'static str, String)> {
    let node = graph.node(id);
    let out = &node.ty.layout;
    out.check().map_err(|e| ("L2", e))?;
    if out.slots != graph.header.slots {
        return Err(("L2", format!("{} slots in a graph of {}", out.slots, graph.header.slots)));
    }
    let arity = match &node.op {
        SlotOp::Input { .. } | SlotOp::Constant { .. } => 0,
        SlotOp::Linear(map) => map.inputs.len(),
        SlotOp::ShiftSum { .. }
        | SlotOp::Bootstrap { .. }
        | SlotOp::View
        | SlotOp::Poly { .. }
        | SlotOp::AddConst { .. }
        | SlotOp::Activation(_)
        | SlotOp::PRelu { .. } => 1,
        SlotOp::Add | SlotOp::Sub | SlotOp::Mul | SlotOp::Div | SlotOp::Max | SlotOp::Min => 2,
        SlotOp::Alternatives => node.args.len().max(2),
    };
    if node.args.len() != arity {
        return Err(("L1", format!("{} operands instead of {arity}", node.args.len())));
    }
    let args: Vec<&Layout> = node.args.iter().map(|a| &graph.ty(*a).layout).collect();
    match &node.op {
        SlotOp::Input { .. } => {}
        SlotOp::Constant { value } => {
            if graph.constant(*value).shape != out.shape() {
                return Err(("L6", format!("a constant of shape {:?}", graph.constant(*value).shape)));
            }
        }
        SlotOp::Linear(map) => {
            if map.output != *out || args.iter().zip(&map.inputs).any(|(a, b)| *a != b) {
                return Err(("L4", "the map's layouts are not those of the values".into()));
            }
            map.check_between(&graph.constants)?;
        }
        SlotOp::ShiftSum { shifts, factor } => {
            let terms = shifts.iter().try_fold(1usize, |n, s| n.checked_mul(s.extent));
            let within =
                terms.is_some_and(|n| 0 < n && n <= out.slots) && shifts.iter().all(|s| s.stride < out.slots);
            if !within || !factor.is_finite() || *factor <= 0.0 {
                return Err(("L6", format!("shifts {shifts:?}, factor {factor}")));
            }
            if args[0].ciphertexts != out.ciphertexts {
                return Err(("L3", "the result has another number of ciphertexts".into()));
            }
            let period = shifted_period(args[0].period(), shifts);
            if out.period() < period {
                return Err(("L6", format!("the result repeats after {period} slots, not {}", out.period())));
            }
        }
        SlotOp::View => {
            let same = |f: fn(&Layout) -> usize| f(args[0]) == f(out);
            if !same(|l| l.ciphertexts) || !same(Layout::elements) || !same(Layout::period) {
                return Err(("L3", "a view of other ciphertexts, elements or period".into()));
            }
        }
        _ => {
            if let Some(other) = args.iter().find(|a| **a != out) {
                return Err(("L3", format!("operand layout {other:?} is not the result's {out:?}")));
            }
        }
    }
    let broadcast = |c: ConstId, extra: usize| {
        let (shape, full) = (&graph.constant(c).shape, out.shape());
        let fits = shape.len() == full.len() + extra
            && shape[extra..].iter().zip(&full).all(|(&c, &d)| c == 1 || c == d);
        if fits { Ok(()) } else { Err(("L6", format!("a constant of shape {shape:?} for {full:?}"))) }
    };
    match &node.op {
        SlotOp::Poly { coeffs, basis, strategy } => {
            broadcast(*coeffs, 1)?;
            if !strategy.is_none_or(|s| s.serves(*basis)) {
                return Err(("L6", "a strategy for another basis".into()));
            }
            if *strategy == Some(super::PolyStrategy::EvenBabyGiant)
                && !crate::tensor::is_even_but_linear(graph.constant(*coeffs))
            {
                return Err((
                    "L6",
                    "a strategy for polynomials that are even but for a multiple of x".into(),
                ));
            }
            if graph.constant(*coeffs).shape[0] < 2 {
                return Err(("L6", "a polynomial of degree 0".into()));
            }
        }
        SlotOp::AddConst { value } => broadcast(*value, 0)?,
        SlotOp::PRelu { slope } => broadcast(*slope, 0)?,
        SlotOp::Bootstrap { range, .. } if !(range.is_finite() && *range > 0.0) => {
            return Err(("L8", format!("range {range:e}")));
        }
        SlotOp::Bootstrap { with_next: true, .. } if graph.partner(id).is_none() => {
            return Err(("L8", "it is not followed by a bootstrap that can go with it".into()));
        }
        _ => {}
    }
    check_levels(graph, id).map_err(|e| ("L7", e))
}

/// Period of a sum over shifts of slots that repeat after `period`, a power of two: the shifts that cover whole periods
/// leave their stride.
fn shifted_period(mut period: usize, shifts: &[Factor]) -> usize {
    let covers = |s: &Factor, period: usize| {
        (1..period).contains(&s.stride)
            && period.is_multiple_of(s.stride)
            && (s.extent * s.stride).is_multiple_of(period)
    };
    while let Some(shift) = shifts.iter().find(|s| covers(s, period)) {
        period = shift.stride;
    }
    period
}

/// What open maps read (invariant L10).
fn check_open(graph: &SlotGraph, report: &mut Vec<Violation>) {
    let open: Vec<(ValueId, &Node<SlotOp>)> =
        graph.iter().filter(|(_, n)| matches!(&n.op, SlotOp::Linear(map) if map.open)).collect();
    if open.is_empty() {
        return;
    }
    let clean = super::clean(graph);
    for (id, node) in open {
        if let Some(arg) = node.args.iter().find(|arg| !clean[arg.index()]) {
            let message = format!("an open map reads {arg}, which may hold anything beside its elements");
            report.push(Violation::at(graph, id, "L10", message));
        }
    }
}

/// Values with alternatives (invariant L9).
fn check_alternatives(graph: &SlotGraph, report: &mut Vec<Violation>) {
    let choices: Vec<ValueId> =
        graph.iter().filter(|(_, n)| n.op == SlotOp::Alternatives).map(|(id, _)| id).collect();
    if choices.is_empty() {
        return;
    }
    let placed = graph.iter().any(|(_, n)| n.ty.level.is_some());
    let users = graph.users();
    for id in choices {
        if placed {
            report.push(Violation::at(graph, id, "L9", "nothing chose between its operands"));
        }
        let shared = |one: &ValueId| {
            let is_input = graph.node(*one).op.input_name().is_some();
            is_input
                || users[one.index()].len() > 1
                || graph.outputs.iter().any(|output| output.value == *one)
        };
        for one in graph.node(id).args.iter().filter(|one| shared(one)) {
            report.push(Violation::at(graph, id, "L9", format!("{one} is an input, or read elsewhere, too")));
        }
    }
}

fn check_levels(graph: &SlotGraph, id: ValueId) -> Result<(), String> {
    let node = graph.node(id);
    let Some(level) = node.ty.level else { return Ok(()) };
    if matches!(node.op, SlotOp::Bootstrap { .. }) {
        return Ok(());
    }
    let depth = node.op.depth(&graph.constants);
    for arg in &node.args {
        if let Some(from) = graph.ty(*arg).level
            && from < level + depth
        {
            return Err(format!("level {level} from operand {arg} at level {from} with depth {depth}"));
        }
    }
    Ok(())
}

impl SlotOp {
    /// Levels between operands and result; a polynomial without a strategy counts as the one of its basis.
    pub fn depth(&self, constants: &[Constant]) -> u32 {
        match self {
            Self::Linear(_) | Self::Mul => 1,
            Self::Poly { coeffs, basis, strategy } => {
                let degree = constants[coeffs.index()].shape[0].saturating_sub(1).max(1);
                let usual = match basis {
                    Basis::Power => super::PolyStrategy::PowerBasis,
                    Basis::Chebyshev => super::PolyStrategy::BabyGiant,
                };
                strategy.unwrap_or(usual).depth(degree)
            }
            _ => 0,
        }
    }
}

impl Graph<SlotOp> {
    /// Appends a node whose type is a layout without a level.
    pub fn push_packed(
        &mut self,
        op: SlotOp,
        args: Vec<ValueId>,
        layout: Layout,
        name: impl Into<String>,
    ) -> ValueId {
        self.push(op, args, layout.into(), name)
    }
}
