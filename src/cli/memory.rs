//! Asking the system for memory before work begins that cannot end without it.

use std::hint::black_box;

use anyhow::{Result, bail};

use fhec_ir::plan::Plan;

use super::output;

/// Bytes that a run of a plan cannot do without: plaintexts may be made when they are used.
pub(crate) fn least(plan: &Plan) -> u64 {
    let memory = &plan.report.memory;
    [memory.matrices, memory.values, memory.working].into_iter().fold(memory.keys, u64::saturating_add)
}

/// Fails if the system would not give so many bytes now, be it for a limit (`ulimit -v`) or for want of them: later, in the
/// middle of the work, that is the end of the process.
pub(crate) fn ask(bytes: u64, what: &str) -> Result<()> {
    let mut asked = Vec::<u8>::new();
    let refused = usize::try_from(bytes).map_or(true, |n| asked.try_reserve_exact(n).is_err());
    // The request is made though nobody uses what it gives.
    black_box(&mut asked);
    if refused {
        bail!("there is too little memory: {what} takes {}", output::bytes(bytes));
    }
    Ok(())
}
