//! Double-double arithmetic (about 104 bits; Dekker 1971), to locate extrema: big floats cost far more.

use std::ops::{Add, Mul, Sub};

/// The exact sum of two f64, the second below half a unit of the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Double(pub(super) f64, pub(super) f64);

fn sum(a: f64, b: f64) -> Double {
    let s = a + b;
    let t = s - a;
    Double(s, (a - (s - t)) + (b - t))
}

/// The same for |a| ≥ |b|.
fn quick_sum(a: f64, b: f64) -> Double {
    let s = a + b;
    Double(s, b - (s - a))
}

fn halves(a: f64) -> (f64, f64) {
    let c = 134_217_729.0 * a;
    let high = c - (c - a);
    (high, a - high)
}

fn product(a: f64, b: f64) -> Double {
    let p = a * b;
    let ((ah, al), (bh, bl)) = (halves(a), halves(b));
    Double(p, ((ah * bh - p) + ah * bl + al * bh) + al * bl)
}

impl Double {
    pub(super) fn over(self, divisor: f64) -> Self {
        let q = self.0 / divisor;
        let rest = self - product(q, divisor);
        quick_sum(q, rest.0 / divisor)
    }

    pub(super) fn difference(a: f64, b: f64) -> Self {
        sum(a, -b)
    }

    /// Times a power of two.
    pub(super) fn scaled(self, power: f64) -> Self {
        Self(self.0 * power, self.1 * power)
    }
}

impl Add for Double {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let high = sum(self.0, other.0);
        let low = sum(self.1, other.1);
        let high = quick_sum(high.0, high.1 + low.0);
        quick_sum(high.0, high.1 + low.1)
    }
}

impl Sub for Double {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + Self(-other.0, -other.1)
    }
}

impl Mul for Double {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let p = product(self.0, other.0);
        quick_sum(p.0, p.1 + (self.0 * other.1 + self.1 * other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_more_than_a_hundred_bits() {
        let third = Double(1.0, 0.0).over(3.0);
        let off = third + third + third - Double(1.0, 0.0);
        assert!(off.0.abs() < 2f64.powi(-100), "{off:?}");
        let square = third * third;
        let off = square.scaled(8.0) + square - Double(1.0, 0.0);
        assert!(off.0.abs() < 2f64.powi(-99), "{off:?}");
        let tiny = Double::difference(1.0, 1.0 - f64::EPSILON / 2.0);
        assert_eq!((tiny.0, tiny.1), (f64::EPSILON / 2.0, 0.0));
    }
}
