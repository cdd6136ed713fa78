//! `fhec infer`.

#[cfg(feature = "compiler")]
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "compiler")]
use anyhow::Context as _;
use anyhow::{Result, bail};
use clap::Args;
use fhec_ir::plan::{ClientSpec, Plan, PlanId};
use fhec_runtime::ExecuteOptions;
use fhec_runtime::client::{Client, Keys};
use fhec_runtime::input::DataSet;
use fhec_runtime::server::{Server, plaintext_bytes};
use serde_json::{Value, json};

use super::check::{Reference, allowed_error, max_abs_error};
use super::files::load_plan;
#[cfg(feature = "compiler")]
use super::given::{COMPILED, Given};
use super::layers::LayerTable;
use super::output::{bytes, mebibytes, peak_rss_bytes, top1};
use super::records::{DataArgs, inputs_help, parse_range, range, types};
use super::trace::Trace;
use super::{Context, decrypt};

/// Keys, encryption, evaluation and decryption in one process.
#[derive(Args)]
#[command(after_help = concat!(
    inputs_help!(),
    "
With several inputs, all are run with one set of keys and a summary follows; one that fails is reported, and the rest goes
on. --check also runs in clear and compares: with the network's file, run by tract, if an .onnx is given, else with
the plan's schedule; an error beyond what the plan's precision allows the worst slot, relative to the largest result or
1, is a failure. --layers gives the seconds of each layer, summed over its instructions, each on its threads (the
prediction is for one thread), and −log2 of the rms and the largest difference of its slots from those in clear.

Examples:
  fhec infer model.plan --input cat.png
  fhec infer lenet.onnx --input t10k-images-idx3-ubyte.gz --range 0..100 --labels t10k-labels-idx1-ubyte.gz --check
  fhec infer model.plan --input test_batch.bin#17 --json --check"
))]
pub(crate) struct InferArgs {
    /// A plan, or an ONNX network, which is compiled first.
    model: PathBuf,
    /// Inputs: files or folders of them, each run by itself; for a network with several inputs one for each, or one .npz.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<String>,
    /// Of the inputs that a file or folder holds: FROM..TO, without TO; all if not given.
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    range: Option<std::ops::Range<usize>>,
    /// idx or .npy file of the inputs' labels, for the accuracy, instead of those that come with them.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Run in clear as well and compare: with the network's file, or without one with the plan's schedule.
    #[arg(long, value_name = "MODEL", num_args = 0..=1, require_equals = true)]
    check: Option<Option<PathBuf>>,
    /// Show the time of each layer beside the predicted one and, with --check, the error of its results.
    #[arg(long)]
    layers: bool,
    /// Write when each instruction ran, for chrome://tracing or Perfetto.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    /// Insist on inputs and results beyond what the plan was made for, at the risk of wrong ones.
    #[arg(long)]
    allow_out_of_range: bool,
    /// Memory for encoded plaintexts, kept between inputs or made ahead of their use, in MiB; what the plan provides for if
    /// not given.
    #[arg(long, value_name = "MIB")]
    plaintext_cache: Option<u64>,
    #[cfg(feature = "compiler")]
    #[command(flatten)]
    compile: Given<super::compile::ModelArgs>,
}

#[cfg(feature = "compiler")]
fn is_network(model: &Path) -> bool {
    model.extension().is_some_and(|e| e == "onnx")
}

/// A plan with what it is compared with.
pub(crate) struct Model {
    pub(crate) plan: Arc<Plan>,
    pub(crate) id: PlanId,
    pub(crate) reference: Reference,
}

/// One inference to do.
struct Task {
    /// What the input is called.
    name: String,
    /// What it should be.
    label: Option<usize>,
    data: Rc<DataSet>,
    record: usize,
}

/// Inputs that are not to be had, by name, and why.
struct Failed {
    name: String,
    error: anyhow::Error,
}

struct Session<'a> {
    context: &'a Context,
    model: &'a Model,
    client: Client,
    keys: Keys,
    server: Server,
    check: bool,
    layers: Option<LayerTable>,
    trace: Option<Trace>,
    /// Of errors beyond the plan's precision the worst, and what was allowed.
    beyond: Option<(f64, f64)>,
}

struct Outcome {
    outputs: Vec<Vec<f64>>,
    clear: Option<Vec<Vec<f64>>>,
    seconds: f64,
}

impl Outcome {
    fn top1(&self) -> usize {
        self.outputs.first().map_or(0, |o| top1(o))
    }

