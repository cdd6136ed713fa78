//! The public encryption key.

use super::expand_uniform;
use crate::params::{Parameters, ParametersId};
use crate::ring::RnsPoly;
use crate::sampling::{Domain, Seed};

/// Stream number of the public key's uniform half, apart from the digits of switching keys.
const STREAM: u32 = u32::MAX;

/// An encryption of zero over q_0..=q_L and one special prime: b + a·s = e. The special prime is
/// divided out after encryption, which leaves only rounding noise.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicKey {
    pub(crate) id: ParametersId,
    pub(crate) seed: Seed,
    pub(crate) b: RnsPoly,
    pub(crate) a: RnsPoly,
}

impl PublicKey {
    /// Assembles the key from its seed and b half.
    pub(crate) fn from_seed(params: &Parameters, seed: Seed, b: RnsPoly) -> Self {
        let a = uniform_half(params, &seed);
        Self { id: params.id(), seed, b, a }
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.id
    }
}

/// The half a.
pub(crate) fn uniform_half(params: &Parameters, seed: &Seed) -> RnsPoly {
    expand_uniform(params.ring(), seed, Domain::Key, STREAM, params.q().len(), 1)
}
