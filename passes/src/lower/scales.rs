//! Scales that results are asked to have so that additions meet.
//!
//! Every scale is a constant times a monomial in *free* scales: those of inputs and of results that end in a plaintext
//! product. In logarithms an addition is a linear equation between them. [`Targets`] keeps the equations seen so far
//! solved: for each it gives up the freedom of one scale, which follows from the others from then on. The scale that a
//! bootstrap's range asks of its operand is one more equation.
//!
//! An operand that has a level to spare may be *freed*: a product with 1 on the way gives it any scale. That breaks
//! what would tie the scales of all blocks of a residual network together.

use std::collections::{BTreeMap, BTreeSet};

use fhec_ir::ValueId;
use fhec_ir::slot::{PolyStrategy, SlotGraph, SlotOp};

/// Operand k of a value.
pub(super) type Edge = (ValueId, usize);
/// Operands that are freed.
pub(super) type Edges = BTreeSet<Edge>;

/// Exponents of free scales, by the value that has the scale; never 0.
type Monomial = BTreeMap<ValueId, f64>;

/// Factors on the default scale, for values whose scale is free.
#[derive(Debug)]
pub(super) struct Targets {
    /// Scale of every value.
    scales: Vec<Monomial>,
    /// Binary logarithms of the factors.
    logs: BTreeMap<ValueId, f64>,
    /// Scales that are no longer free, as monomials in those that are.
    bound: BTreeMap<ValueId, Monomial>,
}

impl Targets {
    pub(super) fn new(graph: &SlotGraph, freed: &Edges) -> Self {
        let mut scales: Vec<Monomial> = Vec::with_capacity(graph.len());
        for (id, node) in graph.iter() {
            let mut scale = Monomial::new();
            // A freed operand has the usual scale, whatever is asked of others.
            let usual = Monomial::new();
            let arg = |k: usize| {
                if freed.contains(&(id, k)) { &usual } else { &scales[node.args[k].index()] }
            };
            match &node.op {
                SlotOp::View
                | SlotOp::ShiftSum { .. }
                | SlotOp::AddConst { .. }
                | SlotOp::Bootstrap { .. } => add(&mut scale, arg(0), 1.0),
                // The operands' scales are equal, or will be; a freed one follows the other.
                SlotOp::Add | SlotOp::Sub => {
                    let leads = usize::from(freed.contains(&(id, 0)));
                    add(&mut scale, arg(leads), 1.0);
                }
                SlotOp::Mul => (0..2).for_each(|k| add(&mut scale, arg(k), 1.0)),
                SlotOp::Poly { strategy: Some(PolyStrategy::MonicSquare), .. } => {
                    add(&mut scale, arg(0), 2.0)
                }
                SlotOp::Poly { strategy: Some(PolyStrategy::MonicQuartic), .. } => {
                    add(&mut scale, arg(0), 4.0)
                }
                SlotOp::Poly { strategy: Some(PolyStrategy::Horner), coeffs, .. } => {
                    let products = graph.constant(*coeffs).shape[0] - 2;
                    scale.insert(id, 1.0);
                    add(&mut scale, arg(0), products as f64);
                }
                _ => {
                    scale.insert(id, 1.0);
                }
            }
            scales.push(scale);
        }
        Self { scales, logs: BTreeMap::new(), bound: BTreeMap::new() }
    }

    /// Factor asked of a value; 1 if nobody asked.
    pub(super) fn factor(&self, id: ValueId) -> f64 {
        self.logs.get(&id).map_or(1.0, |log| log.exp2())
    }

    /// Binary logarithm of what the factors make of a value's scale.
    pub(super) fn log(&self, id: ValueId) -> f64 {
        let log = |free| self.logs.get(free).copied().unwrap_or_default();
        self.scales[id.index()].iter().map(|(free, exponent)| exponent * log(free)).sum()
    }

    /// Changes factors such that `first` and `second` meet, whose scales are in the given ratio now, and such that what
    /// met before still does. False if that is impossible.
    pub(super) fn make_meet(&mut self, first: ValueId, second: ValueId, ratio: f64) -> bool {
        self.divide(&[(first, 1.0), (second, -1.0)], ratio)
    }

    /// Divides the scale of a value, such that what met before still does. False if that is impossible.
    pub(super) fn change(&mut self, id: ValueId, by: f64) -> bool {
        self.divide(&[(id, 1.0)], by)
    }

    /// Divides the scale of a value as [`Targets::change`] does, but for now: no freedom is given up, and a later change
    /// may change it again.
    pub(super) fn nudge(&mut self, id: ValueId, by: f64) -> bool {
        let Some((pivot, exponent)) = self.in_free_scales(&[(id, 1.0)]).pop_last() else { return false };
        let change = -by.log2() / exponent;
        for (id, monomial) in &self.bound {
            if let Some(e) = monomial.get(&pivot) {
                *self.logs.entry(*id).or_default() += change * e;
            }
        }
        *self.logs.entry(pivot).or_default() += change;
        true
    }

    /// A product of powers of scales as a monomial in those that are free still.
    fn in_free_scales(&self, powers: &[(ValueId, f64)]) -> Monomial {
        let mut product = Monomial::new();
        for (value, power) in powers {
            for (free, exponent) in &self.scales[value.index()] {
                match self.bound.get(free) {
                    Some(monomial) => add(&mut product, monomial, power * exponent),
                    None => add(&mut product, &Monomial::from([(*free, 1.0)]), power * exponent),
                }
            }
        }
        product
    }

