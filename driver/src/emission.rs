//! Making a plan of a candidate, and checking what only the plan tells.

use fhec_backend::{Chain, EmitOptions};
use fhec_ir::Verified;
use fhec_ir::plan::{BudgetReport, PlacementReport, Plan};
use fhec_ir::schedule::Schedule;
use fhec_ir::tensor::Tensor;

use crate::error::CompileError;
use crate::objective::Objective;
use crate::observer::Stage;
use crate::request::Request;
use crate::watch::Watch;

/// Makes plans for a request, and judges them.
pub(crate) struct Emission<'c> {
    pub(crate) request: &'c Request,
    pub(crate) objective: &'c dyn Objective,
    pub(crate) watch: Watch<'c>,
    /// What the network is run on in clear, without noise and with it.
    pub(crate) samples: &'c [Vec<Tensor<f64>>],
    /// The network's outputs for each of these.
    pub(crate) references: Vec<Vec<Tensor<f64>>>,
    /// By input, a bound on the numbers that the plan is for.
    pub(crate) input_bounds: Vec<f64>,
}

/// Most bits that results may have, of absolute precision before and after the binary point together: scales have no more, and noise takes some.
const MOST_BITS: f64 = 40.0;

impl Emission<'_> {
    /// The plan of a schedule that was lowered for a chain, with what is known of bootstraps and memory budget.
    ///
    /// # Errors
    /// [`EmitError::Room`](fhec_backend::EmitError::Room) if a sample gives values that do not fit their moduli; others of
    /// the backend are defects of the compiler.
    pub(crate) fn plan(
        &self,
        chain: &Chain,
        schedule: &Verified<Schedule>,
        placement: Option<PlacementReport>,
        budget: Option<BudgetReport>,
    ) -> Result<Plan, CompileError> {
        let options = EmitOptions {
            normalisations: self.request.normalisations.clone(),
            preprocessing: self.request.preprocessing.clone(),
            samples: self.samples.to_vec(),
            references: self.references.clone(),
            input_bounds: self.input_bounds.clone(),
            costs: self.request.costs.clone(),
            placement,
            budget,
        };
        let emit = || fhec_backend::emit(chain, schedule.clone(), &options);
        Ok(self.watch.stage(Stage::Emission, |_| emit())?)
    }

    /// Whether results of this size can have the precision asked for.
    ///
    /// # Errors
    /// [`CompileError::Magnitude`] if not, whatever the parameters are.
    pub(crate) fn check_magnitude(&self, largest: f64) -> Result<(), CompileError> {
        let wanted = self.request.precision_bits;
        let size = if self.request.precision_absolute { largest.log2().max(0.0) } else { 0.0 };
        let bits = if self.request.scale_bits.is_some() { 0.0 } else { size + wanted };
        if bits <= MOST_BITS { Ok(()) } else { Err(CompileError::Magnitude { largest, wanted }) }
    }

    /// Whether a plan keeps within the memory budget.
    ///
    /// # Errors
    /// [`CompileError::Memory`] if not.
    pub(crate) fn check_memory(&self, plan: &Plan) -> Result<(), CompileError> {
        let (memory, budget) = (plan.report.memory, self.request.memory_budget);
        if memory.total() <= budget {
            return Ok(());
        }
        Err(CompileError::Memory { least: Box::new(memory), seconds: None, budget })
    }

    /// Whether a plan is precise enough.
    ///
    /// # Errors
    /// [`CompileError::Precision`] if not.
    pub(crate) fn check_precision(&self, plan: &Plan) -> Result<(), CompileError> {
        let wanted = self.request.precision_bits;
        let got = match self.request.precision_absolute {
            true => -plan.client.outputs.iter().map(|o| o.error).fold(0.0, f64::max).log2(),
            false => plan.client.precision_bits(),
        };
        if got >= wanted {
            return Ok(());
        }
        Err(CompileError::Precision { got, wanted, amplifier: plan.report.amplifier.clone() })
    }

    /// Whether the caller takes a plan.
    ///
    /// # Errors
    /// [`CompileError::Declined`] if not.
    pub(crate) fn check_accepted(&self, plan: &Plan) -> Result<(), CompileError> {
        if self.objective.accepts(plan) { Ok(()) } else { Err(CompileError::Declined) }
    }
}
