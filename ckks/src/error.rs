//! The error of all operations. Errors are layered as modules are: this one holds that of parameters, and that of
//! bootstraps holds this one.

use crate::params::{KeyName, ParameterError, Parameters, ParametersId};
use thiserror::Error;

/// Everything that can go wrong in encoding, evaluation, key lookup and (de)serialisation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CkksError {
    /// A parameter set was refused.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// Two objects, or an object and the context, belong to different parameter sets.
    #[error("parameter sets differ: expected {expected}, found {found}")]
    ParametersMismatch {
        /// The context's parameter set.
        expected: ParametersId,
        /// The object's.
        found: ParametersId,
    },
    /// A level beyond what the object or the chain has.
    #[error("{what}: level {level} is above {max}")]
    LevelTooHigh {
        /// What was asked for.
        what: &'static str,
        /// Requested level.
        level: usize,
        /// Highest possible.
        max: usize,
    },
    /// Two operands must have the same level.
    #[error("levels differ: {left} and {right}")]
    LevelMismatch {
        /// Level of the left operand.
        left: usize,
        /// Level of the right operand.
        right: usize,
    },
    /// Two scales that must agree differ by more than 2^-40.
    #[error("scales differ: 2^{:.6} and 2^{:.6}", left.log2(), right.log2())]
    ScaleMismatch {
        /// Scale of the left operand.
        left: f64,
        /// Scale of the right operand.
        right: f64,
    },
    /// A scale that is not a positive finite number.
    #[error("scale {0} is not a positive finite number")]
    BadScale(f64),
    /// No limb is left to drop.
    #[error("{operation}: the level is exhausted (level {level})")]
    LevelExhausted {
        /// The operation.
        operation: &'static str,
        /// The operand's level.
        level: usize,
    },
    /// An evaluation takes more levels than the operand has left.
    #[error("the evaluation takes {needed} levels, the operand has {level}")]
    NotEnoughLevels {
        /// Levels it takes.
        needed: usize,
        /// The operand's level.
        level: usize,
    },
    /// A polynomial is not of the shape an evaluation is for.
    #[error("{0}")]
    Shape(&'static str),
    /// No suitable rotation, conjugation or relinearisation key.
    #[error("no {key} usable at level {level} with {special} special primes")]
    MissingKey {
        /// The key.
        key: KeyName,
        /// The ciphertext's level.
        level: usize,
        /// Required special primes; 0 if any shape would do.
        special: usize,
    },
    /// A key shape the parameter set does not admit.
    #[error("key shape (level {level}, {special} special, {digit_limbs} limbs a digit) is not admissible")]
    BadKeyShape {
        /// Level of the shape.
        level: usize,
        /// Special primes of the shape.
        special: usize,
        /// Limbs per digit of the shape.
        digit_limbs: usize,
    },
    /// Evaluation keys do not fit the memory they may take.
    #[error("the evaluation keys take {needed} bytes at least, {budget} are allowed")]
    KeyBudget {
        /// Fewest bytes possible.
        needed: usize,
        /// Bytes allowed.
        budget: usize,
    },
    /// The system has not the memory that an object of a file takes.
    #[error("{bytes} bytes of memory are not to be had")]
    Memory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The special-prime limbs of the operands do not fit together.
    #[error("operand has {found} special limbs, expected {expected}")]
    SpecialMismatch {
        /// Expected number.
        expected: usize,
        /// Number found.
        found: usize,
    },
    /// The ciphertext has a number of polynomials the operation cannot take.
    #[error("{operation} needs {expected} polynomials, the ciphertext has {found}")]
    Degree {
        /// The operation.
        operation: &'static str,
        /// Polynomials expected.
        expected: usize,
        /// Polynomials found.
        found: usize,
    },
    /// A sum without terms.
    #[error("{0}: no terms")]
    Empty(&'static str),
    /// Number of values to encode is not a power of two up to N/2.
    #[error("{found} values: expected a power of two up to {slots}")]
    SlotCount {
        /// Values given.
        found: usize,
        /// Slots of the ring.
        slots: usize,
    },
    /// A value to encode is NaN or infinite.
    #[error("value {index} is not finite")]
    NotFinite {
        /// Its index.
        index: usize,
    },
    /// A scaled coefficient does not fit the modulus.
    #[error("a coefficient of 2^{log2:.1} does not fit below 2^{limit:.1}")]
    CoefficientTooLarge {
        /// log2 of the coefficient's magnitude.
        log2: f64,
        /// log2 of the largest magnitude allowed.
        limit: f64,
    },
    /// The operating system's random source failed.
    #[error("the system's random source failed: {0}")]
    Random(String),
    /// A release policy cannot be carried out.
    #[error("release refused: {0}")]
    Release(&'static str),
    /// Malformed bytes.
    #[error("malformed {kind}: {reason}")]
    Malformed {
        /// Kind of object being read.
        kind: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Result with a [`CkksError`].
pub type Result<T, E = CkksError> = std::result::Result<T, E>;

/// Refuses objects of another parameter set.
pub(crate) fn check_id(params: &Parameters, found: ParametersId) -> Result<()> {
    let expected = params.id();
    if found == expected { Ok(()) } else { Err(CkksError::ParametersMismatch { expected, found }) }
}
