//! Polynomials in clear: coefficients, parity, evaluation, division.

use crate::error::{CkksError, Result};
use serde::{Deserialize, Serialize};

/// Basis of a polynomial's coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Basis {
    /// 1, x, x², …
    Monomial,
    /// T_0, T_1, T_2, … with T_n(cos θ) = cos nθ, for arguments in [−1, 1].
    Chebyshev,
}

/// Symmetry of a polynomial, by coefficients that are exactly zero. The same in both bases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Parity {
    /// Neither even nor odd.
    General,
    /// Only even degrees; constants are even.
    Even,
    /// Only odd degrees.
    Odd,
}

/// A real polynomial Σ c_i·B_i(x): finite coefficients, the leading one not zero (but for the zero
/// polynomial, which is the constant 0).
#[derive(Debug, Clone, PartialEq)]
pub struct Polynomial {
    basis: Basis,
    coefficients: Vec<f64>,
}

impl Polynomial {
    /// The polynomial with the given coefficients, constant first; zeros of the highest degrees are
    /// dropped.
    ///
    /// # Errors
    /// `Empty` without coefficients, `NotFinite` with the index of a NaN or an infinity.
    pub fn new(basis: Basis, coefficients: impl Into<Vec<f64>>) -> Result<Self> {
        let mut coefficients = coefficients.into();
        if coefficients.is_empty() {
            return Err(CkksError::Empty("polynomial"));
        }
        if let Some(index) = coefficients.iter().position(|c| !c.is_finite()) {
            return Err(CkksError::NotFinite { index });
        }
        trim(&mut coefficients);
        Ok(Self { basis, coefficients })
    }

    /// The basis.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Coefficients, constant first; the last is not zero unless it is the only one.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// Degree; 0 for the zero polynomial.
    pub fn degree(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// Levels an evaluation takes: ⌈log2(degree + 1)⌉, whatever the parity.
    pub fn depth(&self) -> usize {
        depth_of_degree(self.degree())
    }

    /// Symmetry.
    pub fn parity(&self) -> Parity {
        let zero_from = |start: usize| self.coefficients.iter().skip(start).step_by(2).all(|c| *c == 0.0);
        match (zero_from(1), zero_from(0)) {
            (true, _) => Parity::Even,
            (_, true) => Parity::Odd,
            _ => Parity::General,
        }
    }

    /// The value at `x`, by Horner's rule or Clenshaw's recurrence.
    pub fn eval(&self, x: f64) -> f64 {
        match self.basis {
            Basis::Monomial => self.coefficients.iter().rev().fold(0.0, |acc, c| acc * x + c),
            Basis::Chebyshev => {
                let step = |(b1, b2): (f64, f64), c: &f64| (2.0 * x * b1 - b2 + c, b1);
                let (b1, b2) = self.coefficients[1..].iter().rev().fold((0.0, 0.0), step);
                x * b1 - b2 + self.coefficients[0]
            }
        }
    }
}

/// ⌈log2(degree + 1)⌉.
pub(super) fn depth_of_degree(degree: usize) -> usize {
    (usize::BITS - degree.leading_zeros()) as usize
}

/// Levels the power of index n ≥ 1 takes: ⌈log2 n⌉.
pub(super) fn depth_of_power(n: usize) -> usize {
    depth_of_degree(n - 1)
}

/// Drops zeros of the highest degrees, keeping the constant.
pub(super) fn trim(coefficients: &mut Vec<f64>) {
    let last = coefficients.iter().rposition(|c| *c != 0.0).unwrap_or(0);
    coefficients.truncate(last + 1);
}

/// (q, r) with p = q·B_m + r, deg r < m ≤ deg p; p has no trailing zeros. In the Chebyshev basis by
/// T_{m+j} = 2·T_m·T_j − T_{|m−j|}, from the highest degree down.
pub(super) fn divide(basis: Basis, p: &[f64], m: usize) -> (Vec<f64>, Vec<f64>) {
    let mut r = p.to_vec();
    let mut q = vec![0.0; p.len() - m];
    for i in (m..p.len()).rev() {
        let c = r[i];
        if basis == Basis::Monomial || i == m {
            q[i - m] = c;
        } else {
            q[i - m] = 2.0 * c;
            r[(2 * m).abs_diff(i)] -= c;
        }
    }
    r.truncate(m);
    trim(&mut q);
    trim(&mut r);
    (q, r)
}
