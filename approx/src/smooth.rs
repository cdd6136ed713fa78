//! Least degrees for smooth functions.

use std::f64::consts::PI;

use crate::chebyshev::Chebyshev;
use crate::error::FitError;
use crate::remez::{Parity, minimax};
use crate::search::largest;

/// A polynomial that reaches a wanted error.
#[derive(Debug, Clone, PartialEq)]
pub struct SmoothFit {
    /// The polynomial.
    pub poly: Chebyshev,
    /// Largest |f − p|: on a grid with its maxima refined, plus what second differences leave
    /// between grid points.
    pub error: f64,
}

/// What is left to fit: `f` = `constant` + `slope`·x + rest, rest of a parity.
struct Form {
    parity: Parity,
    constant: f64,
    slope: f64,
}

/// The polynomial of least degree ≤ `max_degree` whose largest error on [lo, hi] is at most `error`.
///
/// Where the interval is symmetric and f is c·x + an even function (SiLU, GELU: c = ½) or a constant + an
/// odd one (sigmoid: ½; tanh), the polynomial has this form exactly.
///
/// # Errors
/// [`FitError::Unreachable`] when `max_degree` does not suffice; those of [`minimax`].
pub fn smooth(
    f: &dyn Fn(f64) -> f64,
    lo: f64,
    hi: f64,
    error: f64,
    max_degree: usize,
) -> Result<SmoothFit, FitError> {
    if !(error > 0.0 && error.is_finite()) {
        return Err(FitError::Tolerance(error));
    }
    if max_degree == 0 || max_degree > FitError::MAX_DEGREE {
        return Err(FitError::Degree(max_degree));
    }
    if !((hi - lo).is_finite() && lo < hi) {
        return Err(FitError::Domain(vec![(lo, hi)]));
    }
    let coeffs = interpolation(f, lo, hi)?;
    let form = Form::of(f, lo, hi);
    // E_n ≥ (π/4)·|c_(n+1)|: degrees that cannot do. Aliasing blurs coefficients at the end.
    let largest = coeffs.iter().fold(0.0, |a: f64, c| a.max(c.abs()));
    let hopeless = |c: f64| PI / 4.0 * c.abs() > 1.01 * error + 1e-13 * largest;
    let least = (0..coeffs.len() / 2).rev().find(|n| hopeless(coeffs[*n])).unwrap_or(1);
    let tail = |n: usize| coeffs[n + 1..].iter().map(|c| c.abs()).sum::<f64>();
    let enough = (least..max_degree).find(|n| tail(*n) <= error).unwrap_or(max_degree);
    let degrees: Vec<usize> =
        (least.max(1)..=enough.max(least).min(max_degree)).filter(|d| form.allows(*d)).collect();
    let fits = |degree: usize| form.fit(f, lo, hi, degree);
    let Some(last) = degrees.last().copied() else {
        let degree = (1..=max_degree).rev().find(|d| form.allows(*d)).ok_or(FitError::Degree(max_degree))?;
        let best = fits(degree)?;
        return reached(best, error, degree);
    };
    // Errors fall with the degree.
    let mut good = fits(last)?;
    if good.error > error {
        return reached(good, error, last);
    }
    let (mut below, mut above) = (0, degrees.len() - 1);
    while below < above {
        let middle = (below + above) / 2;
        match fits(degrees[middle]) {
            Ok(fit) if fit.error <= error => (good, above) = (fit, middle),
            Ok(_) | Err(FitError::NotConverged { .. }) => below = middle + 1,
            Err(other) => return Err(other),
        }
    }
    Ok(good)
}

fn reached(fit: SmoothFit, error: f64, degree: usize) -> Result<SmoothFit, FitError> {
    if fit.error <= error { Ok(fit) } else { Err(FitError::Unreachable { degree, error: fit.error }) }
}

