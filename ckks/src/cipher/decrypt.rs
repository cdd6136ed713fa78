//! Decryption.

use super::Ciphertext;
use super::release::{ReleasePolicy, Released};
use crate::encoding::{Encoder, Plaintext};
use crate::error::{Result, check_id};
use crate::keys::SecretKey;
use num_complex::Complex64;

/// Decrypts with the secret key.
///
/// A CKKS decryption carries the noise, and the noise depends on the secret key: whoever sees enough
/// exact decryptions of ciphertexts of known messages can recover the key (Li and Micciancio,
/// ePrint 2020/1533: security is IND-CPA, not IND-CPA-D). [`Decryptor::decrypt_for_self`] is for the
/// key's owner alone; anything that leaves the owner's hands goes through [`Decryptor::release`].
/// Neither protects against a server that sends malformed ciphertexts and watches the reaction (CCA),
/// and nothing here hides the circuit from the key's owner (circuit privacy).
pub struct Decryptor<'a> {
    secret: &'a SecretKey,
}

impl<'a> Decryptor<'a> {
    /// A decryptor for `secret`.
    pub fn new(secret: &'a SecretKey) -> Self {
        Self { secret }
    }

    /// The exact decryption, noise included, for the owner's eyes only.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn decrypt_for_self(&self, ciphertext: &Ciphertext) -> Result<Plaintext> {
        let params = self.secret.parameters();
        check_id(params, ciphertext.id)?;
        let (ring, s) = (params.ring(), self.secret.ntt());
        // Horner in s; a product buffer holds the message and is wiped.
        let mut parts = ciphertext.parts.iter().rev();
        let mut message = parts.next().cloned().unwrap_or_else(|| ring.zero(1, 0));
        for part in parts {
            let mut product = ring.mul(&message, s);
            ring.add_assign(&mut product, part);
            message.words_mut().fill(0);
            message = product;
        }
        Ok(Plaintext {
            id: ciphertext.id,
            poly: message,
            scale: ciphertext.scale,
            estimate: ciphertext.estimate,
        })
    }

    /// Decrypts and decodes N/2 complex slots for the owner's eyes only.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn decode_for_self(&self, encoder: &Encoder, ciphertext: &Ciphertext) -> Result<Vec<Complex64>> {
        let mut plaintext = self.decrypt_for_self(ciphertext)?;
        let slots = encoder.decode(&plaintext);
        plaintext.poly.words_mut().fill(0);
        slots
    }

    /// Decrypts the first `count` real slots and passes them through `policy`, for anybody's eyes.
    ///
    /// # Errors
    /// `ParametersMismatch`; `Release` if the policy cannot be carried out; `Random`.
    pub fn release(
        &self,
        encoder: &Encoder,
        ciphertext: &Ciphertext,
        count: usize,
        policy: &mut ReleasePolicy,
    ) -> Result<Released> {
        let slots = self.decode_for_self(encoder, ciphertext)?;
        let count = count.min(slots.len());
        policy.apply(slots[..count].iter().map(|z| z.re).collect())
    }
}
