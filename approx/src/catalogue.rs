//! Compositions worth using.

/// A composition with its tuned threshold.
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

/// Compositions for ReLU by ascending precision, none as good as another in depth, products and α at once.
/// Printed by `cargo run --release -p fhec-approx --example catalogue`.
pub fn catalogue() -> &'static [Composition] {
    &[]
}
