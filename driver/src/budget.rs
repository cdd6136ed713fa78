//! Fitting a lowered schedule to a memory budget.
//!
//! What exceeds it gives up rotation keys, whose steps are composed of others ([`compose_rotations`]), and plaintexts kept
//! between images, always what saves the most bytes per modelled second.

use fhec_backend::cost::{CostModel, CostTable};
use fhec_backend::{Chain, Forecast};
use fhec_ir::plan::{BudgetReport, MemoryReport};
use fhec_ir::schedule::Schedule;
use fhec_ir::{Verified, Violations, verify};
use fhec_passes::PassError;
use fhec_passes::compose_rotations::{self, Spare, SwitchPrices};

/// What a memory budget does to a schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    /// Whether it fits now.
    pub(crate) fits: bool,
    /// Modelled seconds lost by what was given up.
    pub(crate) seconds: f64,
    /// Memory now.
    pub(crate) memory: MemoryReport,
    /// Bytes before.
    pub(crate) before: u64,
    /// Instructions and plaintexts of the schedule: what looking at it takes goes with them.
    pub(crate) work: usize,
}

/// A schedule with as few keys as the budget asks for.
pub(crate) struct Fitted {
    pub(crate) schedule: Verified<Schedule>,
    report: compose_rotations::Report,
    memory: MemoryReport,
    before: u64,
}

impl Fitted {
    /// What the budget did.
    pub(crate) fn fit(&self) -> Fit {
        let compose_rotations::Report { fits, seconds, .. } = self.report;
        let work = self.schedule.iter().map(|(_, node)| 1 + node.op.recipes().len()).sum();
        Fit { fits, seconds, memory: self.memory, before: self.before, work }
    }

    /// What a budget of so many bytes cost by keys, beside the seconds by which the candidate is slower than the fastest
    /// one; what plaintexts cost follows when they are known.
    pub(crate) fn cost(&self, bytes: u64, slower: f64) -> BudgetReport {
        let composed = self.report.seconds - self.report.spare_seconds;
        BudgetReport {
            bytes,
            keys_before: self.report.keys_before as u64,
            key_bytes_before: self.report.bytes_before,
            seconds: composed,
            seconds_in_all: slower + composed,
        }
    }
}

/// Composes steps of a schedule that was lowered for `chain` until it fits `budget` bytes, if it can.
///
/// # Errors
/// None for a verified schedule; the type is the pass's.
pub(crate) fn fitted(
    chain: &Chain,
    schedule: &Verified<Schedule>,
    costs: &CostTable,
    budget: u64,
) -> Result<Fitted, PassError> {
    let Forecast { memory, rotation_bytes, plaintext_seconds } = forecast(chain, schedule, costs)?;
    let rest = memory.total() - memory.plaintexts - rotation_bytes;
    let mut config = compose_rotations::Config {
        parameters: chain.data.clone(),
        prices: switch_prices(chain, costs),
        bytes: budget.saturating_sub(rest),
        spare: Spare { bytes: memory.plaintexts, seconds: plaintext_seconds },
    };
    let mut result = composed(chain, schedule, costs, &config)?;
    // Composed steps may lengthen lives: what values take more is to be given up as well.
    let beside = |memory: &MemoryReport| memory.values + memory.working;
    let more = beside(&result.memory).saturating_sub(beside(&memory));
    if more > 0 && result.report.fits {
        config.bytes = config.bytes.saturating_sub(more);
        result = composed(chain, schedule, costs, &config)?;
    }
    result.before = memory.total();
    Ok(result)
}

/// Seconds of key switches, by level.
fn switch_prices(chain: &Chain, costs: &CostTable) -> Vec<SwitchPrices> {
    let model = CostModel::new(&chain.data, costs);
    let price = |level: u32| SwitchPrices {
        rotation: model.rotation(level) * 1e-6,
        hoist: model.hoist(level) * 1e-6,
        giant: model.giant(level) * 1e-6,
    };
    (0..chain.data.gadgets.len() as u32).map(price).collect()
}

fn composed(
    chain: &Chain,
    schedule: &Verified<Schedule>,
    costs: &CostTable,
    config: &compose_rotations::Config,
) -> Result<Fitted, PassError> {
    let (schedule, report) = compose_rotations::run(schedule, config)?;
    let schedule = verify(schedule).map_err(broken)?;
    let memory = forecast(chain, &schedule, costs)?.memory;
    let memory = MemoryReport { plaintexts: memory.plaintexts.saturating_sub(report.spared), ..memory };
    Ok(Fitted { schedule, report, memory, before: 0 })
}

fn forecast(chain: &Chain, schedule: &Verified<Schedule>, costs: &CostTable) -> Result<Forecast, PassError> {
    fhec_backend::forecast(chain, schedule, costs).map_err(broken)
}

fn broken(violations: Violations) -> PassError {
    PassError::Broken { pass: "compose-rotations", violations }
}
