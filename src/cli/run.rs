//! `fhec run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use fhec_ckks::params::Parameters;
use fhec_ir::plan::{Plan, PlanId};
use fhec_runtime::ExecuteOptions;
use fhec_runtime::files::{self, Bundle, Direction};
use fhec_runtime::key_folder::check_siblings;
use fhec_runtime::server::Server;
use serde_json::{Value, json};

use super::Context;
use super::bundles::{Bundles, input_name};
use super::files::load_plan;
use super::memory;
use super::output::{bytes, failure, mebibytes, peak_rss_bytes};
use super::paths::Paths;
use super::trace::Trace;

/// Run a plan on encrypted inputs.
#[derive(Args)]
#[command(after_help = "\
Needs the plan, the client's evaluation keys and its encrypted inputs; sees neither inputs nor results.
Several files, or a folder of them as `fhec encrypt` makes it, are run one after the other with keys that are read once,
their results written under the same names to the folder -o; one that fails is reported, and the rest goes on.

Examples:
  fhec run model.plan --keys keys/evaluation.keys --input cat.ct -o result.ct
  fhec run model.plan --keys keys/evaluation.keys --input inputs -o results")]
pub(crate) struct RunArgs {
    /// The plan.
    plan: PathBuf,
    /// The client's evaluation keys.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// Encrypted inputs: files or folders of them.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<PathBuf>,
    /// Where to write the encrypted results: a file, of several inputs a folder.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Write when each instruction ran, for chrome://tracing or Perfetto.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Keep what a run of one input has come to in this file, behind bootstraps and at most every 20 seconds, and go on from there
    /// if a run of the same input was stopped. It is removed at the end.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Memory for plaintexts in MiB: of one input 128 for those encoded ahead of their use, of several what the plan provides
    /// for, to keep them.
    #[arg(long, value_name = "MIB")]
    plaintext_cache: Option<u64>,
}

struct Session<'a> {
    context: &'a Context,
    plan: Arc<Plan>,
    id: PlanId,
    parameters: Parameters,
    server: Server,
    trace: Option<Trace>,
    checkpoint: Option<PathBuf>,
}

/// What a run took.
struct Took {
    seconds: f64,
    peak_value_bytes: usize,
}

impl RunArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let bundles = Bundles::open(&self.input)?;
        let paths = Paths::new().reads([&self.plan, &self.keys]).reads(&bundles.files).reads(&self.input);
        let outputs = bundles.outputs(&self.output)?;
        if bundles.many && self.checkpoint.is_some() {
            bail!("--checkpoint is for one input: give a file, not a folder or several");
        }
        paths.writes(&outputs).writes(&self.trace).writes(&self.checkpoint).check()?;
        let (plan, id) = load_plan(&self.plan)?;
        let parameters = Server::parameters(&plan)?;
        memory::ask(memory::least(&plan), "the plan")?;
        let kept = || self.plaintext_cache.map_or_else(|| memory::kept(&plan, context), mebibytes);
        let kept = if bundles.many { kept() } else { 0 };
        let needs = Server::key_needs(&plan, &parameters)?;
        let (evaluation, key_set) = files::read_evaluation_keys(&self.keys, &parameters, &needs)?;
        check_siblings(&self.keys, key_set)?;
        let plan = Arc::new(plan);
        let server = Server::new((plan.clone(), id), &parameters, (Arc::new(evaluation), key_set), kept)?;
        let server = if bundles.many {
            server
        } else {
            server.for_one_run(mebibytes(self.plaintext_cache.unwrap_or(memory::AHEAD_MIB)))
        };
        let trace = self.trace.map(Trace::new);
        let mut session =
            Session { context, plan, id, parameters, server, trace, checkpoint: self.checkpoint };
        let files: Vec<_> = bundles.files.iter().zip(&outputs).collect();
        let result = match (&files[..], bundles.many) {
            ([(input, output)], false) => session.single(input, output),
            _ => session.many(&files),
        };
        session.trace.as_ref().map_or(Ok(()), Trace::save)?;
        result
    }
}

impl Session<'_> {
    fn run(&mut self, input: &Path, output: &Path) -> Result<Took> {
        let inputs = {
            let plan = (self.id, &self.plan.client);
            Bundle::load(input, Direction::Inputs, &self.parameters, plan)?
        };
        let progress = self.context.progress("running");
        let report = |done, total| progress.set(done, total);
        let options = ExecuteOptions { threads: self.context.threads, progress: Some(&report) };
        let start = self.trace.as_ref().map_or(0.0, Trace::now);
        let run = match &self.checkpoint {
            Some(file) => self.server.run_kept(inputs, &options, &self.parameters, file)?,
            None => self.server.run(inputs, &options)?,
        };
        drop(progress);
        if let Some(trace) = &mut self.trace {
            trace.add(&self.plan.client.network, &self.plan.schedule, start, &run.execution.spans);
        }
        run.outputs.save(output, Direction::Outputs, &self.parameters)?;
        self.checkpoint.iter().for_each(|file| Server::forget(file));
        let (seconds, peak_value_bytes) = (run.execution.seconds, run.execution.peak_value_bytes);
        self.context.say(format!(
            "{}: {seconds:.2} s, peak memory {}",
            output.display(),
            bytes(peak_rss_bytes())
        ));
        Ok(Took { seconds, peak_value_bytes })
    }

    fn single(&mut self, input: &Path, output: &Path) -> Result<()> {
        let took = self.run(input, output)?;
        if self.context.json {
            self.context.json(&json!({
                "seconds": took.seconds, "peak_rss_bytes": peak_rss_bytes(),
                "peak_value_bytes": took.peak_value_bytes, "results": [entry(input, output, &took)],
            }));
        }
        Ok(())
    }

    fn many(&mut self, files: &[(&PathBuf, &PathBuf)]) -> Result<()> {
        let (mut entries, mut seconds, mut failed, mut peak) = (vec![], 0.0, 0, 0);
        for (input, output) in files {
            match self.run(input, output) {
                Ok(took) => {
                    seconds += took.seconds;
                    peak = peak.max(took.peak_value_bytes);
                    entries.push(entry(input, output, &took));
                }
                Err(error) => {
                    self.context.report(&error);
                    entries.push(failure(&input_name(input), &error));
                    failed += 1;
                }
            }
        }
        let done = files.len() - failed;
        let mean = seconds / done.max(1) as f64;
        self.context.say(format!("{done} inputs, {mean:.2} s each"));
        let result = json!({
            "images": done, "failed": failed, "seconds": seconds, "mean_seconds": mean,
            "peak_rss_bytes": peak_rss_bytes(), "peak_value_bytes": peak, "results": entries,
        });
        self.context.end(result, || match failed {
            0 => Ok(()),
            _ => bail!("{failed} of {} inputs failed", files.len()),
        })
    }
}

fn entry(input: &Path, output: &Path, took: &Took) -> Value {
    json!({ "input": input_name(input), "file": output, "seconds": took.seconds })
}
