//! `fhec simulate`.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Error, Result, bail};
use clap::Args;
use fhec_ir::ValueId;
use fhec_ir::plan::{ClientSection, Plan, Tail};
use fhec_ir::schedule::interp::Packed;
use fhec_ir::schedule::{Layers, Schedule, ScheduleOp, scale};
use fhec_ir::simulate::{Excess, Image, Simulator};
use fhec_runtime::input::DataSet;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::Context;
use super::check::{Reference, max_abs_error};
use super::files::load_plan;
use super::output::{bytes, peak_rss_bytes};
use super::records::{DataArgs, inputs_help, parse_range, range, remark_assumed};
use super::usual::beyond_usual;

/// Images that go through the schedule together on one thread.
const BATCH: usize = 8;

/// Run a plan in clear with exact levels and scales and modelled noise.
#[derive(Args)]
#[command(after_help = concat!(
    inputs_help!(),
    "
Results differ from encrypted ones by different noise of the same size; the same seed gives the same numbers. Listed
with their records are images on which an encrypted run would fail:
  diverging     a value is not finite, or too large for its modulus: garbage from there on
  out of range  a bootstrap's operand exceeds the range it was compiled for: less precise from there on
  outside the range of a function's polynomial
                what a function is applied to exceeds the range that the polynomial in its place was made for, by the
                factor given where that happens first, and where it is largest: wrong from there on, perhaps garbage
  refused       an input or a result exceeds the bound that the plan was made for
  wild          what an activation is applied to is five times as large as in half of the records, or more, so that
                the network itself, whose polynomials are made for a range, is not to be trusted (from 16 records on)

--check also runs without noise and compares; --check=MODEL.onnx runs the network itself.

Example:
  fhec simulate resnet20.plan --data test_8000.bin --json"
))]
pub(crate) struct SimulateArgs {
    /// The plan.
    plan: PathBuf,
    /// Inputs: a file or folder of them, or one for each input of the network.
    #[arg(long, value_name = "FILE", required = true)]
    data: Vec<String>,
    /// Records: FROM..TO, without TO; all if not given.
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    range: Option<Range<usize>>,
    /// idx or .npy file of labels, instead of those that come with the data.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Seed of the noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Compare with results without noise, or with those of a network.
    #[arg(long, value_name = "MODEL", num_args = 0..=1, require_equals = true)]
    check: Option<Option<PathBuf>>,
    #[command(flatten)]
    reading: DataArgs,
}

/// What became of a record.
struct Outcome {
    record: usize,
    /// Whether the class is that of the label, if there is one.
    correct: Option<bool>,
    diverges: Option<ValueId>,
    exceeds: Option<Excess>,
    uneven: Option<Excess>,
    escapes: Vec<Excess>,
    /// The input or output that exceeds its bound most, and by what factor: encrypted, it is refused.
    beyond: Option<(String, f64)>,
    factors: Vec<f64>,
    compared: Option<Compared>,
}

/// A record that cannot be read, or does not fit.
struct Unread {
    record: usize,
    error: Error,
}

/// A record against its results in clear.
struct Compared {
    /// Same class.
    agrees: bool,
    /// Of the encrypted outputs.
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
    tail: Tail,
    records: DataSet,
    simulator: Simulator<'a>,
    clear: Option<Clear<'a>>,
}

