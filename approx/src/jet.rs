//! Rigorous Taylor expansions of Chebyshev series, in f64.
//!
//! Clenshaw's recurrence in interval arithmetic widens exponentially. Instead its rounding errors are
//! bounded: an error δ_k made at step k acts exactly as a change of the coefficient c_k, so the value
//! is off by at most Σ |δ_k|·|T_k(u)|, and |T_k(u)| ≤ (|u| + √(u²−1))^k outside [−1, 1], ≤ 1 inside.

use crate::interval::Interval;

/// Relative half-unit in the last place.
const UNIT: f64 = f64::EPSILON / 2.0;
/// Covers the roundings in sums of at most a few hundred bounds.
const SUMMING: f64 = 1.0 + 1e-11;

/// p, p', p''/2, …, p^(d)/d! of p = Σ c_n T_n(u), as Chebyshev series with enclosed coefficients.
pub(crate) struct Jet {
    orders: Vec<Vec<Interval>>,
    /// Σ |coefficient| per order: a bound on [−1, 1].
    sums: Vec<f64>,
}

impl Jet {
    pub(crate) fn new(coeffs: &[f64]) -> Self {
        let mut series: Vec<Interval> = coeffs.iter().map(|c| Interval::point(*c)).collect();
        if series.is_empty() {
            series.push(Interval::point(0.0));
        }
        let mut orders = vec![series];
        while orders[orders.len() - 1].len() > 1 {
            let next = derivative(&orders[orders.len() - 1], orders.len());
            orders.push(next);
        }
        let sums = orders.iter().map(|s| magnitude(s, 1.0)).collect();
        Self { orders, sums }
    }

    /// α with p(a + t) ∈ Σ α_j t^j for |t| ≤ r. The last is an enclosure of p^(J)/J! on all of
    /// [a − r, a + r]; it is chosen so that it hardly adds to the width.
    pub(crate) fn at(&self, a: f64, r: f64) -> Vec<Interval> {
        let reach = growth(a.abs() + r);
        let here = growth(a.abs());
        let mut expansion = vec![evaluate(&self.orders[0], a, here)];
        let mut known = 0.0;
        let mut power = 1.0;
        if r == 0.0 {
            return expansion;
        }
        for (series, inside) in self.orders.iter().zip(&self.sums).skip(1) {
            power *= r;
            let bound = if reach > 1.0 { magnitude(series, reach) } else { *inside };
            if bound * power <= 1e-3 * known {
                expansion.push(Interval::symmetric(bound));
                return expansion;
            }
            let coefficient = evaluate(series, a, here);
            known += coefficient.magnitude() * power;
            expansion.push(coefficient);
        }
        expansion
    }
}

/// Encloses Σ α_j t^j over |t| ≤ r.
pub(crate) fn range(expansion: &[Interval], r: f64) -> Interval {
    let t = Interval::symmetric(r);
    let mut sum = expansion[0];
    let mut odd = t;
    let square = t.square();
    let mut even = square;
    for pair in expansion[1..].chunks(2) {
        sum = sum + pair[0] * odd;
        if let Some(c) = pair.get(1) {
            sum = sum + *c * even;
        }
        odd = odd * square;
        even = even * square;
    }
    sum
}

/// (1/order) d/du: c'_(k−1) = c'_(k+1) + 2k·c_k, the first one halved.
fn derivative(series: &[Interval], order: usize) -> Vec<Interval> {
    let degree = series.len() - 1;
    let mut out = vec![Interval::point(0.0); degree];
    for k in (1..=degree).rev() {
        let above = out.get(k + 1).copied();
        let term = Interval::point(2.0 * k as f64) * series[k];
        out[k - 1] = above.map_or(term, |a| a + term);
    }
    out[0] = out[0] * Interval::point(0.5);
    let divisor = Interval::point(order as f64);
    out.iter().map(|c| if *c == Interval::point(0.0) { *c } else { *c / divisor }).collect()
}

/// |T_k(u)| ≤ growth(|u|)^k.
fn growth(u: f64) -> f64 {
    if u <= 1.0 { 1.0 } else { (u + (u * u - 1.0).max(0.0).sqrt() * SUMMING) * SUMMING + f64::EPSILON }
}

/// Σ |c_k| g^k, rounded up.
fn magnitude(series: &[Interval], g: f64) -> f64 {
    let sum = series.iter().rev().fold(0.0, |sum, c| sum * g + c.magnitude());
    sum * SUMMING
}

/// The series at the exact point u, where |T_k(u)| ≤ g^k.
fn evaluate(series: &[Interval], u: f64, g: f64) -> Interval {
    let (mut b1, mut b2) = (0.0, 0.0);
    let mut error = 0.0;
    for (k, c) in series.iter().enumerate().rev() {
        let middle = c.mid();
        let radius = (c.hi - middle).max(middle - c.lo);
        let product = if k == 0 { u * b1 } else { 2.0 * u * b1 };
        let difference = product - b2;
        let sum = difference + middle;
        let local = UNIT * (product.abs() + difference.abs() + sum.abs()) + f64::MIN_POSITIVE;
        error = error * g + (radius * (1.0 + f64::EPSILON) + local);
        (b2, b1) = (b1, sum);
    }
    let error = error * SUMMING;
    Interval::new((b1 - error).next_down(), (b1 + error).next_up())
}
