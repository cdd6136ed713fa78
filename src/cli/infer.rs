//! `fhec infer`.

mod session;

#[cfg(feature = "compiler")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "compiler")]
use anyhow::Context as _;
use anyhow::Result;
use clap::Args;
use fhec_ir::plan::{ClientSpec, Plan};
use fhec_runtime::client::Client;
use fhec_runtime::input::InputType;
use fhec_runtime::server::Server;

use super::Context;
use super::boxes::{BoxArgs, Boxes, boxes_help};
use super::check::Reference;
#[cfg(feature = "compiler")]
use super::compile::ModelArgs;
use super::files::load_plan;
#[cfg(feature = "compiler")]
use super::given::{COMPILED, Given};
use super::layers::LayerTable;
use super::memory;
use super::output::{bytes, mebibytes};
#[cfg(feature = "compiler")]
use super::records::types;
use super::records::{DataArgs, inputs_help, parse_range};
use super::release::Releaser;
use super::results::{ResultArgs, Results};
use super::tasks::Asked;
use super::trace::Trace;
use super::{paths::Paths, secrets};
use session::{Model, Session};

/// Keys, encryption, evaluation and decryption in one process.
#[derive(Args)]
#[command(after_help = concat!(
    inputs_help!(),
    "
With several inputs, all are run with one set of keys and a summary follows; one that fails is reported, and the rest goes
on. --check also runs in clear and compares: with the network's file, run by tract, if an .onnx is given, else with
the plan's schedule; an error beyond what the plan promises is a failure. --layers gives the seconds of each layer, summed
over its instructions, each on its threads (the prediction is for one thread), and −log2 of the rms and the largest
difference of its slots from those in clear.
What the network ends with that is no polynomial (softmax, arg-max, top-k, …) is run after decryption; --raw gives what it is
run on. --check bounds the error of that, and shows the results beside those in clear.

With --json there is one object, whatever the number of inputs: `images`, `failed`, `agreement`, `accuracy`, `mean_seconds`,
`max_abs_error`, `seconds_keygen`, `peak_rss_bytes`, and `results`, an entry for each input with `input`, `output` (the first),
`outputs` by name and `shapes` of these (numbers are flat, row-major), `top1`, `class`, `label`, `seconds`, with --check
`clear_output`, `max_abs_error`, `agrees`, with --boxes `boxes` (`class`, `name`, `score`, `x0`, `y0`, `x1`, `y1`); or with
`error`.

",
    boxes_help!(),
    "
Examples:
  fhec infer model.plan --input cat.png
  fhec infer lenet.onnx --input t10k-images-idx3-ubyte.gz --range 0..100 --labels t10k-labels-idx1-ubyte.gz --check
  fhec infer model.plan --input test_batch.bin#17 --json --check
  fhec infer detector.plan --input street.jpg --boxes found.png --classes coco.txt"
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
    #[command(flatten)]
    results: ResultArgs,
    #[command(flatten)]
    boxes: BoxArgs,
    /// Insist on inputs and results beyond what the plan was made for, at the risk of wrong ones.
    #[arg(long)]
    allow_out_of_range: bool,
    /// Memory for encoded plaintexts, kept between inputs or made ahead of their use, in MiB; what the plan provides for if
    /// not given.
    #[arg(long, value_name = "MIB")]
    plaintext_cache: Option<u64>,
    #[cfg(feature = "compiler")]
    #[command(flatten)]
    compile: Given<ModelArgs>,
}

#[cfg(feature = "compiler")]
fn is_network(model: &Path) -> bool {
    model.extension().is_some_and(|e| e == "onnx")
}

impl InferArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        self.boxes.add_to(self.paths().writes(&self.trace)).check()?;
        secrets::protect();
        let model = self.model(context)?;
        let results = Results::new(&model.plan.client, &self.results)?;
        let releaser = Releaser::new(self.results.release, &model.plan.client.outputs, None)?;
        let (range, labels) = (self.range.clone(), self.labels.as_deref());
        let asked = Asked { files: &self.input, range, labels, data: self.data };
        let (tasks, failed) = asked.open(&model.plan.client.inputs, context)?;
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        let input = model.plan.client.inputs.first().map(InputType::from);
        let boxes = Boxes::new(&self.boxes, &results, input.as_ref(), &names)?;
        boxes.as_ref().map_or(Ok(()), |boxes| boxes.check_apart(Paths::new().reads(&self.input)))?;
        let Plan { parameters, keys, client, .. } = &*model.plan;
        let spec = ClientSpec {
            plan: model.id,
            parameters: parameters.clone(),
            keys: keys.clone(),
            client: client.clone(),
        };
        let client = Client::new(spec)?.allow_out_of_range(self.allow_out_of_range);
        memory::ask(client.key_bytes()?.max(memory::least(&model.plan)), "the plan")?;
        let kept = self.plaintext_cache.map_or_else(|| memory::kept(&model.plan, context), mebibytes);
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
        let server = Server::new(plan, client.parameters(), evaluation, kept)?;
        // Nobody uses the plaintexts of a single input again.
        let server = if tasks.len() > 1 || self.plaintext_cache.is_some() {
            server
        } else {
            server.for_one_run(kept.min(mebibytes(memory::AHEAD_MIB)))
        };
        let layers = self.layers.then(|| LayerTable::new(&model.plan));
        let trace = self.trace.map(Trace::new);
        let session = Session {
            context,
            model: &model,
            client,
            keys,
            seconds_keygen,
            server,
            results,
            releaser,
            boxes,
            check: self.check.is_some(),
            layers,
            trace,
            beyond: None,
        };
        session.run(&tasks, &failed)
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

    fn paths(&self) -> Paths {
        #[cfg(feature = "compiler")]
        let paths = self.compile.args.paths(&self.model);
        #[cfg(not(feature = "compiler"))]
        let paths = Paths::new().reads([&self.model]);
        paths.reads(&self.input).reads(&self.labels).reads(&self.results.classes)
    }

    fn model(&self, context: &Context) -> Result<Model> {
        #[cfg(feature = "compiler")]
        if is_network(&self.model) {
            let options = self.compile.args.for_inputs(&self.input);
            let mut compiled = options.compile(&self.model, self.data, context)?;
            let mut plan = compiled.plan.take().context("compilation stopped before there was a plan")?;
            if let Some(range) = self.beyond(&plan)? {
                context.remark(format!("the inputs go beyond that: compiling for {}..{}", range.0, range.1));
                compiled = options.with_input_range(range).compile(&self.model, self.data, context)?;
                plan = compiled.plan.take().context("compilation stopped before there was a plan")?;
            }
            let id = plan.id()?;
            let network = Some(compiled.network);
            let reference = Reference::of(self.check.as_ref(), (&self.model, &plan), network, context)?;
            return Ok(Model { plan: Arc::new(plan), id, reference });
        }
        #[cfg(feature = "compiler")]
        self.compile.none(COMPILED)?;
        let (plan, id) = load_plan(&self.model)?;
        self.data.planned(&plan.client.inputs)?;
        let reference = Reference::of(self.check.as_ref(), (&self.model, &plan), None, context)?;
        Ok(Model { plan: Arc::new(plan), id, reference })
    }
}
