//! Rules on single operators: constants, identities, simpler forms.

use fhec_ir::Constant;
use fhec_ir::tensor::{Activation, Basis, Pool, ReduceKind, Tensor, TensorOp, eval_op};

use super::super::network::Network;
use super::super::rule::{Term, View};
use super::super::vectors;

/// Largest constant that folding makes.
const MAX_FOLDED: usize = 1 << 24;

/// An operator on constants is a constant.
pub(super) fn fold_constants(network: &mut Network, node: &View) -> Option<Term> {
    if node.children.is_empty() {
        return None;
    }
    let literals = node.children.iter().map(|c| network.literal(*c)).collect::<Option<Vec<_>>>()?;
    let args: Vec<Tensor<f64>> =
        literals.iter().map(|id| Tensor::from_constant(network.constant(*id))).collect();
    let constants = &network.egraph.analysis.constants;
    let shapes: Vec<&[usize]> = args.iter().map(|a| &a.shape[..]).collect();
    let out = fhec_ir::tensor::infer_shape(constants, &node.op, &shapes).ok()?;
    if out.iter().product::<usize>() > MAX_FOLDED {
        return None;
    }
    let result = eval_op(constants, &node.op, &args.iter().collect::<Vec<_>>());
    let value = network.egraph.analysis.constant(result.to_constant())?;
    Some(Term::Node(TensorOp::Constant { value }, vec![], node.name.clone()))
}

/// Operators that change nothing.
pub(super) fn identity(network: &mut Network, node: &View) -> Option<Term> {
    let &[x] = &node.children[..] else { return None };
    let shape = network.shape(x);
    let all = |id: &Option<fhec_ir::ConstId>, neutral: f64| {
        id.is_none_or(|id| network.constant(id).data.values().all(|v| v == neutral))
    };
    let same = match &node.op {
        TensorOp::Affine { scale, shift } => all(scale, 1.0) && all(shift, 0.0),
        TensorOp::Reshape { out } | TensorOp::Expand { out } => out == shape,
        TensorOp::Transpose { perm } => perm.iter().enumerate().all(|(k, &p)| k == p),
        TensorOp::Pad { before, after, .. } => before.iter().chain(after).all(|&p| p == 0),
        TensorOp::Slice { start, step, out } => {
            out == shape
                && start.iter().all(|&s| s == 0)
                && step.iter().zip(out).all(|(&s, &d)| s == 1 || d == 1)
        }
        TensorOp::Gather { axis, indices } => {
            indices.len() == shape[*axis] && indices.iter().enumerate().all(|(k, &i)| k == i)
        }
        TensorOp::Concat { .. } => true,
        TensorOp::Pool { window, out, .. } => {
            window.kernel == [1, 1]
                && window.stride == [1, 1]
                && window.pads == [0; 4]
                && out[..] == shape[2..]
        }
        TensorOp::Reduce { axes, keep: true, .. } => axes.iter().all(|&k| shape[k] == 1),
        TensorOp::Resample { matrix, .. } => {
            let m = network.constant(*matrix);
            let n = m.shape[1];
            m.shape[0] == n
                && m.data.values().enumerate().all(|(k, w)| w == f64::from(u8::from(k / n == k % n)))
        }
        _ => false,
    };
    same.then_some(Term::Class(x))
}

/// Sums, differences, products and quotients with a constant are affine maps.
pub(super) fn with_constant(network: &mut Network, node: &View) -> Option<Term> {
    let &[a, b] = &node.children[..] else { return None };
    let affine = |network: &mut Network, x, scale: Option<Constant>, shift: Option<Constant>| {
        let mut part = |c: Option<Constant>| match c {
            Some(c) => network.egraph.analysis.constant(smallest(&c)).map(Some),
            None => Some(None),
        };
        let op = TensorOp::Affine { scale: part(scale)?, shift: part(shift)? };
        Some(Term::Node(op, vec![Term::Class(x)], node.name.clone()))
    };
    let map = |c: &Constant, f: fn(f64) -> f64| {
        Constant::exact(c.shape.clone(), c.data.values().map(f).collect::<Vec<_>>())
    };
    let right = network.literal(b).map(|c| network.constant(c).clone());
    let left = network.literal(a).map(|c| network.constant(c).clone());
    let rank = network.shape(a).len();
    match (&node.op, left, right) {
        (TensorOp::Add, _, Some(c)) => affine(network, a, None, Some(c)),
        (TensorOp::Add, Some(c), _) => affine(network, b, None, Some(c)),
        (TensorOp::Sub, _, Some(c)) => affine(network, a, None, Some(map(&c, |v| -v))),
        (TensorOp::Sub, Some(c), _) => {
            affine(network, b, Some(Constant::new(vec![1; rank], vec![-1.0])), Some(c))
        }
        (TensorOp::Mul, _, Some(c)) => affine(network, a, Some(c), None),
        (TensorOp::Mul, Some(c), _) => affine(network, b, Some(c), None),
        (TensorOp::Div, _, Some(c)) if !c.data.values().any(|x| x == 0.0) => {
            affine(network, a, Some(map(&c, |v| 1.0 / v)), None)
        }
        _ => None,
    }
}