impl Session<'_> {
    fn unpack(&self, outputs: &Packed) -> Vec<Vec<f64>> {
        let outputs = self.plan.client.outputs.iter().zip(outputs);
        outputs.map(|(o, slots)| o.layout.unpack(slots)).collect()
    }

    /// What becomes of records, and why some cannot be read.
    fn batch(&self, records: &[usize]) -> Result<(Vec<Outcome>, Vec<Unread>)> {
        let (mut read, mut tensors, mut unread) = (vec![], vec![], vec![]);
        for record in records {
            match self.records.tensors(*record) {
                Ok(inputs) => {
                    read.push(*record);
                    tensors.push(inputs);
                }
                Err(error) => unread.push(Unread { record: *record, error: error.into() }),
            }
        }
        let outcomes = self.simulate(&read, tensors)?;
        Ok((outcomes, unread))
    }

    fn simulate(&self, records: &[usize], tensors: Vec<Vec<Vec<f64>>>) -> Result<Vec<Outcome>> {
        let pack = |tensors: &Vec<Vec<f64>>| {
            self.plan.client.inputs.iter().zip(tensors).map(|(i, t)| i.layout.pack(t)).collect()
        };
        let images = records.iter().zip(&tensors);
        let images: Vec<_> =
            images.map(|(r, t)| Image { number: *r as u64, inputs: pack(t), exact: false }).collect();
        let simulated = self.simulator.run(&images)?;
        let clear = match &self.clear {
            None => vec![],
            Some(Clear::Exact(exact)) => {
                exact.run(&images)?.iter().map(|s| self.unpack(&s.outputs)).collect()
            }
            Some(Clear::Network(network)) => {
                let outputs = tensors.iter().map(|t| network.outputs(self.plan, t));
                outputs.collect::<Result<Vec<_>>>()?
            }
        };
        let top1 =
            |raw: &[Vec<f64>]| Ok::<_, Error>(self.tail.top1(&self.tail.run(raw).map_err(Error::msg)?));
        let outcome = |(k, s): (usize, &fhec_ir::simulate::Simulated)| {
            let outputs = self.unpack(&s.outputs);
            let top = top1(&outputs)?;
            let compared = |clear: &Vec<Vec<f64>>| {
                Ok::<_, Error>(Compared {
                    agrees: top == top1(clear)?,
                    error: max_abs_error(&outputs, clear),
                    finite: clear.iter().flatten().all(|x| x.is_finite()),
                })
            };
            Ok(Outcome {
                record: records[k],
                correct: self.records.label(records[k]).map(|label| top == label),
                diverges: s.diverges,
                exceeds: s.exceeds,
                uneven: s.uneven,
                escapes: s.escapes.clone(),
                beyond: beyond(&self.plan.client, &tensors[k], &outputs),
                factors: s.factors.clone(),
                compared: clear.get(k).map(compared).transpose()?,
            })
        };
        simulated.iter().enumerate().map(outcome).collect()
    }
}

/// The input or output that exceeds its bound most, if one does, and by what factor.
fn beyond(client: &ClientSection, inputs: &[Vec<f64>], outputs: &[Vec<f64>]) -> Option<(String, f64)> {
    let ratio = |name: &str, numbers: &[f64], bound: f64| {
        let largest = numbers.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        (name.to_string(), largest / bound)
    };
    let of_inputs = client.inputs.iter().zip(inputs).map(|(i, x)| ratio(&i.name, x, i.bound));
    let of_outputs = client.outputs.iter().zip(outputs).map(|(o, x)| ratio(&o.name, x, o.bound));
    let worst = of_inputs.chain(of_outputs).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (worst.1 > 1.0 + scale::RANGE_SLACK).then_some(worst)
}

impl SimulateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let (plan, _) = load_plan(&self.plan)?;
        let inputs = self.reading.planned(&plan.client.inputs)?;
        let records = self.reading.open_labelled(inputs, &self.data, self.labels.as_deref())?;
        remark_assumed(&records, context);
        let range: Vec<usize> = range(&records, self.range.clone())?.collect();
        let start = Instant::now();
        let simulator = Simulator::new(&plan.schedule, &plan.parameters, self.seed)?;
        let clear = match &self.check {
            None => None,
            Some(None) => Some(Clear::Exact(simulator.exact())),
            Some(Some(path)) => Some(Clear::Network(network(path, &plan)?)),
        };
        let session = Session { plan: &plan, tail: Tail::of(&plan.client)?, records, simulator, clear };
        let (progress, done) = (context.progress("simulating"), AtomicUsize::new(0));
        let batch = |records: &[usize]| {
            let outcomes = session.batch(records);
            progress.set(done.fetch_add(records.len(), Ordering::Relaxed) + records.len(), range.len());
            outcomes
        };
        let outcomes = range.par_chunks(BATCH).map(batch).collect::<Result<Vec<_>>>()?;
        drop(progress);
        let (outcomes, unread): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
        let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
        let unread: Vec<_> = unread.into_iter().flatten().collect();
        unread.iter().for_each(|u| context.report(&u.error));
        let result = report(&plan, &outcomes, &unread, start.elapsed().as_secs_f64(), context);
        context.end(result, || match unread.len() {
            0 => Ok(()),
            failed => bail!("{failed} of {} inputs failed", range.len()),
        })
    }
}

#[cfg(feature = "compiler")]
fn network(path: &std::path::Path, plan: &Plan) -> Result<Reference> {
    let shapes = super::shapes::ShapeArgs::of(&plan.client.inputs);
    Ok(Reference::Network(Box::new(super::files::import(path, &shapes)?.graph)))
}

#[cfg(not(feature = "compiler"))]
fn network(_: &std::path::Path, _: &Plan) -> Result<Reference> {
    anyhow::bail!("this fhec was built without the compiler")
}

