//! One sum of a plan under construction: integer coefficients and the bound on their rounding.

use super::step::{Product, Step};
use crate::error::{CkksError, Result};
use crate::params::Parameters;

/// Largest magnitude of an integer coefficient, as a power of two.
const MAX_LOG2_INTEGER: f64 = 126.0;

/// What is known of a value: its place, its scale, bounds on its rounding error and on itself for
/// arguments in [−1, 1].
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) level: usize,
    pub(super) scale: f64,
    pub(super) error: f64,
    pub(super) magnitude: f64,
}

/// Σ products + Σ integer·value + constant at `level` and `scale`.
pub(super) struct Sum<'a> {
    params: &'a Parameters,
    level: usize,
    scale: f64,
    products: Vec<Product>,
    linear: Vec<(usize, i128)>,
    constant: i128,
    error: f64,
}

impl<'a> Sum<'a> {
    pub(super) fn new(params: &'a Parameters, level: usize, scale: f64) -> Result<Self> {
        let scale = checked_scale(scale)?;
        Ok(Self { params, level, scale, products: Vec::new(), linear: Vec::new(), constant: 0, error: 0.0 })
    }

    /// Adds the product of two values, or twice it; its scale is that of the sum.
    pub(super) fn product(&mut self, values: &[Value], left: usize, right: usize, doubled: bool) {
        let (a, b) = (values[left], values[right]);
        debug_assert!(a.level >= self.level && b.level >= self.level);
        debug_assert!((a.scale * b.scale / self.scale - 1.0).abs() < crate::eval::SCALE_TOLERANCE);
        let error = a.error * b.magnitude + b.error * a.magnitude + a.error * b.error;
        self.error += if doubled { 2.0 * error } else { error };
        self.products.push(Product { left, right, doubled });
    }

    /// Adds c·value; a coefficient that rounds to zero is left out.
    pub(super) fn linear(&mut self, values: &[Value], index: usize, c: f64) -> Result<()> {
        let value = values[index];
        debug_assert!(value.level >= self.level);
        if c == 0.0 {
            return Ok(());
        }
        let ratio = checked_scale(self.scale / value.scale)?;
        self.error += 0.5 / ratio * value.magnitude + c.abs() * value.error;
        let integer = self.integer(c, ratio)?;
        if integer != 0 {
            self.linear.push((index, integer));
        }
        Ok(())
    }

    /// Sets the constant.
    pub(super) fn constant(&mut self, c: f64) -> Result<()> {
        self.constant = self.integer(c, self.scale)?;
        self.error += if c == 0.0 { 0.0 } else { 0.5 / self.scale };
        Ok(())
    }

    /// The finished step, rescaled to `scale` if `rescale`, and its value.
    pub(super) fn finish(
        self,
        power: Option<usize>,
        rescale: bool,
        scale: f64,
        magnitude: f64,
    ) -> Result<(Step, Value)> {
        let scale = checked_scale(scale)?;
        let Self { level, products, linear, constant, error, .. } = self;
        let value = Value { level: level - usize::from(rescale), scale, error, magnitude };
        Ok((Step { power, level, rescale, scale, products, linear, constant }, value))
    }

    /// Refuses a scale at which `value` would reach half the modulus.
    pub(super) fn fits(&self, value: f64) -> Result<()> {
        self.integer(value, self.scale).map(|_| ())
    }

    /// round(c·scale), below half the modulus.
    fn integer(&self, c: f64, scale: f64) -> Result<i128> {
        let scaled = (c * scale).round_ties_even();
        let limit = (self.params.log_q_at(self.level) - 1.0).min(MAX_LOG2_INTEGER);
        if scaled.abs() >= 1.0 && scaled.abs().log2() >= limit {
            return Err(CkksError::CoefficientTooLarge { log2: scaled.abs().log2(), limit });
        }
        Ok(scaled as i128)
    }
}

/// A scale that is a positive finite number.
pub(super) fn checked_scale(scale: f64) -> Result<f64> {
    if scale.is_finite() && scale > 0.0 { Ok(scale) } else { Err(CkksError::BadScale(scale)) }
}
