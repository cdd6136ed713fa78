//! Why a fit failed.

use thiserror::Error;

/// Why no polynomial is returned.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FitError {
    /// The degree is zero, has the wrong parity, or is larger than [`FitError::MAX_DEGREE`].
    #[error("degree {0} is not from 1 to 511 or does not fit the parity")]
    Degree(usize),
    /// The exchange ended without an equioscillating error.
    #[error("degree {degree}: the exchange ended with an error {ratio} times the lower bound")]
    NotConverged {
        /// Degree asked for.
        degree: usize,
        /// Largest error over the lower bound, best of all iterations.
        ratio: f64,
    },
    /// Intervals that are empty, reversed, not finite, overlapping, or too narrow for f64 points.
    #[error("not a domain: {0:?}")]
    Domain(Vec<(f64, f64)>),
    /// The function, its weight or a coefficient is not a finite number (a weight: not positive).
    #[error("not a finite value at {x}, or a weight that is not positive")]
    NotFinite {
        /// Where.
        x: f64,
    },
    /// An odd polynomial is to have a value at 0.
    #[error("odd polynomials vanish at 0, where the function is {0}")]
    NotOdd(f64),
    /// A wanted error or threshold outside its range.
    #[error("{0} is no possible error or threshold")]
    Tolerance(f64),
    /// No degree up to the largest reaches the wanted error.
    #[error("degree {degree} leaves an error of {error:e}")]
    Unreachable {
        /// Largest degree tried.
        degree: usize,
        /// Its error.
        error: f64,
    },
}

impl FitError {
    /// Largest degree that is fitted.
    pub const MAX_DEGREE: usize = 511;
}
