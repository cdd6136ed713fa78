//! Memory of an evaluation: what lives when, and what is kept throughout.

use fhec_ir::ValueId;
use fhec_ir::plan::MemoryReport;
use fhec_ir::schedule::interp::remaining_uses;
use fhec_ir::schedule::{Schedule, ScheduleOp};

use crate::cost::CostModel;
use crate::facts::Facts;

/// Words that the tables of one modulus take, over N.
const TABLE_LIMBS: u64 = 4;

/// Memory of an evaluation, but for keys and matrices.
pub(crate) fn memory(schedule: &Schedule, costs: &CostModel<'_>, facts: &Facts) -> MemoryReport {
    let parameters = costs.parameters();
    let n = 1u64 << parameters.log_n;
    let moduli = (parameters.q.len() + parameters.p.len()) as u64;
    let values = peak_bytes(schedule, costs);
    MemoryReport {
        values,
        // Free buffers of lengths that no instruction asks for just then: measured as half of the values.
        working: TABLE_LIMBS * moduli * 8 * n + values / 2,
        plaintexts: facts.values().map(|f| (f.weight * 8.0 * n as f64) as u64).sum(),
        ..MemoryReport::default()
    }
}

/// Most bytes of values that live at once when a schedule is executed in its order on one thread. Inputs live from
/// the start, outputs to the end.
pub fn peak_bytes(schedule: &Schedule, costs: &CostModel<'_>) -> u64 {
    let mut uses = remaining_uses(schedule);
    let is_input = |id: ValueId| matches!(schedule.node(id).op, ScheduleOp::Input { .. });
    let bytes = |id: ValueId| costs.value_bytes(*schedule.ty(id));
    let mut live: u64 = schedule.ids().filter(|id| is_input(*id)).map(bytes).sum();
    let mut peak = live;
    for (id, node) in schedule.iter() {
        if !is_input(id) {
            live += bytes(id);
        }
        peak = peak.max(live);
        for arg in &node.args {
            uses[arg.index()] -= 1;
            if uses[arg.index()] == 0 {
                live -= bytes(*arg);
            }
        }
        if uses[id.index()] == 0 {
            live -= bytes(id);
        }
    }
    peak
}
