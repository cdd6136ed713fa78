//! Generation of public and evaluation keys from a secret key.

use super::secret::SecretPoly;
use super::switching::uniform_half;
use super::{EvaluationKeySet, PublicKey, SecretKey, SwitchingKey, public};
use crate::error::{CkksError, Result};
use crate::params::security_table::SPARSE_WEIGHT;
use crate::params::{KeyName, KeyShape, Parameters};
use crate::ring::{RnsPoly, par};
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

fn bad_shape(KeyShape { level, special, digit_limbs }: KeyShape) -> CkksError {
    CkksError::BadKeyShape { level, special, digit_limbs }
}

/// `n` coefficients of which `weight`, at uniform places, are ±1.
fn sparse_ternary(prng: &mut Prng, n: usize, weight: usize) -> Zeroizing<Vec<i8>> {
    let mut coefficients = Zeroizing::new(vec![0i8; n]);
    let mut left = weight;
    while left > 0 {
        let word = prng.next_u64();
        // n is a power of two: the top bits are uniform below it.
        let place = (word >> (u64::BITS - n.trailing_zeros())) as usize;
        if coefficients[place] == 0 {
            coefficients[place] = 1 - 2 * (word & 1) as i8;
            left -= 1;
        }
    }
    coefficients
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
    /// `BadKeyShape` if the parameters do not admit the shape or the key is one of encapsulation,
    /// which come in pairs ([`KeyGenerator::encapsulation_keys`]); `Random`.
    pub fn key_with_shape(&self, key: KeyName, shape: KeyShape) -> Result<SwitchingKey> {
        if !self.params.admits(&shape) {
            return Err(bad_shape(shape));
        }
        let s = self.secret.ntt();
        match key {
            KeyName::DenseToSparse | KeyName::SparseToDense => Err(bad_shape(shape)),
            KeyName::Relinearization => {
                let square = SecretPoly(self.params.ring().mul(s, s));
                self.switching(shape, &square.0, s)
            }
            // From the image of the secret: ciphertexts are rotated before they are switched.
            KeyName::Rotation(_) | KeyName::Conjugation | KeyName::ConjugateRotation(_) => {
                let g = self.params.galois_element(key);
                let image = self.secret.image(g, shape.q_limbs(), shape.special);
                self.switching(shape, &image.0, s)
            }
        }
    }

    /// The two keys of sparse-secret encapsulation for ModRaise to `level`: from the secret to an
    /// ephemeral secret with [`SPARSE_WEIGHT`] nonzero coefficients, modulo q_0·p_0 only, and back.
    /// The ephemeral secret is wiped on return.
    ///
    /// # Errors
    /// `BadKeyShape` if q_0·p_0 is too wide for a sparse secret ([`Parameters::admits_key`]) or the
    /// level too high; `Random`.
    pub fn encapsulation_keys(&self, level: usize) -> Result<[(KeyName, SwitchingKey); 2]> {
        let (to, back) = (KeyShape::dense_to_sparse(), KeyShape::sparse_to_dense(level));
        for (name, shape) in [(KeyName::DenseToSparse, to), (KeyName::SparseToDense, back)] {
            if !self.params.admits_key(name, &shape) {
                return Err(bad_shape(shape));
            }
        }
        let mut prng = Prng::from_os()?;
        let weight = SPARSE_WEIGHT.min(self.params.n() / 2);
        let coefficients = sparse_ternary(&mut prng, self.params.n(), weight);
        let sparse = SecretPoly::from_small(&self.params, &coefficients, level + 1, 1);
        let dense = self.secret.ntt();
        Ok([
            (KeyName::DenseToSparse, self.switching(to, dense, &sparse.0)?),
            (KeyName::SparseToDense, self.switching(back, &sparse.0, dense)?),
        ])
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