fn report(plan: &Plan, outcomes: &[Outcome], unread: &[Unread], seconds: f64, context: &Context) -> Value {
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
    let escaping: Vec<_> = outcomes.iter().map(|o| (o.record, by_layer(&layers, &o.escapes))).collect();
    let escaped =
        escaping.iter().filter_map(|(record, layers)| Some(format!("{record} ({})", worst(layers)?)));
    list("outside the range of a function's polynomial", escaped.collect());
    let beyond = || outcomes.iter().filter_map(|o| Some((o.record, o.beyond.as_ref()?)));
    let refused = beyond().map(|(record, (name, ratio))| format!("{record} (×{ratio:.2} at {name})"));
    list("refused, beyond the bounds of inputs or results", refused.collect());
    let uneven = outcomes.iter().filter(|o| o.diverges.is_none());
    let uneven: Vec<_> = uneven.filter_map(|o| Some((o.record, o.uneven?))).collect();
    list("bootstrapped as if slots repeated that do not", uneven.iter().map(named).collect());
    let wild = wild(&plan.schedule, outcomes);
    list("wild", wild.iter().map(named).collect());

    let mut result = json!({
        "images": images, "accuracy": accuracy, "correct": correct, "labelled": labelled, "seconds": seconds,
        "peak_rss_bytes": peak_rss_bytes(),
        "diverging": diverging.iter().map(|(r, at)| json!({"record": r, "layer": layers.name(*at)}))
            .collect::<Vec<_>>(),
        "out_of_range": exceeding.iter().map(|(r, e)| (*r, "bootstrap", layers.name(e.at), e.ratio))
            .chain(escaping.iter().flat_map(|(r, all)| all.iter().map(|(l, ratio)| (*r, "function", *l, *ratio))))
            .map(|(r, what, layer, ratio)| json!({"record": r, "what": what, "layer": layer, "ratio": ratio}))
            .collect::<Vec<_>>(),
        "refused": beyond().map(|(r, (name, ratio))| json!({"record": r, "name": name, "ratio": ratio}))
            .collect::<Vec<_>>(),
        "wild": wild.iter()
            .map(|(r, e)| json!({"record": r, "layer": layers.name(e.at), "ratio": e.ratio})).collect::<Vec<_>>(),
        "failed": unread.iter()
            .map(|u| json!({"record": u.record, "error": format!("{:#}", u.error)})).collect::<Vec<_>>(),
        "uneven": uneven.iter()
            .map(|(r, e)| json!({"record": r, "layer": layers.name(e.at), "ratio": e.ratio})).collect::<Vec<_>>(),
    });
    compared(outcomes, &mut result, context);
    result
}

/// The largest ratio of each layer, layers in the order of their first.
fn by_layer<'l>(layers: &'l Layers, escapes: &[Excess]) -> Vec<(&'l str, f64)> {
    let mut largest: Vec<(&str, f64)> = vec![];
    for Excess { at, ratio } in escapes {
        let layer = layers.name(*at);
        match largest.iter_mut().find(|(name, _)| *name == layer) {
            Some((_, most)) => *most = most.max(*ratio),
            None => largest.push((layer, *ratio)),
        }
    }
    largest
}

/// The first layer, from which others may follow, and the one of the largest ratio.
fn worst(layers: &[(&str, f64)]) -> Option<String> {
    let named = |(layer, ratio): &(&str, f64)| match *ratio {
        ..1.01 => format!("×{ratio:.4} at {layer}"),
        1e4.. => format!("×{ratio:.1e} at {layer}"),
        _ => format!("×{ratio:.2} at {layer}"),
    };
    let first = layers.first()?;
    let most = layers.iter().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|most| most.0 != first.0);
    Some(named(first) + &most.map_or(String::new(), |most| format!(", up to {}", named(most))))
}

/// Magnitude of a factor over that of the median record from which on a record is wild. Of ResNet-20's 8,000 records
/// in `shared/data` those that diverge have 58 and more, no other one has 5.
const WILD: f64 = 5.0;

/// Records whose activations are applied to values far larger than usual, where that is worst, unless something else
/// was found about them.
fn wild(schedule: &Schedule, outcomes: &[Outcome]) -> Vec<(usize, Excess)> {
    let products = schedule.iter().filter(|(_, n)| n.op == ScheduleOp::Mul).map(|(id, _)| id);
    let products: Vec<ValueId> = products.collect();
    let factors: Vec<&[f64]> = outcomes.iter().map(|o| &o.factors[..]).collect();
    let tame = |(o, worst): (&Outcome, Option<(usize, f64)>)| {
        let (k, ratio) =
            worst.filter(|_| o.diverges.is_none() && o.exceeds.is_none() && o.escapes.is_empty())?;
        (ratio >= WILD).then_some((o.record, Excess { at: products[k], ratio }))
    };
    outcomes.iter().zip(beyond_usual(&factors)).filter_map(tame).collect()
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
