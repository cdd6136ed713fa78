//! Memory that a command asks for before it begins.

use anyhow::{Result, anyhow};
use fhec_ir::plan::Plan;
use fhec_runtime::memory::probe;

use super::output;

/// Bytes that a run of a plan cannot do without: plaintexts may be made when they are used.
pub(crate) fn least(plan: &Plan) -> u64 {
    let memory = &plan.report.memory;
    [memory.matrices, memory.values, memory.working].into_iter().fold(memory.keys, u64::saturating_add)
}

/// Fails if the system would not give so many bytes now.
pub(crate) fn ask(bytes: u64, what: &str) -> Result<()> {
    probe(bytes).map_err(|_| anyhow!("there is too little memory: {what} takes {}", output::bytes(bytes)))
}
