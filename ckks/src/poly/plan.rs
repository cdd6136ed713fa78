//! Plans: the exact sequence of sums, with levels and scales, before any ciphertext exists.

use super::polynomial::{Basis, Parity, Polynomial, depth_of_power, divide, trim};
use super::search::{Choice, Strategy, quotient_parity};
use crate::error::{CkksError, Result};
use crate::params::{Parameters, ParametersId};
use std::collections::BTreeMap;

/// Largest magnitude of an integer coefficient, as a power of two.
const MAX_LOG2_INTEGER: f64 = 126.0;

/// A tensor product of two values of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Index of the left value.
    pub left: usize,
    /// Index of the right value.
    pub right: usize,
    /// Whether the product counts twice (T_{a+b} = 2·T_a·T_b − T_{a−b}).
    pub doubled: bool,
}

/// One sum: Σ products + Σ integer·value + constant, formed at `level` (operands of higher levels are
/// read at it), then relinearised if it has products, and rescaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// n if the step computes T_n or x^n.
    pub power: Option<usize>,
    /// Level of the sum.
    pub level: usize,
    /// Whether the sum is rescaled; false only for a constant polynomial.
    pub rescale: bool,
    /// Scale of the result.
    pub scale: f64,
    /// Products of earlier values.
    pub products: Vec<Product>,
    /// Earlier values and their integer coefficients.
    pub linear: Vec<(usize, i128)>,
    /// The integer added to every slot, at the scale of the sum.
    pub constant: i128,
}

/// How to evaluate one polynomial on ciphertexts of one level and scale. Value 0 is the input, value
/// k + 1 the result of step k; the last step gives the result.
#[derive(Debug, Clone, PartialEq)]
pub struct PolynomialPlan {
    id: ParametersId,
    level: usize,
    scale: f64,
    steps: Vec<Step>,
    rounding_error: f64,
}

impl PolynomialPlan {
    /// Plans `polynomial` on ciphertexts at `level` and `scale`, the result at `target_scale`.
    ///
    /// # Errors
    /// `LevelTooHigh`; `NotEnoughLevels` if `level` is below [`Polynomial::depth`]; `BadScale` for a
    /// scale, given or intermediate, that is no positive finite number; `CoefficientTooLarge` if a
    /// scaled coefficient reaches half the modulus it is taken by.
    pub fn new(
        params: &Parameters,
        polynomial: &Polynomial,
        level: usize,
        scale: f64,
        target_scale: f64,
    ) -> Result<Self> {
        let (depth, max) = (polynomial.depth(), params.max_level());
        if level > max {
            return Err(CkksError::LevelTooHigh { what: "polynomial evaluation", level, max });
        }
        if level < depth {
            return Err(CkksError::NotEnoughLevels { needed: depth, level });
        }
        let input = Value { level, scale: checked_scale(scale)?, error: 0.0, magnitude: 1.0 };
        let mut builder = Builder {
            params,
            basis: polynomial.basis(),
            strategy: None,
            level,
            powers: BTreeMap::from([(1, 0)]),
            values: vec![input],
            steps: Vec::new(),
        };
        if depth > 0 {
            let (basis, degree) = (polynomial.basis(), polynomial.degree());
            builder.strategy = Some(Strategy::search(basis, polynomial.parity(), degree));
        }
        let coefficients = polynomial.coefficients().to_vec();
        builder.node(coefficients, polynomial.parity(), depth, checked_scale(target_scale)?)?;
        let rounding_error = builder.values.last().map_or(0.0, |v| v.error);
        Ok(Self { id: params.id(), level, scale, steps: builder.steps, rounding_error })
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.id
    }

    /// Level of the input.
    pub fn level(&self) -> usize {
        self.level
    }

    /// Scale of the input.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The steps, in order of execution.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Levels from the input to the result.
    pub fn depth(&self) -> usize {
        self.steps.last().map_or(0, |s| self.level - s.level + usize::from(s.rescale))
    }

    /// Relinearisations, each merged with a rescaling.
    pub fn relinearizations(&self) -> usize {
        self.steps.iter().filter(|s| !s.products.is_empty()).count()
    }

    /// Rescalings of sums without products.
    pub fn plain_rescalings(&self) -> usize {
        self.steps.iter().filter(|s| s.products.is_empty() && s.rescale).count()
    }

    /// Ciphertext-ciphertext products.
    pub fn multiplications(&self) -> usize {
        self.steps.iter().map(|s| s.products.len()).sum()
    }

    /// Indices n of the powers T_n or x^n computed, in order of execution, the input left out.
    pub fn powers(&self) -> Vec<usize> {
        self.steps.iter().filter_map(|s| s.power).collect()
    }

    /// Bound on the error of the result, in units of its slots for arguments in [−1, 1], that comes
    /// from rounding coefficients to integers; encryption noise and doubles' 2^-53 come on top.
    ///
    /// A coefficient of a value of scale s in a sum of scale S is off by at most s/(2S): about 2^-41
    /// with 40-bit primes and scales equal to them. A `target_scale` far below the input's or a prime
    /// far below the scale shows here as a large bound; nothing is refused.
    pub fn rounding_error(&self) -> f64 {
        self.rounding_error
    }
}

/// What is known of a value: place, scale, bounds on [−1, 1].
#[derive(Debug, Clone, Copy)]
struct Value {
    level: usize,
    scale: f64,
    error: f64,
    magnitude: f64,
}

