//! Hoisted rotations: one decomposition shared by many rotations of the same ciphertext.

use super::Evaluator;
use crate::cipher::{Ciphertext, ExtCiphertext};
use crate::error::{CkksError, KeyName, Result};
use crate::keys::SwitchingKey;
use crate::params::{KeyShape, ParametersId};
use crate::ring::{Digits, RnsPoly};
use std::sync::Arc;

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
        let key = self.hoisted_key(hoisted, name)?;
        let (ring, [p0, p1]) = (self.ring(), &hoisted.parts);
        let [c0, c1] = ring.inner_product(p1, &hoisted.digits, &key.rows, [Some(p0), None]);
        let g = self.params.galois_element(name);
        // Permuting after ModDown touches fewer limbs.
        let parts = vec![ring.mod_down_image(c0, g), ring.mod_down_image(c1, g)];
        Ok(Ciphertext { id: hoisted.id, parts, scale: hoisted.scale })
    }

    /// A rotation left over QP, without ModDown; step 0 gives P times the ciphertext.
    ///
    /// # Errors
    /// `ParametersMismatch`, `MissingKey`.
    pub fn rotate_hoisted_ext(&self, hoisted: &Hoisted, step: i64) -> Result<ExtCiphertext> {
        let step = self.params.normalized_step(step);
        let parts = if step == 0 {
            self.check(hoisted.id)?;
            hoisted.parts.each_ref().map(|c| self.times_p(c, hoisted.shape.special))
        } else {
            let name = KeyName::Rotation(step);
            let key = self.hoisted_key(hoisted, name)?;
            let [p0, p1] = &hoisted.parts;
            let g = self.params.galois_element(name);
            let addend = [Some(p0), None];
            self.ring().inner_product_image(p1, &hoisted.digits, &key.rows, addend, g)
        };
        Ok(ExtCiphertext { id: hoisted.id, parts, scale: hoisted.scale })
    }

    /// The key `name` for the decomposition at hand.
    fn hoisted_key(&self, hoisted: &Hoisted, name: KeyName) -> Result<&Arc<SwitchingKey>> {
        self.check(hoisted.id)?;
        self.keys.find(name, hoisted.level(), Some(&hoisted.shape))
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
