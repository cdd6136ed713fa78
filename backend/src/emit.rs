//! The last step of compilation.

use fhec_ir::plan::{
    BudgetReport, KeyManifest, MemoryReport, Normalisation, PlacementReport, Plan, Preprocessing, Report,
};
use fhec_ir::schedule::keys::key_needs;
use fhec_ir::schedule::{Recipe, Schedule, bounds};
use fhec_ir::tensor::Tensor;
use fhec_ir::{Verified, Violations};

use crate::chain::Chain;
use crate::cost::{CostModel, CostTable};
use crate::error::EmitError;
use crate::facts::{self, Measured};
use crate::memory::memory;
use crate::{amplifier, order, precision, report, room};

/// What [`emit`] needs besides schedule and parameters.
#[derive(Clone, Debug, Default)]
pub struct EmitOptions {
    /// From bytes to network inputs, in order of the inputs.
    pub normalisations: Vec<Normalisation>,
    /// What becomes of pictures before, likewise; nothing for missing ones.
    pub preprocessing: Vec<Preprocessing>,
    /// Outputs of the network in clear for each sample, which results are compared with; without any, those of the schedule.
    pub references: Vec<Vec<Tensor<f64>>>,
    /// Costs of this or another machine.
    pub costs: CostTable,
    /// Where bootstraps were placed, for the report.
    pub placement: Option<PlacementReport>,
    /// What the memory budget cost so far, if there is one: as many plaintexts are kept as it leaves room for.
    pub budget: Option<BudgetReport>,
    /// Inputs of the network, one tensor for each, whose runs in clear give the values' magnitudes, and with noise the precision.
    /// Without any, values are taken to be of size 1, and to fit.
    pub samples: Vec<Vec<Tensor<f64>>>,
    /// By input, a bound on the numbers that the samples stand for; none for missing ones.
    pub input_bounds: Vec<f64>,
}

/// Orders the instructions, counts, predicts, and puts the plan together.
///
/// # Errors
/// If the schedule was not lowered for `chain`, a plaintext cannot be computed, or a sample gives values that do not fit.
pub fn emit(chain: &Chain, schedule: Verified<Schedule>, options: &EmitOptions) -> Result<Plan, EmitError> {
    let header = &schedule.header;
    if header.moduli != chain.moduli()
        || header.slots != chain.slots()
        || header.bootstrap != chain.bootstrap_header()
    {
        return Err(EmitError::Chain);
    }
    let bootstrap = chain.bootstrap.unwrap_or_default();
    let costs = CostModel::new(&chain.data, &options.costs).with_bootstrap(&bootstrap);
    let schedule = order::order(schedule, &costs)?;
    let measured = facts::measure(&schedule, &chain.data, &options.samples, &options.references)
        .map_err(EmitError::Recipe)?;
    let Measured { facts, largest, diverging, mut deviations, noise } = measured;
    if diverging > 0 && diverging == options.samples.len() {
        return Err(EmitError::Diverges(diverging));
    }
    room::check(&schedule, &largest)?;
    let proven = bounds::proven(&schedule, &options.input_bounds).map_err(EmitError::Recipe)?;
    let mut numbers = report::report(&schedule, &costs, &facts);
    report::note_proven(&mut numbers, &schedule, &proven);
    numbers.amplifier = amplifier::amplifier(&schedule, &noise);
    numbers.samples = (options.samples.len() - diverging) as u32;
    numbers.diverging = diverging as u32;
    numbers.threads = options.costs.threads as u32;
    numbers.speedup = options.costs.speedup;
    numbers.placement = options.placement.clone();
    numbers.log_qp = chain.parameters.log_qp();
    numbers.security_bits = chain.parameters.security_bits();
    if options.samples.is_empty() {
        deviations = precision::forecast(&schedule, &chain.data, &facts);
    }
    let (data, normalisations) = (chain.data.clone(), &options.normalisations);
    let plan = Plan::assemble(data, schedule, normalisations, numbers, bootstrap.key_bytes)?;
    let mut plan = plan.with_preprocessing(&options.preprocessing)?;
    let spread = (2.0 * plan.schedule.header.slots as f64).sqrt();
    // Coefficients are as much smaller than slots; those below a half are rounded to 0.
    let small = |recipe: &Recipe, scale: f64| facts.get(recipe).is_some_and(|f| f.rms * scale < spread);
    plan.client.note_constants(&plan.schedule, &small);
    precision::promise(&mut plan.client.outputs, &deviations, plan.report.bootstraps > 0);
    room::bound(&mut plan.client, &plan.schedule, &options.input_bounds, &largest, &proven);
    plan.report.memory.keys = plan.keys.bytes();
    plan.report.memory.matrices = bootstrap.matrix_bytes;
    if let Some(budget) = &options.budget {
        keep_within(&mut plan.report, budget.clone());
    }
    Ok(plan)
}

/// Part of the room for plaintexts that the runtime uses for those encoded ahead if it cannot keep all, as a divisor.
const AHEAD: u64 = 8;

/// Keeps as many plaintexts as the budget has room for beside the rest; the others are made for every image.
fn keep_within(report: &mut Report, mut budget: BudgetReport) {
    let (all, total) = (report.memory.plaintexts, report.memory.total());
    if total > budget.bytes {
        let room = budget.bytes.saturating_sub(total - all);
        report.memory.plaintexts = room - room / AHEAD;
        let anew = 1.0 - report.memory.plaintexts as f64 / all.max(1) as f64;
        let seconds = anew * report.predicted_plaintext_seconds;
        report.predicted_seconds += seconds;
        budget.seconds += seconds;
        budget.seconds_in_all += seconds;
    }
    report.budget = (budget.seconds_in_all > 0.0 || budget.seconds > 0.0).then_some(budget);
}

