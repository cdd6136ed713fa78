//! `fhec simulate`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use fhec_ir::plan::Plan;
use fhec_runtime::clear::{ClearEngine, ClearValue};
use fhec_runtime::{ExecuteOptions, PlaintextStore, execute};
use serde_json::json;

use super::check::{Reference, max_abs_error};
use super::encrypt::load_inputs;
use super::infer::{parse_range, tasks};
use super::output::top1;
use super::{Context, load_plan};

/// Run a plan in clear with exact levels and scales and modelled noise.
#[derive(Args)]
#[command(after_help = "\
Results differ from encrypted ones by different noise of the same size; the same seed gives the same numbers.
`out_of_range` counts values that would not fit their modulus: an encrypted run is garbage there.

Example:
  fhec simulate model.plan --data test_batch.bin --range 0..1000 --json")]
pub(crate) struct SimulateArgs {
    /// The plan.
    plan: PathBuf,
    /// A file of records.
    #[arg(long, value_name = "FILE")]
    data: String,
    /// Records: FROM..TO, without TO.
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range, default_value = "0..1")]
    range: std::ops::Range<usize>,
    /// idx file of labels.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Seed of the noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl SimulateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let (plan, _) = load_plan(&self.plan)?;
        let tasks = tasks(&plan, &[self.data], Some(self.range), self.labels.as_ref())?;
        let store = PlaintextStore::new(2 << 30);
        let start = Instant::now();
        let progress = context.progress("simulating");
        let (mut correct, mut labelled, mut worst, mut overflows) = (0, 0, 0f64, 0);
        for (k, task) in tasks.iter().enumerate() {
            let tensors = load_inputs(&plan.client.inputs, &task.sources, false)?;
            let seed = self.seed.wrapping_add(k as u64);
            let engine = ClearEngine::modelled(&plan.schedule, &plan.parameters, Some(seed));
            let outputs = simulate(&plan, &engine, &store, &tensors, context.threads)?;
            overflows += engine.overflows();
            worst = worst.max(max_abs_error(&outputs, &Reference::Schedule.outputs(&plan, &tensors)?));
            if let Some(label) = task.label {
                labelled += 1;
                correct += usize::from(top1(&outputs[0]) == label);
            }
            progress.set(k + 1, tasks.len());
        }
        drop(progress);
        let seconds = start.elapsed().as_secs_f64();
        let accuracy = (labelled > 0).then(|| f64::from(correct as u32) / f64::from(labelled));
        let percent = accuracy.map_or(String::new(), |a| format!(", {:.2} % correct", 100.0 * a));
        context.answer(format!(
            "{} images{percent}, largest error {worst:.2e}, {overflows} values out of range, {seconds:.1} s",
            tasks.len()
        ));
        if context.json {
            context.json(&json!({
                "images": tasks.len(), "accuracy": accuracy, "max_abs_error": worst,
                "out_of_range": overflows, "seconds": seconds,
            }));
        }
        Ok(())
    }
}

fn simulate(
    plan: &Plan,
    engine: &ClearEngine,
    store: &PlaintextStore<ClearEngine>,
    tensors: &[Vec<f64>],
    threads: usize,
) -> Result<Vec<Vec<f64>>> {
    let mut stream = 0;
    let mut encrypt = |slots, level, scale| {
        stream += 1;
        engine.input(slots, level, scale, stream)
    };
    let inputs = plan.client.inputs.iter().zip(tensors);
    let inputs: Vec<Vec<ClearValue>> = inputs
        .map(|(i, t)| i.layout.pack(t).into_iter().map(|s| encrypt(s, i.level, i.scale)).collect())
        .collect();
    let options = ExecuteOptions { threads, progress: None };
    let run = execute(engine, &plan.schedule, inputs, store, &options)?;
    let outputs = plan.client.outputs.iter().zip(&run.outputs);
    let unpacked = outputs.map(|(o, cts)| {
        let slots: Vec<Vec<f64>> = cts.iter().map(|v| v.slots.clone()).collect();
        o.layout.unpack(&slots)
    });
    Ok(unpacked.collect())
}
