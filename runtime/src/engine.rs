//! The interface between executor and engines.

use std::sync::Arc;

use fhec_ir::schedule::recipes::Vector;
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

/// A sum of giant steps.
pub struct GiantSum<'a, V> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// The `Add` instruction.
    pub sum: ValueId,
    /// Its operands that are `Giant` instructions to be executed with it, in ascending order; each occurs once.
    pub giants: &'a [ValueId],
    /// The operands of these, and its others, in ascending order.
    pub operands: Vec<(ValueId, &'a V)>,
}

impl<'a, V> GiantSum<'a, V> {
    /// An operand that is there.
    ///
    /// # Errors
    /// If it is not.
    pub fn operand(&self, id: ValueId) -> Result<&'a V, EngineError> {
        let at = self.operands.binary_search_by_key(&id, |(id, _)| *id).map_err(|_| EngineError::Kind(0))?;
        Ok(self.operands[at].1)
    }
}

/// Executes single instructions. Engines know nothing of order, lifetimes or caching.
pub trait Engine: Sync {
    /// A schedule value.
    type Value: Send + Sync;
    /// An encoded plaintext.
    type Plain: Send + Sync;

    /// Whether instructions like `op` need [`Engine::prepare`] to have been called before.
    fn needs_preparation(&self, op: &ScheduleOp) -> bool {
        let _ = op;
        false
    }

    /// Makes what several instructions share. Called once in a run that has instructions which need it, beside
    /// others, on the thread pool of the run.
    ///
    /// # Errors
    /// If the engine cannot execute such instructions.
    fn prepare(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Encodes a slot vector of S numbers, or of a power of two below, which repeat; of a pair (u, v) the complex
    /// numbers (u + i·v)/2.
    ///
    /// # Errors
    /// If the numbers are too large for the place, or not finite.
    fn encode(&self, vector: &Vector, place: Place) -> Result<Self::Plain, EngineError>;

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

    /// Executes a sum of giant steps. Unless an engine knows better, instruction by instruction.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    fn giant_sum(&self, sum: &GiantSum<'_, Self::Value>) -> Result<Self::Value, EngineError> {
        let mut giants = Vec::with_capacity(sum.giants.len());
        for id in sum.giants {
            let node = sum.schedule.node(*id);
            giants.push(self.apply(*id, node, &[sum.operand(node.args[0])?], &[])?);
        }
        let node = sum.schedule.node(sum.sum);
        let arg = |id: &ValueId| match sum.giants.binary_search(id) {
            Ok(at) => Ok(&giants[at]),
            Err(_) => sum.operand(*id),
        };
        let args: Vec<_> = node.args.iter().map(arg).collect::<Result<_, EngineError>>()?;
        self.apply(sum.sum, node, &args, &[])
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
