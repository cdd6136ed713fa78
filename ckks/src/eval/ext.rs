//! Arithmetic over QP: sums of products before ModDown, and giant steps.

use super::{Evaluator, check_levels, check_scales};
use crate::cipher::{Ciphertext, ExtCiphertext};
use crate::encoding::Plaintext;
use crate::error::{CkksError, Result};
use crate::noise::Estimate;
use crate::params::{KeyName, KeyShape};
use crate::ring::{AddendOver, GiantStep, MIN_LOG_N, Multiplicand, RnsPoly, Terms};

fn check_special(expected: usize, found: usize) -> Result<()> {
    if expected == found { Ok(()) } else { Err(CkksError::SpecialMismatch { expected, found }) }
}

impl Evaluator {
    /// Σ e_t·p_t over QP with one reduction for the whole sum; scales multiply. Plaintexts need at
    /// least the level and special limbs of the ciphertexts
    /// ([`Encoder::encode_ext`](crate::encoding::Encoder::encode_ext)).
    ///
    /// # Errors
    /// `Empty`, `ParametersMismatch`, `LevelMismatch`, `SpecialMismatch`, `ScaleMismatch`,
    /// `LevelTooHigh`.
    pub fn mul_acc_ext<'a>(
        &self,
        terms: impl IntoIterator<Item = (&'a ExtCiphertext, &'a Plaintext)>,
    ) -> Result<ExtCiphertext> {
        let terms: Vec<_> = terms.into_iter().collect();
        let Some(&(first, first_plain)) = terms.first() else {
            return Err(CkksError::Empty("mul_acc_ext"));
        };
        let scale = first.scale * first_plain.scale;
        let (level, special) = (first.level(), first.special());
        for (ct, plaintext) in &terms {
            self.check(ct.id)?;
            check_levels(level, ct.level())?;
            check_special(special, ct.special())?;
            self.check_plain_ext(plaintext, level, special)?;
            check_scales(scale, ct.scale * plaintext.scale)?;
        }
        let rows: Vec<_> = terms.iter().map(|(c, p)| ([&c.parts[0], &c.parts[1]], &p.poly)).collect();
        let parts = self.ring().mul_acc_pair(level + 1, special, &rows);
        let products =
            terms.iter().map(|(c, p)| self.noise.mul((c.estimate, c.scale), (p.estimate, p.scale)));
        let estimate = products.fold(Estimate::exact(0.0), |sum, term| self.noise.add(sum, term));
        Ok(ExtCiphertext { id: first.id, parts, scale, estimate })
    }

    /// Whether `plaintext` reaches `level` and `special` special primes.
    pub(super) fn check_plain_ext(&self, plaintext: &Plaintext, level: usize, special: usize) -> Result<()> {
        self.check(plaintext.id)?;
        if plaintext.level() < level {
            let max = plaintext.level();
            return Err(CkksError::LevelTooHigh { what: "plaintext operand", level, max });
        }
        check_special(special, plaintext.special().min(special))
    }

    /// a + b over QP.
    ///
    /// # Errors
    /// `ParametersMismatch`, `LevelMismatch`, `SpecialMismatch`, `ScaleMismatch`.
    pub fn add_ext(&self, a: &ExtCiphertext, b: &ExtCiphertext) -> Result<ExtCiphertext> {
        let mut out = a.clone();
        self.add_assign_ext(&mut out, b)?;
        Ok(out)
    }

    /// a ← a + b over QP.
    ///
    /// # Errors
    /// As [`Evaluator::add_ext`]; `a` is unchanged on error.
    pub fn add_assign_ext(&self, a: &mut ExtCiphertext, b: &ExtCiphertext) -> Result<()> {
        self.check(a.id)?;
        self.check(b.id)?;
        check_levels(a.level(), b.level())?;
        check_special(a.special(), b.special())?;
        check_scales(a.scale, b.scale)?;
        for (a, b) in a.parts.iter_mut().zip(&b.parts) {
            self.ring().add_assign(a, b);
        }
        a.estimate = self.noise.add(a.estimate, b.estimate);
        Ok(())
    }

    /// Rotation of a ciphertext over QP: the second polynomial is brought down, decomposed and
    /// switched; the first stays over QP. Step 0 is a copy.
    ///
    /// # Errors
    /// `ParametersMismatch`; `MissingKey` unless there is a key for `step` with the ciphertext's
    /// number of special primes.
    pub fn giant_ext(&self, a: &ExtCiphertext, step: i64) -> Result<ExtCiphertext> {
        self.check(a.id)?;
        let name = match self.params.normalized_step(step) {
            0 => return Ok(a.clone()),
            step => KeyName::Rotation(step),
        };
        let shape = &self.giant_shape(name, a)?;
        let parts = self.ring().giant_steps(None, &[self.giant_step(name, a, shape)?]);
        let estimate = self.noise.giant(a.estimate, a.level(), shape);
        Ok(ExtCiphertext { id: a.id, parts, scale: a.scale, estimate })
    }

    /// Adds up the two real vectors u and v that are real and imaginary part of `a`: slot j of a = (u + i·v)/2 becomes
    /// u_j + v_{j+step}.
    ///
    /// The sum is z + conj z with z = a − i·rot(a, step); its three images of a share one decomposition, and i is
    /// the monomial X^(N/2).
    ///
    /// # Errors
    /// As [`Evaluator::giant_ext`], for `step`, the conjugation and both at once.
    pub fn fold_ext(&self, a: &ExtCiphertext, step: i64) -> Result<ExtCiphertext> {
        self.check(a.id)?;
        let step = self.params.normalized_step(step);
        // Bootstraps may have a conjugation key of another shape; both at once is for folds only.
        let (shape, names) = if step == 0 {
            (self.giant_shape(KeyName::Conjugation, a)?, vec![KeyName::Conjugation])
        } else {
            let both = KeyName::ConjugateRotation(step);
            (self.giant_shape(both, a)?, vec![KeyName::Conjugation, KeyName::Rotation(step), both])
        };
        let shape = &shape;
        let mut images = vec![None];
        for name in names {
            let key = self.keys.find(name, a.level(), Some(shape))?;
            images.push(Some((&key.rows[..], self.params.galois_element(name))));
        }
        let [rotated, both] = if step == 0 { [0, 1] } else { [2, 3] };
        let [one, i, minus_i] = [(0, 1), (1, 1), (1, -1)].map(|(half, x)| {
            let mut monomial = [0i64; 1 << MIN_LOG_N];
            monomial[half << (MIN_LOG_N - 1)] = x;
            monomial
        });
        let terms = [(0, &one), (1, &one), (rotated, &minus_i), (both, &i)];
        let terms = terms.map(|(image, factor)| (image, Multiplicand::Coefficients(factor))).to_vec();
        let ring = self.ring();
        let down = ring.mod_down_ref(&a.parts[1], 0);
        let digits = ring.mod_up(&down, shape.special, shape.digit_limbs);
        let addend = AddendOver::QP(a.parts.each_ref().map(Some));
        let parts = ring.rotated_sums((&down, &digits), addend, &images, &[terms]).swap_remove(0);
        let switched = self.noise.giant(a.estimate, a.level(), shape);
        let variance = a.estimate.variance + 3.0 * switched.variance;
        let estimate = Estimate { variance, message: 2.0 * a.estimate.message };
        Ok(ExtCiphertext { id: a.id, parts, scale: a.scale, estimate })
    }

    /// Σ rot(x_k, step_k) over QP: giant steps, each added to the sum limb by limb as it is made, so that only the sum
    /// is written to memory.
    ///
    /// # Errors
    /// `Empty`; those of [`Evaluator::giant_ext`] and [`Evaluator::add_ext`].
    pub fn giant_sum_ext(&self, terms: &[(&ExtCiphertext, i64)]) -> Result<ExtCiphertext> {
        let (first, _) = *terms.first().ok_or(CkksError::Empty("giant_sum_ext"))?;
        let (mut sum, mut steps): (Option<[RnsPoly; 2]>, _) = (None, Vec::new());
        let mut estimate = Estimate::exact(0.0);
        for (x, step) in terms {
            let step = self.params.normalized_step(*step);
            self.check(x.id)?;
            check_levels(first.level(), x.level())?;
            check_special(first.special(), x.special())?;
            check_scales(first.scale, x.scale)?;
            let name = KeyName::Rotation(step);
            let term = if step == 0 {
                match &mut sum {
                    None => sum = Some(x.parts.clone()),
                    Some(sum) => sum.iter_mut().zip(&x.parts).for_each(|(a, b)| self.ring().add_assign(a, b)),
                }
                x.estimate
            } else {
                let shape = &self.giant_shape(name, x)?;
                steps.push(self.giant_step(name, x, shape)?);
                self.noise.giant(x.estimate, x.level(), shape)
            };
            estimate = self.noise.add(estimate, term);
        }
        let parts = self.ring().giant_steps(sum, &steps);
        Ok(ExtCiphertext { id: first.id, parts, scale: first.scale, estimate })
    }

    fn giant_step<'a>(
        &'a self,
        name: KeyName,
        a: &'a ExtCiphertext,
        shape: &KeyShape,
    ) -> Result<GiantStep<'a>> {
        let key = self.keys.find(name, a.level(), Some(shape))?;
        let image = Some(self.params.galois_element(name));
        let terms = Terms { rows: &key.rows, addend: AddendOver::QP([Some(&a.parts[0]), None]), image };
        Ok(GiantStep { x: &a.parts[1], digit_limbs: shape.digit_limbs, terms })
    }

    /// The gadget of a key for `name` with as many special primes as `a`: the widest digits first.
    fn giant_shape(&self, name: KeyName, a: &ExtCiphertext) -> Result<KeyShape> {
        let (level, special) = (a.level(), a.special());
        (1..=special)
            .rev()
            .map(|digit_limbs| KeyShape { level, special, digit_limbs })
            .find(|shape| self.keys.find(name, level, Some(shape)).is_ok())
            .ok_or(CkksError::MissingKey { key: name, level, special })
    }

    /// Divides by P: the ciphertext over Q.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn mod_down(&self, a: &ExtCiphertext) -> Result<Ciphertext> {
        self.check(a.id)?;
        let parts = self.ring().mod_down_each(&a.parts, 0);
        Ok(Ciphertext { id: a.id, parts, scale: a.scale, estimate: self.noise.mod_down(a.estimate) })
    }

    /// Divides by P·q_level in one go: ModDown and rescale with one rounding.
    ///
    /// # Errors
    /// `ParametersMismatch`, `LevelExhausted`.
    pub fn mod_down_rescale(&self, a: &ExtCiphertext) -> Result<Ciphertext> {
        self.check(a.id)?;
        let scale = self.rescaled("mod_down_rescale", a.scale, a.level())?;
        let parts = self.ring().mod_down_each(&a.parts, 1);
        let estimate = self.noise.rescale(a.estimate, a.level(), 2);
        Ok(Ciphertext { id: a.id, parts, scale, estimate })
    }
}
