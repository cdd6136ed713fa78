//! Polynomials written with Mul, Add and Pow become one `Poly`.
//!
//! Polynomial operators (Affine per channel, Poly, Add, Sub, Mul) form regions. The immediate dominator of a value
//! inside its region is the nearest value through which all of its inputs pass; relative to a dominator the value is a
//! polynomial in one variable, with one coefficient vector per power (one entry, or one per channel). Dominators are
//! lowest common ancestors in the dominator tree, as in any acyclic graph.

use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{ConstId, Constant, ValueId};

/// Highest degree that is recognised.
const MAX_DEGREE: usize = 64;

/// A polynomial per channel: `powers[k][c]`, each power with one entry or one per channel.
#[derive(Clone, Debug)]
struct Symbolic {
    powers: Vec<Vec<f64>>,
}

fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let at = |v: &[f64], i: usize| if v.len() == 1 { v[0] } else { v[i] };
    (0..a.len().max(b.len())).map(|i| f(at(a, i), at(b, i))).collect()
}

impl Symbolic {
    fn variable() -> Self {
        Self { powers: vec![vec![0.0], vec![1.0]] }
    }

    fn degree(&self) -> usize {
        self.powers.len() - 1
    }

    fn trimmed(mut self) -> Self {
        while self.powers.len() > 1 && self.powers.last().is_some_and(|p| p.iter().all(|&c| c == 0.0)) {
            self.powers.pop();
        }
        self
    }

    fn add(&self, other: &Self, sign: f64) -> Self {
        let zero = [0.0];
        let at = |p: &Self, k: usize| p.powers.get(k).map_or(zero.to_vec(), Clone::clone);
        let len = self.powers.len().max(other.powers.len());
        let powers = (0..len).map(|k| zip(&at(self, k), &at(other, k), |a, b| a + sign * b)).collect();
        Self { powers }.trimmed()
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
        Some(Self { powers }.trimmed())
    }

    /// self(inner(x)), by Horner's rule.
    fn compose(&self, inner: &Self) -> Option<Self> {
        let constant = |c: &Vec<f64>| Self { powers: vec![c.clone()] };
        let mut result = constant(self.powers.last()?);
        for c in self.powers.iter().rev().skip(1) {
            result = result.mul(inner)?.add(&constant(c), 1.0);
        }
        Some(result)
    }
}

/// A constant as coefficients per channel, if it is constant within channels.
fn per_channel(graph: &TensorGraph, id: ConstId) -> Option<Vec<f64>> {
    let c = graph.constant(id);
    let fits = c.shape.iter().enumerate().all(|(k, &d)| d == 1 || k == 1);
    fits.then(|| c.data.iter().map(|&x| f64::from(x)).collect())
}

/// The polynomial that a node applies to its operands' polynomials; None if it is no polynomial operator.
fn apply(graph: &TensorGraph, op: &TensorOp, args: &[&Symbolic]) -> Option<Symbolic> {
    match op {
        TensorOp::Affine { scale, shift } => {
            let vector = |id: &Option<ConstId>, neutral: f64| match id {
                Some(id) => per_channel(graph, *id),
                None => Some(vec![neutral]),
            };
            Symbolic { powers: vec![vector(shift, 0.0)?, vector(scale, 1.0)?] }.compose(args[0])
        }
        TensorOp::Poly { coeffs } => {
            let c = graph.constant(*coeffs);
            let powers = c.data.chunks(c.shape[1]).map(|p| p.iter().map(|&x| f64::from(x)).collect());
            Symbolic { powers: powers.collect() }.trimmed().compose(args[0])
        }
        TensorOp::Add => Some(args[0].add(args[1], 1.0)),
        TensorOp::Sub => Some(args[0].add(args[1], -1.0)),
        TensorOp::Mul => args[0].mul(args[1]),
        _ => None,
    }
}

/// The dominator tree of polynomial regions, and each value as a polynomial of its parent.
struct Dominators {
    parent: Vec<Option<ValueId>>,
    depth: Vec<usize>,
    step: Vec<Option<Symbolic>>,
}

impl Dominators {
    fn new(graph: &TensorGraph) -> Self {
        let n = graph.len();
        let mut this = Self { parent: vec![None; n], depth: vec![0; n], step: vec![None; n] };
        for (id, node) in graph.iter() {
            let Some(&first) = node.args.first() else { continue };
            let rest = &node.args[1..];
            let Some(top) = rest.iter().try_fold(first, |a, &b| this.common(a, b)) else { continue };
            let args: Option<Vec<Symbolic>> = node.args.iter().map(|&a| this.relative(a, top)).collect();
            let Some(args) = args else { continue };
            if let Some(step) = apply(graph, &node.op, &args.iter().collect::<Vec<_>>()) {
                this.parent[id.index()] = Some(top);
                this.depth[id.index()] = this.depth[top.index()] + 1;
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
fn base_of(graph: &TensorGraph, users: &[Vec<ValueId>], doms: &Dominators, root: ValueId) -> Option<ValueId> {
    let mut chain = vec![root];
    let mut base = root;
    let mut degree = 1;
    while let Some(next) = doms.parent[base.index()] {
        // Two polynomials of higher degree in sequence cost less than their composition.
        let step = doms.step[base.index()].as_ref().map_or(1, Symbolic::degree);
        if (degree > 1 && step > 1) || !closed(graph, users, root, next) {
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

/// The values strictly between `base` and `root`, if nothing outside uses them.
fn closed(graph: &TensorGraph, users: &[Vec<ValueId>], root: ValueId, base: ValueId) -> bool {
    let mut inner = vec![root];
    let mut seen = std::collections::HashSet::from([root, base]);
    let mut k = 0;
    while k < inner.len() {
        for &arg in &graph.node(inner[k]).args {
            if seen.insert(arg) {
                inner.push(arg);
            }
        }
        k += 1;
    }
    let output = |v: ValueId| graph.outputs.iter().any(|o| o.value == v);
    inner[1..].iter().all(|&v| !output(v) && users[v.index()].iter().all(|u| seen.contains(u)))
}

pub(super) fn run(graph: &TensorGraph) -> TensorGraph {
    let mut out = graph.clone();
    let users = graph.users();
    let doms = Dominators::new(graph);
    let mut covered = vec![false; graph.len()];
    for root in graph.ids().rev() {
        if covered[root.index()] || matches!(graph.node(root).op, TensorOp::Poly { .. }) && alone(&doms, root)
        {
            continue;
        }
        let Some(base) = base_of(graph, &users, &doms, root) else { continue };
        let Some(poly) = doms.relative(root, base) else { continue };
        if poly.degree() < 2 {
            continue;
        }
        cover(graph, root, base, &mut covered);
        let channels = poly.powers.iter().map(Vec::len).max().unwrap_or(1);
        let one = [1.0];
        let data: Vec<f64> = poly
            .powers
            .iter()
            .flat_map(|p| zip(p, &one, |a, _| a).into_iter().cycle().take(channels))
            .collect();
        if data.iter().any(|c| !(*c as f32).is_finite()) {
            continue;
        }
        let coeffs = out.add_constant(Constant::from_f64(vec![poly.powers.len(), channels], &data));
        let node = out.node_mut(root);
        node.op = TensorOp::Poly { coeffs };
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
