//! The sign function as a composition of odd minimax polynomials, and ReLU from it.
//!
//! p_1 is the odd minimax polynomial of 1 on [ε, 1], with error τ_1; p_(i+1) the one of 1 on
//! [1 − τ_i, 1 + τ_i], the image of the stages before it. p = p_k∘…∘p_1 then differs from sgn by at most
//! τ_k on [−1, −ε] ∪ [ε, 1] (Lee, Lee, No, Kim: ePrint 2020/834; for ReLU: Lee et al., arXiv 2105.10879).

mod cost;
mod numeric;
mod proof;
mod tune;

use crate::chebyshev::Chebyshev;
use crate::error::FitError;
use crate::remez::{Parity, minimax};

pub use cost::odd_products;

/// sgn on [−1, −ε] ∪ [ε, 1]; ReLU(x) ≈ x(1 + p(x))/2 on [−1, 1].
#[derive(Debug, Clone, PartialEq)]
pub struct Sign {
    /// Degree of each stage, odd.
    pub degrees: Vec<usize>,
    /// Below it nothing is promised.
    pub epsilon: f64,
    /// p_1, p_2, …: odd, centre 0, half width 1 and then 1 + τ_i of the stage before.
    pub stages: Vec<Chebyshev>,
    /// τ_1, τ_2, …: largest error of the composition so far, of the coefficients as rounded.
    pub taus: Vec<f64>,
}

impl Sign {
    /// Most stages.
    pub const MAX_STAGES: usize = 8;

    /// The composition for a threshold ε from 2^-40 to below 1.
    ///
    /// # Errors
    /// No or more than [`Self::MAX_STAGES`] degrees, even ones; ε out of range; a stage whose interval is
    /// narrower than f64 resolves, because the ones before it suffice.
    pub fn new(degrees: &[usize], epsilon: f64) -> Result<Self, FitError> {
        if degrees.is_empty() || degrees.len() > Self::MAX_STAGES {
            return Err(FitError::Degree(degrees.len()));
        }
        if let Some(d) = degrees.iter().find(|d| **d % 2 == 0 || **d > FitError::MAX_DEGREE) {
            return Err(FitError::Degree(*d));
        }
        if !(numeric::LEAST_EPSILON..1.0).contains(&epsilon) {
            return Err(FitError::Tolerance(epsilon));
        }
        let mut stages = Vec::with_capacity(degrees.len());
        let mut taus = Vec::with_capacity(degrees.len());
        let (mut lo, mut hi) = (epsilon, 1.0);
        for degree in degrees {
            let fit = minimax(&|_| 1.0, &|_| 1.0, &[(lo, hi)], Parity::Odd, *degree)?;
            if fit.error >= 1.0 {
                return Err(FitError::NotConverged { degree: *degree, ratio: fit.error / fit.lower });
            }
            (lo, hi) = ((1.0 - fit.error).next_down(), (1.0 + fit.error).next_up());
            stages.push(fit.poly);
            taus.push(fit.error);
        }
        Ok(Self { degrees: degrees.to_vec(), epsilon, stages, taus })
    }

    /// The composition with the ε that makes [`Self::relu_error`] least. It balances two parts: the
    /// bump x(1 − p(x))/2 below ε, which grows with ε, and τ_k/2 beyond, which falls.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_relu(degrees: &[usize]) -> Result<Self, FitError> {
        tune::for_relu(degrees)
    }

    /// p(x).
    pub fn eval(&self, x: f64) -> f64 {
        self.stages.iter().fold(x, |y, stage| stage.eval(y))
    }

    /// Largest |x(1 + p(x))/2 − max(x, 0)| on [−1, 1], found on a grid that follows the oscillations
    /// of every stage and refined at its maxima. It is the same on both sides of 0, since p is odd.
    pub fn relu_error(&self) -> f64 {
        numeric::relu_error(self)
    }

    /// An upper bound of [`Self::relu_error`] by interval arithmetic, for the exact polynomials with
    /// these coefficients; about 2 % above.
    pub fn proven_relu_error(&self) -> f64 {
        proof::relu_error(self)
    }

    /// Largest |p(x)| on [−t, t], t ≥ 1: what happens to values that leave the range.
    pub fn growth(&self, t: f64) -> f64 {
        numeric::growth(self, t)
    }

    /// Levels of p: Σ ⌈log₂(d_i + 1)⌉. The product with x takes one more.
    pub fn depth(&self) -> u32 {
        cost::depth(&self.degrees)
    }

    /// Ciphertext products of p at that depth: Σ [`odd_products`]\(d_i). The product with x is one more.
    pub fn products(&self) -> u32 {
        cost::products(&self.degrees)
    }
}