    fn agrees(&self) -> Option<bool> {
        let clear = self.clear.as_ref()?.first()?;
        Some(top1(clear) == self.top1())
    }

    fn error(&self) -> Option<f64> {
        self.clear.as_ref().map(|c| max_abs_error(c, &self.outputs))
    }
}

impl Session<'_> {
    fn infer(&mut self, task: &Task) -> Result<Outcome> {
        let plan = &self.model.plan;
        let tensors = task.data.tensors(task.record)?;
        let secret = (&self.keys.secret, self.keys.id);
        let bundle = self.client.encrypt(secret, &tensors)?;
        let watch = match &self.layers {
            Some(layers) if self.check => {
                let inputs = plan.client.inputs.iter().zip(&tensors);
                let packed = inputs.map(|(i, t)| i.layout.pack(t)).collect();
                Some(layers.watch(plan, &packed, &self.client, secret.0)?)
            }
            _ => None,
        };
        let start = self.trace.as_ref().map_or(0.0, Trace::now);
        let progress = self.context.progress("running");
        let report = |done, total| progress.set(done, total);
        let options = ExecuteOptions { threads: self.context.threads, progress: Some(&report) };
        let observe = |id, value: &_| {
            watch.iter().for_each(|w| w.observe(id, value));
        };
        let run = self.server.run_observed(bundle, &options, &observe)?;
        drop(progress);
        let outputs = self.client.decrypt(secret, &run.outputs)?;
        decrypt::warn_of_bounds(&plan.client.outputs, &outputs, self.context);
        let clear = self.check.then(|| self.model.reference.outputs(plan, &tensors)).transpose()?;
        if let Some(clear) = &clear {
            let (error, allowed) = (max_abs_error(clear, &outputs), allowed_error(plan, clear));
            let worse = |(worst, of): &(f64, f64)| error / allowed > worst / of;
            if error > allowed && self.beyond.as_ref().is_none_or(worse) {
                self.beyond = Some((error, allowed));
            }
        }
        if let Some(layers) = &mut self.layers {
            layers.add(&run.execution.spans, watch)?;
        }
        if let Some(trace) = &mut self.trace {
            trace.add(&task.name, &plan.schedule, start, &run.execution.spans);
        }
        Ok(Outcome { outputs, clear, seconds: run.execution.seconds })
    }
}

