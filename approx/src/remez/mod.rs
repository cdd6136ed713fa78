//! The Remez exchange: best weighted polynomials on unions of intervals.
//!
//! Among polynomials p of a Haar space of dimension n, p is best for f with weight w on a compact set
//! exactly if w·(f − p) takes its largest absolute value with alternating signs at n + 1 points
//! (Chebyshev). Each round solves for the p whose errors at n + 1 reference points alternate with equal
//! size |h| – a lower bound for every polynomial of the space (de la Vallée-Poussin) – and moves the
//! points to the extrema of its error. (Remez 1934; Cheney, Introduction to Approximation Theory, ch. 3.)
//!
//! Even and odd polynomials are s(x)·q(x²) with s = 1 or x, so that q is a general one in x² on
//! the folded domain.

mod double;
mod exchange;
mod levelled;
mod parity;
mod problem;

use crate::chebyshev::Chebyshev;
use crate::error::FitError;
use exchange::{Exchange, extrema};
pub use parity::Parity;
use problem::Problem;

/// A best polynomial.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimax {
    /// Its Chebyshev form on the hull of the domain, coefficients rounded to f64.
    pub poly: Chebyshev,
    /// Largest weighted error of the rounded coefficients on the domain.
    pub error: f64,
    /// No polynomial of the degree and parity has a smaller largest error (de la Vallée-Poussin).
    pub lower: f64,
    /// Where the error alternates, ascending: one point more than there are coefficients.
    pub points: Vec<f64>,
}

/// The polynomial of at most `degree` of a continuous function (degree 1 to [`FitError::MAX_DEGREE`]) that minimises the largest
/// |weight·(f − p)| on a union of disjoint closed intervals.
///
/// The result has error ≤ 1.001·lower, unless both are below what the rounding of function values and
/// coefficients to f64 leaves.
///
/// # Errors
/// A degree out of range or without a coefficient of the parity; a domain that is none; values that are
/// not finite, weights that are not positive; an odd fit of a function with a value at 0; an exchange that
/// does not converge, as on domains that force huge coefficients, or at degrees so high that roundings of
/// the function are all that is left on several intervals.
pub fn minimax(
    f: &dyn Fn(f64) -> f64,
    weight: &dyn Fn(f64) -> f64,
    domain: &[(f64, f64)],
    parity: Parity,
    degree: usize,
) -> Result<Minimax, FitError> {
    let problem = Problem::new(f, weight, domain, parity, degree)?;
    let Exchange { series, lower, points, .. } = exchange::run(&problem)?;
    let poly = problem.rounded(&series)?;
    let exact = problem.series_of(&poly);
    let error = extrema(&problem, &exact, lower, &points, 4)?.largest();
    // Extrema are located to about 1e-9 of a gap, where the error is flat.
    let error = error * (1.0 + 1e-12);
    let floor = problem.rounding_floor(&poly);
    if error > 1.001 * lower && error > lower + floor {
        return Err(FitError::NotConverged { degree, ratio: error / lower });
    }
    Ok(Minimax { poly, error: error.max(lower), lower, points })
}
