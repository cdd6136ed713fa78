//! What is to be approximated, in the variable of the polynomial.

use std::cell::Cell;

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;

use super::double::Double;
use super::parity::Parity;
use crate::chebyshev::{Chebyshev, clenshaw};
use crate::error::FitError;

/// A big float.
pub(super) type Real = FBig<HalfEven, 2>;

/// f ≈ s(x)·q(v), v in [−1, 1] on the hull of the domain.
pub(super) struct Problem<'a> {
    f: &'a dyn Fn(f64) -> f64,
    weight: &'a dyn Fn(f64) -> f64,
    parity: Parity,
    pub(super) degree: usize,
    /// Disjoint, ascending; folded to x ≥ 0 for even and odd fits.
    pub(super) intervals: Vec<(f64, f64)>,
    centre: f64,
    half_width: f64,
    /// Coefficients of q.
    pub(super) terms: usize,
    /// Bits of big floats.
    precision: usize,
    /// Largest |f| and weight seen.
    seen: Cell<(f64, f64)>,
}

impl<'a> Problem<'a> {
    pub(super) fn new(
        f: &'a dyn Fn(f64) -> f64,
        weight: &'a dyn Fn(f64) -> f64,
        domain: &[(f64, f64)],
        parity: Parity,
        degree: usize,
    ) -> Result<Self, FitError> {
        if degree == 0 || degree > FitError::MAX_DEGREE || (parity == Parity::Even && degree == 1) {
            return Err(FitError::Degree(degree));
        }
        let terms = match parity {
            Parity::General => degree + 1,
            Parity::Even => degree / 2 + 1,
            Parity::Odd => degree.div_ceil(2),
        };
        let intervals = checked(domain, parity).ok_or_else(|| FitError::Domain(domain.to_vec()))?;
        let (lo, hi) = (intervals[0].0, intervals[intervals.len() - 1].1);
        let (centre, half_width) = match parity {
            Parity::General => (0.5 * lo + 0.5 * hi, 0.5 * hi - 0.5 * lo),
            Parity::Even | Parity::Odd => (0.0, hi),
        };
        // Newton's form on badly ordered points loses up to two bits a term.
        let precision = 200 + 2 * terms;
        let seen = Cell::new((0.0, 0.0));
        let problem =
            Self { f, weight, parity, degree, intervals, centre, half_width, terms, precision, seen };
        problem.vanishes_where_it_must()?;
        Ok(problem)
    }

    /// Odd functions do at 0, up to roundings.
    fn vanishes_where_it_must(&self) -> Result<(), FitError> {
        let (lo, hi) = self.intervals[0];
        if !self.is_fixed(lo) {
            return Ok(());
        }
        const ROUNDING: f64 = 1e-12;
        let at_zero = self.values(0.0)?.0;
        let scale = self.values(0.5 * hi)?.0.abs().max(self.values(hi)?.0.abs());
        if at_zero.abs() > ROUNDING * scale { Err(FitError::NotOdd(at_zero)) } else { Ok(()) }
    }

    /// A finite f64 as a big float.
    pub(super) fn real(&self, x: f64) -> Real {
        let exact = Real::try_from(x).unwrap_or(Real::ZERO);
        exact.with_precision(self.precision).value()
    }

    /// v of x: (x − centre)/half_width, or 2(x/half_width)² − 1 for even and odd fits.
    pub(super) fn variable(&self, x: f64) -> Real {
        let u = (self.real(x) - self.real(self.centre)) / self.real(self.half_width);
        match self.parity {
            Parity::General => u,
            Parity::Even | Parity::Odd => ((&u * &u) << 1) - self.real(1.0),
        }
    }

    /// x of v in f64, inside the domain's hull.
    pub(super) fn argument(&self, v: f64) -> f64 {
        match self.parity {
            Parity::General => self.centre + self.half_width * v,
            Parity::Even | Parity::Odd => self.half_width * (0.5 * (v + 1.0)).max(0.0).sqrt(),
        }
    }

    /// v of x in f64.
    pub(super) fn position(&self, x: f64) -> f64 {
        let u = (x - self.centre) / self.half_width;
        match self.parity {
            Parity::General => u,
            Parity::Even | Parity::Odd => 2.0 * u * u - 1.0,
        }
    }

