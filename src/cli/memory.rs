//! Memory that a command asks for before it begins.

use anyhow::{Result, anyhow};
use fhec_ir::plan::Plan;
use fhec_runtime::memory::{available, probe};
use fhec_runtime::server::plaintext_bytes;

use super::{Context, output};

/// Memory for plaintexts encoded ahead of their use in a single run, in MiB.
pub(crate) const AHEAD_MIB: u64 = 128;

/// Bytes that a run of a plan cannot do without: plaintexts may be made when they are used.
pub(crate) fn least(plan: &Plan) -> u64 {
    let memory = &plan.report.memory;
    [memory.matrices, memory.values, memory.working].into_iter().fold(memory.keys, u64::saturating_add)
}

/// Fails if the system would not give so many bytes now.
pub(crate) fn ask(bytes: u64, what: &str) -> Result<()> {
    let taken = output::bytes(bytes);
    if let Some(left) = available().filter(|left| *left < bytes) {
        let left = output::bytes(left);
        let help = "--memory-budget compiles for less, and --threads 1 takes a little less";
        return Err(anyhow!("there is too little memory: {what} takes {taken}, {left} are left; {help}"));
    }
    probe(bytes).map_err(|_| anyhow!("there is too little memory: {what} takes {taken}"))
}

/// Bytes of plaintexts to keep of those that a plan provides for: what other parts of it leave. Says so if these are fewer.
pub(crate) fn kept(plan: &Plan, context: &Context) -> usize {
    let wanted = plaintext_bytes(plan);
    let left = available().map_or(u64::MAX, |left| left.saturating_sub(least(plan)));
    let kept = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
    if kept < wanted {
        let [kept, wanted] = [kept, wanted].map(|bytes| output::bytes(bytes as u64));
        context.remark(format!("memory is scarce: {kept} of {wanted} of plaintexts are kept between inputs"));
    }
    kept
}
