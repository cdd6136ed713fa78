//! Why a bootstrap cannot be set up or carried out.

use super::overflow::MAX_LOG_FAILURE;
use super::spec::EvalModSpec;
use crate::error::CkksError;
use crate::params::ParameterError;
use crate::params::security_table::{MAX_LOG_ENCAPSULATION, MIN_LOG_N_ENCAPSULATION};
use thiserror::Error;

/// A refusal by [`BootstrapCircuit::new`](super::BootstrapCircuit::new) or by the design search, or the failure of an
/// operation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The number of slots does not fit the ring.
    #[error("2^{log_slots} slots: expected 2^1 to 2^{max}")]
    Slots {
        /// log2 of the slots asked for.
        log_slots: u32,
        /// log2 of N/2.
        max: u32,
    },
    /// The merged DFT stages do not make up the transform.
    #[error("DFT stages {stages:?} do not sum to {log_slots}, or one is empty")]
    Stages {
        /// Stages per level.
        stages: Vec<u32>,
        /// log2 of the slots.
        log_slots: u32,
    },
    /// Degree, bound or doublings out of range.
    #[error(
        "{0:?}: the degree must be even, 2 to 126 and at most four times the bound; the bound 1 to 64; at most 6 doublings"
    )]
    EvalMod(EvalModSpec),
    /// The bound on the multiples of q_0 is left too often.
    #[error(
        "a bound of {bound} on the multiples of q_0 is left with probability 2^{log_failure:.1} a bootstrap; at most \
         2^{MAX_LOG_FAILURE} is accepted"
    )]
    Overflow {
        /// The bound K.
        bound: u32,
        /// log2 of the probability.
        log_failure: f64,
    },
    /// The message ratio is out of range.
    #[error("a message ratio of {0} bits: expected 1 to 40")]
    Ratio(f64),
    /// The scale is not a finite number of at least 1.
    #[error("scale {0} is not a finite number of at least 1")]
    Scale(f64),
    /// The chain is not the one the bootstrap is for.
    #[error("the bootstrap needs a chain with highest level {expected}, this one has {found}")]
    Levels {
        /// Highest level of the spec.
        expected: usize,
        /// Highest level of the chain.
        found: usize,
    },
    /// q_0·p_0 is too wide for the sparse secret, or p_0 too narrow for q_0.
    #[error(
        "q_0 of {log_q:.1} bits and p_0 of {log_p:.1} bits: the key to the sparse secret allows at most \
         {MAX_LOG_ENCAPSULATION} bits together, p_0 not below q_0/2, and a ring of at least 2^{MIN_LOG_N_ENCAPSULATION}"
    )]
    Encapsulation {
        /// log2 q_0.
        log_q: f64,
        /// log2 p_0.
        log_p: f64,
    },
    /// A circuit that joins ciphertexts got another number of them.
    #[error("the circuit refreshes {expected} ciphertexts at a time, {found} given")]
    Joined {
        /// Ciphertexts the circuit joins.
        expected: usize,
        /// Ciphertexts given.
        found: usize,
    },
    /// No parameter set meets the request.
    #[error(
        "no parameter set at log2 N = {log_n} has {levels} levels of {level_bits} bits with {precision:.1} bits of precision"
    )]
    NoDesign {
        /// log2 N.
        log_n: u32,
        /// Levels asked for.
        levels: usize,
        /// Bits per level.
        level_bits: f64,
        /// Precision asked for.
        precision: f64,
        /// Best precision found; -inf if no chain fits at all.
        best: f64,
    },
    /// An operation that the bootstrap consists of fails, or operands are not what it is for.
    #[error(transparent)]
    Engine(#[from] CkksError),
}

impl From<ParameterError> for BootstrapError {
    fn from(error: ParameterError) -> Self {
        Self::Engine(error.into())
    }
}

/// Result with a [`BootstrapError`].
pub(super) type Result<T, E = BootstrapError> = std::result::Result<T, E>;
