//! A proven bound of the ReLU error.
//!
//! On a piece m + r·t, |t| ≤ 1, values of a stage are enclosed as a + b·t + R, which keeps the slope
//! through the composition: enclosures are too wide by the square of the piece's length only.

use super::composition::Sign;
use super::numeric::{grid_below, grid_beyond};
use crate::interval::Interval;
use crate::jet::Jet;
use crate::search::upper_bound;

/// The bound may exceed the error by this part of it.
const SLACK: f64 = 0.02;
/// Most pieces.
const BUDGET: usize = 2_000_000;

pub(super) fn relu_error(sign: &Sign) -> f64 {
    let jets: Vec<(Jet, f64)> = sign.stages.iter().map(|s| (Jet::new(&s.coeffs), s.half_width)).collect();
    let bound = |lo: f64, hi: f64| magnitude(defect(&jets, lo, hi));
    let mut starts = grid_below(sign, 16);
    starts.extend(grid_beyond(sign, 2.0).into_iter().skip(1));
    upper_bound(bound, &starts, |best| SLACK * best, BUDGET)
}

/// Absolute values.
fn magnitude(x: Interval) -> Interval {
    if x.lo >= 0.0 {
        x
    } else if x.hi <= 0.0 {
        -x
    } else {
        Interval::new(0.0, x.magnitude())
    }
}

/// x(1 − p(x))/2 on [lo, hi].
fn defect(jets: &[(Jet, f64)], lo: f64, hi: f64) -> Interval {
    let middle = Interval::new(lo, hi).mid();
    let r = if lo == hi { 0.0 } else { (middle - lo).max(hi - middle).next_up() };
    let mut p = Affine { a: middle, b: r, rest: Interval::point(0.0) };
    for (jet, half_width) in jets {
        p = p.divided(*half_width).through(jet);
    }
    let (m, r) = (Interval::point(middle), Interval::point(r));
    let b = Interval::point(p.b);
    let c = Interval::point(1.0) - Interval::point(p.a);
    let slope = r * c - m * b;
    let x = m + Interval::symmetric(r.hi);
    let twice = m * c + Interval::symmetric(slope.magnitude()) - r * b * Interval::new(0.0, 1.0) - x * p.rest;
    twice * Interval::point(0.5)
}

/// Values a + b·t + rest, |t| ≤ 1.
struct Affine {
    a: f64,
    b: f64,
    rest: Interval,
}

impl Affine {
    fn divided(&self, by: f64) -> Self {
        if by == 1.0 {
            return Self { ..*self };
        }
        let by = Interval::point(by);
        Self::new(Interval::point(self.a) / by, Interval::point(self.b) / by, self.rest / by)
    }

    /// Of enclosed a and b.
    fn new(a: Interval, b: Interval, rest: Interval) -> Self {
        let (middle, slope) = (a.mid(), b.mid());
        let spread = (b - Interval::point(slope)).magnitude();
        let rest = rest + (a - Interval::point(middle)) + Interval::symmetric(spread);
        Self { a: middle, b: slope, rest }
    }

    fn through(&self, jet: &Jet) -> Self {
        let r = (self.b.abs() + self.rest.magnitude()).next_up();
        let expansion = jet.at(self.a, r);
        let step = Interval::symmetric(r);
        let square = step.square();
        let slope = expansion.get(1).copied().unwrap_or(Interval::point(0.0));
        let mut rest = slope * self.rest;
        let (mut even, mut odd) = (square, square * step);
        for pair in expansion.get(2..).unwrap_or_default().chunks(2) {
            rest = rest + pair[0] * even;
            if let Some(c) = pair.get(1) {
                rest = rest + *c * odd;
            }
            even = even * square;
            odd = odd * square;
        }
        Self::new(expansion[0], slope * Interval::point(self.b), rest)
    }
}
