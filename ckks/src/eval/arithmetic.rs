//! Additions, plaintext and constant products, tensor products, level changes.

use super::{Evaluator, check_levels, check_scales};
use crate::cipher::Ciphertext;
use crate::encoding::Plaintext;
use crate::error::{CkksError, Result};
use crate::noise::Estimate;
use crate::ring::RnsPoly;

impl Evaluator {
    /// a + b. The estimate takes a and b as independent, unless they are the same object.
    ///
    /// # Errors
    /// `ParametersMismatch`, `LevelMismatch`, `ScaleMismatch`.
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        if std::ptr::eq(a, b) {
            return self.double(a);
        }
        let mut out = a.clone();
        self.add_assign(&mut out, b)?;
        Ok(out)
    }

    /// 2·a.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn double(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.check(a.id)?;
        let mut out = a.clone();
        out.parts.iter_mut().zip(&a.parts).for_each(|(x, a)| self.ring().add_assign(x, a));
        out.estimate = self.noise.double(a.estimate);
        Ok(out)
    }

    /// a ← a + b.
    ///
    /// # Errors
    /// As [`Evaluator::add`]; `a` is unchanged on error.
    pub fn add_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<()> {
        self.check_sum(a, b)?;
        for (a, b) in a.parts.iter_mut().zip(&b.parts) {
            self.ring().add_assign(a, b);
        }
        a.parts.extend(b.parts.iter().skip(a.parts.len()).cloned());
        a.estimate = self.noise.add(a.estimate, b.estimate);
        Ok(())
    }

    /// a − b.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        let mut out = a.clone();
        self.sub_assign(&mut out, b)?;
        Ok(out)
    }

    /// a ← a − b.
    ///
    /// # Errors
    /// As [`Evaluator::add`]; `a` is unchanged on error.
    pub fn sub_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<()> {
        self.check_sum(a, b)?;
        for (a, b) in a.parts.iter_mut().zip(&b.parts) {
            self.ring().sub_assign(a, b);
        }
        let had = a.parts.len();
        a.parts.extend(b.parts.iter().skip(had).cloned());
        a.parts.iter_mut().skip(had).for_each(|p| self.ring().neg_assign(p));
        a.estimate = self.noise.add(a.estimate, b.estimate);
        Ok(())
    }

    fn check_sum(&self, a: &Ciphertext, b: &Ciphertext) -> Result<()> {
        self.check(a.id)?;
        self.check(b.id)?;
        check_levels(a.level(), b.level())?;
        check_scales(a.scale, b.scale)
    }

    /// −a.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn neg(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.check(a.id)?;
        let mut out = a.clone();
        out.parts.iter_mut().for_each(|p| self.ring().neg_assign(p));
        Ok(out)
    }

    /// a + plaintext; the plaintext's level may be higher.
    ///
    /// # Errors
    /// `ParametersMismatch`, `LevelTooHigh` if the plaintext's level is lower, `ScaleMismatch`.
    pub fn add_plain(&self, a: &Ciphertext, plaintext: &Plaintext) -> Result<Ciphertext> {
        self.check_plain(a, plaintext)?;
        check_scales(a.scale, plaintext.scale)?;
        let mut out = a.clone();
        self.ring().add_assign(&mut out.parts[0], &plaintext.poly);
        out.estimate = self.noise.add(a.estimate, plaintext.estimate);
        Ok(out)
    }

    /// a − plaintext; the plaintext's level may be higher.
    ///
    /// # Errors
    /// As [`Evaluator::add_plain`].
    pub fn sub_plain(&self, a: &Ciphertext, plaintext: &Plaintext) -> Result<Ciphertext> {
        self.check_plain(a, plaintext)?;
        check_scales(a.scale, plaintext.scale)?;
        let mut out = a.clone();
        self.ring().sub_assign(&mut out.parts[0], &plaintext.poly);
        out.estimate = self.noise.add(a.estimate, plaintext.estimate);
        Ok(out)
    }

    pub(super) fn check_plain(&self, a: &Ciphertext, plaintext: &Plaintext) -> Result<()> {
        self.check(a.id)?;
        self.check(plaintext.id)?;
        if plaintext.level() < a.level() {
            let (level, max) = (a.level(), plaintext.level());
            return Err(CkksError::LevelTooHigh { what: "plaintext operand", level, max });
        }
        Ok(())
    }

    /// a + c in every slot.
    ///
    /// # Errors
    /// `ParametersMismatch`; `NotFinite` or `CoefficientTooLarge` for c·scale.
    pub fn add_const(&self, a: &Ciphertext, c: f64) -> Result<Ciphertext> {
        self.check(a.id)?;
        let integer = self.integer(c, a.scale, a.level())?;
        let mut out = a.clone();
        let ring = self.ring();
        ring.add_scalar_assign(&mut out.parts[0], |index| ring.modulus(index).residue_i128(integer));
        out.estimate = self.noise.add_const(a.estimate, c, a.scale);
        Ok(out)
    }

    /// a·c in every slot: by the integer nearest to c·`scale`; the scale is multiplied by `scale`.
    ///
    /// # Errors
    /// As [`Evaluator::add_const`]; `BadScale`.
    pub fn mul_const(&self, a: &Ciphertext, c: f64, scale: f64) -> Result<Ciphertext> {
        self.check(a.id)?;
        if !(scale.is_finite() && scale > 0.0) {
            return Err(CkksError::BadScale(scale));
        }
        let integer = self.integer(c, scale, a.level())?;
        let mut out = a.clone();
        let ring = self.ring();
        for part in &mut out.parts {
            ring.mul_scalar_assign(part, |index| ring.modulus(index).residue_i128(integer));
        }
        out.scale *= scale;
        out.estimate = self.noise.mul_const((a.estimate, a.scale), c, scale);
        Ok(out)
    }

    /// round(c·scale), below half the modulus of `level`.
    fn integer(&self, c: f64, scale: f64, level: usize) -> Result<i128> {
        let scaled = (c * scale).round_ties_even();
        if !scaled.is_finite() {
            return Err(CkksError::NotFinite { index: 0 });
        }
        let limit = (self.params.log_q_at(level) - 1.0).min(126.0);
        if scaled.abs() >= 1.0 && scaled.abs().log2() >= limit {
            return Err(CkksError::CoefficientTooLarge { log2: scaled.abs().log2(), limit });
        }
        Ok(scaled as i128)
    }

    /// a·i in every slot, free of noise and of level: multiplication by X^(N/2).
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn mul_by_i(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.check(a.id)?;
        let mut out = a.clone();
        out.parts.iter_mut().for_each(|p| self.ring().mul_by_i_assign(p));
        Ok(out)
    }

    /// a·plaintext slot by slot, without rescaling; scales multiply. The plaintext's level may be
    /// higher.
    ///
    /// # Errors
    /// `ParametersMismatch`, `LevelTooHigh` if the plaintext's level is lower.
    pub fn mul_plain(&self, a: &Ciphertext, plaintext: &Plaintext) -> Result<Ciphertext> {
        self.check_plain(a, plaintext)?;
        let limbs = a.level() + 1;
        let product = |p: &RnsPoly| self.ring().mul_acc(limbs, 0, &[(p, &plaintext.poly)]);
        let parts = a.parts.iter().map(product).collect();
        Ok(Self::with_parts(a, parts, a.scale * plaintext.scale, self.product_estimate(a, plaintext)))
    }

    fn product_estimate(&self, a: &Ciphertext, plaintext: &Plaintext) -> Estimate {
        self.noise.mul((a.estimate, a.scale), (plaintext.estimate, plaintext.scale))
    }

    /// Σ a_t·p_t slot by slot with one reduction for the whole sum, without rescaling.
    ///
    /// # Errors
    /// `Empty`; as [`Evaluator::mul_plain`]; `LevelMismatch`, `ScaleMismatch` among the products;
    /// `Degree` if the ciphertexts have different numbers of polynomials.
    pub fn mul_acc<'a>(
        &self,
        terms: impl IntoIterator<Item = (&'a Ciphertext, &'a Plaintext)>,
    ) -> Result<Ciphertext> {
        let terms: Vec<_> = terms.into_iter().collect();
        let Some(&(first, first_plain)) = terms.first() else {
            return Err(CkksError::Empty("mul_acc"));
        };
        let scale = first.scale * first_plain.scale;
        for (ct, plaintext) in &terms {
            self.check_plain(ct, plaintext)?;
            self.check_degree("mul_acc", ct, first.parts.len())?;
            check_levels(first.level(), ct.level())?;
            check_scales(scale, ct.scale * plaintext.scale)?;
        }
        let (ring, limbs) = (self.ring(), first.level() + 1);
        let rows: Vec<_> = terms.iter().map(|(c, p)| ([&c.parts[0], &c.parts[1]], &p.poly)).collect();
        let mut parts = Vec::from(ring.mul_acc_pair(limbs, 0, &rows));
        if first.parts.len() == 3 {
            let rows: Vec<_> = terms.iter().map(|(c, p)| (&c.parts[2], &p.poly)).collect();
            parts.push(ring.mul_acc(limbs, 0, &rows));
        }
        let products = terms.iter().map(|(c, p)| self.product_estimate(c, p));
        let estimate = products.fold(Estimate::exact(0.0), |sum, term| self.noise.add(sum, term));
        Ok(Self::with_parts(first, parts, scale, estimate))
    }

    /// a·b as three polynomials, neither relinearised nor rescaled; scales multiply. The same object
    /// twice is squared.
    ///
    /// # Errors
    /// `ParametersMismatch`, `LevelMismatch`, `Degree`.
    pub fn mul(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.check_degree("mul", a, 2)?;
        self.check_degree("mul", b, 2)?;
        check_levels(a.level(), b.level())?;
        if std::ptr::eq(a, b) {
            return self.square(a);
        }
        let (ring, limbs) = (self.ring(), a.level() + 1);
        let ([a0, a1], [b0, b1]) = ([&a.parts[0], &a.parts[1]], [&b.parts[0], &b.parts[1]]);
        let cross = ring.mul_acc(limbs, 0, &[(a0, b1), (a1, b0)]);
        let parts = vec![ring.mul(a0, b0), cross, ring.mul(a1, b1)];
        let estimate = self.noise.mul((a.estimate, a.scale), (b.estimate, b.scale));
        Ok(Self::with_parts(a, parts, a.scale * b.scale, estimate))
    }

    /// a² as three polynomials.
    ///
    /// # Errors
    /// As [`Evaluator::mul`].
    pub fn square(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.check_degree("square", a, 2)?;
        let ring = self.ring();
        let (a0, a1) = (&a.parts[0], &a.parts[1]);
        let mut cross = ring.mul(a0, a1);
        let copy = cross.clone();
        ring.add_assign(&mut cross, &copy);
        let parts = vec![ring.mul(a0, a0), cross, ring.mul(a1, a1)];
        let estimate = self.noise.square(a.estimate, a.scale);
        Ok(Self::with_parts(a, parts, a.scale * a.scale, estimate))
    }

    /// Divides by q_level, rounding, and drops to the next level.
    ///
    /// # Errors
    /// `ParametersMismatch`, `LevelExhausted` at level 0.
    pub fn rescale(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.check(a.id)?;
        let scale = self.rescaled("rescale", a.scale, a.level())?;
        let parts = self.ring().mod_down_each(&a.parts, 1);
        let estimate = self.noise.rescale(a.estimate, a.level(), a.parts.len());
        Ok(Self::with_parts(a, parts, scale, estimate))
    }

    /// The scale after a rescale at `level`.
    pub(super) fn rescaled(&self, operation: &'static str, scale: f64, level: usize) -> Result<f64> {
        self.params.rescaled(scale, level).ok_or(CkksError::LevelExhausted { operation, level })
    }

    /// The same message at a lower level (limbs are dropped, the scale stays).
    ///
    /// # Errors
    /// `ParametersMismatch`, `LevelTooHigh` if `level` is above the ciphertext's.
    pub fn drop_to_level(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext> {
        self.check(a.id)?;
        if level > a.level() {
            return Err(CkksError::LevelTooHigh { what: "drop_to_level", level, max: a.level() });
        }
        let parts = a.parts.iter().map(|p| p.truncated(level + 1, 0)).collect();
        Ok(Self::with_parts(a, parts, a.scale, a.estimate))
    }
}
