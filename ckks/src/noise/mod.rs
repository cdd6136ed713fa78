//! Precision: the estimated error that every ciphertext carries.
//!
//! The error of a ciphertext is a polynomial; an [`Estimate`] holds the variance V of its coefficients,
//! those being taken as independent, and the rms of the slots, which products need. At scale Δ a complex
//! slot then has the rms error √(V·N)/Δ, its real part √(V·N/2)/Δ. [`NoiseModel`] says what each
//! operation does to an estimate; the evaluator calls it along with the operation, at no noticeable cost.
//!
//! Estimates are public: they follow from parameters, operations and public operands. Nothing of an
//! encrypted message enters: a fresh ciphertext is *assumed* to have slots of rms
//! [`ASSUMED_MESSAGE_RMS`], and whoever knows better says so
//! ([`Ciphertext::set_message_rms`](crate::cipher::Ciphertext::set_message_rms)). Estimates are no part of
//! the equality of ciphertexts and are not stored: one that is read is estimated as a fresh one.
//!
//! What the model does not see:
//! * Operands of sums and products count as independent (the same object twice is recognised). Where they
//!   are not, the estimate of a sum of two is at most half a bit too optimistic, if errors add up, and too pessimistic
//!   without bound, if they cancel. The same holds for the messages, on which later products build: where
//!   sums cancel (Chebyshev recurrences), state their rms.
//! * Messages are multiplied as if of constant magnitude. Powers of long-tailed ones have a larger rms, and
//!   their errors too: about 1.3 bits for x⁴ of complex normal slots, 2 of real ones.
//! * The rms is over all slots; tails are not Gaussian, see [`TAIL_BITS`]. After adding a conjugate the
//!   error is all in the real parts, half a bit above √(V·N/2)/Δ.
//! * Doubles: slots are encoded and decoded with about 50 bits.

mod model;
#[cfg(all(test, feature = "client"))]
mod tests;

pub use model::{NoiseModel, rounding};

/// Rms of the slots that a fresh ciphertext is assumed to have.
pub const ASSUMED_MESSAGE_RMS: f64 = 1.0;
/// Bits by which the worst slot is worse than the rms (one more after a bootstrap).
pub const TAIL_BITS: f64 = 3.0;

/// What is known of a ciphertext's error and message without the secret key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Variance of a coefficient of the error polynomial.
    pub variance: f64,
    /// Rms of the slots.
    pub message: f64,
}

impl Estimate {
    /// An exact value with slots of rms `message`.
    pub const fn exact(message: f64) -> Self {
        Self { variance: 0.0, message }
    }

    /// Rms error of the real part of a slot in a ring of degree `n`: √(V·N/2)/Δ.
    pub fn slot_error(&self, scale: f64, n: usize) -> f64 {
        (self.variance * n as f64 / 2.0).sqrt() / scale
    }

    /// Fractional bits that are right in a slot's real part, rms; infinite without an error.
    pub fn rms_bits(&self, scale: f64, n: usize) -> f64 {
        -self.slot_error(scale, n).log2()
    }

    /// Fractional bits that are right in the worst slot: [`TAIL_BITS`] fewer.
    pub fn worst_bits(&self, scale: f64, n: usize) -> f64 {
        self.rms_bits(scale, n) - TAIL_BITS
    }
}
