//! Hoisted rotations: one decomposition shared by many rotations of the same ciphertext.

use super::Evaluator;
use crate::cipher::{Ciphertext, ExtCiphertext};
use crate::error::{CkksError, KeyName, Result};
use crate::params::{KeyShape, ParametersId};
use crate::ring::{Digits, RnsPoly};

/// A ciphertext with its second polynomial decomposed into digits over QP.
pub struct Hoisted {
    id: ParametersId,
    parts: [RnsPoly; 2],
    digits: Digits,
    shape: KeyShape,
    scale: f64,
}

impl Hoisted {
    /// Level.
    pub fn level(&self) -> usize {
        self.parts[0].q_limbs() - 1
    }

    /// Scale.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The gadget (special primes, limbs per digit) keys must have.
    pub fn shape(&self) -> KeyShape {
        self.shape
    }
}

impl Evaluator {
    /// Decomposes `ct` for the gadget most Galois keys of its level share
    /// ([`EvaluationKeySet::hoisting_shape`](crate::keys::EvaluationKeySet::hoisting_shape)).
    ///
    /// # Errors
    /// `ParametersMismatch`, `Degree`, `MissingKey` if no Galois key serves the level.
    pub fn hoist(&self, ct: &Ciphertext) -> Result<Hoisted> {
        self.check_degree("hoist", ct, 2)?;
        self.hoist_for(ct, self.keys.hoisting_shape(ct.level())?)
    }

    /// Decomposes `ct` for the gadget of `shape` (its level is not used).
    ///
    /// # Errors
    /// `ParametersMismatch`, `Degree`, `BadKeyShape`.
    pub fn hoist_for(&self, ct: &Ciphertext, shape: KeyShape) -> Result<Hoisted> {
        self.check_degree("hoist", ct, 2)?;
        let KeyShape { special, digit_limbs, .. } = shape;
        let shape = KeyShape { level: ct.level(), special, digit_limbs };
        if !self.params.admits(&shape) {
            return Err(CkksError::BadKeyShape { level: ct.level(), special, digit_limbs });
        }
        let digits = self.ring().mod_up(&ct.parts[1], special, digit_limbs);
        let parts = [ct.parts[0].clone(), ct.parts[1].clone()];
        Ok(Hoisted { id: ct.id, parts, digits, shape, scale: ct.scale })
    }

    /// A rotation of a hoisted ciphertext: equals [`Evaluator::rotate`].
    ///
    /// # Errors
    /// `ParametersMismatch`, `MissingKey`.
    pub fn rotate_hoisted(&self, hoisted: &Hoisted, step: i64) -> Result<Ciphertext> {
        let step = self.params.normalized_step(step);
        if step == 0 {
            self.check(hoisted.id)?;
            let parts = hoisted.parts.to_vec();
            return Ok(Ciphertext { id: hoisted.id, parts, scale: hoisted.scale });
        }
        let name = KeyName::Rotation(step);
        let (c0, c1) = self.switched(hoisted, name)?;
        let (ring, g) = (self.ring(), self.params.galois_element(name));
        // Permuting after ModDown touches fewer limbs.
        let finish = |c| ring.automorphism(&ring.mod_down(c, 0), g);
        let parts = vec![finish(c0), finish(c1)];
        Ok(Ciphertext { id: hoisted.id, parts, scale: hoisted.scale })
    }

    /// A rotation left over QP, without ModDown; step 0 gives P times the ciphertext.
    ///
    /// # Errors
    /// `ParametersMismatch`, `MissingKey`.
    pub fn rotate_hoisted_ext(&self, hoisted: &Hoisted, step: i64) -> Result<ExtCiphertext> {
        let ring = self.ring();
        let step = self.params.normalized_step(step);
        let parts = if step == 0 {
            self.check(hoisted.id)?;
            hoisted.parts.each_ref().map(|c| self.times_p(c, hoisted.shape.special))
        } else {
            let name = KeyName::Rotation(step);
            let (c0, c1) = self.switched(hoisted, name)?;
            let g = self.params.galois_element(name);
            [ring.automorphism(&c0, g), ring.automorphism(&c1, g)]
        };
        Ok(ExtCiphertext { id: hoisted.id, parts, scale: hoisted.scale })
    }

    /// The key switch of a hoisted ciphertext over QP, before the automorphism.
    fn switched(&self, hoisted: &Hoisted, name: KeyName) -> Result<(RnsPoly, RnsPoly)> {
        self.check(hoisted.id)?;
        let key = self.keys.find(name, hoisted.level(), Some(&hoisted.shape))?;
        let [c0, c1] = &hoisted.parts;
        Ok(self.ring().inner_product(c1, &hoisted.digits, &key.rows, [Some(c0), None]))
    }

    /// P·x over QP.
    fn times_p(&self, x: &RnsPoly, special: usize) -> RnsPoly {
        let ring = self.ring();
        let mut out = ring.uninit(x.q_limbs(), special);
        for i in 0..out.limbs() {
            if i < x.q_limbs() {
                out.limb_mut(i).copy_from_slice(x.limb(i));
            } else {
                out.limb_mut(i).fill(0);
            }
        }
        let q_count = ring.q_count();
        ring.mul_scalar_assign(&mut out, |i| if i < q_count { ring.p_mod(special, i) } else { 0 });
        out
    }
}
