//! Rules about operators that move elements.

use fhec_ir::ConstId;
use fhec_ir::tensor::{Pool, ReduceKind, TensorOp};

use super::super::network::Network;
use super::super::rule::{Term, View};
use super::super::vectors::{affine, affine_along};

/// Two movements of one kind are one.
pub(super) fn same_twice(network: &mut Network, outer: &View, _: usize, inner: &View) -> Option<Term> {
    let op = match (&outer.op, &inner.op) {
        (TensorOp::Reshape { out }, TensorOp::Reshape { .. }) => TensorOp::Reshape { out: out.clone() },
        (TensorOp::Transpose { perm: p2 }, TensorOp::Transpose { perm: p1 }) => {
            TensorOp::Transpose { perm: p2.iter().map(|&k| p1[k]).collect() }
        }
        (
            TensorOp::Pad { before: b2, after: a2, value: v2 },
            TensorOp::Pad { before: b1, after: a1, value: v1 },
        ) if v1 == v2 => {
            let sum = |x: &[usize], y: &[usize]| x.iter().zip(y).map(|(x, y)| x + y).collect();
            TensorOp::Pad { before: sum(b1, b2), after: sum(a1, a2), value: *v1 }
        }
        (TensorOp::Slice { start: i2, step: s2, out }, TensorOp::Slice { start: i1, step: s1, .. }) => {
            let start = |k: usize| i1[k].checked_add_signed(i2[k] as isize * s1[k]);
            TensorOp::Slice {
                start: (0..out.len()).map(start).collect::<Option<_>>()?,
                step: s1.iter().zip(s2).map(|(a, b)| a * b).collect(),
                out: out.clone(),
            }
        }
        (TensorOp::Gather { axis: k2, indices: i2 }, TensorOp::Gather { axis: k1, indices: i1 })
            if k1 == k2 =>
        {
            TensorOp::Gather { axis: *k1, indices: i2.iter().map(|&i| i1[i]).collect() }
        }
        (TensorOp::Expand { out }, TensorOp::Expand { .. }) => TensorOp::Expand { out: out.clone() },
        // relu(relu(x)) and the like.
        (TensorOp::Activation(a), TensorOp::Activation(b)) if a == b && idempotent(a) => {
            return Some(Term::Class(outer.children[0]));
        }
        _ => return None,
    };
    let _ = network;
    Some(Term::Node(op, vec![Term::Class(inner.children[0])], outer.name.clone()))
}

fn idempotent(a: &fhec_ir::tensor::Activation) -> bool {
    use fhec_ir::tensor::Activation::{Abs, Clip, Relu};
    matches!(a, Relu | Abs | Clip(..))
}

/// Zero padding in front of a convolution is padding of the convolution.
pub(super) fn conv_of_pad(_: &mut Network, outer: &View, _: usize, inner: &View) -> Option<Term> {
    let TensorOp::Pad { before, after, value } = &inner.op else { return None };
    let mut op = outer.op.clone();
    let TensorOp::Conv { window, .. } = &mut op else { return None };
    if *value != 0.0 || [before[0], before[1], after[0], after[1]] != [0; 4] {
        return None;
    }
    for k in 0..2 {
        window.pads[k] += before[2 + k];
        window.pads[k + 2] += after[2 + k];
    }
    Some(Term::Node(op, vec![Term::Class(inner.children[0])], outer.name.clone()))
}

/// movement(scale·x + shift) = scale·movement(x) + shift, nearer to what may take the affine map in.
pub(super) fn move_affine_down(
    network: &mut Network,
    outer: &View,
    slot: usize,
    inner: &View,
) -> Option<Term> {
    let TensorOp::Affine { scale, shift } = inner.op else { return None };
    let class = outer.children[slot];
    if outer.children.len() != 1 || !network.single_use(class) {
        return None;
    }
    let shape = network.shape(class).to_vec();
    let moved = match &outer.op {
        // Windows without padding, or that do not count it, keep constants.
        TensorOp::Pool { kind: Pool::Average, .. }
        | TensorOp::Reduce { kind: ReduceKind::Mean, keep: true, .. } => {
            let per_channel = affine_along(network, &inner.op, 1, &shape)?;
            let crosses = matches!(&outer.op, TensorOp::Reduce { axes, .. } if axes.contains(&1));
            if crosses {
                return None;
            }
            affine(network, shape.len(), 1, &per_channel.0, &per_channel.1)?
        }
        TensorOp::Reshape { out } => {
            let mut part = |id: Option<ConstId>| match id {
                None => Some(None),
                Some(id) => reshaped(network, id, &shape, out).map(Some),
            };
            TensorOp::Affine { scale: part(scale)?, shift: part(shift)? }
        }
        TensorOp::Transpose { perm } => {
            let mut part = |id: Option<ConstId>| match id {
                None => Some(None),
                Some(id) => {
                    let tensor = fhec_ir::tensor::Tensor::<f64>::from_constant(network.constant(id));
                    let op = TensorOp::Transpose { perm: perm.clone() };
                    let turned = fhec_ir::tensor::eval_op(&[], &op, &[&tensor]);
                    network.egraph.analysis.constant(turned.to_constant()).map(Some)
                }
            };
            TensorOp::Affine { scale: part(scale)?, shift: part(shift)? }
        }
        _ => return None,
    };
    let below = Term::Node(outer.op.clone(), vec![Term::Class(inner.children[0])], outer.name.clone());
    Some(Term::Node(moved, vec![below], inner.name.clone()))
}

/// A constant that broadcasts to `from`, as one that broadcasts to `to` after a reshape.
fn reshaped(network: &mut Network, id: ConstId, from: &[usize], to: &[usize]) -> Option<ConstId> {
    let constant = network.constant(id).clone();
    if constant.len() == 1 {
        let data = [constant.at(0)];
        return network.intern(vec![1; to.len()], &data);
    }
    let expanded = fhec_ir::tensor::eval_op(
        &[],
        &TensorOp::Expand { out: from.to_vec() },
        &[&fhec_ir::tensor::Tensor::<f64>::from_constant(&constant)],
    );
    network.intern(to.to_vec(), &expanded.data)
}
