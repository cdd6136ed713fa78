//! Carrying out a plan. Each sum is one multiply-accumulate per polynomial: products, linear terms
//! (constants are one-word factors) and operands of higher levels all in the same pass.

use super::plan::PolynomialPlan;
use super::polynomial::Polynomial;
use super::step::{Product, Step};
use crate::cipher::Ciphertext;
use crate::error::{CkksError, Result, check_id};
use crate::eval::{Evaluator, SCALE_TOLERANCE};
use crate::noise::Estimate;
use crate::ring::{Ring, RnsPoly};
use std::borrow::Cow;
use std::f64::consts::FRAC_1_SQRT_2;

impl Evaluator {
    /// p(ct) slot by slot, exactly at `target_scale`, [`Polynomial::depth`] levels below `ct`.
    /// Chebyshev polynomials want slots in [−1, 1].
    ///
    /// # Errors
    /// As [`PolynomialPlan::new`] and [`Evaluator::run_polynomial`].
    pub fn evaluate_polynomial(
        &self,
        ct: &Ciphertext,
        polynomial: &Polynomial,
        target_scale: f64,
    ) -> Result<Ciphertext> {
        let plan = PolynomialPlan::new(self.parameters(), polynomial, ct.level(), ct.scale(), target_scale)?;
        self.run_polynomial(ct, &plan)
    }

    /// Carries out `plan` on `ct`.
    ///
    /// # Errors
    /// `ParametersMismatch`; `Degree` unless `ct` has two polynomials; `LevelMismatch` or
    /// `ScaleMismatch` if the plan is for other levels or scales; `MissingKey` without a relinearisation
    /// key for the level of `ct`.
    pub fn run_polynomial(&self, ct: &Ciphertext, plan: &PolynomialPlan) -> Result<Ciphertext> {
        check_id(self.parameters(), ct.parameters_id())?;
        check_id(self.parameters(), plan.parameters_id())?;
        if ct.parts() != 2 {
            return Err(CkksError::Degree { operation: "run_polynomial", expected: 2, found: ct.parts() });
        }
        if ct.level() != plan.level() {
            return Err(CkksError::LevelMismatch { left: ct.level(), right: plan.level() });
        }
        if (ct.scale() - plan.scale()).abs() > SCALE_TOLERANCE * plan.scale() {
            return Err(CkksError::ScaleMismatch { left: ct.scale(), right: plan.scale() });
        }
        let last_use = last_uses(plan.steps());
        let mut values: Vec<Option<Ciphertext>> = Vec::with_capacity(plan.steps().len());
        for (k, step) in plan.steps().iter().enumerate() {
            let value = |index: usize| match index {
                0 => ct,
                _ => values[index - 1].as_ref().expect("values live until their last use"),
            };
            let result = self.step(step, value)?;
            values.push(Some(result));
            (0..k).filter(|v| last_use[*v] == k).for_each(|v| values[v] = None);
        }
        let result = values.pop().flatten().expect("every plan has a step");
        if plan.negate { self.neg(&result) } else { Ok(result) }
    }

    fn step<'a>(&self, step: &Step, value: impl Fn(usize) -> &'a Ciphertext) -> Result<Ciphertext> {
        let ring: &Ring = self.parameters().ring();
        let limbs = step.level + 1;
        let input = value(0);
        let linear: Vec<_> =
            step.linear.iter().map(|(index, c)| (value(*index), constant(ring, limbs, *c))).collect();
        let zero = constant(ring, limbs, 0);
        let factors: Vec<_> = step.products.iter().map(|p| Operands::new(ring, limbs, p, &value)).collect();
        let mut parts: Vec<RnsPoly> = if factors.is_empty() {
            let mut rows: Vec<_> = linear.iter().map(|(ct, c)| ([&ct.parts[0], &ct.parts[1]], c)).collect();
            if rows.is_empty() {
                rows.push(([&input.parts[0], &input.parts[1]], &zero));
            }
            ring.mul_acc_pair(limbs, 0, &rows).into()
        } else {
            let part = |i: usize| {
                let products = factors.iter().flat_map(|f| f.rows(i));
                let linear = linear.iter().filter_map(|(ct, c)| Some((ct.parts.get(i)?, c)));
                ring.mul_acc(limbs, 0, &products.chain(linear).collect::<Vec<_>>())
            };
            (0..3).map(part).collect()
        };
        if step.constant != 0 {
            ring.add_scalar_assign(&mut parts[0], |i| ring.modulus(i).residue_i128(step.constant));
        }
        let estimate = self.sum_estimate(step, &value);
        let sum = Ciphertext { id: input.id, parts, scale: step.scale, estimate };
        let mut out = match (step.rescale, factors.is_empty()) {
            (false, _) => sum,
            (true, true) => self.rescale(&sum)?,
            (true, false) => self.relinearize_rescale(&sum)?,
        };
        out.scale = step.scale;
        Ok(out)
    }
}

