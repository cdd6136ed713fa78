//! `fhec simulate`.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use fhec_ir::ValueId;
use fhec_ir::plan::Plan;
use fhec_ir::schedule::Layers;
use fhec_ir::schedule::interp::Packed;
use fhec_runtime::simulate::{Excess, Image, Simulator};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::check::{Reference, max_abs_error};
use super::infer::parse_range;
use super::output::{bytes, peak_rss_bytes, top1};
use super::records::Records;
use super::{Context, load_plan};

/// Images that go through the schedule together on one thread.
const BATCH: usize = 8;

/// Run a plan in clear with exact levels and scales and modelled noise.
#[derive(Args)]
#[command(after_help = "\
Results differ from encrypted ones by different noise of the same size; the same seed gives the same numbers. Listed
with their records are images on which an encrypted run would fail:
  diverging     a value is not finite, or too large for its modulus: garbage from there on
  out of range  a bootstrap's operand exceeds the range it was compiled for: less precise from there on

--check also runs without noise and compares; --check=MODEL.onnx runs the network itself.

Example:
  fhec simulate resnet20.plan --data test_8000.bin --json")]
pub(crate) struct SimulateArgs {
    /// The plan.
    plan: PathBuf,
    /// A file of records.
    #[arg(long, value_name = "FILE")]
    data: String,
    /// Records: FROM..TO, without TO; all if not given.
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    range: Option<Range<usize>>,
    /// idx file of labels. CIFAR batches hold their own.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Seed of the noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Compare with results without noise, or with those of a network.
    #[arg(long, value_name = "MODEL", num_args = 0..=1, require_equals = true)]
    check: Option<Option<PathBuf>>,
}

/// What became of a record.
struct Outcome {
    record: usize,
    /// Whether the largest result is that of the label, if there is one.
    correct: Option<bool>,
    diverges: Option<ValueId>,
    exceeds: Option<Excess>,
    uneven: Option<Excess>,
    compared: Option<Compared>,
}

/// A record against its results in clear.
struct Compared {
    /// Same largest result.
    agrees: bool,
    error: f64,
    /// Whether all results in clear are finite.
    finite: bool,
}

/// What results are compared with.
enum Clear<'s> {
    Exact(Simulator<'s>),
    Network(Reference),
}

struct Session<'a> {
    plan: &'a Plan,
    records: Records<'a>,
    simulator: Simulator<'a>,
    clear: Option<Clear<'a>>,
}

impl Session<'_> {
    fn unpack(&self, outputs: &Packed) -> Vec<Vec<f64>> {
        let outputs = self.plan.client.outputs.iter().zip(outputs);
        outputs.map(|(o, slots)| o.layout.unpack(slots)).collect()
    }

    fn batch(&self, records: &[usize]) -> Result<Vec<Outcome>> {
        let tensors = records.iter().map(|r| self.records.tensor(*r)).collect::<Result<Vec<_>>>()?;
        let layout = &self.plan.client.inputs[0].layout;
        let images = records.iter().zip(&tensors);
        let images: Vec<_> =
            images.map(|(r, t)| Image { number: *r as u64, inputs: vec![layout.pack(t)] }).collect();
        let simulated = self.simulator.run(&images)?;
        let clear = match &self.clear {
            None => vec![],
            Some(Clear::Exact(exact)) => {
                exact.run(&images)?.iter().map(|s| self.unpack(&s.outputs)).collect()
            }
            Some(Clear::Network(network)) => {
                let outputs = tensors.into_iter().map(|t| network.outputs(self.plan, &[t]));
                outputs.collect::<Result<Vec<_>>>()?
            }
        };
        let outcome = |(k, s): (usize, &fhec_runtime::simulate::Simulated)| {
            let outputs = self.unpack(&s.outputs);
            Outcome {
                record: records[k],
                correct: self.records.label(records[k]).map(|label| top1(&outputs[0]) == label),
                diverges: s.diverges,
                exceeds: s.exceeds,
                uneven: s.uneven,
                compared: clear.get(k).map(|clear| Compared {
                    agrees: top1(&outputs[0]) == top1(&clear[0]),
                    error: max_abs_error(&outputs, clear),
                    finite: clear.iter().flatten().all(|x| x.is_finite()),
                }),
            }
        };
        Ok(simulated.iter().enumerate().map(outcome).collect())
    }
}