/// The constant with extents 1 wherever it does not vary.
fn smallest(c: &Constant) -> Constant {
    let mut c = c.clone();
    for axis in 0..c.shape.len() {
        let inner: usize = c.shape[axis + 1..].iter().product();
        let extent = c.shape[axis];
        let block = extent * inner;
        let values = c.values();
        let repeats = values.chunks(block).all(|b| b.chunks(inner).all(|row| row == &b[..inner]));
        if extent > 1 && repeats {
            let data: Vec<f64> = values.chunks(block).flat_map(|b| b[..inner].to_vec()).collect();
            c.shape[axis] = 1;
            c = Constant::exact(c.shape, data);
        }
    }
    c
}

/// Forms that say the same with less.
pub(super) fn simpler_form(network: &mut Network, node: &View) -> Option<Term> {
    let x = *node.children.first()?;
    let shape = network.shape(x).to_vec();
    let op = match &node.op {
        TensorOp::Mul if node.children[1] == x => {
            TensorOp::Poly { coeffs: network.intern(vec![3, 1], &[0.0, 0.0, 1.0])?, basis: Basis::Power }
        }
        TensorOp::Poly { coeffs, basis } => {
            let constant = network.constant(*coeffs).clone();
            let columns = constant.shape[1];
            let zero = |p: &[f64]| p.iter().all(|&c| c == 0.0);
            let top = constant.values().chunks(columns).rposition(|p| !zero(p)).unwrap_or(0);
            if top >= 2 && top + 1 == constant.shape[0] {
                return None;
            }
            let mut powers = vectors::powers(&constant, columns);
            powers.truncate(top + 1);
            if top >= 2 {
                vectors::poly(network, &powers, *basis)?
            } else {
                // A constant polynomial stays a product with 0: the e-graph has no constants of that shape.
                powers.resize(2, vec![0.0; columns]);
                vectors::affine(network, shape.len(), 1, &powers[1], &powers[0])?
            }
        }
        TensorOp::Activation(Activation::Clip(lo, hi)) if *lo == 0.0 && *hi == f32::MAX => {
            TensorOp::Activation(Activation::Relu)
        }
        TensorOp::Activation(Activation::Swish(0.0)) => {
            TensorOp::Affine { scale: Some(network.intern(vec![1; shape.len()], &[0.5])?), shift: None }
        }
        TensorOp::Pool { kind: Pool::AveragePadded, window, out } if window.pads == [0; 4] => {
            TensorOp::Pool { kind: Pool::Average, window: *window, out: *out }
        }
        // A pool over the whole image is a mean over it.
        TensorOp::Pool { kind: Pool::Average, window, out: [1, 1] }
            if window.kernel[..] == shape[2..] && window.pads == [0; 4] && window.dilation == [1, 1] =>
        {
            TensorOp::Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep: true }
        }
        TensorOp::Reduce { axes, keep: false, .. } if axes.iter().all(|&k| shape[k] == 1) => {
            let out = (0..shape.len()).filter(|k| !axes.contains(k)).map(|k| shape[k]).collect();
            TensorOp::Reshape { out }
        }
        TensorOp::Add if node.children[1] == x => {
            TensorOp::Affine { scale: Some(network.intern(vec![1; shape.len()], &[2.0])?), shift: None }
        }
        TensorOp::Max | TensorOp::Min if node.children[1] == x => return Some(Term::Class(x)),
        _ => return None,
    };
    Some(Term::Node(op, vec![Term::Class(x)], node.name.clone()))
}
