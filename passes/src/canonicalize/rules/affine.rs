//! Rules that fold affine maps into layers, polynomials and each other.

use egg::Id;
use fhec_ir::ConstId;
use fhec_ir::tensor::{Basis, TensorOp};

use super::super::network::Network;
use super::super::rule::{Term, View, is_affine, is_layer};
use super::super::vectors::{affine, affine_along, combined, compose, poly, powers, scaled_weight};

/// Axis along which a layer's outputs (or inputs) lie.
fn channel_axis(op: &TensorOp, rank: usize) -> usize {
    if matches!(op, TensorOp::Gemm { .. }) { rank - 1 } else { 1 }
}

fn bias_of(network: &Network, bias: Option<ConstId>, channels: usize) -> Vec<f64> {
    match bias {
        Some(b) => network.constant(b).values(),
        None => vec![0.0; channels],
    }
}

fn interned_bias(network: &mut Network, bias: &[f64]) -> Option<Option<ConstId>> {
    if bias.iter().all(|&b| b == 0.0) {
        return Some(None);
    }
    network.intern(vec![bias.len()], bias).map(Some)
}

/// scale·layer(x) + shift = layer'(x).
pub(super) fn affine_of_layer(network: &mut Network, outer: &View, _: usize, inner: &View) -> Option<Term> {
    let class = outer.children[0];
    if !is_layer(&inner.op) || !network.single_use(class) {
        return None;
    }
    let shape = network.shape(class).to_vec();
    let axis = channel_axis(&inner.op, shape.len());
    let (scale, shift) = affine_along(network, &outer.op, axis, &shape)?;
    let op = with_output(network, &inner.op, &scale, &shift)?;
    Some(Term::Node(op, vec![Term::Class(inner.children[0])], inner.name.clone()))
}

/// The layer followed by scale and shift of its outputs.
fn with_output(network: &mut Network, op: &TensorOp, scale: &[f64], shift: &[f64]) -> Option<TensorOp> {
    let mut op = op.clone();
    match &mut op {
        TensorOp::Conv { weight, bias, .. } | TensorOp::Gemm { weight, bias } => {
            let w = network.constant(*weight).clone();
            let data = scaled_weight(&w, |o, _| scale[o]);
            *weight = network.intern_weight(w.shape, &data)?;
            *bias = output_bias(network, *bias, scale, shift)?;
        }
        TensorOp::ConvTranspose { weight, bias, groups, .. } => {
            let w = network.constant(*weight).clone();
            let (in_group, out_group) = (w.shape[0] / *groups, w.shape[1]);
            let data = scaled_weight(&w, |i, o| scale[i / in_group * out_group + o]);
            *weight = network.intern_weight(w.shape, &data)?;
            *bias = output_bias(network, *bias, scale, shift)?;
        }
        _ => return None,
    }
    Some(op)
}

fn output_bias(
    network: &mut Network,
    bias: Option<ConstId>,
    scale: &[f64],
    shift: &[f64],
) -> Option<Option<ConstId>> {
    let old = bias_of(network, bias, scale.len());
    let new: Vec<f64> = (0..scale.len()).map(|c| scale[c] * old[c] + shift[c]).collect();
    interned_bias(network, &new)
}

