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
    /// For [`Engine::rotated_sums`]: the engine may choose a smaller form.
    pub compact: bool,
}

/// Sums of products of plaintexts with rotations of decomposed ciphertexts.
pub struct RotatedSums<'a, V, P> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// The rotations, `RotateExt` instructions, in ascending order.
    pub rotations: &'a [ValueId],
    /// The sums, `MulAcc` instructions over nothing but these rotations.
    pub results: &'a [ValueId],
    /// The operands of the rotations, in ascending order.
    pub digits: Vec<(ValueId, &'a V)>,
    /// Of every sum its plaintexts, in the instruction's order.
    pub plains: &'a [Vec<Arc<P>>],
}

impl<'a, V, P> RotatedSums<'a, V, P> {
    /// The operand of a rotation.
    pub fn operand(&self, rotation: ValueId) -> Option<(ValueId, &'a V)> {
        let wanted = self.schedule.node(rotation).args.first()?;
        self.digits.iter().find(|(id, _)| id == wanted).copied()
    }
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

    /// Executes sums over rotations at once and gives the sums. Unless an engine knows better, instruction by instruction.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    fn rotated_sums(
        &self,
        sums: &RotatedSums<'_, Self::Value, Self::Plain>,
    ) -> Result<Vec<Self::Value>, EngineError> {
        let mut rotated = Vec::with_capacity(sums.rotations.len());
        for id in sums.rotations {
            let (_, digits) = sums.operand(*id).ok_or(EngineError::Kind(0))?;
            rotated.push(self.apply(*id, sums.schedule.node(*id), &[digits], &[])?);
        }
        let sum = |(id, plains): (&ValueId, &Vec<Arc<Self::Plain>>)| {
            let node = sums.schedule.node(*id);
            let arg =
                |(k, a)| Ok(&rotated[sums.rotations.binary_search(a).map_err(|_| EngineError::Kind(k))?]);
            let args: Vec<_> = node.args.iter().enumerate().map(arg).collect::<Result<_, EngineError>>()?;
            self.apply(*id, node, &args, plains)
        };
        sums.results.iter().zip(sums.plains).map(sum).collect()
    }

    /// Executes two bootstraps that happen together, given by their nodes and operands. Unless an engine knows better, one
    /// by one.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    fn bootstrap_pair(
        &self,
        pair: [(ValueId, &Node<ScheduleOp>, &Self::Value); 2],
    ) -> Result<Vec<Self::Value>, EngineError> {
        pair.into_iter().map(|(id, node, operand)| self.apply(id, node, &[operand], &[])).collect()
    }

    /// Kind, level and scale of a value as the engine has them.
    fn ty(&self, value: &Self::Value) -> ScheduleType;

    /// Bytes that a value holds.
    fn value_bytes(&self, value: &Self::Value) -> usize;

    /// Bytes that a plaintext holds.
    fn plain_bytes(&self, plain: &Self::Plain) -> usize;
}
