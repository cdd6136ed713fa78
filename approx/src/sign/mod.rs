//! The sign function as a composition of odd minimax polynomials, and ReLU from it.

mod composition;
mod cost;
mod numeric;
mod proof;
mod tune;

use crate::error::FitError;

pub use composition::Sign;
pub use cost::odd_products;

impl Sign {
    /// The composition with the ε that makes [`Self::relu_error`] least. It balances two parts: the
    /// bump x(1 − p(x))/2 below ε, which grows with ε, and τ_k/2 beyond, which falls.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_relu(degrees: &[usize]) -> Result<Self, FitError> {
        tune::for_relu(degrees)
    }

    /// Largest |x(1 + p(x))/2 − max(x, 0)| on [−1, 1], found on a grid that follows the oscillations
    /// of every stage and refined at its maxima. It is the same on both sides of 0, since p is odd.
    pub fn relu_error(&self) -> f64 {
        numeric::relu_error(self)
    }

    /// An upper bound of [`Self::relu_error`] by interval arithmetic, for the exact polynomials with
    /// these coefficients; about 2 % above.
    pub fn proven_relu_error(&self) -> f64 {
        proof::relu_error(self)
    }

    /// Largest |p(x)| on [−t, t], t ≥ 1: what happens to values that leave the range.
    pub fn growth(&self, t: f64) -> f64 {
        numeric::growth(self, t)
    }

    /// Levels of p: Σ ⌈log₂(d_i + 1)⌉. The product with x takes one more.
    pub fn depth(&self) -> u32 {
        cost::depth(&self.degrees)
    }

    /// Ciphertext products of p at that depth: Σ [`odd_products`]\(d_i). The product with x is one more.
    pub fn products(&self) -> u32 {
        cost::products(&self.degrees)
    }
}
