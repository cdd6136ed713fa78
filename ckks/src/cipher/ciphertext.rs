//! The ciphertext types.

use crate::error::Result;
use crate::keys::expand_uniform;
use crate::noise::Estimate;
use crate::params::{Parameters, ParametersId};
use crate::ring::RnsPoly;
use crate::sampling::{Domain, Seed};

/// An encrypted slot vector: polynomials c_i with Σ c_i·s^i = message, modulo q_0..=q_level, NTT
/// domain. Two polynomials normally, three between a multiplication and relinearisation. Equality does
/// not look at the estimate.
#[derive(Debug, Clone)]
pub struct Ciphertext {
    pub(crate) id: ParametersId,
    pub(crate) parts: Vec<RnsPoly>,
    pub(crate) scale: f64,
    pub(crate) estimate: Estimate,
}

impl PartialEq for Ciphertext {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.scale, &self.parts) == (other.id, other.scale, &other.parts)
    }
}

impl Ciphertext {
    /// Level: the polynomials have limbs q_0..=q_level.
    pub fn level(&self) -> usize {
        self.parts[0].q_limbs() - 1
    }

    /// Whether it is its message in clear: everything that the secret key is multiplied by is zero. Encryption never gives
    /// such a ciphertext; a product with zeros does.
    pub fn is_transparent(&self) -> bool {
        self.parts[1..].iter().all(|part| part.words().iter().all(|w| *w == 0))
    }

    /// Scale: slots are the message divided by it.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Reinterprets the message at another scale: multiplies the slots by old/new at no cost.
    pub fn set_scale(&mut self, scale: f64) {
        self.estimate.message *= self.scale / scale;
        self.scale = scale;
    }

    /// Estimated error and rms of the slots.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// States the rms of the slots where it is known better than the estimate has it: of a fresh
    /// ciphertext, or where sums cancel. It is public; later products' estimates build on it.
    pub fn set_message_rms(&mut self, rms: f64) {
        self.estimate.message = rms;
    }

    /// Fractional bits estimated to be right in the real part of a slot, rms; the worst slot has
    /// [`TAIL_BITS`](crate::noise::TAIL_BITS) fewer.
    pub fn precision_bits(&self) -> f64 {
        self.estimate.rms_bits(self.scale, self.parts[0].n())
    }

    /// Number of polynomials, 2 or 3.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Bytes held in memory.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|p| p.words().len() * 8).sum()
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.id
    }
}

/// A ciphertext over QP, holding P times its message: what hoisted rotations and their sums are
/// before ModDown divides by P = p_0·…·p_{special−1}.
#[derive(Debug, Clone)]
pub struct ExtCiphertext {
    pub(crate) id: ParametersId,
    pub(crate) parts: [RnsPoly; 2],
    pub(crate) scale: f64,
    pub(crate) estimate: Estimate,
}

impl PartialEq for ExtCiphertext {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.scale, &self.parts) == (other.id, other.scale, &other.parts)
    }
}

impl ExtCiphertext {
    /// Level of the ciphertext ModDown gives.
    pub fn level(&self) -> usize {
        self.parts[0].q_limbs() - 1
    }

    /// Number of special primes.
    pub fn special(&self) -> usize {
        self.parts[0].special()
    }

    /// Scale of the message, not counting P.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Estimated error, not counting P, and rms of the slots.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Bytes held in memory.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|p| p.words().len() * 8).sum()
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.id
    }
}

/// A fresh secret-key ciphertext with its uniform half as a seed: half the size.
#[derive(Debug, Clone)]
pub struct SeededCiphertext {
    pub(crate) id: ParametersId,
    pub(crate) seed: Seed,
    pub(crate) c0: RnsPoly,
    pub(crate) scale: f64,
    pub(crate) estimate: Estimate,
}

impl PartialEq for SeededCiphertext {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.seed, self.scale, &self.c0) == (other.id, other.seed, other.scale, &other.c0)
    }
}

impl SeededCiphertext {
    /// Level.
    pub fn level(&self) -> usize {
        self.c0.q_limbs() - 1
    }

    /// Scale.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Estimated error and rms of the slots.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.id
    }

    /// The full ciphertext.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn expand(self, params: &Parameters) -> Result<Ciphertext> {
        crate::error::check_id(params, self.id)?;
        let c1 = expand_uniform(params.ring(), &self.seed, Domain::Ciphertext, 0, self.c0.q_limbs(), 0);
        Ok(Ciphertext { id: self.id, parts: vec![self.c0, c1], scale: self.scale, estimate: self.estimate })
    }
}
