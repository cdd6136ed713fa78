//! The secret key.

use crate::error::Result;
use crate::params::{Parameters, ParametersId};
use crate::ring::{RnsPoly, for_coefficients, par};
use crate::sampling::Prng;
use zeroize::{Zeroize, Zeroizing};

/// A uniform ternary secret. Wiped on drop; has no `Debug`, `Display`, `Clone` or comparison:
///
/// ```compile_fail
/// fn show<T: std::fmt::Debug>() {}
/// show::<fhec_ckks::keys::SecretKey>();
/// ```
/// ```compile_fail
/// fn copy<T: Clone>() {}
/// copy::<fhec_ckks::keys::SecretKey>();
/// ```
pub struct SecretKey {
    params: Parameters,
    coefficients: Zeroizing<Vec<i8>>,
    /// s in the NTT domain over all moduli.
    ntt: SecretPoly,
}

/// A polynomial outside the buffer pool that is wiped on drop.
pub(crate) struct SecretPoly(pub(crate) RnsPoly);

impl Drop for SecretPoly {
    fn drop(&mut self) {
        self.0.words_mut().zeroize();
    }
}

impl SecretPoly {
    /// The transform of small signed `coefficients` over q_0.. and the first `special` special primes.
    pub(crate) fn from_small(
        params: &Parameters,
        coefficients: &[i8],
        q_limbs: usize,
        special: usize,
    ) -> Self {
        let ring = params.ring();
        let mut poly = ring.uninit(q_limbs, special);
        poly.detach();
        par::for_limbs(ring.n(), poly.words_mut(), |i, limb| {
            let index = ring.index(q_limbs, i);
            let q = ring.modulus(index).q as i64;
            for (x, c) in limb.iter_mut().zip(coefficients) {
                // Adds q where the coefficient is negative, without a branch.
                let c = i64::from(*c);
                *x = (c + (q & (c >> 63))) as u64;
            }
            ring.ntt(index).forward(limb);
        });
        Self(poly)
    }
}

impl SecretKey {
    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    /// `Random` if the system's source fails.
    pub fn generate(params: &Parameters) -> Result<Self> {
        let mut prng = Prng::from_os()?;
        let coefficients = Zeroizing::new((0..params.n()).map(|_| prng.ternary()).collect());
        Ok(Self::from_coefficients(params, coefficients))
    }

    pub(crate) fn from_coefficients(params: &Parameters, coefficients: Zeroizing<Vec<i8>>) -> Self {
        let ntt = SecretPoly::from_small(params, &coefficients, params.q().len(), params.p().len());
        Self { params: params.clone(), coefficients, ntt }
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.params
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.params.id()
    }

    pub(crate) fn coefficients(&self) -> &[i8] {
        &self.coefficients
    }

    /// s over all moduli.
    pub(crate) fn ntt(&self) -> &RnsPoly {
        &self.ntt.0
    }

    /// The secret's image under X → X^g, over q_0..q_{q_limbs-1} and `special` special primes.
    pub(crate) fn image(&self, g: u64, q_limbs: usize, special: usize) -> SecretPoly {
        let mut image = Zeroizing::new(vec![0i8; self.coefficients.len()]);
        for_coefficients(self.coefficients.len(), g, |j, negated, i| {
            image[j] = if negated { -self.coefficients[i] } else { self.coefficients[i] };
        });
        SecretPoly::from_small(&self.params, &image, q_limbs, special)
    }
}
