//! Plaintexts as one integer polynomial: a word per coefficient, whatever the level.

use super::{Encoder, check_largest, largest, stored_words};
use crate::error::Result;
use crate::noise::Estimate;
use crate::params::ParametersId;
use num_complex::Complex64;

/// Magnitudes of coefficients stay below 2^this.
const MAX_LOG2: f64 = 62.0;

/// An encoded slot vector before it is reduced modulo any prime. It takes a limb's space instead of a limb per
/// prime, and serves every level; each use reduces and transforms it.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactPlaintext {
    pub(crate) id: ParametersId,
    /// Of the subring in which the vector lies, at least 2^MIN_LOG_N of them.
    pub(crate) coefficients: Box<[i64]>,
    /// Largest magnitude of a coefficient.
    pub(crate) largest: f64,
    pub(crate) scale: f64,
    pub(crate) estimate: Estimate,
}

impl CompactPlaintext {
    /// Scale.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Error of rounding and rms of the slots.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        8 * self.coefficients.len()
    }

    /// Refuses a level whose modulus cannot hold the coefficients; `log_q` is its log2.
    pub(crate) fn check(&self, log_q: f64) -> Result<()> {
        check_largest(self.largest, log_q - 1.0)
    }
}

impl Encoder {
    /// Encodes `values` as [`Encoder::encode`] does, without a level.
    ///
    /// # Errors
    /// `SlotCount`, `NotFinite`, `BadScale`, `CoefficientTooLarge` for a coefficient of 2^62 or more.
    pub fn encode_compact<T: Copy + Into<Complex64>>(
        &self,
        values: &[T],
        scale: f64,
    ) -> Result<CompactPlaintext> {
        self.check_place(0, 0, scale)?;
        self.rounded(values, scale, |scratch| {
            let given = &scratch.coefficients;
            let largest = largest(given);
            check_largest(largest, MAX_LOG2)?;
            let mut coefficients = vec![0; stored_words(given.len())].into_boxed_slice();
            let gap = coefficients.len() / given.len();
            coefficients.iter_mut().step_by(gap).zip(given).for_each(|(out, c)| *out = *c as i64);
            let estimate = self.estimate(given, scale);
            Ok(CompactPlaintext { id: self.params.id(), coefficients, largest, scale, estimate })
        })
    }
}
