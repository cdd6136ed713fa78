//! Constants seen as vectors along one axis, and arithmetic of folds.

use fhec_ir::tensor::value::{broadcast_steps, for_each_strided};
use fhec_ir::tensor::{Basis, TensorOp};
use fhec_ir::{ConstId, Constant};

use super::network::Network;

/// A constant as a vector along `axis` of a tensor of `shape`, if it does not vary along others.
pub(super) fn along(constant: &Constant, axis: usize, shape: &[usize]) -> Option<Vec<f64>> {
    let fits = constant.shape.iter().enumerate().all(|(k, &d)| d == 1 || k == axis);
    let data = &constant.data;
    let extent = *shape.get(axis)?;
    fits.then(|| (0..extent).map(|i| data.at(if data.len() == 1 { 0 } else { i })).collect())
}

/// Scale and shift of an affine map along `axis`; missing ones are 1 and 0.
pub(super) fn affine_along(
    network: &Network,
    op: &TensorOp,
    axis: usize,
    shape: &[usize],
) -> Option<(Vec<f64>, Vec<f64>)> {
    let TensorOp::Affine { scale, shift } = op else { return None };
    let extent = *shape.get(axis)?;
    let vector = |id: &Option<ConstId>, neutral: f64| match id {
        Some(id) => along(network.constant(*id), axis, shape),
        None => Some(vec![neutral; extent]),
    };
    Some((vector(scale, 1.0)?, vector(shift, 0.0)?))
}

/// An affine map along an axis, as short as possible: absent parts where they do nothing, numbers where all agree.
pub(super) fn affine(
    network: &mut Network,
    rank: usize,
    axis: usize,
    scale: &[f64],
    shift: &[f64],
) -> Option<TensorOp> {
    let mut part = |data: &[f64], neutral: f64| -> Option<Option<ConstId>> {
        if data.iter().all(|&x| x == neutral) {
            return Some(None);
        }
        let mut shape = vec![1; rank];
        let alike = data.iter().all(|&x| x == data[0]);
        let data = if alike { &data[..1] } else { data };
        if !alike {
            shape[axis] = data.len();
        }
        network.intern(shape, data).map(Some)
    };
    Some(TensorOp::Affine { scale: part(scale, 1.0)?, shift: part(shift, 0.0)? })
}

/// f of two constants of one rank that broadcast to each other.
pub(super) fn combined(a: &Constant, b: &Constant, f: impl Fn(f64, f64) -> f64) -> (Vec<usize>, Vec<f64>) {
    let shape: Vec<usize> = a.shape.iter().zip(&b.shape).map(|(&x, &y)| x.max(y)).collect();
    let mut data = Vec::with_capacity(shape.iter().product());
    for_each_strided(&shape, 0, &broadcast_steps(&a.shape), |_, i| data.push(a.at(i)));
    for_each_strided(&shape, 0, &broadcast_steps(&b.shape), |o, i| data[o] = f(data[o], b.at(i)));
    (shape, data)
}

/// A weight [a, b, …] times f(index a, index b).
pub(super) fn scaled_weight(weight: &Constant, f: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let taps: usize = weight.shape[2..].iter().product();
    let rows = weight.data.chunks(taps.max(1)).enumerate();
    rows.flat_map(|(k, row)| {
        let factor = f(k / weight.shape[1], k % weight.shape[1]);
        row.iter().map(move |&w| factor * f64::from(w))
    })
    .collect()
}

/// Coefficients `powers[k][c]` of a Poly on a tensor whose axis 1 has `channels`.
pub(super) fn powers(coeffs: &Constant, channels: usize) -> Vec<Vec<f64>> {
    let columns = coeffs.shape[1];
    let row = |p: &[f64]| (0..channels).map(|c| p[if columns == 1 { 0 } else { c }]).collect();
    coeffs.values().chunks(columns).map(row).collect()
}

/// The Poly operator with these coefficients, one column if all channels agree.
pub(super) fn poly(network: &mut Network, powers: &[Vec<f64>], basis: Basis) -> Option<TensorOp> {
    let alike = powers.iter().all(|p| p.iter().all(|v| *v == p[0]));
    let columns = if alike { 1 } else { powers[0].len() };
    let data: Vec<f64> = powers.iter().flat_map(|p| &p[..columns]).copied().collect();
    Some(TensorOp::Poly { coeffs: network.intern(vec![powers.len(), columns], &data)?, basis })
}

/// Coefficients of p(scale·x + shift).
pub(super) fn compose(powers: &mut [Vec<f64>], scale: &[f64], shift: &[f64]) {
    let degree = powers.len() - 1;
    for c in 0..powers[0].len() {
        for i in 0..degree {
            for k in (i..degree).rev() {
                powers[k][c] += shift[c] * powers[k + 1][c];
            }
        }
        powers.iter_mut().enumerate().for_each(|(k, p)| p[c] *= scale[c].powi(k as i32));
    }
}
