//! Chebyshev recurrences in fewer levels.
//!
//! T₀ = 1, T₁ = x, T_k = 2x·T_{k−1} − T_{k−2} takes k products in a row. The same polynomials follow from
//! T_{a+b} = 2·T_a·T_b − T_{|a−b|} with a and b half of k, which holds for every x and takes log₂ k in a row. Both forms
//! are as stable within [−1, 1]. Where only sums Σ c_k·T_k are read they become polynomials in that basis instead (`series`).

use std::collections::HashMap;

use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{ConstId, ValueId};

use super::series::Known;

/// Least degree from which the other form is taken: below it has as many products in a row.
const LEAST: usize = 4;

/// The number that a constant is everywhere, if it is one.
fn uniform(graph: &TensorGraph, id: Option<ConstId>, neutral: f32) -> Option<f32> {
    let Some(id) = id else { return Some(neutral) };
    let data = &graph.constant(id).data;
    let first = *data.first()?;
    data.iter().all(|&c| c == first).then_some(first)
}

/// x and the number c, if the value is c·x.
fn multiple(graph: &TensorGraph, v: ValueId) -> Option<(ValueId, f32)> {
    match graph.node(v).op {
        TensorOp::Affine { scale, shift: None } => Some((graph.node(v).args[0], uniform(graph, scale, 1.0)?)),
        _ => None,
    }
}

/// x and y, if the value is 2·x·y.
fn double_product(graph: &TensorGraph, v: ValueId) -> Option<(ValueId, ValueId)> {
    if let Some((product, 2.0)) = multiple(graph, v) {
        let node = graph.node(product);
        return (node.op == TensorOp::Mul).then(|| (node.args[0], node.args[1]));
    }
    let node = graph.node(v);
    let (TensorOp::Mul, &[a, b]) = (&node.op, &node.args[..]) else { return None };
    match (multiple(graph, a), multiple(graph, b)) {
        (Some((x, 2.0)), _) => Some((x, b)),
        (_, Some((y, 2.0))) => Some((a, y)),
        _ => None,
    }
}

/// The x and k of which the value is T_k, k at least 2, given those that stand before it.
fn polynomial(graph: &TensorGraph, known: &Known, v: ValueId) -> Option<(ValueId, usize)> {
    let node = graph.node(v);
    match (&node.op, &node.args[..]) {
        // 2x·x − 1
        (TensorOp::Affine { scale, shift: Some(shift) }, &[inner]) => {
            let one = uniform(graph, Some(*shift), 0.0)? == -1.0;
            let (a, b) = match uniform(graph, *scale, 1.0)? {
                1.0 => double_product(graph, inner)?,
                2.0 if graph.node(inner).op == TensorOp::Mul => {
                    (graph.node(inner).args[0], graph.node(inner).args[1])
                }
                _ => return None,
            };
            (one && a == b).then_some((a, 2))
        }
        (TensorOp::Sub, &[inner, before]) => {
            let (a, b) = double_product(graph, inner)?;
            [(a, b), (b, a)].into_iter().find_map(|(x, last)| {
                let &(base, k) = known.get(&last)?;
                let follows = if k == 2 { before == x } else { known.get(&before) == Some(&(x, k - 1)) };
                (base == x && follows).then_some((x, k + 1))
            })
        }
        _ => None,
    }
}

/// Rewrites recurrences of some length; None if there are none.
pub(super) fn run(graph: &TensorGraph) -> Option<TensorGraph> {
    let mut known = Known::new();
    for v in graph.ids() {
        if let Some(found) = polynomial(graph, &known, v) {
            known.insert(v, found);
        }
    }
    if known.values().all(|&(_, k)| k < LEAST) {
        return None;
    }
    let sums = super::series::sums(graph, &known);
    let mut out = TensorGraph::new(graph.name.clone(), ());
    out.constants.clone_from(&graph.constants);
    let mut map: Vec<ValueId> = Vec::with_capacity(graph.len());
    // T_k of x, and twice that, in the new graph.
    let (mut of, mut twice) = (HashMap::new(), HashMap::new());
    for (v, node) in graph.iter() {
        let mapped = |v: &ValueId| map[v.index()];
        let at = |of: &HashMap<(ValueId, usize), ValueId>, x: ValueId, k: usize| match k {
            1 => Some(mapped(&x)),
            k => of.get(&(x, k)).copied(),
        };
        let found = known.get(&v).copied();
        let halves = found.filter(|&(_, k)| k >= LEAST).and_then(|(x, k)| {
            let (a, b) = (k.div_ceil(2), k / 2);
            Some((x, a, at(&of, x, a)?, at(&of, x, b)?, a - b))
        });
        let new = match halves {
            _ if sums.contains_key(&v) => {
                let op = sums[&v].op(&mut out);
                out.push(op, vec![mapped(&sums[&v].x)], node.ty.clone(), node.name.clone())
            }
            Some((x, a, left, right, rest)) => {
                let name = node.name.clone();
                let shape = node.ty.clone();
                let rank = shape.len();
                let double = *twice.entry((x, a)).or_insert_with(|| {
                    let scale = Some(out.add_constant(fhec_ir::Constant::new(vec![1; rank], vec![2.0])));
                    out.push(TensorOp::Affine { scale, shift: None }, vec![left], shape.clone(), name.clone())
                });
                let product = out.push(TensorOp::Mul, vec![double, right], shape.clone(), name.clone());
                if rest == 1 {
                    out.push(TensorOp::Sub, vec![product, mapped(&x)], shape, name)
                } else {
                    let shift = Some(out.add_constant(fhec_ir::Constant::new(vec![1; rank], vec![-1.0])));
                    out.push(TensorOp::Affine { scale: None, shift }, vec![product], shape, name)
                }
            }
            None => {
                let args = node.args.iter().map(mapped).collect();
                out.push(node.op.clone(), args, node.ty.clone(), node.name.clone())
            }
        };
        if let Some(key) = found {
            of.insert(key, new);
        }
        map.push(new);
    }
    for output in &graph.outputs {
        out.add_output(output.name.clone(), map[output.value.index()]);
    }
    Some(out.compacted())
}
