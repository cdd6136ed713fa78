//! Arithmetic on intervals, rounded outwards.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// All real numbers from `lo` to `hi`. Results of operations contain every result on members:
/// both ends are moved outwards by one unit in the last place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Least member.
    pub lo: f64,
    /// Largest member.
    pub hi: f64,
}

impl Interval {
    /// The whole line.
    pub const ALL: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    /// From the smaller to the larger; the whole line when an end is NaN.
    pub fn new(a: f64, b: f64) -> Self {
        if a.is_nan() || b.is_nan() { Self::ALL } else { Self { lo: a.min(b), hi: a.max(b) } }
    }

    /// `x` alone.
    pub fn point(x: f64) -> Self {
        Self::new(x, x)
    }

    /// From −`radius` to `radius`.
    pub fn symmetric(radius: f64) -> Self {
        Self::new(-radius, radius)
    }

    /// hi − lo, rounded up.
    pub fn width(self) -> f64 {
        (self.hi - self.lo).next_up()
    }

    /// A member near the middle.
    pub fn mid(self) -> f64 {
        let mid = 0.5 * self.lo + 0.5 * self.hi;
        if mid.is_finite() { mid.clamp(self.lo, self.hi) } else { 0.0f64.clamp(self.lo, self.hi) }
    }

    /// Largest absolute value.
    pub fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    /// Whether `x` is a member.
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// Least interval with both in it.
    pub fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// All squares of members.
    pub fn square(self) -> Self {
        let (a, b) = (self.lo * self.lo, self.hi * self.hi);
        let lo = if self.contains(0.0) { 0.0 } else { a.min(b).next_down().max(0.0) };
        Self { lo, hi: a.max(b).next_up() }
    }

    fn outward(lo: f64, hi: f64) -> Self {
        if lo.is_nan() || hi.is_nan() { Self::ALL } else { Self { lo: lo.next_down(), hi: hi.next_up() } }
    }

    fn extremes(values: [f64; 4]) -> Self {
        if values.iter().any(|v| v.is_nan()) {
            return Self::ALL;
        }
        let [a, b, c, d] = values;
        Self::outward(a.min(b).min(c.min(d)), a.max(b).max(c.max(d)))
    }
}

impl Add for Interval {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::outward(self.lo + other.lo, self.hi + other.hi)
    }
}

impl Sub for Interval {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::outward(self.lo - other.hi, self.hi - other.lo)
    }
}

impl Neg for Interval {
    type Output = Self;
    fn neg(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo }
    }
}

impl Mul for Interval {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::extremes([self.lo * other.lo, self.lo * other.hi, self.hi * other.lo, self.hi * other.hi])
    }
}

impl Div for Interval {
    type Output = Self;
    /// The whole line when the divisor contains 0.
    fn div(self, other: Self) -> Self {
        if other.contains(0.0) {
            return Self::ALL;
        }
        Self::extremes([self.lo / other.lo, self.lo / other.hi, self.hi / other.lo, self.hi / other.hi])
    }
}
