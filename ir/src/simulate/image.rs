//! Images, and what becomes of them.

use crate::ValueId;
use crate::schedule::interp::Packed;

/// An image to simulate.
#[derive(Clone, Debug)]
pub struct Image {
    /// Tells its noise from that of other images.
    pub number: u64,
    /// Slots of every ciphertext of every packed input.
    pub inputs: Packed,
    /// Whether no noise is added.
    pub exact: bool,
}

/// What is known of the slots of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Root mean square.
    pub rms: f64,
    /// Largest magnitude; infinite if a slot is no number.
    pub largest: f64,
}

/// What became of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// Slots of every ciphertext of every packed output.
    pub outputs: Packed,
    /// The first value that is not finite, or too large for its modulus or for the lowest modulus when it is
    /// bootstrapped: from there on an encrypted run has garbage.
    pub diverges: Option<ValueId>,
    /// The bootstrap whose operand exceeds its range most: an encrypted run is less precise there.
    pub exceeds: Option<Excess>,
    /// The bootstrap whose operand repeats least, though it should, by more than noise: an encrypted run is wrong there.
    pub uneven: Option<Excess>,
    /// The squares of arguments of Chebyshev polynomials (see [`squared_arguments`]) outside [−1, 1], in the order of the
    /// schedule, of arguments computed before the image diverges or where it does: the function that the polynomial stands for is
    /// wrong there, and perhaps garbage.
    ///
    /// [`squared_arguments`]: crate::schedule::chebyshev::squared_arguments
    pub escapes: Vec<Excess>,
    /// By product of ciphertexts, in the order of the schedule, the largest magnitude of its operands: what activations
    /// are applied to.
    pub factors: Vec<f64>,
}

/// The operand of a bootstrap, or of a polynomial, that is not what it was promised to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excess {
    /// The bootstrap, or the square that the polynomial begins with.
    pub at: ValueId,
    /// Largest magnitude, or largest difference of slots that should be the same, over range.
    pub ratio: f64,
}

/// Why a schedule cannot be simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    /// The packed inputs are not of the number or length that the schedule wants.
    #[error("packed inputs do not fit the schedule: {0}")]
    Input(String),
    /// A plaintext cannot be computed.
    #[error("plaintext of {place}: {message}")]
    Plaintext {
        /// The instruction.
        place: String,
        /// What is wrong.
        message: String,
    },
}
