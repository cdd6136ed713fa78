//! One composition of the catalogue.

/// A composition with its tuned threshold: `Sign::new(degrees, epsilon)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Composition {
    /// Degree of each stage.
    pub degrees: &'static [usize],
    /// The threshold that makes the ReLU error least.
    pub epsilon: f64,
    /// −log₂ of the ReLU error on [−1, 1].
    pub alpha: f64,
    /// Levels of the sign; ReLU takes one more.
    pub depth: u32,
    /// Ciphertext products of the sign; ReLU takes one more.
    pub products: u32,
}

pub(super) const fn of(
    degrees: &'static [usize],
    epsilon: f64,
    alpha: f64,
    depth: u32,
    products: u32,
) -> Composition {
    Composition { degrees, epsilon, alpha, depth, products }
}