/// layer(scale·x + shift) = layer'(x); a shift in front of padding stays in front, without the scale.
pub(super) fn layer_of_affine(network: &mut Network, outer: &View, _: usize, inner: &View) -> Option<Term> {
    if !is_affine(&inner.op) {
        return None;
    }
    let shape = network.shape(outer.children[0]).to_vec();
    let axis = channel_axis(&outer.op, shape.len());
    let (scale, shift) = affine_along(network, &inner.op, axis, &shape)?;
    let x = Term::Class(inner.children[0]);
    let shifts = shift.iter().any(|&h| h != 0.0);
    let mut op = outer.op.clone();
    let added = match &mut op {
        TensorOp::Conv { weight, groups, window, .. } => {
            let w = network.constant(*weight).clone();
            let (in_group, out_group) = (w.shape[1], w.shape[0] / *groups);
            let channel = |o: usize, i: usize| o / out_group * in_group + i;
            *weight =
                network.intern_weight(w.shape.clone(), &scaled_weight(&w, |o, i| scale[channel(o, i)]))?;
            let padded = window.pads != [0; 4];
            (!padded).then(|| output_sums(&scaled_weight(&w, |o, i| shift[channel(o, i)]), w.shape[0]))
        }
        TensorOp::ConvTranspose { weight, groups, .. } => {
            let w = network.constant(*weight).clone();
            let _ = groups;
            *weight = network.intern_weight(w.shape.clone(), &scaled_weight(&w, |i, _| scale[i]))?;
            None
        }
        TensorOp::Gemm { weight, .. } => {
            let w = network.constant(*weight).clone();
            *weight = network.intern_weight(w.shape.clone(), &scaled_weight(&w, |_, i| scale[i]))?;
            Some(output_sums(&scaled_weight(&w, |_, i| shift[i]), w.shape[0]))
        }
        _ => return None,
    };
    if !shifts {
        return Some(Term::Node(op, vec![x], outer.name.clone()));
    }
    match (added, &mut op) {
        (Some(added), TensorOp::Conv { bias, .. } | TensorOp::Gemm { bias, .. }) => {
            let ones = vec![1.0; added.len()];
            *bias = output_bias(network, *bias, &ones, &added)?;
            Some(Term::Node(op, vec![x], outer.name.clone()))
        }
        _ => {
            // scale·x + shift = scale·(x + shift/scale)
            let ahead: Vec<f64> = shift.iter().zip(&scale).map(|(h, s)| h / s).collect();
            if scale.iter().all(|&s| s == 1.0) || !ahead.iter().all(|h| h.is_finite()) {
                return None;
            }
            let ones = vec![1.0; ahead.len()];
            let shifted = affine(network, shape.len(), axis, &ones, &ahead)?;
            Some(Term::Node(op, vec![Term::Node(shifted, vec![x], inner.name.clone())], outer.name.clone()))
        }
    }
}

/// Sums of the rows of a weight with `outputs` rows.
fn output_sums(weight: &[f64], outputs: usize) -> Vec<f64> {
    weight.chunks(weight.len() / outputs).map(|row| row.iter().sum()).collect()
}

/// Two affine maps are one.
pub(super) fn affine_of_affine(network: &mut Network, outer: &View, _: usize, inner: &View) -> Option<Term> {
    let (TensorOp::Affine { scale: s2, shift: h2 }, TensorOp::Affine { scale: s1, shift: h1 }) =
        (&outer.op, &inner.op)
    else {
        return None;
    };
    let constant = |network: &Network, id: Option<ConstId>| id.map(|id| network.constant(id).clone());
    let [s1, h1, s2, h2] = [s1, h1, s2, h2].map(|id| constant(network, *id));
    let product = |network: &mut Network, a: Option<fhec_ir::Constant>, b: Option<fhec_ir::Constant>| {
        Some(match (a, b) {
            (Some(a), Some(b)) => {
                let (shape, data) = combined(&a, &b, |a, b| a * b);
                Some(network.intern(shape, &data)?)
            }
            (Some(c), None) | (None, Some(c)) => Some(network.egraph.analysis.constant(c)?),
            (None, None) => None,
        })
    };
    let scale = product(network, s1, s2.clone())?;
    // s2·h1 + h2
    let moved = match h1 {
        Some(h1) => product(network, Some(h1), s2)?,
        None => None,
    };
    let moved = constant(network, moved);
    let shift = match (moved, h2) {
        (Some(a), Some(b)) => {
            let (shape, data) = combined(&a, &b, |a, b| a + b);
            Some(network.intern(shape, &data)?)
        }
        (Some(c), None) | (None, Some(c)) => Some(network.egraph.analysis.constant(c)?),
        (None, None) => None,
    };
    let x = Term::Class(inner.children[0]);
    Some(Term::Node(TensorOp::Affine { scale, shift }, vec![x], outer.name.clone()))
}