/// Chebyshev coefficients of the interpolation at 512 nodes.
fn interpolation(f: &dyn Fn(f64) -> f64, lo: f64, hi: f64) -> Result<Vec<f64>, FitError> {
    const NODES: usize = 2 * (FitError::MAX_DEGREE + 1);
    let angle = |k: usize| PI * (k as f64 + 0.5) / NODES as f64;
    let values: Vec<f64> = (0..NODES)
        .map(|k| {
            let x = 0.5 * lo + 0.5 * hi + (0.5 * hi - 0.5 * lo) * angle(k).cos();
            let y = f(x);
            if y.is_finite() { Ok(y) } else { Err(FitError::NotFinite { x }) }
        })
        .collect::<Result<_, _>>()?;
    let coefficient = |n: usize| {
        let sum: f64 = values
            .iter()
            .enumerate()
            .map(|(k, y)| y * (PI * ((n * (2 * k + 1)) % (4 * NODES)) as f64 / (2 * NODES) as f64).cos())
            .sum();
        sum * if n == 0 { 1.0 } else { 2.0 } / NODES as f64
    };
    Ok((0..NODES).map(coefficient).collect())
}

impl Form {
    fn of(f: &dyn Fn(f64) -> f64, lo: f64, hi: f64) -> Self {
        let general = Self { parity: Parity::General, constant: 0.0, slope: 0.0 };
        if lo != -hi {
            return general;
        }
        const POINTS: usize = 64;
        // Irregular, so that periodic functions do not look constant.
        let points: Vec<f64> =
            (1..=POINTS).map(|k| hi * (k as f64 * 0.618_033_988_749_894_9).fract()).collect();
        let scale = points.iter().map(|x| f(*x).abs().max(f(-x).abs())).fold(0.0, f64::max);
        let small = |x: f64| x.abs() <= 8.0 * f64::EPSILON * scale;
        let odd = |x: f64| 0.5 * (f(x) - f(-x));
        let even = |x: f64| 0.5 * (f(x) + f(-x));
        let measured = odd(hi) / hi;
        let is_slope = |slope: f64| points.iter().all(|x| small(odd(*x) - slope * x));
        // ½ rather than its neighbour.
        let short = f64::from(measured as f32);
        let slope = if is_slope(short) { short } else { measured };
        let constant = f(0.0);
        if is_slope(slope) {
            Self { parity: Parity::Even, constant: 0.0, slope }
        } else if points.iter().all(|x| small(even(*x) - constant)) {
            Self { parity: Parity::Odd, constant, slope: 0.0 }
        } else {
            general
        }
    }

    /// Whether degree d can be the exact degree.
    fn allows(&self, degree: usize) -> bool {
        match self.parity {
            Parity::General => true,
            Parity::Even => degree.is_multiple_of(2),
            Parity::Odd => degree % 2 == 1,
        }
    }

    fn fit(&self, f: &dyn Fn(f64) -> f64, lo: f64, hi: f64, degree: usize) -> Result<SmoothFit, FitError> {
        let rest = |x: f64| match self.parity {
            Parity::General => f(x),
            Parity::Even => 0.5 * (f(x) + f(-x)),
            Parity::Odd => 0.5 * (f(x) - f(-x)),
        };
        let mut poly = minimax(&rest, &|_| 1.0, &[(lo, hi)], self.parity, degree)?.poly;
        poly.coeffs[0] += self.constant;
        poly.coeffs[1] += self.slope * poly.half_width;
        let error = measured(f, &poly, lo, hi)?;
        Ok(SmoothFit { poly, error })
    }
}

/// Largest |f − p|, with an allowance for what lies between grid points.
fn measured(f: &dyn Fn(f64) -> f64, poly: &Chebyshev, lo: f64, hi: f64) -> Result<f64, FitError> {
    let points = 64 * poly.coeffs.len() + 256;
    let grid: Vec<f64> = (0..=points)
        .map(|k| 0.5 * (1.0 - (PI * k as f64 / points as f64).cos()))
        .map(|s| (lo + (hi - lo) * s).clamp(lo, hi))
        .collect();
    let defect = |x: f64| f(x) - poly.eval(x);
    let values: Vec<f64> = grid.iter().map(|x| defect(*x)).collect();
    if let Some(k) = values.iter().position(|v| !v.is_finite()) {
        return Err(FitError::NotFinite { x: grid[k] });
    }
    let found = largest(|x| defect(x).abs(), &grid).1;
    // Between neighbours a function exceeds them by at most an eighth of its second difference; next to
    // the refined maximum that is its third-order part only.
    let between = values
        .windows(3)
        .map(|w| (w[0].abs().max(w[2].abs()).max(w[1].abs()), (w[0] - 2.0 * w[1] + w[2]).abs() / 8.0))
        .map(|(top, bend)| top + bend)
        .fold(0.0, f64::max);
    Ok(found.max(between))
}
