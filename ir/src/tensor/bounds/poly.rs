//! Bounds of polynomials over an interval.

use super::interval::Interval;
use crate::tensor::Basis;

/// Parts into which an interval is divided.
const PARTS: usize = 64;
/// What evaluating at a point may be off by, relative to Σ|c_k||x|^k.
const ROUNDING: f64 = 1e-12;

/// Bounds of Σ_k c_k·x^k on an interval: exact up to rounding where it is of degree 2 or less, else within what parts of
/// the interval leave open. On each part where the derivative has no zero the ends decide, elsewhere p lies within
/// max|p″|·h²/8 of the line through them.
pub fn power_basis(coeffs: &[f64], x: Interval) -> Interval {
    let degree = coeffs.iter().rposition(|&c| c != 0.0).unwrap_or(0);
    let coeffs = &coeffs[..(degree + 1).min(coeffs.len())];
    let &[c0, ref rest @ ..] = coeffs else { return Interval::ZERO };
    if rest.is_empty() {
        return Interval::point(c0);
    }
    let size = coeffs.iter().rev().fold(0.0, |sum, c| sum * x.magnitude() + c.abs());
    if !size.is_finite() {
        return unbounded(coeffs, x);
    }
    let horner = |x: f64| coeffs.iter().rev().fold(0.0, |sum, &c| sum * x + c);
    let ends = |a: f64, b: f64| Interval::new(horner(a), horner(b));
    let bounds = match rest {
        [_] => ends(x.lo, x.hi),
        &[c1, c2] => {
            let vertex = -c1 / (2.0 * c2);
            let ends = ends(x.lo, x.hi);
            if x.contains(vertex) { ends.hull(Interval::point(horner(vertex))) } else { ends }
        }
        _ => {
            let step = (x.hi - x.lo) / PARTS as f64;
            let part = |k: usize| {
                let (a, b) = (x.lo + step * k as f64, x.lo + step * (k + 1) as f64);
                let radius = (b - a) / 2.0;
                let d = shifted(coeffs, a + radius);
                let (slope, curvature) = derivatives(&d, radius);
                let slack = if d[1].abs() > slope { 0.0 } else { curvature * (b - a) * (b - a) / 8.0 };
                ends(a, b).widened(slack)
            };
            (0..PARTS).map(part).reduce(Interval::hull).unwrap_or(Interval::ALL)
        }
    };
    bounds.widened(ROUNDING * size)
}

/// Bounds of Σ_k c_k·T_k(x) on an interval, by parts as [`power_basis`]: their number grows with the degree, since p″ may grow
/// with its fourth power.
pub fn chebyshev(coeffs: &[f64], x: Interval) -> Interval {
    let degree = coeffs.iter().rposition(|&c| c != 0.0).unwrap_or(0);
    let coeffs = &coeffs[..(degree + 1).min(coeffs.len())];
    let reach = x.magnitude().max(1.0);
    let (mut size, mut curvature) = (0.0, 0.0);
    for (c, [value, _, second]) in coeffs.iter().zip(Chebyshev::at(reach)) {
        size += c.abs() * value;
        curvature += c.abs() * second;
    }
    if !f64::is_finite(size + curvature) {
        return Interval::ALL;
    }
    let parts = if degree < 2 { 1 } else { PARTS + 4 * degree * degree };
    let step = (x.hi - x.lo) / parts as f64;
    let at = |k: usize| Interval::point(Basis::Chebyshev.eval(coeffs, x.lo + step * k as f64));
    let all = (0..=parts).map(at).reduce(Interval::hull).unwrap_or(Interval::ALL);
    all.widened(curvature * step * step / 8.0 + ROUNDING * size)
}

/// T_k, T_k′ and T_k″ at a point, for k = 0, 1, …; at 1 and beyond they bound those of all points that are nearer to 0.
struct Chebyshev {
    x: f64,
    now: [f64; 3],
    next: [f64; 3],
}

