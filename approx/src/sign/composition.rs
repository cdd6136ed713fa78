//! The stages of a composition.
//!
//! p_1 is the odd minimax polynomial of 1 on [ε, 1], with error τ_1; p_(i+1) the one of 1 on
//! [1 − τ_i, 1 + τ_i], the image of the stages before it. p = p_k∘…∘p_1 then differs from sgn by at most
//! τ_k on [−1, −ε] ∪ [ε, 1] (Lee, Lee, No, Kim: ePrint 2020/834; for ReLU: Lee et al., arXiv 2105.10879).

use crate::chebyshev::Chebyshev;
use crate::error::FitError;
use crate::remez::{Parity, minimax};

/// Least threshold.
pub(super) const LEAST_EPSILON: f64 = 1.0 / (1u64 << 40) as f64;

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
        if !(LEAST_EPSILON..1.0).contains(&epsilon) {
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

    /// p(x).
    pub fn eval(&self, x: f64) -> f64 {
        self.stages.iter().fold(x, |y, stage| stage.eval(y))
    }
}