impl Evaluator {
    /// Estimate of a step's sum. A power T_n is known to have an rms of about 1/√2, which a recurrence of
    /// estimates would not find.
    fn sum_estimate<'a>(&self, step: &Step, value: impl Fn(usize) -> &'a Ciphertext) -> Estimate {
        let noise = self.noise();
        let products = step.products.iter().map(|p| {
            let [l, r] = [p.left, p.right].map(|i| (value(i).estimate, value(i).scale));
            let product = if p.left == p.right { noise.square(l.0, l.1) } else { noise.mul(l, r) };
            if p.doubled { noise.double(product) } else { product }
        });
        let q = if step.rescale { self.parameters().q()[step.level] as f64 } else { 1.0 };
        let linear = step.linear.iter().map(|(index, c)| {
            let (x, c) = (value(*index).estimate, *c as f64);
            let factor = c * value(*index).scale / (step.scale * q);
            Estimate { variance: x.variance * c * c, message: x.message * factor.abs() }
        });
        let sum = products.chain(linear).fold(Estimate::exact(0.0), |sum, term| noise.add(sum, term));
        let chebyshev = step.power.is_some() && step.products.iter().any(|p| p.doubled);
        if chebyshev { Estimate { message: FRAC_1_SQRT_2, ..sum } } else { sum }
    }
}

/// For each step the last step that reads its result; itself if none does.
fn last_uses(steps: &[Step]) -> Vec<usize> {
    let mut last: Vec<usize> = (0..steps.len()).collect();
    for (k, step) in steps.iter().enumerate() {
        let products = step.products.iter().flat_map(|p| [p.left, p.right]);
        for index in products.chain(step.linear.iter().map(|(index, _)| *index)).filter(|index| *index > 0) {
            last[index - 1] = k;
        }
    }
    last
}

/// The operands of a product, the left one doubled if the product is.
struct Operands<'a> {
    left: [Cow<'a, RnsPoly>; 2],
    right: [&'a RnsPoly; 2],
}

impl<'a> Operands<'a> {
    fn new(ring: &Ring, limbs: usize, product: &Product, value: impl Fn(usize) -> &'a Ciphertext) -> Self {
        let (left, right) = (value(product.left), value(product.right));
        let left = [&left.parts[0], &left.parts[1]].map(|poly| {
            if !product.doubled {
                return Cow::Borrowed(poly);
            }
            let mut twice = poly.truncated(limbs, 0);
            ring.add_assign(&mut twice, poly);
            Cow::Owned(twice)
        });
        Self { left, right: [&right.parts[0], &right.parts[1]] }
    }

    /// The products that make up polynomial `i` of the tensor product.
    fn rows(&self, i: usize) -> Vec<(&RnsPoly, &RnsPoly)> {
        let pairs: &[(usize, usize)] = match i {
            0 => &[(0, 0)],
            1 => &[(0, 1), (1, 0)],
            _ => &[(1, 1)],
        };
        pairs.iter().map(|(l, r)| (&*self.left[*l], self.right[*r])).collect()
    }
}

/// The constant polynomial c: one word a limb, the factor repeated over all evaluation points.
fn constant(ring: &Ring, limbs: usize, c: i128) -> RnsPoly {
    let mut poly = ring.uninit_short(1, limbs, 0);
    poly.limbs_mut().into_iter().enumerate().for_each(|(i, limb)| limb.fill(ring.modulus(i).residue_i128(c)));
    poly
}
