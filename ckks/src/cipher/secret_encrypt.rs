//! Secret-key encryption: smaller and less noisy than with the public key.

use super::SeededCiphertext;
use crate::encoding::Plaintext;
use crate::error::{CkksError, Result, check_id};
use crate::keys::{SecretKey, expand_uniform};
use crate::noise::{ASSUMED_MESSAGE_RMS, NoiseModel};
use crate::ring::par;
use crate::sampling::{Domain, Gaussian, Prng, os_seed};
use zeroize::Zeroizing;

/// Encrypts with the secret key.
pub struct SecretEncryptor<'a> {
    secret: &'a SecretKey,
    gaussian: Gaussian,
}

impl<'a> SecretEncryptor<'a> {
    /// An encryptor for `secret`.
    pub fn new(secret: &'a SecretKey) -> Self {
        Self { secret, gaussian: Gaussian::new(secret.parameters().sigma()) }
    }

    /// (−a·s + e + m, seed of a). Noise variance per coefficient σ².
    ///
    /// # Errors
    /// `ParametersMismatch`, `Random`, `SpecialMismatch` for a plaintext with special limbs.
    pub fn encrypt(&self, plaintext: &Plaintext) -> Result<SeededCiphertext> {
        let params = self.secret.parameters();
        check_id(params, plaintext.id)?;
        if plaintext.special() != 0 {
            return Err(CkksError::SpecialMismatch { expected: 0, found: plaintext.special() });
        }
        let ring = params.ring();
        let q_limbs = plaintext.level() + 1;
        let seed = *os_seed()?;
        let mut prng = Prng::from_os()?;
        let errors: Zeroizing<Vec<i64>> =
            Zeroizing::new((0..ring.n()).map(|_| self.gaussian.sample(&mut prng)).collect());
        let a = expand_uniform(ring, &seed, Domain::Ciphertext, 0, q_limbs, 0);
        let mut c0 = ring.mul_acc(q_limbs, 0, &[(&a, self.secret.ntt())]);
        ring.neg_assign(&mut c0);
        let mut error = ring.uninit(q_limbs, 0);
        par::for_limbs(ring.n(), error.words_mut(), |i, limb| {
            let q = ring.modulus(i).q as i64;
            for (x, e) in limb.iter_mut().zip(errors.iter()) {
                *x = (e + (q & (e >> 63))) as u64;
            }
            ring.ntt(i).forward(limb);
        });
        ring.add_assign(&mut c0, &error);
        error.words_mut().fill(0);
        ring.add_assign(&mut c0, &plaintext.poly);
        let estimate = NoiseModel::new(params).fresh_secret(ASSUMED_MESSAGE_RMS);
        Ok(SeededCiphertext { id: params.id(), seed, c0, scale: plaintext.scale, estimate })
    }
}
