//! What each operation does to an estimate.

use super::Estimate;
use crate::params::{KeyShape, Parameters, Secret};

/// Variance of rounding to an integer.
const ROUNDING: f64 = 1.0 / 12.0;

/// Variance of the error of a ciphertext of `parts` polynomials, 2 or 3, each rounded to integers, under a
/// secret with `weight` nonzero coefficients: Σ_i ‖s^i‖²/12. ‖s²‖² = 2·h², as the coefficients of s² are
/// sums of equal pairs.
pub fn rounding(weight: f64, parts: usize) -> f64 {
    let third = if parts > 2 { 2.0 * weight * weight } else { 0.0 };
    (1.0 + weight + third) * ROUNDING
}

/// The variance model of one parameter set. Operations that are not here leave estimates as they are:
/// negation, multiplication by i, dropping limbs, hoisting.
///
/// Products take their operands with their scales. A variance over QP is that of the error after exact
/// division by P.
#[derive(Debug, Clone)]
pub struct NoiseModel {
    params: Parameters,
    n: f64,
    sigma2: f64,
    weight: f64,
}

impl NoiseModel {
    /// The model of `params`.
    pub fn new(params: &Parameters) -> Self {
        let n = params.n() as f64;
        let weight = match params.literal().secret {
            Secret::UniformTernary => 2.0 * n / 3.0,
        };
        Self { params: params.clone(), n, sigma2: params.sigma() * params.sigma(), weight }
    }

    /// Expected number h of nonzero coefficients of the secret.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// A plaintext of slots of rms `message` with `coefficients` coefficients rounded to integers; the
    /// other coefficients are 0.
    pub fn encoded(&self, coefficients: usize, message: f64) -> Estimate {
        Estimate { variance: ROUNDING * coefficients as f64 / self.n, message }
    }

    /// A secret-key encryption of an encoded vector: σ² + 1/12.
    pub fn fresh_secret(&self, message: f64) -> Estimate {
        Estimate { variance: self.sigma2 + ROUNDING, message }
    }

    /// A public-key encryption of an encoded vector: (h+1)/12 + 1/12 and, over p_0, the errors of the key
    /// and of the encryption.
    pub fn fresh_public(&self, message: f64) -> Estimate {
        let special = self.params.p()[0] as f64;
        let errors = self.sigma2 * (2.0 * self.weight + 1.0) / (special * special);
        Estimate { variance: rounding(self.weight, 2) + ROUNDING + errors, message }
    }

    /// A sum or difference of independent operands, one of them possibly a plaintext.
    pub fn add(&self, a: Estimate, b: Estimate) -> Estimate {
        Estimate { variance: a.variance + b.variance, message: a.message.hypot(b.message) }
    }

    /// 2·x: amplitudes double.
    pub fn double(&self, x: Estimate) -> Estimate {
        Estimate { variance: 4.0 * x.variance, message: 2.0 * x.message }
    }

    /// x + c at `scale`; c·scale is rounded.
    pub fn add_const(&self, x: Estimate, c: f64, scale: f64) -> Estimate {
        let lost = (c * scale).round_ties_even() - c * scale;
        Estimate { variance: x.variance + lost * lost / self.n, message: x.message.hypot(c) }
    }

    /// x·c by the integer nearest to c·`scale`.
    pub fn mul_const(&self, (x, x_scale): (Estimate, f64), c: f64, scale: f64) -> Estimate {
        let integer = (c * scale).round_ties_even();
        let lost = (integer - c * scale) * x.message * x_scale;
        let variance = x.variance * integer * integer + lost * lost / self.n;
        Estimate { variance, message: x.message * c.abs() }
    }

    /// x·y, y possibly a plaintext: the error is e_x·y + x·e_y + e_x·e_y.
    pub fn mul(&self, (x, x_scale): (Estimate, f64), (y, y_scale): (Estimate, f64)) -> Estimate {
        let (a, b) = (x.message * x_scale, y.message * y_scale);
        let variance = x.variance * b * b + y.variance * a * a + self.n * x.variance * y.variance;
        Estimate { variance, message: x.message * y.message }
    }

    /// x²: the error is 2·e·x + e², and a slot of e has E|e|⁴ = 2·(E|e|²)².
    pub fn square(&self, x: Estimate, scale: f64) -> Estimate {
        let a = x.message * scale;
        let variance = 4.0 * x.variance * a * a + 2.0 * self.n * x.variance * x.variance;
        Estimate { variance, message: x.message * x.message }
    }

    /// The key switch of a ciphertext of `level` with keys of `shape`, over QP: adds
    /// N·σ²·Σ D²/(12·P²) over the digits D.
    pub fn key_switch(&self, x: Estimate, level: usize, shape: &KeyShape) -> Estimate {
        let log_p: f64 = self.params.p().iter().take(shape.special).map(|p| (*p as f64).log2()).sum();
        let digits = self.params.q()[..=level].chunks(shape.digit_limbs);
        let log_d = |digit: &[u64]| digit.iter().map(|q| (*q as f64).log2()).sum::<f64>();
        let ratios: f64 = digits.map(|d| (2.0 * (log_d(d) - log_p)).exp2()).sum();
        Estimate { variance: x.variance + self.n * self.sigma2 * ROUNDING * ratios, ..x }
    }

    /// A giant step over QP: the second polynomial is rounded before it is switched.
    pub fn giant(&self, x: Estimate, level: usize, shape: &KeyShape) -> Estimate {
        let rounded = x.variance + self.weight * ROUNDING;
        self.key_switch(Estimate { variance: rounded, ..x }, level, shape)
    }

    /// Division by P: from QP to Q.
    pub fn mod_down(&self, x: Estimate) -> Estimate {
        Estimate { variance: x.variance + rounding(self.weight, 2), ..x }
    }

    /// Division by q_level, or by P·q_level from QP, of a ciphertext of `parts` polynomials.
    pub fn rescale(&self, x: Estimate, level: usize, parts: usize) -> Estimate {
        let q = self.params.q()[level] as f64;
        Estimate { variance: x.variance / (q * q) + rounding(self.weight, parts), ..x }
    }
}
