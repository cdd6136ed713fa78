//! Arithmetic of intervals that never loses a value.

/// Relative width by which results of arithmetic are rounded outwards: far above what f64 loses.
const OUTWARDS: f64 = 1e-9;

/// All numbers from `lo` to `hi`; either may be infinite, neither is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The least.
    pub lo: f64,
    /// The largest, at least `lo`.
    pub hi: f64,
}

impl Interval {
    /// Every number.
    pub const ALL: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };
    /// Only 0.
    pub const ZERO: Self = Self { lo: 0.0, hi: 0.0 };

    /// From `lo` to `hi`, in either order; every number if one of them is NaN.
    pub fn new(lo: f64, hi: f64) -> Self {
        if lo.is_nan() || hi.is_nan() {
            return Self::ALL;
        }
        Self { lo: lo.min(hi), hi: lo.max(hi) }
    }

    /// Only `x`.
    pub fn point(x: f64) -> Self {
        Self::new(x, x)
    }

    /// The least interval around all of some numbers; only 0 if there are none.
    pub fn around(xs: impl IntoIterator<Item = f64>) -> Self {
        xs.into_iter().map(Self::point).reduce(Self::hull).unwrap_or(Self::ZERO)
    }

    /// The largest magnitude in it.
    pub fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    /// The number halfway; 0 for an interval without end.
    pub fn middle(self) -> f64 {
        if self.lo.is_finite() && self.hi.is_finite() { self.lo / 2.0 + self.hi / 2.0 } else { 0.0 }
    }

    /// Half the distance of its ends.
    pub fn radius(self) -> f64 {
        if self.lo == self.hi { 0.0 } else { self.hi / 2.0 - self.lo / 2.0 }
    }

    /// True if the number lies in it.
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// The least interval that holds both.
    pub fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// Both ends moved outwards by `by`.
    pub(super) fn widened(self, by: f64) -> Self {
        Self::new(self.lo - by, self.hi + by)
    }

    /// Both ends moved outwards by a little of themselves.
    fn rounded(self) -> Self {
        Self::new(self.lo - OUTWARDS * self.lo.abs(), self.hi + OUTWARDS * self.hi.abs())
    }

    /// What f(x) may be for a function without extrema inside other than at `extrema`.
    pub(super) fn image(self, extrema: &[f64], f: impl Fn(f64) -> f64) -> Self {
        let inside = extrema.iter().copied().filter(|&x| self.contains(x));
        let value = |x: f64| Self::point(f(x));
        let all = [self.lo, self.hi].into_iter().chain(inside).map(value).reduce(Self::hull);
        all.unwrap_or(Self::ALL).rounded()
    }

    /// c·x for a number c.
    pub fn scaled(self, c: f64) -> Self {
        Self::new(product(c, self.lo), product(c, self.hi)).rounded()
    }

    /// x·y of two independent numbers.
    pub fn times(self, other: Self) -> Self {
        let (a, b) = (self, other);
        let ends = [product(a.lo, b.lo), product(a.lo, b.hi), product(a.hi, b.lo), product(a.hi, b.hi)];
        Self::around(ends).rounded()
    }

    /// x².
    pub fn square(self) -> Self {
        self.image(&[0.0], |x| x * x)
    }

    /// 1/x.
    pub fn reciprocal(self) -> Self {
        if self.contains(0.0) { Self::ALL } else { Self::new(1.0 / self.lo, 1.0 / self.hi).rounded() }
    }

    /// min(x, y).
    pub(super) fn min(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.min(other.hi) }
    }

    /// max(x, y).
    pub(super) fn max(self, other: Self) -> Self {
        Self { lo: self.lo.max(other.lo), hi: self.hi.max(other.hi) }
    }

    /// −x.
    pub(super) fn negated(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo }
    }
}

/// The product; 0 times anything is 0.
fn product(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

/// A sum Σ w·x under construction: its bounds, and how large its terms are, by which f64 may be off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    at: Interval,
    terms: f64,
}

impl Sum {
    pub(super) const EMPTY: Self = Self { at: Interval::ZERO, terms: 0.0 };

    /// Adds w·x.
    pub(super) fn add(&mut self, w: f64, x: Interval) {
        let (a, b) = (product(w, x.lo), product(w, x.hi));
        self.at = Interval::new(self.at.lo + a.min(b), self.at.hi + a.max(b));
        self.terms += a.abs().max(b.abs());
    }

    /// Adds another sum.
    pub(super) fn join(&mut self, other: &Self) {
        self.at = Interval::new(self.at.lo + other.at.lo, self.at.hi + other.at.hi);
        self.terms += other.terms;
    }

    /// What the sum may be.
    pub(super) fn bounds(self) -> Interval {
        self.at.widened(OUTWARDS * self.terms)
    }
}

/// a + b of two independent numbers.
pub(super) fn add(a: Interval, b: Interval) -> Interval {
    let mut sum = Sum::EMPTY;
    sum.add(1.0, a);
    sum.add(1.0, b);
    sum.bounds()
}
