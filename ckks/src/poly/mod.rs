//! Polynomials on ciphertexts, at minimum depth and with exact scales.
//!
//! ```text
//! Polynomial ─► search (which powers, which splits) ─► PolynomialPlan ─► Evaluator::run_polynomial
//! ```
//!
//! Baby-step/giant-step evaluation (Paterson and Stockmeyer 1973) in the monomial or Chebyshev basis.
//! Invariants:
//!
//! 1. The result lies exactly [`Polynomial::depth`] = ⌈log2(degree + 1)⌉ levels below the input and has
//!    exactly the scale asked for. Levels and scales are assigned from the result downwards, as in
//!    Bossuat, Mouchet, Troncoso-Pastoriza and Hubaux, "Efficient bootstrapping for approximate
//!    homomorphic encryption with non-sparse keys" (Eurocrypt 2021), section 5.
//! 2. A node of depth d is one sum Σ_j q_j·T_{m_j} + Σ_i c_i·T_i + c_0 formed at the level of depth
//!    d−1, then relinearised and rescaled once; q_j are nodes of depth d−1, all powers lie at depth at
//!    most d−1. So relinearisations are one per power and one per node with a product, however many
//!    products the node sums.
//! 3. Powers keep scales near the primes if the input's is: T_n has scale q·(s/q)^n for input scale s
//!    and primes q. An input of a smaller scale is first multiplied by an integer, which costs no level;
//!    with a larger one high powers overflow and the plan is refused.
//! 4. A plan is pure data: it can be computed and costed without keys or ciphertexts.

mod build;
mod monic;
#[cfg(all(test, feature = "client"))]
mod monic_tests;
mod plan;
mod polynomial;
mod run;
mod search;
mod simulate;
mod step;
mod sum;
#[cfg(all(test, feature = "client"))]
mod tests;

pub use monic::MonicForm;
pub use plan::PolynomialPlan;
pub use polynomial::{Basis, Parity, Polynomial};
pub(crate) use search::Strategy;
pub use step::{Product, Step};