/// What evaluating a schedule takes that was lowered for a chain, before the plaintexts are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forecast {
    /// Memory; of the plaintexts an upper bound.
    pub memory: MemoryReport,
    /// Of the keys, those of rotations outside bootstraps.
    pub rotation_bytes: u64,
    /// Seconds on one thread of making the plaintexts, likewise.
    pub plaintext_seconds: f64,
}

/// Predicts what evaluating a schedule takes that was lowered for `chain`.
///
/// # Errors
/// None for a schedule that holds its invariants; the type is the verifier's.
pub fn forecast(
    chain: &Chain,
    schedule: &Verified<Schedule>,
    table: &CostTable,
) -> Result<Forecast, Violations> {
    let costs = CostModel::new(&chain.data, table);
    let schedule = &order::order(schedule.clone(), &costs)?;
    let keys = KeyManifest::for_needs(&key_needs(schedule), &chain.data);
    let bootstrap_bytes = chain.bootstrap.map_or(0, |b| b.key_bytes);
    let facts = facts::estimated_facts(schedule);
    let conjugated = schedule.header.slots as u32;
    let memory = MemoryReport {
        keys: KeyManifest { bootstrap_bytes, ..keys.clone() }.bytes(),
        matrices: chain.bootstrap.map_or(0, |b| b.matrix_bytes),
        ..memory(schedule, &costs, &facts)
    };
    Ok(Forecast {
        memory,
        rotation_bytes: keys.rotations.iter().filter(|key| key.step < conjugated).map(|key| key.bytes).sum(),
        plaintext_seconds: costs.schedule(schedule, &facts).iter().map(|price| price.first * 1e-6).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::ChainRequest;
    use crate::memory::peak_bytes;
    use fhec_ir::schedule::ScheduleOp;
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
                bootstrap: None,
            };
            let schedule = random::schedule(seed, &options);
            let inputs = random::inputs(seed, &schedule);
            let expected = interpret(&schedule, &inputs).unwrap();
            let costs = CostModel::new(&chain.data, &CostTable::default());
            let before = peak_bytes(&schedule, &costs);
            let plan = emit(&chain, schedule, &EmitOptions::default()).unwrap();
            prop_assert_eq!(interpret(&plan.schedule, &inputs).unwrap(), expected);
            prop_assert!(peak_bytes(&plan.schedule, &costs) <= before);
            prop_assert!(plan.report.security_bits >= 128.0);
            let precision = plan.client.precision_bits();
            prop_assert!(precision > 2.0, "{precision}");
            prop_assert!(plan.report.total(|l| l.key_switches) >= plan.report.total(|l| l.rotations));
        }
    }

    #[test]
    fn another_chain_is_refused() {
        let chain = chain();
        let (moduli, scale) = (chain.moduli(), chain.scale());
        let options = random::Options { slots: 16, moduli, scale, steps: 5, bootstrap: None };
        let refused = |chain, options| {
            let schedule = random::schedule(1, &options);
            matches!(emit(chain, schedule, &EmitOptions::default()), Err(EmitError::Chain))
        };
        assert!(refused(&chain, options));
        let chain = crate::bootstrap::tests::small();
        let (slots, moduli, scale) = (chain.slots(), chain.moduli(), chain.scale());
        assert!(refused(&chain, random::Options { slots, moduli, scale, steps: 5, bootstrap: None }));
    }

    #[test]
    fn bootstraps_are_counted_and_priced() {
        let chain = crate::bootstrap::tests::small();
        let bootstrap = chain.bootstrap_header();
        let (slots, moduli, scale) = (chain.slots(), chain.moduli(), chain.scale());
        let options = random::Options { slots, moduli, scale, steps: 30, bootstrap };
        let schedule = random::schedule(3, &options);
        let refreshes = |op: &ScheduleOp| matches!(op, ScheduleOp::Bootstrap { .. });
        let count = schedule.iter().filter(|(_, n)| refreshes(&n.op)).count() as u64;
        assert!(count > 1);
        let plan = emit(&chain, schedule.clone(), &EmitOptions::default()).unwrap();
        let pairs = schedule.ids().filter(|id| schedule.partner(*id).is_some()).count() as u64 / 2;
        assert!(pairs > 0);
        assert_eq!((plan.report.bootstraps, plan.report.pairs), (count, pairs));
        let costs = chain.bootstrap.unwrap();
        assert!(costs.seconds < costs.pair_seconds && costs.pair_seconds < 1.8 * costs.seconds);
        let seconds = (count - 2 * pairs) as f64 * costs.seconds + pairs as f64 * costs.pair_seconds;
        let others = CostModel::new(&chain.data, &CostTable::default());
        let others: f64 =
            others.schedule(&plan.schedule, &crate::facts::Facts::new()).iter().map(|p| p.each).sum();
        let predicted = plan.report.predicted_seconds;
        assert!((predicted - seconds - others * 1e-6).abs() < 0.1 * seconds, "{predicted} {seconds}");
        assert_eq!(plan.keys.bootstrap_bytes, costs.key_bytes);
        assert!(plan.report.memory.total() > plan.keys.bytes() + costs.matrix_bytes);
        let precision = plan.client.precision_bits();
        let mut better = chain.clone();
        better.data.bootstrap.as_mut().unwrap().error = 0.0;
        let without = emit(&better, schedule, &EmitOptions::default()).unwrap().client.precision_bits();
        assert!(precision < 19.0 && without > precision + 3.0, "{precision} {without}");
        assert_eq!(Plan::from_bytes(bytes(&plan)).unwrap().0, plan);
    }

    fn bytes(plan: &Plan) -> Vec<u8> {
        let mut bytes = Vec::new();
        plan.write_to(&mut bytes).unwrap();
        bytes
    }
}