struct Builder<'a> {
    params: &'a Parameters,
    basis: Basis,
    strategy: Option<Strategy>,
    level: usize,
    /// Power → index of its value.
    powers: BTreeMap<usize, usize>,
    values: Vec<Value>,
    steps: Vec<Step>,
}

impl Builder<'_> {
    fn strategy(&self) -> &Strategy {
        self.strategy.as_ref().expect("only constants have no strategy, and they need none")
    }

    /// The value T_n or x^n, computed if it is not there yet.
    fn power(&mut self, n: usize) -> Result<usize> {
        if let Some(index) = self.powers.get(&n) {
            return Ok(*index);
        }
        let (a, b) =
            self.strategy().factors(self.basis, n).expect("the search admits only powers that have factors");
        let chebyshev = self.basis == Basis::Chebyshev;
        let (left, right) = (self.power(a)?, self.power(b)?);
        let difference = if chebyshev && a != b { Some(self.power(a - b)?) } else { None };
        let level = self.level + 1 - depth_of_power(n);
        let scale = checked_scale(self.values[left].scale * self.values[right].scale)?;
        let mut sum = Sum::new(self.params, level, scale);
        sum.product(&self.values, left, right, chebyshev);
        if let Some(index) = difference {
            sum.linear(&self.values, index, -1.0)?;
        } else if chebyshev {
            sum.constant(-1.0)?;
        }
        let result = scale / self.params.q()[level] as f64;
        let index = self.push(sum, Some(n), true, result, 1.0)?;
        self.powers.insert(n, index);
        Ok(index)
    }

    /// The value of Σ c_i·T_i at depth `d` and scale `target`.
    fn node(&mut self, mut p: Vec<f64>, parity: Parity, d: usize, target: f64) -> Result<usize> {
        let magnitude = p.iter().map(|c| c.abs()).sum();
        let rescale = d > 0;
        let level = self.level - d + usize::from(rescale);
        let scale = checked_scale(if rescale { target * self.params.q()[level] as f64 } else { target })?;
        let mut sum = Sum::new(self.params, level, scale);
        trim(&mut p);
        while p.len() > 1 {
            let n = p.len() - 1;
            match self.strategy().choice(d, parity, n) {
                Choice::Done => break,
                Choice::Linear => {
                    let index = self.power(n)?;
                    sum.linear(&self.values, index, p[n])?;
                    p.truncate(n);
                    trim(&mut p);
                }
                Choice::Split(m) => {
                    let (q, r) = divide(self.basis, &p, m);
                    let power = self.power(m)?;
                    let parity = quotient_parity(parity, m).expect("splits keep the symmetry");
                    let quotient = self.node(q, parity, d - 1, scale / self.values[power].scale)?;
                    sum.product(&self.values, quotient, power, false);
                    p = r;
                }
            }
        }
        sum.constant(p[0])?;
        self.push(sum, None, rescale, target, magnitude)
    }

    fn push(
        &mut self,
        sum: Sum<'_>,
        power: Option<usize>,
        rescale: bool,
        scale: f64,
        magnitude: f64,
    ) -> Result<usize> {
        let scale = checked_scale(scale)?;
        let level = sum.level - usize::from(rescale);
        self.values.push(Value { level, scale, error: sum.error, magnitude });
        let Sum { level, products, linear, constant, .. } = sum;
        self.steps.push(Step { power, level, rescale, scale, products, linear, constant });
        Ok(self.values.len() - 1)
    }
}

/// A sum under construction.
struct Sum<'a> {
    params: &'a Parameters,
    level: usize,
    scale: f64,
    products: Vec<Product>,
    linear: Vec<(usize, i128)>,
    constant: i128,
    error: f64,
}

impl<'a> Sum<'a> {
    fn new(params: &'a Parameters, level: usize, scale: f64) -> Self {
        Self { params, level, scale, products: Vec::new(), linear: Vec::new(), constant: 0, error: 0.0 }
    }

    fn product(&mut self, values: &[Value], left: usize, right: usize, doubled: bool) {
        let (a, b) = (values[left], values[right]);
        debug_assert!(a.level >= self.level && b.level >= self.level);
        let error = a.error * b.magnitude + b.error * a.magnitude + a.error * b.error;
        self.error += if doubled { 2.0 * error } else { error };
        self.products.push(Product { left, right, doubled });
    }

    /// Adds c·value; a coefficient that rounds to zero is left out.
    fn linear(&mut self, values: &[Value], index: usize, c: f64) -> Result<()> {
        debug_assert!(values[index].level >= self.level);
        let ratio = checked_scale(self.scale / values[index].scale)?;
        self.error += 0.5 / ratio + c.abs() * values[index].error;
        let integer = self.integer(c, ratio)?;
        if integer != 0 {
            self.linear.push((index, integer));
        }
        Ok(())
    }

    fn constant(&mut self, c: f64) -> Result<()> {
        self.constant = self.integer(c, self.scale)?;
        self.error += if c == 0.0 { 0.0 } else { 0.5 / self.scale };
        Ok(())
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

fn checked_scale(scale: f64) -> Result<f64> {
    if scale.is_finite() && scale > 0.0 { Ok(scale) } else { Err(CkksError::BadScale(scale)) }
}
