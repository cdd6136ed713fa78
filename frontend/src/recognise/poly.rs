//! Polynomials written with Mul, Add and Pow become one `Poly`.
//!
//! Polynomial operators (Affine per channel, Poly, Add, Sub, Mul) form regions. The immediate dominator of a value
//! inside its region is the nearest value through which all of its inputs pass; relative to a dominator the value is a
//! polynomial in one variable, with one coefficient vector per power (one entry, or one per channel). Dominators are
//! lowest common ancestors in the dominator tree, as in any acyclic graph.
//!
//! # What is merged
//! Multiplying out loses precision: coefficients become large and of alternating signs, and are kept in f32. So a region
//! becomes one polynomial only if
//!
//! * it *is* a sum of powers as written: no product of two sums is multiplied out, no like terms are combined. Then the
//!   coefficients are the network's own, and the polynomial cancels no more than what was written; or
//! * its degree is at most [`MULTIPLIED_OUT`] = 4. By V. Markov's theorem no polynomial of degree 4 that stays below 1 on
//!   [−1, 1], hence on any interval around 0 after scaling, has larger coefficients than the Chebyshev polynomials
//!   T₄ = 8x⁴ − 8x² + 1 and T₃ = 4x³ − 3x: rounding them to f32 costs at most log₂(17 + 7) < 5 of 24 bits there.
//!
//! The rest, sums of Chebyshev polynomials and compositions among them, stays as the network has it.

use fhec_ir::tensor::{Basis, TensorGraph, TensorOp};
use fhec_ir::{ConstId, Constant, ValueId};

use super::region::Regions;

/// Highest degree that is recognised.
const MAX_DEGREE: usize = 64;
/// Highest degree up to which a polynomial is multiplied out.
const MULTIPLIED_OUT: usize = 4;

/// A polynomial per channel: `powers[k][c]`, each power with one entry or one per channel.
#[derive(Clone, Debug)]
struct Symbolic {
    powers: Vec<Vec<f64>>,
    /// The network writes it as this sum of powers.
    as_written: bool,
}

fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let at = |v: &[f64], i: usize| if v.len() == 1 { v[0] } else { v[i] };
    (0..a.len().max(b.len())).map(|i| f(at(a, i), at(b, i))).collect()
}

fn present(power: &[f64]) -> bool {
    power.iter().any(|&c| c != 0.0)
}

impl Symbolic {
    fn variable() -> Self {
        Self { powers: vec![vec![0.0], vec![1.0]], as_written: true }
    }

    fn constant(c: &[f64]) -> Self {
        Self { powers: vec![c.to_vec()], as_written: true }
    }

    fn degree(&self) -> usize {
        self.powers.len() - 1
    }

    fn single_term(&self) -> bool {
        self.powers.iter().filter(|p| present(p)).count() <= 1
    }

    /// Without leading zeros; None if it should stay as the network has it.
    fn kept(mut self) -> Option<Self> {
        while self.powers.len() > 1 && self.powers.last().is_some_and(|p| !present(p)) {
            self.powers.pop();
        }
        (self.as_written || self.degree() <= MULTIPLIED_OUT).then_some(self)
    }

    fn add(&self, other: &Self, sign: f64) -> Option<Self> {
        let zero = [0.0];
        let at = |p: &Self, k: usize| p.powers.get(k).map_or(zero.to_vec(), Clone::clone);
        let len = self.powers.len().max(other.powers.len());
        let powers = (0..len).map(|k| zip(&at(self, k), &at(other, k), |a, b| a + sign * b)).collect();
        // Constants may meet: their sum is no larger than the values that they are added to.
        let mut pairs = self.powers.iter().zip(&other.powers).skip(1);
        let like = pairs.any(|(a, b)| present(a) && present(b));
        Self { powers, as_written: self.as_written && other.as_written && !like }.kept()
    }

    fn mul(&self, other: &Self) -> Option<Self> {
        if self.degree() + other.degree() > MAX_DEGREE {
            return None;
        }
        let mut powers = vec![vec![0.0]; self.powers.len() + other.powers.len() - 1];
        for (i, a) in self.powers.iter().enumerate() {
            for (j, b) in other.powers.iter().enumerate() {
                powers[i + j] = zip(&powers[i + j], &zip(a, b, |x, y| x * y), |x, y| x + y);
            }
        }
        let distributes = self.single_term() || other.single_term();
        Self { powers, as_written: self.as_written && other.as_written && distributes }.kept()
    }

    /// self(inner(x)), by Horner's rule.
    fn compose(&self, inner: &Self) -> Option<Self> {
        let mut result = Self::constant(self.powers.last()?);
        result.as_written = self.as_written;
        for c in self.powers.iter().rev().skip(1) {
            result = result.mul(inner)?.add(&Self::constant(c), 1.0)?;
        }
        Some(result)
    }

    /// Coefficients for a `Poly`, rows of `channels`; None if one is not finite.
    fn coefficients(&self) -> Option<Constant> {
        let channels = self.powers.iter().map(Vec::len).max().unwrap_or(1);
        let row = |p: &Vec<f64>| p.iter().copied().cycle().take(channels).collect::<Vec<f64>>();
        let data: Vec<f64> = self.powers.iter().flat_map(row).collect();
        data.iter().all(|c| c.is_finite()).then(|| Constant::exact(vec![self.powers.len(), channels], data))
    }
}

/// A constant as coefficients per channel, if it is constant within channels.
fn per_channel(graph: &TensorGraph, id: ConstId) -> Option<Vec<f64>> {
    let c = graph.constant(id);
    let fits = c.shape.iter().enumerate().all(|(k, &d)| d == 1 || k == 1);
    fits.then(|| c.values())
}

