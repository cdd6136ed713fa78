//! What the parts of a plan cost, relative to each other.

/// Prices in units of one whole rotation at the level where the map runs. The defaults are ratios of the engine's kernel
/// times at the low levels where most maps run: a hoisted rotation in QP is one inner product, a giant step lacks half a
/// ModDown, and a plaintext of full length is transformed to each of its moduli.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prices {
    /// One whole rotation.
    pub rotation: f64,
    /// Decomposition of one ciphertext, shared by its baby steps.
    pub hoist: f64,
    /// One baby step after the decomposition.
    pub baby: f64,
    /// One giant step.
    pub giant: f64,
    /// Adding the imaginary half of a complex sum to its real one: a giant step and two more images of the same digits.
    /// Infinite where maps shall have no complex halves.
    pub fold: f64,
    /// One plaintext multiply-accumulate.
    pub product: f64,
    /// Lifting one plaintext of full length to its moduli.
    pub encode: f64,
    /// Holding the key of one more rotation step, in a ring of [`Prices::KEY_SLOTS`] slots: 50 MB there. In proportion
    /// to the slots in others.
    pub key: f64,
}

impl Prices {
    /// The slots that the price of a key is meant for.
    pub const KEY_SLOTS: f64 = (1 << 15) as f64;
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            rotation: 1.0,
            hoist: 0.4,
            baby: 0.22,
            giant: 0.8,
            fold: 1.4,
            product: 0.04,
            encode: 0.33,
            key: 1.0,
        }
    }
}
