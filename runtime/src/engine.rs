//! The interface between executor and engines.

use std::sync::Arc;

use fhec_ir::schedule::{Schedule, ScheduleOp, ScheduleType};
use fhec_ir::{Node, ValueId};

use crate::error::EngineError;

/// Where a plaintext is used: what it must be encoded for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Level of the ciphertext it meets.
    pub level: u32,
    /// Scale.
    pub scale: f64,
    /// Over QP instead of Q.
    pub extended: bool,
}

/// Executes single instructions. Engines know nothing of order, lifetimes or caching.
pub trait Engine: Sync {
    /// A schedule value.
    type Value: Send + Sync;
    /// An encoded plaintext.
    type Plain: Send + Sync;

    /// Called before the instructions of `schedule` are executed, on the thread pool of the run: for what many of them
    /// share.
    ///
    /// # Errors
    /// If the engine cannot execute such a schedule.
    fn prepare(&self, schedule: &Schedule) -> Result<(), EngineError> {
        let _ = schedule;
        Ok(())
    }

    /// Encodes a slot vector of S numbers, or of a power of two below, which repeat.
    ///
    /// # Errors
    /// If the numbers are too large for the place, or not finite.
    fn encode(&self, vector: &[f64], place: Place) -> Result<Self::Plain, EngineError>;

    /// Executes an instruction other than `Input`. `args` and `plains` are in the instruction's order.
    ///
    /// # Errors
    /// What the engine finds wrong with the operands.
    fn apply(
        &self,
        id: ValueId,
        node: &Node<ScheduleOp>,
        args: &[&Self::Value],
        plains: &[Arc<Self::Plain>],
    ) -> Result<Self::Value, EngineError>;

    /// Kind, level and scale of a value as the engine has them.
    fn ty(&self, value: &Self::Value) -> ScheduleType;

    /// Bytes that a value holds.
    fn value_bytes(&self, value: &Self::Value) -> usize;

    /// Bytes that a plaintext holds.
    fn plain_bytes(&self, plain: &Self::Plain) -> usize;
}