/// The polynomial that a node applies to its operands' polynomials; None if it is no polynomial operator.
fn apply(graph: &TensorGraph, op: &TensorOp, args: &[&Symbolic]) -> Option<Symbolic> {
    match op {
        TensorOp::Affine { scale, shift } => {
            let vector = |id: &Option<ConstId>, neutral: f64| match id {
                Some(id) => per_channel(graph, *id),
                None => Some(vec![neutral]),
            };
            let powers = vec![vector(shift, 0.0)?, vector(scale, 1.0)?];
            Symbolic { powers, as_written: true }.compose(args[0])
        }
        TensorOp::Poly { coeffs, basis: Basis::Power } => {
            let c = graph.constant(*coeffs);
            let powers = c.values().chunks(c.shape[1]).map(<[f64]>::to_vec).collect();
            Symbolic { powers, as_written: true }.kept()?.compose(args[0])
        }
        TensorOp::Add => args[0].add(args[1], 1.0),
        TensorOp::Sub => args[0].add(args[1], -1.0),
        TensorOp::Mul => args[0].mul(args[1]),
        _ => None,
    }
}

/// The dominator tree of polynomial regions, and each value as a polynomial of its parent.
struct Dominators {
    parent: Vec<Option<ValueId>>,
    depth: Vec<usize>,
    step: Vec<Option<Symbolic>>,
    /// Some value between this one and the end of its region is no affine map of its dominator.
    curved: Vec<bool>,
}

impl Dominators {
    fn new(graph: &TensorGraph) -> Self {
        let n = graph.len();
        let mut this =
            Self { parent: vec![None; n], depth: vec![0; n], step: vec![None; n], curved: vec![false; n] };
        for (id, node) in graph.iter() {
            let Some(&first) = node.args.first() else { continue };
            let rest = &node.args[1..];
            let Some(top) = rest.iter().try_fold(first, |a, &b| this.common(a, b)) else { continue };
            let args: Option<Vec<Symbolic>> = node.args.iter().map(|&a| this.relative(a, top)).collect();
            let Some(args) = args else { continue };
            if let Some(step) = apply(graph, &node.op, &args.iter().collect::<Vec<_>>()) {
                this.parent[id.index()] = Some(top);
                this.depth[id.index()] = this.depth[top.index()] + 1;
                this.curved[id.index()] = step.degree() > 1 || this.curved[top.index()];
                this.step[id.index()] = Some(step);
            }
        }
        this
    }

    /// Lowest common ancestor.
    fn common(&self, mut a: ValueId, mut b: ValueId) -> Option<ValueId> {
        while a != b {
            if self.depth[a.index()] < self.depth[b.index()] {
                std::mem::swap(&mut a, &mut b);
            }
            a = self.parent[a.index()]?;
        }
        Some(a)
    }

    /// The polynomial that makes `id` from its ancestor `base`.
    fn relative(&self, mut id: ValueId, base: ValueId) -> Option<Symbolic> {
        let mut result = Symbolic::variable();
        while id != base {
            result = result.compose(self.step[id.index()].as_ref()?)?;
            id = self.parent[id.index()]?;
        }
        Some(result)
    }
}

/// The base of the largest region that `root` may be replaced with, if that gains anything.
fn base_of(graph: &TensorGraph, regions: &mut Regions, doms: &Dominators, root: ValueId) -> Option<ValueId> {
    if !doms.curved[root.index()] {
        return None;
    }
    let mut chain = vec![root];
    let mut base = root;
    let mut degree = 1;
    while let Some(next) = doms.parent[base.index()] {
        // Two polynomials of higher degree in sequence cost less than their composition.
        let step = doms.step[base.index()].as_ref().map_or(1, Symbolic::degree);
        let above = chain.len().checked_sub(2).map(|k| chain[k]);
        if (degree > 1 && step > 1) || !regions.extends(above, base, next) {
            break;
        }
        degree = degree.max(step);
        base = next;
        chain.push(next);
    }
    // Affine maps at the bottom stay outside: they belong to what produces them.
    while chain.len() > 1 && matches!(graph.node(chain[chain.len() - 2]).op, TensorOp::Affine { .. }) {
        chain.pop();
    }
    let base = *chain.last()?;
    (degree > 1 && base != root).then_some(base)
}

pub(super) fn run(graph: &TensorGraph) -> TensorGraph {
    let mut out = graph.clone();
    let mut regions = Regions::new(graph);
    let doms = Dominators::new(graph);
    let mut covered = vec![false; graph.len()];
    for root in graph.ids().rev() {
        if covered[root.index()] || matches!(graph.node(root).op, TensorOp::Poly { .. }) && alone(&doms, root)
        {
            continue;
        }
        let Some(base) = base_of(graph, &mut regions, &doms, root) else { continue };
        let Some(poly) = doms.relative(root, base).filter(|p| p.degree() > 1) else { continue };
        let Some(coeffs) = poly.coefficients() else { continue };
        cover(graph, root, base, &mut covered);
        let coeffs = out.add_constant(coeffs);
        let node = out.node_mut(root);
        node.op = TensorOp::Poly { coeffs, basis: Basis::Power };
        node.args = vec![base];
    }
    out
}

/// A Poly whose operand is the base already.
fn alone(doms: &Dominators, root: ValueId) -> bool {
    doms.parent[root.index()].is_none_or(|p| doms.parent[p.index()].is_none())
}

fn cover(graph: &TensorGraph, root: ValueId, base: ValueId, covered: &mut [bool]) {
    let mut stack = vec![root];
    while let Some(v) = stack.pop() {
        if v != base && !std::mem::replace(&mut covered[v.index()], true) {
            stack.extend(&graph.node(v).args);
        }
    }
}
