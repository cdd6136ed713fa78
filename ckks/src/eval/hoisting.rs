//! Hoisted rotations: one decomposition shared by many rotations of the same ciphertext.

use super::{Evaluator, check_scales};
use crate::cipher::{Ciphertext, ExtCiphertext};
use crate::encoding::{CompactPlaintext, FormedPlaintext, Plaintext};
use crate::error::{CkksError, Result};
use crate::keys::SwitchingKey;
use crate::noise::Estimate;
use crate::params::{KeyName, KeyShape, ParametersId};
use crate::ring::{AddendOver, Digits, Multiplicand, Ring, RnsPoly, Terms};
use std::sync::Arc;

/// A ciphertext with its second polynomial decomposed into digits over QP.
pub struct Hoisted {
    id: ParametersId,
    parts: [RnsPoly; 2],
    digits: Digits,
    shape: KeyShape,
    scale: f64,
    estimate: Estimate,
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

    /// Estimated error and rms of the slots.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// The gadget (special primes, limbs per digit) keys must have.
    pub fn shape(&self) -> KeyShape {
        self.shape
    }
}

/// A plaintext to multiply by over QP.
#[derive(Clone, Copy)]
pub enum Multiplier<'a> {
    /// Transformed for its level.
    Plain(&'a Plaintext),
    /// The same in the form in which kernels multiply by it: nothing is left to convert.
    Formed(&'a FormedPlaintext),
    /// Transformed when it is used, limb by limb.
    Compact(&'a CompactPlaintext),
}

impl<'a> From<&'a Plaintext> for Multiplier<'a> {
    fn from(plaintext: &'a Plaintext) -> Self {
        Self::Plain(plaintext)
    }
}

impl<'a> From<&'a FormedPlaintext> for Multiplier<'a> {
    fn from(plaintext: &'a FormedPlaintext) -> Self {
        Self::Formed(plaintext)
    }
}

impl<'a> From<&'a CompactPlaintext> for Multiplier<'a> {
    fn from(plaintext: &'a CompactPlaintext) -> Self {
        Self::Compact(plaintext)
    }
}

impl<'a> Multiplier<'a> {
    fn scale(self) -> f64 {
        match self {
            Self::Plain(p) => p.scale,
            Self::Formed(p) => p.0.scale,
            Self::Compact(p) => p.scale,
        }
    }

    fn estimate(self) -> Estimate {
        match self {
            Self::Plain(p) => p.estimate,
            Self::Formed(p) => p.0.estimate,
            Self::Compact(p) => p.estimate,
        }
    }