    /// Divides a product of powers of scales.
    fn divide(&mut self, powers: &[(ValueId, f64)], by: f64) -> bool {
        let mut difference = self.in_free_scales(powers);
        // The last one changes least: what was computed before keeps its scale.
        let Some((pivot, exponent)) = difference.pop_last() else { return false };
        let change = -by.log2() / exponent;
        let mut follows = Monomial::new();
        add(&mut follows, &difference, -1.0 / exponent);
        for (id, monomial) in &mut self.bound {
            if let Some(e) = monomial.remove(&pivot) {
                *self.logs.entry(*id).or_default() += change * e;
                add(monomial, &follows, e);
            }
        }
        *self.logs.entry(pivot).or_default() += change;
        self.bound.insert(pivot, follows);
        true
    }
}

/// Multiplies `to` by a power of `by`.
fn add(to: &mut Monomial, by: &Monomial, power: f64) {
    for (id, exponent) in by {
        let sum = to.entry(*id).or_default();
        *sum += exponent * power;
        // Exponents are sums of products of small rationals: what is left of 0 is rounding.
        if sum.abs() < 1e-9 {
            to.remove(id);
        }
    }
}

/// Whether a value takes its scale over from its first operand.
fn keeps_scale(op: &SlotOp) -> bool {
    matches!(op, SlotOp::View | SlotOp::ShiftSum { .. } | SlotOp::AddConst { .. } | SlotOp::Bootstrap { .. })
}

/// Level at which a placed value is computed.
fn executes(graph: &SlotGraph, id: ValueId) -> u32 {
    graph.ty(id).level.unwrap_or(0) + graph.node(id).op.depth(&graph.constants)
}

/// Whether an operand has a level to spare.
fn has_slack(graph: &SlotGraph, (id, k): Edge) -> bool {
    let is_bootstrap = matches!(graph.node(id).op, SlotOp::Bootstrap { .. });
    let needed = if is_bootstrap { 0 } else { executes(graph, id) };
    graph.ty(graph.node(id).args[k]).level.unwrap_or(0) > needed
}

/// The operands to free from the start in a graph with bootstraps: what comes from one at less than the usual scale, up
/// to the next linear map, summands whose scale others determine too, and what is bootstrapped from a level above the
/// lowest, since others read it there.
pub(super) fn freed(graph: &SlotGraph) -> Edges {
    let mut freed = Edges::new();
    let users = graph.users();
    let mut low = vec![false; graph.len()];
    let mut tied = vec![false; graph.len()];
    if !graph.iter().any(|(_, n)| matches!(n.op, SlotOp::Bootstrap { .. })) {
        return freed;
    }
    for (id, node) in graph.iter() {
        let can_be_low = !matches!(node.op, SlotOp::Linear(_) | SlotOp::Bootstrap { .. });
        for (k, arg) in node.args.iter().enumerate() {
            let is_bootstrap = matches!(node.op, SlotOp::Bootstrap { .. });
            if (is_bootstrap || can_be_low && low[arg.index()]) && has_slack(graph, (id, k)) {
                freed.insert((id, k));
            }
        }
        let is_sum = matches!(node.op, SlotOp::Add | SlotOp::Sub);
        let edge = |k: usize| (id, k);
        if is_sum && !freed.contains(&edge(0)) && !freed.contains(&edge(1)) {
            let bound = |k: &usize| tied[node.args[*k].index()] && has_slack(graph, edge(*k));
            freed.extend((0..2).rev().find(bound).map(edge));
        }
        let takes_over = |flags: &[bool]| {
            node.args.iter().enumerate().any(|(k, a)| flags[a.index()] && !freed.contains(&edge(k)))
        };
        low[id.index()] = match &node.op {
            SlotOp::Bootstrap { range, .. } => *range > 1.0 || *range <= 0.5,
            op => (is_sum || keeps_scale(op)) && takes_over(&low),
        };
        let own = matches!(node.op, SlotOp::Linear(_))
            || matches!(
                node.op,
                SlotOp::Poly {
                    strategy: Some(
                        PolyStrategy::PowerBasis | PolyStrategy::BabyGiant | PolyStrategy::EvenBabyGiant
                    ),
                    ..
                }
            );
        let several = users[id.index()].len() > 1;
        tied[id.index()] = several || if keeps_scale(&node.op) { takes_over(&tied) } else { !own };
    }
    freed
}

/// An operand of a sum that may yet be freed: one whose scale is not its own if there is a choice.
pub(super) fn spare(graph: &SlotGraph, freed: &Edges, sum: ValueId) -> Option<Edge> {
    let is_map = |k: usize| matches!(graph.node(graph.node(sum).args[k]).op, SlotOp::Linear(_));
    let edges = (0..2).map(|k| (sum, k));
    let free = edges.filter(|e| !freed.contains(e) && has_slack(graph, *e));
    free.min_by_key(|(_, k)| (is_map(*k), 1 - *k))
}

/// The nearest operand on which the scale of a value depends and that may yet be freed.
pub(super) fn spare_before(graph: &SlotGraph, freed: &Edges, id: ValueId) -> Option<Edge> {
    let mut open = BTreeSet::from([id]);
    while let Some(id) = open.pop_last() {
        let node = graph.node(id);
        match &node.op {
            SlotOp::Add | SlotOp::Sub => {
                if !(0..2).any(|k| freed.contains(&(id, k)))
                    && let Some(edge) = spare(graph, freed, id)
                {
                    return Some(edge);
                }
            }
            SlotOp::Mul => {}
            SlotOp::Poly {
                strategy: Some(PolyStrategy::MonicSquare | PolyStrategy::MonicQuartic), ..
            } => {}
            op if keeps_scale(op) => {}
            _ => continue,
        }
        open.extend(node.args.iter().enumerate().filter(|(k, _)| !freed.contains(&(id, *k))).map(|(_, a)| a));
    }
    None
}