impl InferArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let model = self.model(context)?;
        let (tasks, failed) = self.tasks(&model, context)?;
        let Plan { parameters, keys, client, .. } = &*model.plan;
        let spec = ClientSpec {
            plan: model.id,
            parameters: parameters.clone(),
            keys: keys.clone(),
            client: client.clone(),
        };
        let client = Client::new(spec)?.allow_out_of_range(self.allow_out_of_range);
        let start = Instant::now();
        let progress = context.progress("generating keys");
        let keys = client.generate_keys(Some(&|done, total| progress.set(done, total)))?;
        drop(progress);
        let seconds_keygen = start.elapsed().as_secs_f64();
        let evaluation = (keys.evaluation.clone(), keys.id);
        context.detail(format!(
            "{} of evaluation keys, {seconds_keygen:.1} s",
            bytes(evaluation.0.bytes() as u64)
        ));
        let plan = (model.plan.clone(), model.id);
        let budget = self.plaintext_cache.map_or_else(|| plaintext_bytes(&model.plan), mebibytes);
        let server = Server::new(plan, client.parameters(), evaluation, budget)?;
        let check = self.check.is_some();
        let layers = self.layers.then(|| LayerTable::new(&model.plan));
        let trace = self.trace.map(Trace::new);
        let mut session =
            Session { context, model: &model, client, keys, server, check, layers, trace, beyond: None };
        if let ([task], []) = (&tasks[..], &failed[..]) {
            let result = session.single(task, seconds_keygen)?;
            return session.finish(result);
        }
        let given = tasks.len() + failed.len();
        let (result, failed) = session.many(&tasks, failed, seconds_keygen);
        session.finish(result)?;
        if failed == 0 { Ok(()) } else { bail!("{failed} of {given} inputs failed") }
    }

    /// What inferences are asked for; what cannot be opened, unless it is all there is.
    fn tasks(&self, model: &Model, context: &Context) -> Result<(Vec<Task>, Vec<Failed>)> {
        let inputs = types(&model.plan.client.inputs);
        // Of a network with several inputs all files are one.
        let each = if inputs.len() == 1 { 1 } else { self.input.len() };
        let groups: Vec<&[String]> = self.input.chunks(each).collect();
        if groups.len() > 1 && (self.range.is_some() || self.labels.is_some()) {
            bail!("--range and --labels are for one --input");
        }
        let (mut tasks, mut failed) = (vec![], vec![]);
        for files in &groups {
            let open = || {
                let set = self.data.open_labelled(inputs.clone(), files, self.labels.as_deref())?;
                let range = range(&set, self.range.clone())?;
                Ok((Rc::new(set), range))
            };
            match open() {
                Ok((data, range)) => tasks.extend(range.map(|record| {
                    let (name, label) = (data.name(record), data.label(record));
                    Task { name, label, data: data.clone(), record }
                })),
                Err(error) if groups.len() == 1 => return Err(error),
                Err(error) => {
                    context.report(&error);
                    failed.push(Failed { name: files.join(" "), error });
                }
            }
        }
        if tasks.is_empty() {
            bail!("all of {} inputs failed", failed.len());
        }
        if let [only] = &tasks[..] {
            // Better now than after keys were made.
            only.data.tensors(only.record)?;
        }
        self.remark(model, &tasks, context)?;
        Ok((tasks, failed))
    }

    /// Says what is assumed of inputs that are bytes where a network is compiled for them.
    #[cfg(feature = "compiler")]
    fn remark(&self, model: &Model, tasks: &[Task], context: &Context) -> Result<()> {
        let Some(network) = model.reference.network().filter(|_| is_network(&self.model)) else {
            return Ok(());
        };
        let normalisations = self.compile.args.norm.of(&self.model, network)?;
        if let Some(task) = tasks.iter().find(|t| t.data.byte_inputs().next().is_some()) {
            let bytes = task.data.byte_inputs().map(|i| (i.name.as_str(), &i.shape[..]));
            normalisations.remark(network, bytes, context);
        }
        Ok(())
    }

    #[cfg(not(feature = "compiler"))]
    fn remark(&self, _: &Model, _: &[Task], _: &Context) -> Result<()> {
        Ok(())
    }

    /// Numbers that all inputs lie between, if some are beyond what the plan was made for and nobody said what inputs there
    /// are.
    #[cfg(feature = "compiler")]
    fn beyond(&self, plan: &Plan) -> Result<Option<(f64, f64)>> {
        if self.compile.args.says_inputs() || self.range.is_some() {
            return Ok(None);
        }
        let inputs = &plan.client.inputs;
        let mut beyond = false;
        let mut all = (f64::INFINITY, f64::NEG_INFINITY);
        let each = if inputs.len() == 1 { 1 } else { self.input.len() };
        for files in self.input.chunks(each) {
            // What cannot be read is reported when its turn comes.
            let Ok(set) = self.data.open(types(inputs), files) else { continue };
            for tensors in (0..set.len()).filter_map(|record| set.tensors(record).ok()) {
                for (tensor, input) in tensors.iter().zip(inputs) {
                    let numbers = || tensor.iter().copied().filter(|x| x.is_finite());
                    beyond |= numbers().any(|x| x.abs() > input.bound);
                    all = numbers().fold(all, |(low, high), x| (low.min(x), high.max(x)));
                }
            }
        }
        // The usual domain is still one to compute on.
        let bound = inputs.iter().map(|i| i.bound).fold(0.0, f64::max);
        Ok(beyond.then_some((all.0.min(0.0), all.1.max(bound))))
    }

    fn model(&self, context: &Context) -> Result<Model> {
        #[cfg(feature = "compiler")]
        if is_network(&self.model) {
            let options = &self.compile.args;
            let mut compiled = options.compile(&self.model, self.data, context)?;
            let mut plan = compiled.plan.take().context("compilation stopped before there was a plan")?;
            if let Some(range) = self.beyond(&plan)? {
                context.remark(format!("the inputs go beyond that: compiling for {}..{}", range.0, range.1));
                compiled = options.with_input_range(range).compile(&self.model, self.data, context)?;
                plan = compiled.plan.take().context("compilation stopped before there was a plan")?;
            }
            let id = plan.id()?;
            let reference = Reference::of(self.check.as_ref(), &self.model, Some(compiled.network), context)?;
            return Ok(Model { plan: Arc::new(plan), id, reference });
        }
        #[cfg(feature = "compiler")]
        self.compile.none(COMPILED)?;
        let (plan, id) = load_plan(&self.model)?;
        let reference = Reference::of(self.check.as_ref(), &self.model, None, context)?;
        Ok(Model { plan: Arc::new(plan), id, reference })
    }
}

