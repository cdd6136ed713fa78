//! Generation of public and evaluation keys from a secret key.

use super::secret::SecretPoly;
use super::switching::uniform_half;
use super::{EvaluationKeySet, PublicKey, SecretKey, SwitchingKey, public};
use crate::error::{CkksError, KeyName, Result};
use crate::params::{KeyShape, Parameters};
use crate::ring::{RnsPoly, inverse_element, par};
use crate::sampling::{Gaussian, Prng, os_seed};
use zeroize::Zeroizing;

/// One evaluation key to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyRequest {
    /// Which key.
    pub key: KeyName,
    /// Highest ciphertext level it must serve; the shape is the default one of this level.
    pub level: usize,
}

/// Makes keys for one secret key.
pub struct KeyGenerator<'a> {
    secret: &'a SecretKey,
    params: Parameters,
    gaussian: Gaussian,
}

impl<'a> KeyGenerator<'a> {
    /// A generator for `secret`.
    pub fn new(secret: &'a SecretKey) -> Self {
        let params = secret.parameters().clone();
        let gaussian = Gaussian::new(params.sigma());
        Self { secret, params, gaussian }
    }

    /// A public encryption key.
    ///
    /// # Errors
    /// `Random` if the system's source fails.
    pub fn public_key(&self) -> Result<PublicKey> {
        let seed = *os_seed()?;
        let mut prng = Prng::from_os()?;
        let a = public::uniform_half(&self.params, &seed);
        let mut b = self.error(&mut prng, self.params.q().len(), 1);
        let ring = self.params.ring();
        let product = SecretPoly(ring.mul(&a, self.secret.ntt()));
        ring.sub_assign(&mut b, &product.0);
        Ok(PublicKey { id: self.params.id(), seed, b, a })
    }

    /// An error polynomial in the NTT domain.
    fn error(&self, prng: &mut Prng, q_limbs: usize, special: usize) -> RnsPoly {
        let ring = self.params.ring();
        let samples: Zeroizing<Vec<i64>> =
            Zeroizing::new((0..ring.n()).map(|_| self.gaussian.sample(prng)).collect());
        let mut poly = ring.uninit(q_limbs, special);
        par::for_limbs(ring.n(), poly.words_mut(), |i, limb| {
            let index = ring.index(q_limbs, i);
            let q = ring.modulus(index).q as i64;
            for (x, e) in limb.iter_mut().zip(samples.iter()) {
                *x = (e + (q & (e >> 63))) as u64;
            }
            ring.ntt(index).forward(limb);
        });
        poly
    }

    /// A key switching `from` to `to`, both over the limbs of `shape` at least.
    fn switching(&self, shape: KeyShape, from: &RnsPoly, to: &RnsPoly) -> Result<SwitchingKey> {
        let KeyShape { level, special, digit_limbs } = shape;
        if !self.params.admits(&shape) {
            return Err(CkksError::BadKeyShape { level, special, digit_limbs });
        }
        let ring = self.params.ring();
        let seed = *os_seed()?;
        let mut prng = Prng::from_os()?;
        let b = (0..shape.digits())
            .map(|digit| {
                let mut b = self.error(&mut prng, shape.q_limbs(), special);
                let a = uniform_half(&self.params, &shape, &seed, digit);
                let product = SecretPoly(ring.mul_acc(shape.q_limbs(), special, &[(&a, to)]));
                ring.sub_assign(&mut b, &product.0);
                // g_j·from: P·from on the digit's limbs, nothing elsewhere.
                let start = digit * digit_limbs;
                for i in start..(start + digit_limbs).min(level + 1) {
                    let m = ring.modulus(i);
                    let p = m.shoup(ring.p_mod(special, i));
                    let terms = b.limb_mut(i).iter_mut().zip(from.limb(i));
                    terms.for_each(|(b, s)| *b = m.add(*b, p.mul(*s, m.q)));
                }
                b
            })
            .collect();
        Ok(SwitchingKey::from_seed(&self.params, shape, seed, b))
    }

    /// The key of `key` with a chosen `shape`.
    ///
    /// # Errors
    /// `BadKeyShape` if the parameters do not admit the shape, `Random`.
    pub fn key_with_shape(&self, key: KeyName, shape: KeyShape) -> Result<SwitchingKey> {
        let KeyShape { level, special, digit_limbs } = shape;
        if !self.params.admits(&shape) {
            return Err(CkksError::BadKeyShape { level, special, digit_limbs });
        }
        let s = self.secret.ntt();
        match key {
            KeyName::Relinearization => {
                let square = SecretPoly(self.params.ring().mul(s, s));
                self.switching(shape, &square.0, s)
            }
            // Rotation happens after the switch (see `eval::keyswitch`), so the key leads to the
            // secret's image under the inverse automorphism.
            KeyName::Rotation(_) | KeyName::Conjugation => {
                let g = inverse_element(self.params.n(), self.params.galois_element(key));
                let image = self.secret.image(g, shape.q_limbs(), special);
                self.switching(shape, s, &image.0)
            }
        }
    }

    /// The key of `request` with the default shape of its level.
    ///
    /// # Errors
    /// `LevelTooHigh`, `Random`.
    pub fn key(&self, request: KeyRequest) -> Result<SwitchingKey> {
        let max = self.params.max_level();
        if request.level > max {
            return Err(CkksError::LevelTooHigh { what: "evaluation key", level: request.level, max });
        }
        self.key_with_shape(request.key, self.params.key_shape(request.level))
    }

    /// A set with a key for every request.
    ///
    /// # Errors
    /// As [`KeyGenerator::key`].
    pub fn evaluation_keys(
        &self,
        requests: impl IntoIterator<Item = KeyRequest>,
    ) -> Result<EvaluationKeySet> {
        let mut set = EvaluationKeySet::new(&self.params);
        for request in requests {
            set.insert(request.key, self.key(request)?)?;
        }
        Ok(set)
    }
}
