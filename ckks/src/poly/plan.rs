//! Plans: the exact sequence of sums, with levels and scales, before any ciphertext exists.

use super::build::polynomial_steps;
use super::polynomial::Polynomial;
use super::search::Strategy;
use super::step::Step;
use crate::error::{CkksError, Result};
use crate::params::{Parameters, ParametersId};

/// How to evaluate one polynomial on ciphertexts of one level and scale. Value 0 is the input, value
/// k + 1 the result of step k; the last step gives the result.
#[derive(Debug, Clone, PartialEq)]
pub struct PolynomialPlan {
    pub(super) id: ParametersId,
    pub(super) level: usize,
    pub(super) scale: f64,
    pub(super) steps: Vec<Step>,
    /// Whether the result of the last step is to be negated.
    pub(super) negate: bool,
    pub(super) rounding_error: f64,
}

impl PolynomialPlan {
    /// Plans `polynomial` on ciphertexts at `level` and `scale`, the result at `target_scale`.
    ///
    /// # Errors
    /// `LevelTooHigh`; `NotEnoughLevels` if `level` is below [`Polynomial::depth`]; `BadScale` for a
    /// scale, given or intermediate, that is no positive finite number; `CoefficientTooLarge` if a
    /// scaled coefficient, or the scale of a power, reaches half the modulus it is taken by.
    pub fn new(
        params: &Parameters,
        polynomial: &Polynomial,
        level: usize,
        scale: f64,
        target_scale: f64,
    ) -> Result<Self> {
        Self::with_strategy(params, (polynomial, polynomial.strategy().as_ref()), level, scale, target_scale)
    }

    /// As [`PolynomialPlan::new`], with the strategy at hand: that of any polynomial of the same basis, degree and
    /// parity.
    pub(crate) fn with_strategy(
        params: &Parameters,
        (polynomial, strategy): (&Polynomial, Option<&Strategy>),
        level: usize,
        scale: f64,
        target_scale: f64,
    ) -> Result<Self> {
        check_levels(params, polynomial.depth(), level)?;
        let (steps, rounding_error) =
            polynomial_steps(params, polynomial, strategy, level, scale, target_scale)?;
        Ok(Self { id: params.id(), level, scale, steps, negate: false, rounding_error })
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.id
    }

    /// Level of the input.
    pub fn level(&self) -> usize {
        self.level
    }

    /// Scale of the input.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Scale of the result.
    pub fn target_scale(&self) -> f64 {
        self.steps.last().map_or(self.scale, |s| s.scale)
    }

    /// The steps, in order of execution.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Levels from the input to the result.
    pub fn depth(&self) -> usize {
        self.steps.last().map_or(0, |s| self.level - s.level + usize::from(s.rescale))
    }

    /// Relinearisations, each merged with a rescaling.
    pub fn relinearizations(&self) -> usize {
        self.steps.iter().filter(|s| !s.products.is_empty()).count()
    }

    /// Rescalings of sums without products.
    pub fn plain_rescalings(&self) -> usize {
        self.steps.iter().filter(|s| s.products.is_empty() && s.rescale).count()
    }

    /// Ciphertext-ciphertext products.
    pub fn multiplications(&self) -> usize {
        self.steps.iter().map(|s| s.products.len()).sum()
    }

    /// Indices n of the powers T_n or x^n computed, in order of execution, n > 1.
    pub fn powers(&self) -> Vec<usize> {
        self.steps.iter().filter_map(|s| s.power.filter(|n| *n > 1)).collect()
    }

    /// Bound on the error of the result, in units of its slots for arguments in [−1, 1], that comes
    /// from rounding coefficients to integers; encryption noise and doubles' 2^-53 come on top.
    ///
    /// A coefficient of a value of scale s in a sum of scale S is off by at most s/(2S): about 2^-41
    /// with 40-bit primes and scales equal to them. A `target_scale` far below the input's or a prime
    /// far below the scale shows here as a large bound; nothing is refused.
    pub fn rounding_error(&self) -> f64 {
        self.rounding_error
    }
}

/// Refuses levels above the chain or below `depth`.
pub(super) fn check_levels(params: &Parameters, depth: usize, level: usize) -> Result<()> {
    let max = params.max_level();
    if level > max {
        return Err(CkksError::LevelTooHigh { what: "polynomial evaluation", level, max });
    }
    if level < depth { Err(CkksError::NotEnoughLevels { needed: depth, level }) } else { Ok(()) }
}
