//! The polynomial whose errors on a reference alternate with equal size.

use super::problem::{Problem, Real};
use crate::error::FitError;

/// q as a Chebyshev series in v, and the signed size h of its errors.
pub(super) struct Levelled {
    pub(super) series: Vec<Real>,
    pub(super) level: f64,
}

impl Levelled {
    /// For terms + 1 distinct points, ascending: q(v_i) = F_i − (−1)^i·h·V_i with F = f/s, V = 1/(w·s)
    /// for exactly one h, the one that makes the highest divided difference vanish.
    pub(super) fn at(problem: &Problem<'_>, points: &[f64]) -> Result<Self, FitError> {
        let n = problem.terms;
        let v: Vec<Real> = points.iter().map(|x| problem.variable(*x)).collect();
        let mut targets = Vec::with_capacity(n + 1);
        let mut units = Vec::with_capacity(n + 1);
        for (i, x) in points.iter().enumerate() {
            let (f, w) = problem.values(*x)?;
            let factor = problem.factor(*x);
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            targets.push(problem.real(f) / &factor);
            units.push(problem.real(sign) / (problem.real(w) * factor));
        }
        let zero = || problem.real(0.0);
        let (mut above, mut below) = (zero(), zero());
        for i in 0..=n {
            let product = (0..=n).filter(|j| *j != i).fold(problem.real(1.0), |p, j| p * (&v[i] - &v[j]));
            if product.repr().significand().is_zero() {
                return Err(FitError::Domain(problem.intervals.clone()));
            }
            let share = problem.real(1.0) / product;
            above += &share * &targets[i];
            below += share * &units[i];
        }
        if below.repr().significand().is_zero() {
            return Err(FitError::NotFinite { x: points[0] });
        }
        let level = above / below;
        let mut differences: Vec<Real> =
            targets.into_iter().zip(&units).take(n).map(|(t, u)| t - &level * u).collect();
        for k in 1..n {
            for i in (k..n).rev() {
                differences[i] = (&differences[i] - &differences[i - 1]) / (&v[i] - &v[i - k]);
            }
        }
        let mut series = vec![zero(); n];
        for i in (0..n).rev() {
            series = times_root(&series, &v[i]);
            series[0] += &differences[i];
        }
        Ok(Self { series, level: level.to_f64().value() })
    }
}

/// (v − root)·Σ c_n T_n, where the last coefficient is zero: v·T_n = (T_(n+1) + T_|n−1|)/2.
fn times_root(series: &[Real], root: &Real) -> Vec<Real> {
    let n = series.len();
    (0..n)
        .map(|k| {
            let mut c = -(root * &series[k]);
            if k == 1 {
                c += &series[0];
            } else if k > 1 {
                c += series[k - 1].clone() >> 1;
            }
            if k + 1 < n {
                c += series[k + 1].clone() >> 1;
            }
            c
        })
        .collect()
}
