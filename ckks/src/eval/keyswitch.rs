//! Relinearisation, rotation and conjugation.
//!
//! A Galois key for g leads from σ_g(s) to s. Hoisting still decomposes the unrotated ciphertext: the
//! digits' images are the digits of the image, and the inner product reads them in permuted order, at
//! no cost beyond that of reading.

use super::Evaluator;
use crate::cipher::Ciphertext;
use crate::error::Result;
use crate::params::KeyName;
use crate::ring::{AddendOver, Terms};

impl Evaluator {
    /// Three polynomials → two. Two are passed through.
    ///
    /// # Errors
    /// `ParametersMismatch`, `Degree`, `MissingKey`.
    pub fn relinearize(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.relinearize_with(a, 0)
    }

    /// Relinearises and rescales in one ModDown by P·q_level, which saves a transform of both
    /// polynomials and one rounding.
    ///
    /// # Errors
    /// As [`Evaluator::relinearize`] (two polynomials are refused here); `LevelExhausted`.
    pub fn relinearize_rescale(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.check_degree("relinearize_rescale", a, 3)?;
        let scale = self.rescaled("relinearize_rescale", a.scale, a.level())?;
        let mut out = self.relinearize_with(a, 1)?;
        out.scale = scale;
        Ok(out)
    }

    fn relinearize_with(&self, a: &Ciphertext, drop: usize) -> Result<Ciphertext> {
        self.check(a.id)?;
        if a.parts.len() == 2 {
            return Ok(a.clone());
        }
        self.check_degree("relinearize", a, 3)?;
        let key = self.keys.find(KeyName::Relinearization, a.level(), None)?;
        let ring = self.ring();
        let addend = AddendOver::Q([Some(&a.parts[0]), Some(&a.parts[1])]);
        let terms = Terms { rows: &key.rows, addend, image: None };
        let gadget = (key.shape.digit_limbs, key.shape.special);
        let parts = ring.switch_key_down(&a.parts[2], gadget, terms, drop).into();
        let switched = self.noise.key_switch(a.estimate, a.level(), &key.shape);
        let estimate = match drop {
            0 => self.noise.mod_down(switched),
            _ => self.noise.rescale(switched, a.level(), 2),
        };
        Ok(Self::with_parts(a, parts, a.scale, estimate))
    }

    /// a·b, relinearised and rescaled.
    ///
    /// # Errors
    /// As [`Evaluator::mul`] and [`Evaluator::relinearize_rescale`].
    pub fn mul_relin_rescale(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.relinearize_rescale(&self.mul(a, b)?)
    }

    /// Rotates the slots to the left by `step` (right if negative): slot j gets slot j + step.
    ///
    /// # Errors
    /// `ParametersMismatch`, `Degree`, `MissingKey`.
    pub fn rotate(&self, a: &Ciphertext, step: i64) -> Result<Ciphertext> {
        self.check_degree("rotate", a, 2)?;
        match self.params.normalized_step(step) {
            0 => Ok(a.clone()),
            step => self.galois(a, KeyName::Rotation(step)),
        }
    }

    /// Conjugates every slot.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn conjugate(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.check_degree("conjugate", a, 2)?;
        self.galois(a, KeyName::Conjugation)
    }

    fn galois(&self, a: &Ciphertext, name: KeyName) -> Result<Ciphertext> {
        let key = self.keys.find(name, a.level(), None)?;
        let ring = self.ring();
        let addend = AddendOver::Q([Some(&a.parts[0]), None]);
        let terms = Terms { rows: &key.rows, addend, image: Some(self.params.galois_element(name)) };
        let gadget = (key.shape.digit_limbs, key.shape.special);
        let parts = ring.switch_key_down(&a.parts[1], gadget, terms, 0).into();
        let switched = self.noise.key_switch(a.estimate, a.level(), &key.shape);
        Ok(Self::with_parts(a, parts, a.scale, self.noise.mod_down(switched)))
    }
}