    fn polynomial(self) -> Multiplicand<'a> {
        match self {
            Self::Plain(p) => Multiplicand::Evaluations(&p.poly),
            Self::Formed(p) => Multiplicand::InForm(&p.0.poly),
            Self::Compact(p) => Multiplicand::Coefficients(&p.coefficients),
        }
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
        Ok(Hoisted { id: ct.id, parts, digits, shape, scale: ct.scale, estimate: ct.estimate })
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
            let Hoisted { id, scale, estimate, .. } = *hoisted;
            return Ok(Ciphertext { id, parts, scale, estimate });
        }
        let parts = self.switched(hoisted, KeyName::Rotation(step), Ring::inner_product_down)?;
        let estimate = self.noise.mod_down(self.switched_estimate(hoisted));
        Ok(Ciphertext { id: hoisted.id, parts: parts.into(), scale: hoisted.scale, estimate })
    }

    /// A rotation left over QP, without ModDown; step 0 gives P times the ciphertext.
    ///
    /// # Errors
    /// `ParametersMismatch`, `MissingKey`.
    pub fn rotate_hoisted_ext(&self, hoisted: &Hoisted, step: i64) -> Result<ExtCiphertext> {
        let step = self.params.normalized_step(step);
        let (parts, estimate) = if step == 0 {
            self.check(hoisted.id)?;
            let parts = hoisted.parts.each_ref().map(|c| self.times_p(c, hoisted.shape.special));
            (parts, hoisted.estimate)
        } else {
            (
                self.switched(hoisted, KeyName::Rotation(step), Ring::inner_product)?,
                self.switched_estimate(hoisted),
            )
        };
        Ok(ExtCiphertext { id: hoisted.id, parts, scale: hoisted.scale, estimate })
    }

    /// The image of `hoisted` under the Galois element of `name`, switched back by an inner product.
    fn switched(
        &self,
        hoisted: &Hoisted,
        name: KeyName,
        product: impl Fn(&Ring, &RnsPoly, &Digits, Terms<'_>) -> [RnsPoly; 2],
    ) -> Result<[RnsPoly; 2]> {
        let key = self.hoisted_key(hoisted, name)?;
        let [p0, p1] = &hoisted.parts;
        let image = Some(self.params.galois_element(name));
        let terms = Terms { rows: &key.rows, addend: AddendOver::Q([Some(p0), None]), image };
        Ok(product(self.ring(), p1, &hoisted.digits, terms))
    }

    /// Per group the sum Σ rot(hoisted, steps_t)·p over QP of its terms (t, p). Rotations are made as
    /// they are needed and never stored. Plaintexts as for [`Evaluator::mul_acc_ext`], or compact.
    ///
    /// # Errors
    /// As [`Evaluator::rotate_hoisted_ext`] and [`Evaluator::mul_acc_ext`]; `Empty` without steps or for a
    /// group without terms; `CoefficientTooLarge` if the level cannot hold a compact plaintext.
    ///
    /// # Panics
    /// If a term's index is not that of a step.
    pub fn rotated_sums_ext(
        &self,
        hoisted: &Hoisted,
        steps: &[i64],
        groups: &[Vec<(usize, Multiplier<'_>)>],
    ) -> Result<Vec<ExtCiphertext>> {
        const NAME: &str = "rotated_sums_ext";
        self.check(hoisted.id)?;
        let mut rotations = Vec::with_capacity(steps.len());
        for step in steps.iter().map(|s| self.params.normalized_step(*s)) {
            let name = KeyName::Rotation(step);
            let rotation = match step {
                0 => None,
                _ => Some((&self.hoisted_key(hoisted, name)?.rows[..], self.params.galois_element(name))),
            };
            rotations.push(rotation);
        }
        let mut labels = Vec::with_capacity(groups.len());
        for group in groups {
            let (_, first) = group.first().ok_or(CkksError::Empty(NAME))?;
            let mut estimate = Estimate::exact(0.0);
            for (t, plaintext) in group {
                assert!(*t < steps.len(), "a term's index is that of a step");
                self.check_multiplier(*plaintext, hoisted)?;
                check_scales(first.scale(), plaintext.scale())?;
                let rotated = match rotations[*t] {
                    None => hoisted.estimate,
                    Some(_) => self.switched_estimate(hoisted),
                };
                let factor = (plaintext.estimate(), plaintext.scale());
                let term = self.noise.mul((rotated, hoisted.scale), factor);
                estimate = self.noise.add(estimate, term);
            }
            labels.push((hoisted.scale * first.scale(), estimate));
        }
        let terms: Vec<Vec<_>> =
            groups.iter().map(|g| g.iter().map(|(t, p)| (*t, p.polynomial())).collect()).collect();
        let [c0, c1] = &hoisted.parts;
        let addend = AddendOver::Q([Some(c0), Some(c1)]);
        let sums = self.ring().rotated_sums((c1, &hoisted.digits), addend, &rotations, &terms);
        let label = |(parts, (scale, estimate))| ExtCiphertext { id: hoisted.id, parts, scale, estimate };
        Ok(sums.into_iter().zip(labels).map(label).collect())
    }

    fn check_multiplier(&self, multiplier: Multiplier<'_>, hoisted: &Hoisted) -> Result<()> {
        match multiplier {
            Multiplier::Plain(p) => self.check_plain_ext(p, hoisted.level(), hoisted.shape.special),
            Multiplier::Formed(p) => self.check_plain_ext(&p.0, hoisted.level(), hoisted.shape.special),
            Multiplier::Compact(p) => {
                self.check(p.id)?;
                p.check(self.params.log_q_at(hoisted.level()))
            }
        }
    }

    fn switched_estimate(&self, hoisted: &Hoisted) -> Estimate {
        self.noise.key_switch(hoisted.estimate, hoisted.level(), &hoisted.shape)
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
