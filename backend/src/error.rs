//! Why there is no plan.

use fhec_ir::Violations;
use fhec_ir::plan::PlanError;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The schedule was lowered for other primes than the chain's.
    #[error("the schedule was planned for other parameters")]
    Chain,
    /// A plaintext cannot be computed.
    #[error("{0}")]
    Recipe(String),
    /// A value would wrap around.
    #[error(
        "{place}: values of up to {largest:.3e} at a scale of {scale_bits:.0} bits, with a margin, need {missing:.1} bits more than \
         the {room_bits:.0} that its modulus leaves: scale the network's weights down before it"
    )]
    Room {
        /// The instruction.
        place: String,
        /// Largest magnitude in the samples.
        largest: f64,
        /// log2 of its scale.
        scale_bits: f64,
        /// log2 of half the modulus product of its level.
        room_bits: f64,
        /// Bits that the modulus is too short by, [`ROOM_MARGIN`](crate::room::ROOM_MARGIN) included.
        missing: f64,
    },
    /// Values are not finite on any sample.
    #[error("the network diverges on all of {0} samples: give others (--samples, --input-range)")]
    Diverges(usize),
    /// Reordering broke the schedule: a bug here.
    #[error("internal: {0}")]
    Order(#[from] Violations),
    /// The parts of the plan contradict each other.
    #[error(transparent)]
    Plan(#[from] PlanError),
}