impl SimulateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let (plan, _) = load_plan(&self.plan)?;
        let records = Records::open(&plan.client, &self.data, self.labels.as_deref(), false)?;
        let range: Vec<usize> = records.range(self.range.clone())?.collect();
        let start = Instant::now();
        let simulator = Simulator::new(&plan.schedule, &plan.parameters, self.seed)?;
        let clear = match &self.check {
            None => None,
            Some(None) => Some(Clear::Exact(simulator.exact())),
            Some(Some(path)) => Some(Clear::Network(network(path)?)),
        };
        let session = Session { plan: &plan, records, simulator, clear };
        let (progress, done) = (context.progress("simulating"), AtomicUsize::new(0));
        let batch = |records: &[usize]| {
            let outcomes = session.batch(records);
            progress.set(done.fetch_add(records.len(), Ordering::Relaxed) + records.len(), range.len());
            outcomes
        };
        let outcomes = range.par_chunks(BATCH).map(batch).collect::<Result<Vec<_>>>()?;
        drop(progress);
        let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
        report(&plan, &outcomes, start.elapsed().as_secs_f64(), context);
        Ok(())
    }
}

#[cfg(feature = "compiler")]
fn network(path: &std::path::Path) -> Result<Reference> {
    Ok(Reference::Network(Box::new(super::compile::import(path)?.graph)))
}

#[cfg(not(feature = "compiler"))]
fn network(_: &std::path::Path) -> Result<Reference> {
    anyhow::bail!("this fhec was built without the compiler")
}

fn report(plan: &Plan, outcomes: &[Outcome], seconds: f64, context: &Context) {
    let layers = Layers::new(&plan.schedule);
    let count = |f: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|o| f(o)).count();
    let ratio = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
    let (images, labelled) = (outcomes.len(), count(&|o| o.correct.is_some()));
    let correct = count(&|o| o.correct == Some(true));
    let accuracy = ratio(correct, labelled);
    let diverging: Vec<_> = outcomes.iter().filter_map(|o| Some((o.record, o.diverges?))).collect();
    let exceeding = outcomes.iter().filter(|o| o.diverges.is_none());
    let exceeding: Vec<_> = exceeding.filter_map(|o| Some((o.record, o.exceeds?))).collect();

    let percent =
        accuracy.map_or(String::new(), |a| format!(", {correct}/{labelled} correct ({:.2} %)", 100.0 * a));
    context.answer(format!("{images} images{percent}, {seconds:.1} s, {}", bytes(peak_rss_bytes())));
    let list = |what: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            context.answer(format!("{} {what}: {}", entries.len(), entries.join(", ")));
        }
    };
    let named = |(record, at): &(usize, ValueId)| format!("{record} (from {})", layers.name(*at));
    list("diverging", diverging.iter().map(named).collect());
    let named =
        |(record, e): &(usize, Excess)| format!("{record} (×{:.2} at {})", e.ratio, layers.name(e.at));
    list("out of range", exceeding.iter().map(named).collect());
    let uneven = outcomes.iter().filter(|o| o.diverges.is_none());
    let uneven: Vec<_> = uneven.filter_map(|o| Some((o.record, o.uneven?))).collect();
    list("bootstrapped as if slots repeated that do not", uneven.iter().map(named).collect());

    let mut result = json!({
        "images": images, "accuracy": accuracy, "correct": correct, "labelled": labelled, "seconds": seconds,
        "peak_rss_bytes": peak_rss_bytes(),
        "diverging": diverging.iter().map(|(r, at)| json!({"record": r, "layer": layers.name(*at)}))
            .collect::<Vec<_>>(),
        "out_of_range": exceeding.iter()
            .map(|(r, e)| json!({"record": r, "layer": layers.name(e.at), "ratio": e.ratio})).collect::<Vec<_>>(),
        "uneven": uneven.iter()
            .map(|(r, e)| json!({"record": r, "layer": layers.name(e.at), "ratio": e.ratio})).collect::<Vec<_>>(),
    });
    compared(outcomes, &mut result, context);
    if context.json {
        context.json(&result);
    }
}

/// The comparison with results in clear, if there was one; errors are of images that do not diverge.
fn compared(outcomes: &[Outcome], result: &mut Value, context: &Context) {
    let pairs: Vec<_> = outcomes.iter().filter_map(|o| Some((o, o.compared.as_ref()?))).collect();
    if pairs.is_empty() {
        return;
    }
    let agreeing = pairs.iter().filter(|(_, c)| c.agrees).count();
    let tame = pairs.iter().filter(|(o, c)| o.diverges.is_none() && c.finite);
    let worst = tame.map(|(_, c)| c.error).fold(0.0, f64::max);
    let infinite: Vec<usize> = pairs.iter().filter(|(_, c)| !c.finite).map(|(o, _)| o.record).collect();
    context.answer(format!(
        "{agreeing}/{} as in clear, largest error {worst:.2e} without diverging ones, {} not finite in clear {}",
        pairs.len(),
        infinite.len(),
        infinite.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    ));
    result["agreement"] = json!(agreeing as f64 / pairs.len() as f64);
    result["max_abs_error"] = json!(worst);
    result["not_finite_in_clear"] = json!(infinite);
}