    /// s(x) in units of the half width.
    pub(super) fn factor(&self, x: f64) -> Real {
        match self.parity {
            Parity::General | Parity::Even => self.real(1.0),
            Parity::Odd => self.real(x) / self.real(self.half_width),
        }
    }

    /// Whether s vanishes at x, where no polynomial of the space can do anything.
    pub(super) fn is_fixed(&self, x: f64) -> bool {
        self.parity == Parity::Odd && x == 0.0
    }

    /// f and weight at x.
    pub(super) fn values(&self, x: f64) -> Result<(f64, f64), FitError> {
        let (f, w) = ((self.f)(x), (self.weight)(x));
        if !(f.is_finite() && w.is_finite() && w > 0.0) {
            return Err(FitError::NotFinite { x });
        }
        let (fs, ws) = self.seen.get();
        self.seen.set((fs.max(f.abs()), ws.max(w)));
        Ok((f, w))
    }

    /// weight·(f − s·q(v)) at x.
    pub(super) fn error(&self, series: &[Real], x: f64) -> Result<f64, FitError> {
        let (f, w) = self.values(x)?;
        let v = self.variable(x);
        let double = v.clone() << 1;
        let (mut b1, mut b2) = (self.real(0.0), self.real(0.0));
        for c in series.iter().skip(1).rev() {
            let b = &double * &b1 - b2 + c;
            (b2, b1) = (b1, b);
        }
        let q = &v * &b1 - b2 + &series[0];
        let p = match self.parity {
            Parity::General | Parity::Even => q,
            Parity::Odd => self.factor(x) * q,
        };
        let e = ((self.real(f) - p) * self.real(w)).to_f64().value();
        if e.is_finite() { Ok(e) } else { Err(FitError::NotFinite { x }) }
    }

    /// Like [`Self::error`] in f64, of a series in f64: off by about `rounding(series)`.
    pub(super) fn approximate_error(&self, series: &[f64], x: f64) -> Result<f64, FitError> {
        let (f, w) = self.values(x)?;
        let q = clenshaw(series, self.position(x));
        let factor = if self.parity == Parity::Odd { x / self.half_width } else { 1.0 };
        let e = w * (f - factor * q);
        if e.is_finite() { Ok(e) } else { Err(FitError::NotFinite { x }) }
    }

    /// The same in double-double arithmetic.
    pub(super) fn double_error(&self, series: &[Double], x: f64) -> Result<f64, FitError> {
        let (f, w) = self.values(x)?;
        let u = Double::difference(x, self.centre).over(self.half_width);
        let v = match self.parity {
            Parity::General => u,
            Parity::Even | Parity::Odd => (u * u).scaled(2.0) - Double(1.0, 0.0),
        };
        let twice = v.scaled(2.0);
        let (mut b1, mut b2) = (Double(0.0, 0.0), Double(0.0, 0.0));
        for c in series.iter().skip(1).rev() {
            (b2, b1) = (b1, twice * b1 - b2 + *c);
        }
        let q = v * b1 - b2 + series[0];
        let p = if self.parity == Parity::Odd { u * q } else { q };
        let e = w * (Double(f, 0.0) - p).0;
        if e.is_finite() { Ok(e) } else { Err(FitError::NotFinite { x }) }
    }

    /// Scale of the roundings in `approximate_error`.
    pub(super) fn rounding(&self, series: &[f64]) -> f64 {
        let (f, w) = self.seen.get();
        f64::EPSILON * w * (f + series.len() as f64 * series.iter().map(|c| c.abs()).sum::<f64>())
    }

