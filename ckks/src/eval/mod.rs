//! Homomorphic evaluation on the server: needs evaluation keys, never the secret key.
//!
//! Level and scale rules (the only ones): products multiply scales; rescaling at level ℓ divides the
//! scale by q_ℓ and drops to ℓ−1; sums need equal levels and scales equal within 2^-40; rotations and
//! key switches change neither. Nothing here panics on bad operands: every method returns a typed
//! error.

mod arithmetic;
mod ext;
mod hoisting;
mod keyswitch;
pub(crate) mod linear;
#[cfg(all(test, feature = "client"))]
mod tests;

use crate::cipher::Ciphertext;
use crate::error::{CkksError, Result, check_id};
use crate::keys::EvaluationKeySet;
use crate::noise::{Estimate, NoiseModel};
use crate::params::{Parameters, ParametersId};
use crate::ring::{Ring, RnsPoly};
use std::sync::Arc;

pub use hoisting::{Hoisted, Multiplier};
pub use linear::LinearTransform;

/// Largest relative difference of two scales that count as equal.
pub const SCALE_TOLERANCE: f64 = 1.0 / (1u64 << 40) as f64;

/// Evaluates on ciphertexts. Methods take `&self`; one evaluator serves many threads, and inside a
/// multi-threaded rayon pool each operation also shares its limbs among the pool's threads.
pub struct Evaluator {
    params: Parameters,
    keys: Arc<EvaluationKeySet>,
    noise: NoiseModel,
}

impl Evaluator {
    /// An evaluator with the given keys (possibly none).
    pub fn new(keys: Arc<EvaluationKeySet>) -> Self {
        let params = keys.parameters().clone();
        Self { noise: NoiseModel::new(&params), params, keys }
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.params
    }

    /// The evaluation keys.
    pub fn keys(&self) -> &Arc<EvaluationKeySet> {
        &self.keys
    }

    pub(crate) fn noise(&self) -> &NoiseModel {
        &self.noise
    }

    pub(crate) fn ring(&self) -> &Ring {
        self.params.ring()
    }

    fn check(&self, id: ParametersId) -> Result<()> {
        check_id(&self.params, id)
    }

    pub(crate) fn check_degree(
        &self,
        operation: &'static str,
        ct: &Ciphertext,
        expected: usize,
    ) -> Result<()> {
        self.check(ct.id)?;
        if ct.parts.len() != expected {
            return Err(CkksError::Degree { operation, expected, found: ct.parts.len() });
        }
        Ok(())
    }

    pub(crate) fn with_parts(
        ct: &Ciphertext,
        parts: Vec<RnsPoly>,
        scale: f64,
        estimate: Estimate,
    ) -> Ciphertext {
        Ciphertext { id: ct.id, parts, scale, estimate }
    }
}

/// Refuses scales that differ by more than [`SCALE_TOLERANCE`].
fn check_scales(left: f64, right: f64) -> Result<()> {
    if (left - right).abs() <= SCALE_TOLERANCE * left.abs() {
        Ok(())
    } else {
        Err(CkksError::ScaleMismatch { left, right })
    }
}

/// Refuses different levels.
fn check_levels(left: usize, right: usize) -> Result<()> {
    if left == right { Ok(()) } else { Err(CkksError::LevelMismatch { left, right }) }
}