impl Chebyshev {
    fn at(x: f64) -> Self {
        Self { x, now: [1.0, 0.0, 0.0], next: [x, 1.0, 0.0] }
    }
}

impl Iterator for Chebyshev {
    type Item = [f64; 3];
    fn next(&mut self) -> Option<[f64; 3]> {
        let ([p, p1, p2], [t, t1, t2], x) = (self.now, self.next, self.x);
        let after = [2.0 * x * t - p, 2.0 * (t + x * t1) - p1, 2.0 * (2.0 * t1 + x * t2) - p2];
        let item = std::mem::replace(&mut self.now, std::mem::replace(&mut self.next, after));
        Some(item)
    }
}

/// Where values are too large for f64: infinite, except on the side that an even polynomial stays away from.
fn unbounded(coeffs: &[f64], x: Interval) -> Interval {
    let even = coeffs.iter().skip(1).step_by(2).all(|&c| c == 0.0);
    let powers = &coeffs[1..];
    if even && powers.iter().all(|&c| c >= 0.0) {
        Interval { lo: coeffs[0], hi: f64::INFINITY }
    } else if even && powers.iter().all(|&c| c <= 0.0) {
        Interval { lo: f64::NEG_INFINITY, hi: coeffs[0] }
    } else if coeffs.len() == 2 {
        let line = x.scaled(coeffs[1]);
        Interval::new(line.lo + coeffs[0], line.hi + coeffs[0])
    } else {
        Interval::ALL
    }
}

/// Coefficients of p(m + t) in t.
pub fn shifted(coeffs: &[f64], m: f64) -> Vec<f64> {
    let mut d = coeffs.to_vec();
    for k in 0..d.len().saturating_sub(1) {
        for j in (k..d.len() - 1).rev() {
            d[j] += m * d[j + 1];
        }
    }
    d
}

/// How far p′ may be from p′(0), and the largest |p″|, within the radius.
fn derivatives(d: &[f64], radius: f64) -> (f64, f64) {
    let (mut slope, mut curvature, mut power) = (0.0, 0.0, 1.0);
    for (k, c) in d.iter().enumerate().skip(2) {
        let (k, c) = (k as f64, c.abs());
        curvature += k * (k - 1.0) * c * power;
        power *= radius;
        slope += k * c * power;
    }
    (slope, curvature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extrema_are_found() {
        let close = |got: Interval, lo: f64, hi: f64| {
            assert!(got.lo <= lo && got.hi >= hi, "{got:?}");
            assert!(lo - got.lo < 2e-3 * (hi - lo) && got.hi - hi < 2e-3 * (hi - lo), "{got:?}");
        };
        let on = |coeffs: &[f64], lo: f64, hi: f64| power_basis(coeffs, Interval::new(lo, hi));
        close(on(&[1.0, -2.0, 1.0], -1.0, 3.0), 0.0, 4.0);
        close(on(&[0.0, -3.0, 0.0, 4.0], -1.0, 1.0), -1.0, 1.0);
        close(on(&[1.0, 0.0, -8.0, 0.0, 8.0], -1.0, 1.0), -1.0, 1.0);
        let mut t31 = vec![0.0; 32];
        t31[31] = 0.5;
        let got = chebyshev(&t31, Interval::new(-1.0, 1.0));
        assert!(got.lo <= -0.5 && got.lo > -0.53 && got.hi >= 0.5 && got.hi < 0.53, "{got:?}");
        assert!(chebyshev(&t31, Interval::new(0.0, 1.1)).hi > 500.0);
        assert_eq!(on(&[3.0, 0.0, 0.0], -1.0, 1.0), Interval::point(3.0));
        assert_eq!(on(&[0.0, 0.0, 1.0], -1e200, 1.0), Interval { lo: 0.0, hi: f64::INFINITY });
        assert_eq!(on(&[0.0, 1.0, 1.0], f64::NEG_INFINITY, f64::INFINITY), Interval::ALL);
    }
}
