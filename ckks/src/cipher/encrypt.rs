//! Public-key encryption.

use super::Ciphertext;
use crate::encoding::Plaintext;
use crate::error::{CkksError, Result, check_id};
use crate::keys::PublicKey;
use crate::noise::{ASSUMED_MESSAGE_RMS, NoiseModel};
use crate::params::Parameters;
use crate::ring::{RnsPoly, par};
use crate::sampling::{Gaussian, Prng};
use zeroize::{Zeroize, Zeroizing};

/// Encrypts with a public key.
pub struct Encryptor {
    params: Parameters,
    key: PublicKey,
    gaussian: Gaussian,
}

impl Encryptor {
    /// An encryptor for `key`.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn new(params: &Parameters, key: PublicKey) -> Result<Self> {
        check_id(params, key.id)?;
        Ok(Self { params: params.clone(), key, gaussian: Gaussian::new(params.sigma()) })
    }

    /// (b·v + e_0, a·v + e_1)/p_0 + (m, 0) with ternary v. Noise variance per coefficient about
    /// (h+1)/12, the rounding of the division by p_0.
    ///
    /// # Errors
    /// `ParametersMismatch`, `Random`, `SpecialMismatch` for a plaintext with special limbs.
    pub fn encrypt(&self, plaintext: &Plaintext) -> Result<Ciphertext> {
        check_id(&self.params, plaintext.id)?;
        if plaintext.special() != 0 {
            return Err(CkksError::SpecialMismatch { expected: 0, found: plaintext.special() });
        }
        let ring = self.params.ring();
        let q_limbs = plaintext.level() + 1;
        let mut prng = Prng::from_os()?;
        let n = ring.n();
        let ternary: Zeroizing<Vec<i64>> =
            Zeroizing::new((0..n).map(|_| i64::from(prng.ternary())).collect());
        let mut v = self.small(&ternary, q_limbs);
        let mut half = |key: &RnsPoly| {
            let errors: Zeroizing<Vec<i64>> =
                Zeroizing::new((0..n).map(|_| self.gaussian.sample(&mut prng)).collect());
            let mut error = self.small(&errors, q_limbs);
            let mut x = ring.mul_acc(q_limbs, 1, &[(&v, key)]);
            ring.add_assign(&mut x, &error);
            error.words_mut().zeroize();
            ring.mod_down(x, 0)
        };
        let (mut c0, c1) = (half(&self.key.b), half(&self.key.a));
        v.words_mut().zeroize();
        ring.add_assign(&mut c0, &plaintext.poly);
        let estimate = NoiseModel::new(&self.params).fresh_public(ASSUMED_MESSAGE_RMS);
        Ok(Ciphertext { id: self.params.id(), parts: vec![c0, c1], scale: plaintext.scale, estimate })
    }

    /// The transform of small signed coefficients over q_0.. and p_0.
    fn small(&self, coefficients: &[i64], q_limbs: usize) -> RnsPoly {
        let ring = self.params.ring();
        let mut poly = ring.uninit(q_limbs, 1);
        par::for_limbs(ring.n(), poly.words_mut(), |i, limb| {
            let index = ring.index(q_limbs, i);
            let q = ring.modulus(index).q as i64;
            for (x, c) in limb.iter_mut().zip(coefficients) {
                *x = (c + (q & (c >> 63))) as u64;
            }
            ring.ntt(index).forward(limb);
        });
        poly
    }
}