/// scale·p(x) + shift is a polynomial.
pub(super) fn affine_of_poly(network: &mut Network, outer: &View, _: usize, inner: &View) -> Option<Term> {
    let TensorOp::Poly { coeffs, basis } = inner.op else { return None };
    let class = outer.children[0];
    // Of several users only those that scale would gain, at the price of a second polynomial.
    if !network.single_use(class) {
        return None;
    }
    let (mut p, scale, shift) = poly_parts(network, coeffs, &outer.op, class)?;
    for power in &mut p {
        power.iter_mut().zip(&scale).for_each(|(v, s)| *v *= s);
    }
    p[0].iter_mut().zip(&shift).for_each(|(v, h)| *v += h);
    // 1 is the first of either basis.
    let op = poly(network, &p, basis)?;
    Some(Term::Node(op, vec![Term::Class(inner.children[0])], inner.name.clone()))
}

/// Highest degree at which a shift is multiplied out: beyond, coefficients of alternating signs may cancel in f32.
const SHIFTED_DEGREE: usize = 4;

/// p(scale·x + shift) is a polynomial. One in Chebyshev's basis stays: the map brings x to [−1, 1].
pub(super) fn poly_of_affine(network: &mut Network, outer: &View, _: usize, inner: &View) -> Option<Term> {
    let TensorOp::Poly { coeffs, basis: Basis::Power } = outer.op else { return None };
    let (mut p, scale, shift) = poly_parts(network, coeffs, &inner.op, outer.children[0])?;
    if p.len() > SHIFTED_DEGREE + 1 && shift.iter().any(|&h| h != 0.0) {
        return None;
    }
    compose(&mut p, &scale, &shift);
    let op = poly(network, &p, Basis::Power)?;
    Some(Term::Node(op, vec![Term::Class(inner.children[0])], outer.name.clone()))
}

type Parts = (Vec<Vec<f64>>, Vec<f64>, Vec<f64>);

/// Coefficients, scale and shift per channel; one channel for tensors of rank below 2.
fn poly_parts(network: &Network, coeffs: ConstId, affine: &TensorOp, class: Id) -> Option<Parts> {
    let shape = network.shape(class);
    if shape.len() < 2 {
        return None;
    }
    let (scale, shift) = affine_along(network, affine, 1, shape)?;
    Some((powers(network.constant(coeffs), shape[1]), scale, shift))
}

/// a − layer(x) = a + layer'(x), where the sign costs nothing.
pub(super) fn difference(network: &mut Network, outer: &View, slot: usize, inner: &View) -> Option<Term> {
    let class = outer.children[1];
    if slot != 1 || outer.children[0] == class || !network.single_use(class) {
        return None;
    }
    let negated = if is_layer(&inner.op) {
        let shape = network.shape(class).to_vec();
        let n = shape[channel_axis(&inner.op, shape.len())];
        with_output(network, &inner.op, &vec![-1.0; n], &vec![0.0; n])?
    } else {
        let TensorOp::Affine { scale: Some(scale), shift } = inner.op else { return None };
        let mut negative = |id: ConstId| {
            let c = network.constant(id).clone();
            let data: Vec<f64> = c.data.values().map(|x| -x).collect();
            network.intern(c.shape, &data)
        };
        let shift = match shift {
            Some(shift) => Some(negative(shift)?),
            None => None,
        };
        TensorOp::Affine { scale: Some(negative(scale)?), shift }
    };
    let b = Term::Node(negated, vec![Term::Class(inner.children[0])], inner.name.clone());
    Some(Term::Node(TensorOp::Add, vec![Term::Class(outer.children[0]), b], outer.name.clone()))
}
