//! Building the plan of a polynomial: powers on demand, nodes from the result downwards.

use super::polynomial::{Basis, Parity, Polynomial, depth_of_power, divide, trim};
use super::search::{Choice, Strategy, quotient_parity};
use super::step::Step;
use super::sum::{Sum, Value, checked_scale};
use crate::error::Result;
use crate::params::Parameters;
use std::collections::BTreeMap;

/// The steps of `polynomial` by a strategy of its own (none for constants), on an input at `level` and `scale` with the result at `target`, and the
/// bound on the rounding error.
pub(super) fn polynomial_steps(
    params: &Parameters,
    polynomial: &Polynomial,
    strategy: Option<&Strategy>,
    level: usize,
    scale: f64,
    target: f64,
) -> Result<(Vec<Step>, f64)> {
    let input = Value { level, scale: checked_scale(scale)?, error: 0.0, magnitude: 1.0 };
    let (basis, parity, depth) = (polynomial.basis(), polynomial.parity(), polynomial.depth());
    let mut builder = Builder {
        params,
        basis,
        strategy: strategy.cloned(),
        level,
        powers: BTreeMap::from([(1, 0)]),
        values: vec![input],
        steps: Vec::new(),
    };
    if depth > 1 {
        builder.lift()?;
    }
    let result = builder.node(polynomial.coefficients().to_vec(), parity, depth, checked_scale(target)?)?;
    Ok((builder.steps, builder.values[result].error))
}

struct Builder<'a> {
    params: &'a Parameters,
    basis: Basis,
    /// `None` for constants.
    strategy: Option<Strategy>,
    level: usize,
    /// Power → index of its value.
    powers: BTreeMap<usize, usize>,
    values: Vec<Value>,
    steps: Vec<Step>,
}

impl Builder<'_> {
    fn strategy(&self) -> &Strategy {
        self.strategy.as_ref().expect("constants ask for no powers and no splits")
    }

    /// Multiplies an input whose scale is below its prime by an integer, to about that prime: powers of
    /// a smaller scale s would have scales (s/q)^n·q.
    fn lift(&mut self) -> Result<()> {
        let input = self.values[0];
        let integer = (self.params.q()[self.level] as f64 / input.scale).round();
        if integer >= 2.0 {
            let mut sum = Sum::new(self.params, self.level, input.scale * integer)?;
            sum.linear(&self.values, 0, 1.0)?;
            let (step, value) = sum.finish(Some(1), false, input.scale * integer, 1.0)?;
            let index = self.push((step, Value { error: 0.0, ..value }));
            self.powers.insert(1, index);
        }
        Ok(())
    }

    /// The value T_n or x^n, computed if it is not there yet.
    fn power(&mut self, n: usize) -> Result<usize> {
        if let Some(index) = self.powers.get(&n) {
            return Ok(*index);
        }
        let factors = self.strategy().factors(self.basis, n);
        let (a, b) = factors.expect("the search admits only powers that have factors");
        let chebyshev = self.basis == Basis::Chebyshev;
        let (left, right) = (self.power(a)?, self.power(b)?);
        let difference = if chebyshev && a != b { Some(self.power(a - b)?) } else { None };
        let level = self.level + 1 - depth_of_power(n);
        let scale = self.values[left].scale * self.values[right].scale;
        let mut sum = Sum::new(self.params, level, scale)?;
        sum.fits(1.0)?;
        sum.product(&self.values, left, right, chebyshev);
        if let Some(index) = difference {
            sum.linear(&self.values, index, -1.0)?;
        } else if chebyshev {
            sum.constant(-1.0)?;
        }
        let result = scale / self.params.q()[level] as f64;
        let index = self.push(sum.finish(Some(n), true, result, 1.0)?);
        self.powers.insert(n, index);
        Ok(index)
    }

    /// The value Σ c_i·T_i at depth `d` and scale `target`.
    fn node(&mut self, mut p: Vec<f64>, parity: Parity, d: usize, target: f64) -> Result<usize> {
        let magnitude = p.iter().map(|c| c.abs()).sum();
        let rescale = d > 0;
        let level = self.level - d + usize::from(rescale);
        let scale = if rescale { target * self.params.q()[level] as f64 } else { target };
        let mut sum = Sum::new(self.params, level, scale)?;
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
        Ok(self.push(sum.finish(None, rescale, target, magnitude)?))
    }

    fn push(&mut self, (step, value): (Step, Value)) -> usize {
        self.steps.push(step);
        self.values.push(value);
        self.values.len() - 1
    }
}
