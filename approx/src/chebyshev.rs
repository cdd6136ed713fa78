//! Polynomials in the Chebyshev basis.

use crate::interval::Interval;
use crate::jet::{Jet, range};
use crate::search::upper_bound;

/// x ↦ Σ c_k T_k((x − centre)/half_width), good on [centre − half_width, centre + half_width].
#[derive(Debug, Clone, PartialEq)]
pub struct Chebyshev {
    /// c_0, c_1, ….
    pub coeffs: Vec<f64>,
    /// Middle of the interval.
    pub centre: f64,
    /// Half its width, positive.
    pub half_width: f64,
}

impl Chebyshev {
    /// The value at x, by Clenshaw's recurrence in f64.
    pub fn eval(&self, x: f64) -> f64 {
        clenshaw(&self.coeffs, (x - self.centre) / self.half_width)
    }

    /// Index of the last coefficient that is not zero.
    pub fn degree(&self) -> usize {
        self.coeffs.iter().rposition(|c| *c != 0.0).unwrap_or(0)
    }

    /// A proven enclosure of the values on [lo, hi] (of the exact polynomial with these coefficients),
    /// about 1 % wider than the range. The whole line if something is not finite.
    pub fn enclosure(&self, lo: f64, hi: f64) -> Interval {
        let u = self.normalised(Interval::new(lo, hi));
        if !(u.lo.is_finite() && u.hi.is_finite()) || self.coeffs.iter().any(|c| !c.is_finite()) {
            return Interval::ALL;
        }
        let jet = Jet::new(&self.coeffs);
        let on = |a: f64, b: f64| {
            let middle = Interval::new(a, b).mid();
            let r = if a == b { 0.0 } else { (middle - a).max(b - middle).next_up() };
            range(&jet.at(middle, r), r)
        };
        let pieces = 2 * self.coeffs.len() + 2;
        let starts: Vec<f64> = (0..=pieces)
            .map(|i| u.lo + (u.hi - u.lo) * (i as f64 / pieces as f64))
            .map(|x| x.clamp(u.lo, u.hi))
            .collect();
        let starts = if u.lo == u.hi { vec![u.lo] } else { [&starts[..pieces], &[u.hi]].concat() };
        let samples: Vec<Interval> = starts.iter().map(|x| on(*x, *x)).collect();
        let hull = samples.iter().fold(samples[0], |a, b| a.hull(*b));
        let noise = samples.iter().map(|s| s.width()).fold(0.0, f64::max);
        let slack = 0.004 * hull.width() + 4.0 * noise;
        const BUDGET: usize = 20_000;
        let hi = upper_bound(on, &starts, |_| slack, BUDGET);
        let lo = -upper_bound(|a, b| -on(a, b), &starts, |_| slack, BUDGET);
        Interval::new(lo, hi)
    }

    /// (x − centre)/half_width.
    pub(crate) fn normalised(&self, x: Interval) -> Interval {
        if self.centre == 0.0 && self.half_width == 1.0 {
            return x;
        }
        (x - Interval::point(self.centre)) / Interval::point(self.half_width)
    }
}

/// Σ c_k T_k(u).
pub(crate) fn clenshaw(coeffs: &[f64], u: f64) -> f64 {
    let (mut b1, mut b2) = (0.0, 0.0);
    for c in coeffs.iter().skip(1).rev() {
        (b2, b1) = (b1, 2.0 * u * b1 - b2 + c);
    }
    u * b1 - b2 + coeffs.first().copied().unwrap_or(0.0)
}
