//! `fhec run`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use fhec_runtime::ExecuteOptions;
use fhec_runtime::files::{self, Bundle, Direction};
use fhec_runtime::server::Server;
use serde_json::json;

use super::Context;
use super::files::load_plan;
use super::output::{bytes, mebibytes, peak_rss_bytes};
use super::trace::Trace;

/// Run a plan on encrypted inputs.
#[derive(Args)]
#[command(after_help = "\
Needs the plan, the client's evaluation keys and its encrypted inputs; sees neither inputs nor results.

Example:
  fhec run model.plan --keys keys/evaluation.keys --input cat.ct -o result.ct")]
pub(crate) struct RunArgs {
    /// The plan.
    plan: PathBuf,
    /// The client's evaluation keys.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// Encrypted inputs.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where to write the encrypted results.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write when each instruction ran, for chrome://tracing or Perfetto.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Memory for plaintexts encoded ahead of their use, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 128)]
    plaintext_cache: u64,
}

impl RunArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let (plan, id) = load_plan(&self.plan)?;
        let parameters = Server::parameters(&plan)?;
        let (evaluation, key_set) = files::read_evaluation_keys(&self.keys, &parameters)?;
        let inputs = Bundle::load(&self.input, Direction::Inputs, &parameters, id)?;
        let plan = Arc::new(plan);
        let server = Server::new((plan.clone(), id), &parameters, (Arc::new(evaluation), key_set), 0)?;
        let server = server.for_one_run(mebibytes(self.plaintext_cache));
        let progress = context.progress("running");
        let report = |done, total| progress.set(done, total);
        let options = ExecuteOptions { threads: context.threads, progress: Some(&report) };
        let trace = self.trace.map(Trace::new);
        let start = trace.as_ref().map_or(0.0, Trace::now);
        let run = server.run(inputs, &options)?;
        drop(progress);
        if let Some(mut trace) = trace {
            trace.add(&plan.client.network, &plan.schedule, start, &run.execution.spans);
            trace.save()?;
        }
        run.outputs.save(&self.output, Direction::Outputs, &parameters)?;
        let (seconds, peak) = (run.execution.seconds, peak_rss_bytes());
        context.say(format!("{}: {seconds:.2} s, peak memory {}", self.output.display(), bytes(peak)));
        if context.json {
            context.json(&json!({
                "seconds": seconds, "peak_rss_bytes": peak,
                "peak_value_bytes": run.execution.peak_value_bytes,
            }));
        }
        Ok(())
    }
}
