//! Scales that results are asked to have so that additions meet.
//!
//! Every scale is a constant times a monomial in *free* scales: those of inputs and of results that end in a plaintext
//! product. In logarithms an addition is a linear equation between them. [`Targets`] keeps the equations seen so far
//! solved: for each it gives up the freedom of one scale, which follows from the others from then on.

use std::collections::BTreeMap;

use fhec_ir::ValueId;
use fhec_ir::slot::{PolyStrategy, SlotGraph, SlotOp};

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
    pub(super) fn new(graph: &SlotGraph) -> Self {
        let mut scales: Vec<Monomial> = Vec::with_capacity(graph.len());
        for (id, node) in graph.iter() {
            let mut scale = Monomial::new();
            let arg = |k: usize| &scales[node.args[k].index()];
            match &node.op {
                SlotOp::View | SlotOp::ShiftSum { .. } | SlotOp::AddConst { .. } => {
                    add(&mut scale, arg(0), 1.0)
                }
                // The operands' scales are equal, or will be.
                SlotOp::Add | SlotOp::Sub => add(&mut scale, arg(0), 1.0),
                SlotOp::Mul => (0..2).for_each(|k| add(&mut scale, arg(k), 1.0)),
                SlotOp::Poly { strategy: Some(PolyStrategy::MonicSquare), .. } => {
                    add(&mut scale, arg(0), 2.0)
                }
                SlotOp::Poly { strategy: Some(PolyStrategy::MonicQuartic), .. } => {
                    add(&mut scale, arg(0), 4.0)
                }
                SlotOp::Poly { strategy: Some(PolyStrategy::Horner), coeffs } => {
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

    /// Changes factors such that `first` and `second` meet, whose scales are in the given ratio now, and such that what
    /// met before still does. False if that is impossible.
    pub(super) fn make_meet(&mut self, first: ValueId, second: ValueId, ratio: f64) -> bool {
        let mut difference = Monomial::new();
        for (value, sign) in [(first, 1.0), (second, -1.0)] {
            for (free, exponent) in &self.scales[value.index()] {
                match self.bound.get(free) {
                    Some(monomial) => add(&mut difference, monomial, sign * exponent),
                    None => add(&mut difference, &Monomial::from([(*free, 1.0)]), sign * exponent),
                }
            }
        }
        // The last one changes least: what was computed before keeps its scale.
        let Some((pivot, exponent)) = difference.pop_last() else { return false };
        let change = -ratio.log2() / exponent;
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
