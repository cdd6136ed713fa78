//! Monic factored forms of even-plus-linear polynomials: the shape of activations.

use super::plan::{PolynomialPlan, check_levels};
use super::sum::{Sum, Value, checked_scale};
use crate::cipher::Ciphertext;
use crate::error::{CkksError, Result};
use crate::eval::Evaluator;
use crate::params::Parameters;

/// c_1·x + (an even polynomial of degree 2, 4, 6 or 8), divided by its leading coefficient a and written
/// with the fewest products at minimum depth. The evaluation gives p/a; the scale of the result takes
/// up |a| and a negation its sign, so that a costs neither a level nor a product.
///
/// With y = x² and b_i = c_i/a (completing the square, in the manner of Knuth, The Art of Computer
/// Programming, vol. 2, 4.6.4):
///
/// | degree | levels | products | p/a − b_1·x − constant |
/// |---|---|---|---|
/// | 2 | 1 | 1 | x² |
/// | 4 | 2 | 2 | (y + β)², β = b_2/2 |
/// | 6 | 3 | 3 | (y + b_4)·(y² + b_2) |
/// | 8 | 3 | 3 | (y² + α·y + β)² + γ·y, α = b_6/2, β = (b_4 − α²)/2, γ = b_2 − 2αβ |
///
/// Every such polynomial is representable. A leading coefficient that is tiny beside the others makes
/// large constants cancel: prefer a lower degree then.
#[derive(Debug, Clone, PartialEq)]
pub struct MonicForm {
    leading: f64,
    rows: Vec<Row>,
}

/// left·right + Σ c·value + constant; value 0 is x, value k + 1 the result of row k.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    left: usize,
    right: usize,
    linear: Vec<(usize, f64)>,
    constant: f64,
}

impl MonicForm {
    /// The form of Σ c_i·x^i, constant first; zeros of the highest degrees are dropped.
    ///
    /// # Errors
    /// `NotFinite` with the index of a NaN or an infinity; `Shape` if the degree is not 2, 4, 6 or 8, if
    /// an odd coefficient but c_1 is not zero, or if dividing by the leading coefficient overflows.
    pub fn new(coefficients: &[f64]) -> Result<Self> {
        if let Some(index) = coefficients.iter().position(|c| !c.is_finite()) {
            return Err(CkksError::NotFinite { index });
        }
        let degree = coefficients.iter().rposition(|c| *c != 0.0).unwrap_or(0);
        if ![2, 4, 6, 8].contains(&degree) {
            return Err(CkksError::Shape("a monic form has degree 2, 4, 6 or 8"));
        }
        if coefficients.iter().skip(3).step_by(2).any(|c| *c != 0.0) {
            return Err(CkksError::Shape("a monic form has no odd coefficient but the linear one"));
        }
        let leading = coefficients[degree];
        let b = |i: usize| coefficients[i] / leading;
        let square = |value, linear, constant| Row { left: value, right: value, linear, constant };
        let x = (0, b(1));
        let rows = match degree {
            2 => vec![square(0, vec![x], b(0))],
            4 => {
                let beta = b(2) / 2.0;
                vec![square(0, vec![], beta), square(1, vec![x], b(0) - beta * beta)]
            }
            6 => {
                let last =
                    Row { left: 1, right: 2, linear: vec![(2, b(4)), x], constant: b(0) - b(4) * b(2) };
                vec![square(0, vec![], 0.0), square(1, vec![], b(2)), last]
            }
            _ => {
                let alpha = b(6) / 2.0;
                let beta = (b(4) - alpha * alpha) / 2.0;
                let gamma = b(2) - 2.0 * alpha * beta;
                vec![
                    square(0, vec![], 0.0),
                    square(1, vec![(1, alpha)], beta),
                    square(2, vec![(1, gamma), x], b(0) - beta * beta),
                ]
            }
        };
        let finite = |r: &Row| r.constant.is_finite() && r.linear.iter().all(|(_, c)| c.is_finite());
        if !rows.iter().all(finite) {
            return Err(CkksError::Shape("the leading coefficient is too small beside the others"));
        }
        Ok(Self { leading, rows })
    }

    /// Levels, and products, an evaluation takes.
    pub fn depth(&self) -> usize {
        self.rows.len()
    }

    /// The leading coefficient a.
    pub fn leading(&self) -> f64 {
        self.leading
    }

    /// The value at `x`, by the same operations as on ciphertexts.
    pub fn eval(&self, x: f64) -> f64 {
        let mut values = vec![x];
        for row in &self.rows {
            let linear: f64 = row.linear.iter().map(|(index, c)| c * values[*index]).sum();
            values.push(values[row.left] * values[row.right] + linear + row.constant);
        }
        values[self.rows.len()] * self.leading
    }

    /// Plans the evaluation on ciphertexts at `level` and `scale`. The scale of the result,
    /// [`PolynomialPlan::target_scale`], follows from the input's, the primes and |a|.
    ///
    /// # Errors
    /// As [`PolynomialPlan::new`].
    pub fn plan(&self, params: &Parameters, level: usize, scale: f64) -> Result<PolynomialPlan> {
        check_levels(params, self.depth(), level)?;
        let mut values = vec![Value { level, scale: checked_scale(scale)?, error: 0.0, magnitude: 1.0 }];
        let mut steps = Vec::with_capacity(self.rows.len());
        for (k, row) in self.rows.iter().enumerate() {
            let (left, right) = (values[row.left], values[row.right]);
            let (at, scale) = (level - k, left.scale * right.scale);
            let mut sum = Sum::new(params, at, scale)?;
            sum.product(&values, row.left, row.right, false);
            let mut magnitude = left.magnitude * right.magnitude + row.constant.abs();
            for (index, c) in &row.linear {
                sum.linear(&values, *index, *c)?;
                magnitude += c.abs() * values[*index].magnitude;
            }
            sum.constant(row.constant)?;
            let factor = if k + 1 == self.rows.len() { self.leading.abs() } else { 1.0 };
            let (step, value) = sum.finish(None, true, scale / params.q()[at] as f64 / factor, magnitude)?;
            steps.push(step);
            values.push(value);
        }
        let rounding_error = values[self.rows.len()].error * self.leading.abs();
        let negate = self.leading < 0.0;
        Ok(PolynomialPlan { id: params.id(), level, scale, steps, negate, rounding_error })
    }
}

impl Evaluator {
    /// The polynomial of `form` slot by slot, [`MonicForm::depth`] levels below `ct`, at the scale of
    /// [`MonicForm::plan`].
    ///
    /// # Errors
    /// As [`MonicForm::plan`] and [`Evaluator::run_polynomial`].
    pub fn evaluate_monic(&self, ct: &Ciphertext, form: &MonicForm) -> Result<Ciphertext> {
        self.run_polynomial(ct, &form.plan(self.parameters(), ct.level(), ct.scale())?)
    }
}
