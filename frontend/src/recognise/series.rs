//! Sums of Chebyshev polynomials of one value.

use std::collections::{BTreeSet, HashMap};

use fhec_ir::slot::PolyStrategy;
use fhec_ir::tensor::{Basis, TensorGraph, TensorOp};
use fhec_ir::{ConstId, Constant, ValueId};

/// The values that are T_k(x): x and k.
pub(super) type Known = HashMap<ValueId, (ValueId, usize)>;

/// Σ_k c_k·T_k(x): `coeffs[k]` has one number or one per index of axis 1. They are those that the network adds up.
#[derive(Clone)]
pub(super) struct Series {
    pub(super) x: ValueId,
    coeffs: Vec<Vec<f64>>,
}

impl Series {
    fn degree(&self) -> usize {
        self.coeffs.len() - 1
    }

    /// T_k(x).
    fn term(x: ValueId, k: usize) -> Self {
        let mut coeffs = vec![vec![0.0]; k + 1];
        coeffs[k][0] = 1.0;
        Self { x, coeffs }
    }

    fn affine(mut self, scale: &[f64], shift: &[f64]) -> Self {
        self.coeffs.iter_mut().for_each(|c| *c = zip(c, scale, |c, s| c * s));
        self.coeffs[0] = zip(&self.coeffs[0], shift, |c, h| c + h);
        self
    }

    fn add(&self, other: &Self, sign: f64) -> Self {
        let at = |of: &Self, k: usize| of.coeffs.get(k).cloned().unwrap_or_else(|| vec![0.0]);
        let len = self.coeffs.len().max(other.coeffs.len());
        let coeffs = (0..len).map(|k| zip(&at(self, k), &at(other, k), |a, b| a + sign * b)).collect();
        Self { x: self.x, coeffs }
    }

    /// The product of two series of degree 1: x² = (T₂ + 1)/2.
    fn times_line(&self, other: &Self) -> Self {
        let [a0, a1] = [&self.coeffs[0], &self.coeffs[1]];
        let [b0, b1] = [&other.coeffs[0], &other.coeffs[1]];
        let product = |a: &[f64], b: &[f64]| zip(a, b, |a, b| a * b);
        let half = zip(&product(a1, b1), &[0.5], |p, h| p * h);
        let sum = |a: &[f64], b: &[f64]| zip(a, b, |a, b| a + b);
        let (first, second) = (sum(&product(a0, b0), &half), sum(&product(a0, b1), &product(a1, b0)));
        Self { x: self.x, coeffs: vec![first, second, half] }
    }

    /// Adds its coefficients to a graph: the polynomial operator that it is.
    pub(super) fn op(&self, graph: &mut TensorGraph) -> TensorOp {
        let columns = self.coeffs.iter().map(Vec::len).max().unwrap_or(1);
        let row = |c: &Vec<f64>| c.iter().copied().cycle().take(columns).collect::<Vec<f64>>();
        let data: Vec<f64> = self.coeffs.iter().flat_map(row).collect();
        let coeffs = graph.add_constant(Constant::exact(vec![self.coeffs.len(), columns], data));
        TensorOp::Poly { coeffs, basis: Basis::Chebyshev }
    }
}

fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let at = |v: &[f64], i: usize| if v.len() == 1 { v[0] } else { v[i] };
    (0..a.len().max(b.len())).map(|i| f(at(a, i), at(b, i))).collect()
}

/// Scale and shift of an affine map that is the same within channels.
fn affine(graph: &TensorGraph, op: &TensorOp) -> Option<(Vec<f64>, Vec<f64>)> {
    let TensorOp::Affine { scale, shift } = op else { return None };
    let vector = |id: &Option<ConstId>, neutral: f64| {
        let Some(id) = id else { return Some(vec![neutral]) };
        let c = graph.constant(*id);
        c.shape.iter().enumerate().all(|(k, &d)| d == 1 || k == 1).then(|| c.values())
    };
    Some((vector(scale, 1.0)?, vector(shift, 0.0)?))
}

/// A value as a series in x, if it is x or an affine map of x.
fn line(graph: &TensorGraph, x: ValueId, v: ValueId) -> Option<Series> {
    if v == x {
        return Some(Series::term(x, 1));
    }
    // Down as far as x, which stands before what is made of it.
    let node = graph.node(v);
    let arg = *node.args.first().filter(|a| **a >= x)?;
    let (scale, shift) = affine(graph, &node.op)?;
    Some(line(graph, x, arg)?.affine(&scale, &shift))
}

/// Every value that is a sum of Chebyshev polynomials, by what is known of the single ones.
fn all(graph: &TensorGraph, known: &Known) -> HashMap<ValueId, Series> {
    let mut all: HashMap<ValueId, Series> = HashMap::new();
    let bases: BTreeSet<ValueId> = known.values().map(|(x, _)| *x).collect();
    for (v, node) in graph.iter() {
        let series = match (&node.op, &node.args[..], known.get(&v)) {
            (_, _, Some(&(x, k))) => Some(Series::term(x, k)),
            (op @ TensorOp::Affine { .. }, [arg], _) => all
                .get(arg)
                .and_then(|s| affine(graph, op).map(|(scale, shift)| s.clone().affine(&scale, &shift))),
            (op @ (TensorOp::Add | TensorOp::Sub), [a, b], _) => {
                let sign = if *op == TensorOp::Add { 1.0 } else { -1.0 };
                let x = all.get(a).or_else(|| all.get(b)).map(|s| s.x);
                x.and_then(|x| {
                    let of =
                        |v: &ValueId| all.get(v).filter(|s| s.x == x).cloned().or_else(|| line(graph, x, *v));
                    Some(of(a)?.add(&of(b)?, sign))
                })
            }
            // Of T₂ = 2x² − 1 the product may be all that is left: import folds affine maps into each other.
            (TensorOp::Mul, [a, b], _) => bases.iter().find_map(|&x| {
                let (a, b) = (line(graph, x, *a)?, line(graph, x, *b)?);
                Some(a.times_line(&b))
            }),
            _ => None,
        };
        if let Some(series) = series {
            all.insert(v, series);
        }
    }
    all
}

/// The sums that become one polynomial: those that something else reads, if evaluating them takes fewer products than
/// evaluating each Chebyshev polynomial once.
pub(super) fn sums(graph: &TensorGraph, known: &Known) -> HashMap<ValueId, Series> {
    let all = all(graph, known);
    let users = graph.users();
    let part_of_sum = |v: ValueId, x: ValueId| all.get(&v).is_some_and(|s| s.x == x);
    let is_output = |v: ValueId| graph.outputs.iter().any(|o| o.value == v);
    let ends = |v: ValueId, s: &Series| {
        !known.contains_key(&v) && (is_output(v) || !users[v.index()].iter().all(|u| part_of_sum(*u, s.x)))
    };
    let mut by_base: HashMap<ValueId, Vec<(ValueId, Series)>> = HashMap::new();
    for (v, series) in &all {
        if ends(*v, series) {
            by_base.entry(series.x).or_default().push((*v, series.clone()));
        }
    }
    by_base.retain(|x, sums| {
        let together: u32 = sums.iter().map(|(_, s)| PolyStrategy::BabyGiant.products(s.degree())).sum();
        let mut single: Vec<usize> = known.values().filter(|(of, _)| of == x).map(|(_, k)| *k).collect();
        single.sort_unstable();
        single.dedup();
        (together as usize) < single.len()
    });
    by_base.into_values().flatten().collect()
}