impl Session<'_> {
    /// Ends with what runs and layers took.
    fn finish(&self, mut result: Value) -> Result<()> {
        if let Some(layers) = &self.layers {
            layers.show(&self.model.plan, self.context);
            result["layers"] = layers.json(&self.model.plan);
        }
        if self.context.json {
            self.context.json(&result);
        }
        self.trace.as_ref().map_or(Ok(()), Trace::save)?;
        match self.beyond {
            Some((error, allowed)) => bail!(
                "an error against clear is {error:.2e}, the plan's precision of {:.1} bits allows {allowed:.2e}",
                self.model.plan.client.precision_bits
            ),
            None => Ok(()),
        }
    }

    fn single(&mut self, task: &Task, seconds_keygen: f64) -> Result<Value> {
        let outcome = self.infer(task)?;
        let names = self.model.plan.client.outputs.iter().map(|o| &o.name);
        for (name, output) in names.zip(&outcome.outputs) {
            self.context.answer(decrypt::line(name, output));
        }
        let (top, peak) = (outcome.top1(), peak_rss_bytes());
        let against = outcome.error().map_or(String::new(), |e| format!(", error {e:.2e} against clear"));
        self.context.answer(format!("largest: {top} ({:.2} s, {}{against})", outcome.seconds, bytes(peak)));
        let mut result = json!({
            "output": outcome.outputs.first(), "top1": top, "seconds": outcome.seconds,
            "seconds_keygen": seconds_keygen, "peak_rss_bytes": peak,
        });
        if outcome.outputs.len() > 1 {
            result["outputs"] = json!(outcome.outputs);
        }
        if let Some(clear) = &outcome.clear {
            result["clear_output"] = json!(clear.first());
            result["max_abs_error"] = json!(outcome.error());
        }
        if let Some(label) = task.label {
            result["label"] = json!(label);
        }
        Ok(result)
    }

    /// The results of all, and how many failed.
    fn many(&mut self, tasks: &[Task], failed: Vec<Failed>, seconds_keygen: f64) -> (Value, usize) {
        let (mut seconds, mut worst) = (0.0, None::<f64>);
        let (mut agree, mut labelled, mut correct) = (0, 0, 0);
        let failure = |name: &str, e: &anyhow::Error| json!({ "input": name, "error": format!("{e:#}") });
        let mut results: Vec<Value> = failed.iter().map(|f| failure(&f.name, &f.error)).collect();
        let mut count = 0;
        for task in tasks {
            let outcome = match self.infer(task) {
                Ok(outcome) => outcome,
                Err(error) => {
                    self.context.report(&error);
                    results.push(failure(&task.name, &error));
                    continue;
                }
            };
            count += 1;
            let top = outcome.top1();
            seconds += outcome.seconds;
            worst = outcome.error().map(|e| e.max(worst.unwrap_or(0.0))).or(worst);
            agree += usize::from(outcome.agrees() == Some(true));
            labelled += usize::from(task.label.is_some());
            correct += usize::from(task.label == Some(top));
            let name = &task.name;
            let label = task.label.map_or(String::new(), |l| format!(", label {l}"));
            let error = outcome.error().map_or(String::new(), |e| format!(", error {e:.2e}"));
            self.context.answer(format!("{name}: {top}{label} ({:.2} s{error})", outcome.seconds));
            results.push(json!({
                "input": name, "top1": top, "label": task.label, "seconds": outcome.seconds,
                "max_abs_error": outcome.error(), "agrees": outcome.agrees(), "output": outcome.outputs.first(),
            }));
        }
        let (failed, mean) = (results.len() - count, seconds / count.max(1) as f64);
        let mut summary = format!("{count} inputs, {mean:.2} s each");
        if let Some(worst) = worst {
            summary += &format!(", {agree}/{count} as in clear, largest error {worst:.2e}");
        }
        if labelled > 0 {
            summary += &format!(", {correct}/{labelled} correct");
        }
        if failed > 0 {
            summary += &format!(", {failed} failed");
        }
        self.context.answer(&summary);
        let ratio = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
        let result = json!({
            "images": count, "failed": failed, "mean_seconds": mean, "seconds_keygen": seconds_keygen,
            "agreement": self.check.then(|| ratio(agree, count)).flatten(),
            "accuracy": ratio(correct, labelled), "max_abs_error": worst,
            "peak_rss_bytes": peak_rss_bytes(), "results": results,
        });
        (result, failed)
    }
}
