//! The last step of compilation.

use fhec_ir::plan::{Normalisation, Plan, PlanError};
use fhec_ir::schedule::Schedule;
use fhec_ir::tensor::Tensor;
use fhec_ir::{Verified, Violations};

use crate::chain::Chain;
use crate::cost::{CostModel, CostTable};
use crate::{order, report};

/// What [`emit`] needs besides schedule and parameters.
#[derive(Clone, Debug, Default)]
pub struct EmitOptions {
    /// From bytes to network inputs, in order of the inputs.
    pub normalisations: Vec<Normalisation>,
    /// Costs of this or another machine.
    pub costs: CostTable,
    /// Inputs of the network, one tensor for each, whose runs in clear give the values' magnitudes for the predicted
    /// precision; without any, values are taken to be of size 1.
    pub samples: Vec<Vec<Tensor<f64>>>,
}

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
    /// Reordering broke the schedule: a bug here.
    #[error("internal: {0}")]
    Order(#[from] Violations),
    /// The parts of the plan contradict each other.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Orders the instructions, counts, predicts, and puts the plan together.
///
/// # Errors
/// If the schedule was not lowered for `chain`, or a plaintext cannot be computed.
pub fn emit(chain: &Chain, schedule: Verified<Schedule>, options: &EmitOptions) -> Result<Plan, EmitError> {
    if schedule.header.moduli != chain.moduli() || schedule.header.slots != chain.slots() {
        return Err(EmitError::Chain);
    }
    let costs = CostModel::new(&chain.data, &options.costs);
    let schedule = order::order(schedule, &costs)?;
    let facts = report::plain_facts(&schedule).map_err(EmitError::Recipe)?;
    let mut numbers = report::report(&schedule, &costs, &facts);
    numbers.log_qp = chain.parameters.log_qp();
    numbers.security_bits = chain.parameters.security_bits();
    let rms =
        report::magnitudes(&schedule, &options.samples).map_err(|e| EmitError::Recipe(e.to_string()))?;
    let precision = report::precision_bits(&schedule, &chain.data, &facts, &rms);
    let mut plan = Plan::assemble(chain.data.clone(), schedule, &options.normalisations, numbers, precision)?;
    plan.report.predicted_peak_bytes += plan.keys.bytes();
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::ChainRequest;
    use fhec_ir::schedule::interp::interpret;
    use fhec_ir::schedule::random;
    use proptest::prelude::*;

    fn chain() -> Chain {
        crate::select(&ChainRequest { levels: 3, scale_bits: 35, ..ChainRequest::default() }).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn emission_keeps_the_program_and_never_needs_more_memory(seed in any::<u64>()) {
            let chain = chain();
            let options = random::Options {
                slots: chain.slots(),
                moduli: chain.moduli(),
                scale: chain.scale(),
                steps: 15,
            };
            let schedule = random::schedule(seed, &options);
            let inputs = random::inputs(seed, &schedule);
            let expected = interpret(&schedule, &inputs).unwrap();
            let costs = CostModel::new(&chain.data, &CostTable::default());
            let before = order::peak_bytes(&schedule, &costs);
            let plan = emit(&chain, schedule, &EmitOptions::default()).unwrap();
            prop_assert_eq!(interpret(&plan.schedule, &inputs).unwrap(), expected);
            prop_assert!(order::peak_bytes(&plan.schedule, &costs) <= before);
            prop_assert!(plan.report.security_bits >= 128.0);
            prop_assert!(plan.client.precision_bits > 5.0, "{}", plan.client.precision_bits);
            prop_assert!(plan.report.total(|l| l.key_switches) >= plan.report.total(|l| l.rotations));
        }
    }

    #[test]
    fn another_chain_is_refused() {
        let chain = chain();
        let options = random::Options { slots: 16, moduli: chain.moduli(), scale: chain.scale(), steps: 5 };
        let schedule = random::schedule(1, &options);
        assert!(matches!(emit(&chain, schedule, &EmitOptions::default()), Err(EmitError::Chain)));
    }
}