    /// s·q with coefficients rounded to f64.
    pub(super) fn rounded(&self, series: &[Real]) -> Result<Chebyshev, FitError> {
        let exact: Vec<Real> = match self.parity {
            Parity::General => series.to_vec(),
            Parity::Even => series.iter().flat_map(|c| [c.clone(), self.real(0.0)]).collect(),
            // u·T_2n = (T_(2n+1) + T_|2n−1|)/2.
            Parity::Odd => (0..2 * self.terms)
                .map(|k| match (k % 2, k / 2) {
                    (0, _) => self.real(0.0),
                    (_, 0) => self.half_of(series, 1) + &series[0],
                    (_, n) => self.half_of(series, n) + self.half_of(series, n + 1),
                })
                .collect(),
        };
        let used = if self.parity == Parity::Even { 2 * self.terms - 1 } else { exact.len() };
        let coeffs: Vec<f64> = exact[..used].iter().map(|c| c.to_f64().value()).collect();
        if coeffs.iter().any(|c| !c.is_finite()) {
            return Err(FitError::NotFinite { x: self.centre });
        }
        Ok(Chebyshev { coeffs, centre: self.centre, half_width: self.half_width })
    }

    fn half_of(&self, series: &[Real], n: usize) -> Real {
        series.get(n).map_or_else(|| self.real(0.0), |c| c.clone() >> 1)
    }

    /// q of a polynomial that `rounded` made, exactly.
    pub(super) fn series_of(&self, poly: &Chebyshev) -> Vec<Real> {
        let of = |step: usize, first: usize| -> Vec<Real> {
            poly.coeffs.iter().skip(first).step_by(step).map(|c| self.real(*c)).collect()
        };
        match self.parity {
            Parity::General => of(1, 0),
            Parity::Even => of(2, 0),
            Parity::Odd => {
                // T_(2n+1)/u: q_n/2 + q_(n+1)/2 = c_(2n+1), q_0 + q_1/2 = c_1.
                let odd = of(2, 1);
                let mut q = vec![self.real(0.0); odd.len() + 1];
                for n in (1..odd.len()).rev() {
                    q[n] = (odd[n].clone() << 1) - &q[n + 1];
                }
                q[0] = &odd[0] - (q[1].clone() >> 1);
                q.truncate(odd.len());
                q
            }
        }
    }

    /// Errors below this are roundings of f, or of the coefficients, to f64, as an interpolation magnifies
    /// them. Coefficients so large that their roundings are no longer small beside f are no excuse.
    pub(super) fn rounding_floor(&self, poly: &Chebyshev) -> f64 {
        const EXCUSED: f64 = 1e-10;
        let (f, w) = self.seen.get();
        let coeffs = poly.coeffs.iter().map(|c| c.abs()).sum::<f64>();
        w * (16.0 * f64::EPSILON * (256.0 * f + coeffs)).min(EXCUSED * f)
    }

    /// Errors below this say nothing: the roundings of f to f64.
    pub(super) fn noise(&self) -> f64 {
        let (f, w) = self.seen.get();
        4.0 * f64::EPSILON * w * f
    }
}

/// Sorted, folded for even and odd fits; none if not a union of disjoint proper intervals.
fn checked(domain: &[(f64, f64)], parity: Parity) -> Option<Vec<(f64, f64)>> {
    let proper = |(lo, hi): &(f64, f64)| (hi - lo).is_finite() && lo < hi;
    if domain.is_empty() || !domain.iter().all(proper) {
        return None;
    }
    let mut sorted = domain.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    if sorted.windows(2).any(|w| w[1].0 <= w[0].1) {
        return None;
    }
    if parity != Parity::General {
        sorted = folded(&sorted);
    }
    let largest = sorted.iter().fold(0.0, |a: f64, (lo, hi)| a.max(lo.abs()).max(hi.abs()));
    let width: f64 = sorted.iter().map(|(lo, hi)| hi - lo).sum();
    let reasonable = width > 1e-9 * largest && (1e-100..1e100).contains(&largest);
    reasonable.then_some(sorted)
}

/// The |x| of the domain, as disjoint intervals.
fn folded(domain: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let fold = |(lo, hi): &(f64, f64)| {
        if *lo >= 0.0 {
            (*lo, *hi)
        } else if *hi <= 0.0 {
            (-hi, -lo)
        } else {
            (0.0, hi.max(-lo))
        }
    };
    let mut all: Vec<(f64, f64)> = domain.iter().map(fold).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<(f64, f64)> = Vec::new();
    for (lo, hi) in all {
        match out.last_mut() {
            Some(last) if lo <= last.1 => last.1 = last.1.max(hi),
            _ => out.push((lo, hi)),
        }
    }
    out
}
