//! `fhec compile`, the default verb.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use fhec::pipeline::{PASSES, Program, Timing};
use fhec::{Accuracy, Activation, Compiled, Driver, Request};
use fhec_backend::cost::CostTable;
use fhec_backend::facts::plain_facts;
use fhec_backend::report::counts;
use fhec_frontend::Import;
use fhec_ir::plan::{Normalisation, Plan};
use fhec_ir::tensor::Tensor;
use serde_json::{Value, json};

use super::assumed::{self, OfBytes};
use super::files::{import, read_classes};
use super::normalisation::{NormArgs, Prepared};
use super::output::bytes;
use super::paths::Paths;
use super::watching::{Keep, Watched, Watching, done};
use super::{Context, constants, figures, kind};

/// Samples that bound values, and those that tell what functions may be replaced by.
#[cfg(feature = "client")]
const SAMPLES: usize = 16;
#[cfg(feature = "client")]
const SAMPLES_FOR_FUNCTIONS: usize = 512;

/// Samples from which ranges of functions are extrapolated with some confidence.
#[cfg(feature = "client")]
const FEW_SAMPLES: usize = 100;

/// Bits of precision that will do where none are asked for.
const LEAST_PRECISION_BITS: f64 = 8.0;

/// How a network is compiled, for all verbs that do.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    pub(crate) norm: NormArgs,
    /// log2 of the ring degree, 12 to 17; the smallest secure one if not given.
    #[arg(long, value_name = "LOG_N", value_parser = clap::value_parser!(u32).range(12..=17), help_heading = "Compilation")]
    log_n: Option<u32>,
    /// Bits of the scale; the fewest that reach the precision if not given, with bootstraps the cheapest of a few.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(20..=49), help_heading = "Compilation")]
    scale_bits: Option<u32>,
    /// Bits of precision: the worst of an output's numbers is at most 2^-BITS of the output's range off, which follows from
    /// the samples. If not given 13, or as many as a network with bootstraps can have, 8 at least, with a remark.
    #[arg(long, value_name = "BITS", help_heading = "Compilation")]
    precision_bits: Option<f64>,
    /// --precision-bits count after the binary point, whatever the range of an output is.
    #[arg(long, help_heading = "Compilation")]
    precision_absolute: bool,
    /// Least and largest number of the inputs, as they enter the network: for inputs that are no bytes. By default what mean
    /// and deviation make of bytes; `infer` widens that to the inputs it is given.
    #[arg(long, value_name = "LO..HI", value_parser = parse_input_range, allow_hyphen_values = true, help_heading = "Compilation")]
    input_range: Option<(f64, f64)>,
    /// Seed of the synthetic images that estimate magnitudes; the same seed gives the same plan.
    #[arg(long, default_value_t = 0, help_heading = "Compilation")]
    seed: u64,
    /// Bootstrap even if the network could do without, or never; by default if it needs more than 24 levels.
    #[arg(long, value_name = "BOOL", help_heading = "Compilation")]
    bootstrap: Option<bool>,
    /// Levels between bootstraps; the cheapest of a few if not given.
    #[arg(long, value_name = "LEVELS", value_parser = clap::value_parser!(u32).range(1..=40), help_heading = "Compilation")]
    levels: Option<u32>,
    /// Most memory for the bootstrap's keys, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = (Request::default().bootstrap_key_bytes >> 20) as u64, help_heading = "Compilation")]
    bootstrap_keys: u64,
    /// Most memory that an evaluation with bootstraps may be predicted to take, keys included, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = Request::default().memory_budget >> 20, help_heading = "Compilation")]
    memory_budget: u64,
    /// Inputs that bound the values of the network, instead of synthetic images: a file or folder of them as for --input
    /// (`infer --help`), or one for each input. Networks with bootstraps need real ones.
    #[cfg(feature = "client")]
    #[arg(long, value_name = "FILE", help_heading = "Compilation")]
    samples: Vec<String>,
    /// Inputs that stand for samples where functions have to be replaced and there are none: those that are about to be run.
    #[cfg(feature = "client")]
    #[arg(skip)]
    inputs: Vec<String>,
    /// How many of these; 16 if not given, 512 of a network whose functions have to be replaced by polynomials.
    #[cfg(feature = "client")]
    #[arg(long, value_name = "COUNT", requires = "samples", help_heading = "Compilation")]
    sample_count: Option<usize>,
    /// Labels of the samples, instead of those that come with them.
    #[cfg(feature = "client")]
    #[arg(skip)]
    labels: Option<PathBuf>,
    /// What stands for ReLU, max-pools and the like: the cheapest of polynomials and compositions of them that keeps what the
    /// network says on the samples, or compositions (Lee et al. 2021). `exact` keeps them, for looking at. Or a
    /// method: `even:110`, an even polynomial of that degree, `7,7,13`, a composition of these degrees.
    #[arg(
        long,
        value_name = "METHOD",
        default_value = "auto",
        value_parser = functions,
        help_heading = "Functions that are no polynomials"
    )]
    activation: Functions,
    /// Precision of the compositions: ReLU is at most 2^-ALPHA of its range off. 4 to 14; as the samples need if not given.
    #[arg(long, value_name = "ALPHA", help_heading = "Functions that are no polynomials")]
    alpha: Option<f64>,
    /// Most points of accuracy that replacing functions may cost on the samples; without labels, most per cent of samples that change their class.
    #[arg(long, value_name = "POINTS", value_parser = positive, help_heading = "Functions that are no polynomials")]
    accuracy_loss: Option<f64>,
    /// Share of images on which some operand may leave the range that its polynomial is made for, by extrapolation from
    /// the samples: results are garbage then.
    #[arg(long, value_name = "SHARE", value_parser = positive, default_value_t = Request::default().escape_rate, help_heading = "Functions that are no polynomials")]
    escape_rate: f64,
    /// Kernel times of the machine that will run the plan, as `fhec calibrate` writes them; built-in ones if not given.
    #[arg(long, value_name = "FILE", help_heading = "Compilation")]
    costs: Option<PathBuf>,
    /// Keep activations as they are, down to the slot IR (for looking at, not for running).
    #[arg(long, help_heading = "Functions that are no polynomials")]
    exact_activations: bool,
}

/// What stands for functions that are no polynomials; `exact` keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Functions {
    Exact,
    Replaced(Activation),
}

fn functions(text: &str) -> Result<Functions, String> {
    Ok(Functions::Replaced(match text {
        "auto" => Activation::Auto,
        "composite" => Activation::Composite,
        "exact" => return Ok(Functions::Exact),
        method => Activation::By(method.parse().map_err(|e| {
            format!("{e}; there are auto, composite, exact, and methods such as even:110 or 7,7,13")
        })?),
    }))
}

/// Compile an ONNX network into a plan.
#[derive(Args)]
#[command(after_help = "\
Examples:
  fhec model.onnx -o model.plan
  fhec resnet20.onnx -o resnet20.plan --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  fhec model.onnx --stop-after place --dump-after place")]
pub(crate) struct CompileArgs {
    /// The network.
    model: PathBuf,
    /// Where to write the plan; beside the network if not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    options: ModelArgs,
    #[command(flatten)]
    data: SampleArgs,
    /// Names of classes for the client, one per line or as JSON; those of the network's file if not given.
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// idx or .npy file of the samples' labels, instead of those that come with them: --accuracy-loss counts right classes then.
    #[cfg(feature = "client")]
    #[arg(
        long,
        value_name = "FILE",
        requires = "samples",
        help_heading = "Functions that are no polynomials"
    )]
    labels: Option<PathBuf>,
    /// End after this pass.
    #[arg(long, value_name = "PASS", value_parser = pass, help_heading = "Passes")]
    stop_after: Option<String>,
    /// Print the program after this pass; repeatable.
    #[arg(long, value_name = "PASS", value_parser = pass, help_heading = "Passes")]
    dump_after: Vec<String>,
    /// Write the numbers of the constants in these programs to a .safetensors file, for `fhec opt --constants`.
    #[arg(long, value_name = "FILE", requires = "dump_after", help_heading = "Passes")]
    write_constants: Option<PathBuf>,
    /// Print how long each pass takes.
    #[arg(long, help_heading = "Passes")]
    time_passes: bool,
}

/// Two finite numbers, the second one larger.
fn parse_input_range(text: &str) -> Result<(f64, f64), String> {
    let (low, high) = text.split_once("..").ok_or("expected LO..HI, such as -1..1")?;
    let number = |s: &str| s.trim().parse::<f64>().map_err(|e| format!("{s:?}: {e}"));
    match (number(low)?, number(high)?) {
        (low, high) if low.is_finite() && high.is_finite() && low < high => Ok((low, high)),
        _ => Err("the range is empty or not finite".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|x: &f64| *x > 0.0 && x.is_finite())
        .ok_or_else(|| "expected a positive number".into())
}

pub(crate) fn pass(name: &str) -> Result<String, String> {
    if PASSES.contains(&name) { Ok(name.into()) } else { Err(format!("passes are {}", PASSES.join(", "))) }
}

/// What to read samples with.
#[cfg(feature = "client")]
pub(crate) type SampleArgs = super::records::DataArgs;

/// Without the client no inputs are read.
#[cfg(not(feature = "client"))]
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    scale: super::scale::ScaleArgs,
}

#[cfg(not(feature = "client"))]
impl SampleArgs {
    fn scale(self) -> Option<super::scale::Scale> {
        self.scale.scale()
    }
}

/// Inputs of a network, and their classes if they have any.
type Labelled = (Vec<Vec<Tensor<f64>>>, Vec<usize>);

impl ModelArgs {
    /// Whether it was said what inputs there are.
    #[cfg(feature = "client")]
    pub(crate) fn says_inputs(&self) -> bool {
        !self.samples.is_empty() || self.input_range.is_some()
    }

    /// The files that are read to compile a network, as a set of paths.
    pub(crate) fn paths(&self, model: &Path) -> Paths {
        let paths = Paths::new().reads([model, &model.with_extension("toml")]);
        let paths = paths.reads(&self.norm.norm).reads(&self.costs);
        #[cfg(feature = "client")]
        let paths = paths.reads(&self.samples);
        paths
    }

    fn exact(&self) -> bool {
        self.exact_activations || self.activation == Functions::Exact
    }

    /// The same for these inputs.
    #[cfg(feature = "client")]
    pub(crate) fn for_inputs(&self, inputs: &[String]) -> Self {
        Self { inputs: inputs.to_vec(), ..self.clone() }
    }

    /// The same for inputs in this range.
    #[cfg(feature = "client")]
    pub(crate) fn with_input_range(&self, range: (f64, f64)) -> Self {
        Self { input_range: Some(range), ..self.clone() }
    }

    fn request(&self, model: &Path, import: &Import, data: SampleArgs, context: &Context) -> Result<Request> {
        let prepared = self.norm.of(model, import, data.scale())?;
        prepared.remark_raw(import, context);
        let (samples, labels) = self.samples(import, &prepared, data, context)?;
        let Prepared { normalisations, preprocessing } = prepared;
        let usual = Request::default().precision_bits;
        let least = if self.precision_absolute { usual } else { LEAST_PRECISION_BITS };
        Ok(Request {
            log_n: self.log_n,
            scale_bits: self.scale_bits,
            precision_bits: self.precision_bits.unwrap_or(usual),
            least_precision_bits: self.precision_bits.unwrap_or(least),
            precision_absolute: self.precision_absolute,
            input_range: self.input_range,
            seed: self.seed,
            exact_activations: self.exact(),
            activation: match &self.activation {
                Functions::Replaced(activation) => activation.clone(),
                Functions::Exact => Activation::Auto,
            },
            alpha: self.alpha,
            accuracy: self.accuracy_loss.map_or(Accuracy::Usual, Accuracy::Loss),
            escape_rate: self.escape_rate,
            labels,
            bootstrap: self.bootstrap,
            levels: self.levels,
            bootstrap_key_bytes: (self.bootstrap_keys as usize) << 20,
            memory_budget: self.memory_budget.saturating_mul(1 << 20),
            samples,
            normalisations,
            preprocessing,
            costs: self.costs.as_deref().map_or_else(|| Ok(CostTable::default()), CostTable::load)?,
            ..Request::default()
        })
    }

    /// Reads the inputs that bound the network's values.
    #[cfg(feature = "client")]
    fn samples(
        &self,
        import: &Import,
        prepared: &Prepared,
        data: SampleArgs,
        context: &Context,
    ) -> Result<Labelled> {
        let functions = import.graph.iter().any(|(_, n)| !fhec_passes::approximate::is_polynomial(&n.op));
        let stand_in = functions && self.samples.is_empty() && !self.exact();
        let files = if stand_in { &self.inputs } else { &self.samples };
        if stand_in {
            let ranges = match files.is_empty() {
                true => "proven for all inputs in their domain, and wide",
                false => "those of the inputs at hand, with a margin",
            };
            context.remark(format!("ranges of functions are {ranges}; give real inputs with --samples"));
        }
        if files.is_empty() {
            return Ok((vec![], vec![]));
        }
        let inputs = super::records::network_types(&import.graph, prepared);
        let set = data.open_labelled(inputs.clone(), files, self.labels.as_deref())?;
        let usual = if functions { SAMPLES_FOR_FUNCTIONS } else { SAMPLES };
        let wanted = self.sample_count.unwrap_or(usual);
        let count = set.len().min(wanted);
        if count < wanted && !stand_in {
            context.remark(format!("--samples: {count} are all there are, of {wanted} that may be used"));
        }
        if functions && !stand_in && count < FEW_SAMPLES {
            context.remark(format!(
                "--samples: {count} tell little about the ranges of functions; an image that leaves one gives garbage: some hundreds are better"
            ));
        }
        let shaped = |tensors: Vec<Vec<f64>>| {
            inputs.iter().zip(tensors).map(|(i, t)| Tensor::new(i.shape.clone(), t)).collect()
        };
        let labels: Option<Vec<usize>> = (0..count).map(|k| set.label(k)).collect();
        let samples = (0..count).map(|k| Ok(shaped(set.tensors(k)?))).collect::<Result<_>>()?;
        Ok((samples, labels.unwrap_or_default()))
    }

    #[cfg(not(feature = "client"))]
    fn samples(&self, _: &Import, _: &Prepared, _: SampleArgs, _: &Context) -> Result<Labelled> {
        Ok((vec![], vec![]))
    }

    /// Compiles a network to a plan.
    #[cfg(feature = "client")]
    pub(crate) fn compile(&self, model: &Path, data: SampleArgs, context: &Context) -> Result<Compiled> {
        Ok(self.watched(model, data, context, &|_, _| None)?.0)
    }

    /// Compiles, keeping what `keep` makes of the programs after passes.
    pub(crate) fn watched(
        &self,
        model: &Path,
        data: SampleArgs,
        context: &Context,
        keep: &Keep<'_>,
    ) -> Result<(Compiled, Watched)> {
        let import = import(model, &self.norm.shapes)?;
        let request = self.request(model, &import, data, context)?;
        run((&import, model), &request, context, keep)
    }
}

fn run(
    (import, model): (&Import, &Path),
    request: &Request,
    context: &Context,
    keep: &Keep<'_>,
) -> Result<(Compiled, Watched)> {
    let mut watching = Watching::new(context, keep);
    let compiled = Driver::new(import, request).file(model).observer(&mut watching).run()?;
    let watched = watching.finish();
    if let Some(report) = compiled.plan.as_ref().map(|p| &p.report).filter(|r| r.diverging > 0) {
        context.remark(format!(
            "the network diverges on {} of {} samples: on inputs like these results are garbage, encrypted or not",
            report.diverging,
            report.diverging + report.samples
        ));
    }
    if let Some(plan) = compiled.plan.as_ref().filter(|_| request.samples.is_empty()) {
        context.remark(bounded_by(request, plan));
    }
    Ok((compiled, watched))
}

/// What bounds the values of a plan that was made without samples.
fn bounded_by(request: &Request, plan: &Plan) -> String {
    let bytes = request.normalisations.iter().all(|n| *n == Normalisation::default());
    let inputs = match request.input_range {
        Some((low, high)) => format!("{low}..{high}"),
        None if bytes => {
            "0..1 (bytes over 255: an assumption; --input-range or --mean and --std say otherwise)".into()
        }
        None => "what bytes become".into(),
    };
    let larger = if plan.report.bootstraps > 0 {
        "a bootstrap garbles larger values"
    } else {
        "larger values may not fit"
    };
    format!(
        "values are bounded by synthetic inputs within {inputs}: {larger}; give real inputs with --samples"
    )
}

impl CompileArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        self.check_paths()?;
        let import = import(&self.model, &self.options.norm.shapes)?;
        let weights = Paths::new().reads(&import.weight_files).writes([self.plan_path()]);
        weights.writes(&self.write_constants).check_apart()?;
        #[cfg(feature = "client")]
        let options = ModelArgs { labels: self.labels.clone(), ..self.options.clone() };
        #[cfg(not(feature = "client"))]
        let options = &self.options;
        let mut request = options.request(&self.model, &import, self.data, context)?;
        request.stop_after = self.stop_after.clone();
        request.classes = self.classes.as_deref().map(read_classes).transpose()?;
        if self.options.exact() && request.stop_after.is_none() {
            bail!(
                "exact activations cannot run encrypted: add --stop-after assign-layout, or use `fhec eval`"
            );
        }
        let dumped =
            |program: &Program, pass: &str| self.dump_after.iter().any(|p| p == pass).then(|| program.text());
        let (compiled, watched) = run((&import, &self.model), &request, context, &dumped)?;
        let Watched { dumps, constants, timings, stages, functions } = watched;
        if let Some(path) = &self.write_constants {
            constants::write(path, &constants)?;
        }
        for (_, text) in &dumps {
            context.answer(text.trim_end());
        }
        if self.time_passes {
            for t in &timings {
                let (run, verify) = (t.run.as_secs_f64(), t.verify.as_secs_f64());
                context.answer(format!("{run:9.3} s  {} (and {verify:.3} s verifying)", t.pass));
            }
            for (stage, time) in &stages {
                context.answer(format!("{:9.3} s  {}", time.as_secs_f64(), done(*stage)));
            }
        }
        let mut result = match &compiled.plan {
            Some(plan) => {
                let numbers = self.save(plan, context)?;
                remark_assumed(plan, context);
                numbers
            }
            None => {
                // Behind a dump the numbers are a remark: with -q there is only the program.
                let tell =
                    |line: String| if dumps.is_empty() { context.answer(line) } else { context.say(line) };
                stopped(&compiled.program, &tell)?
            }
        };
        if context.json {
            if let Some(functions) = functions {
                result["functions"] = functions;
            }
            if !dumps.is_empty() {
                let dumps = dumps.into_iter().map(|(pass, text)| (pass.to_string(), json!(text)));
                result["dumps"] = Value::Object(dumps.collect());
            }
            if self.time_passes {
                let seconds = |t: &Timing| {
                    let (run, verify) = (t.run.as_secs_f64(), t.verify.as_secs_f64());
                    json!({ "pass": t.pass, "seconds": run, "seconds_verifying": verify })
                };
                let stages = stages.iter();
                let stages =
                    stages.map(|(stage, t)| json!({ "stage": done(*stage), "seconds": t.as_secs_f64() }));
                result["passes"] = timings.iter().map(seconds).collect();
                result["stages"] = stages.collect();
            }
            context.json(&result);
        }
        Ok(())
    }

    /// Where the plan goes.
    fn plan_path(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| self.model.with_extension("plan"))
    }

    /// Checks that what is to be written can be.
    fn check_paths(&self) -> Result<()> {
        if kind::no_network(&self.model).is_some() {
            // Refused for that, which says more.
            return Ok(());
        }
        let paths = self.options.paths(&self.model).reads(&self.classes);
        #[cfg(feature = "client")]
        let paths = paths.reads(&self.labels);
        let paths = paths.writes(&self.write_constants);
        // Behind a pass there is no plan to write, unless it was asked for.
        let plan = (self.output.is_some() || self.stop_after.is_none()).then(|| self.plan_path());
        paths.writes(plan).check()
    }

    /// Writes the plan and gives its numbers.
    fn save(&self, plan: &Plan, context: &Context) -> Result<Value> {
        let path = self.plan_path();
        let id = plan.save(&path)?;
        let size = std::fs::metadata(&path).map_or(0, |m| m.len());
        context.say(format!(
            "{}: {}, N = 2^{}, {} levels, {:.0} bits of security, {:.2} s predicted on one thread",
            path.display(),
            bytes(size),
            plan.parameters.log_n,
            plan.parameters.q.len() - 1,
            plan.report.security_bits,
            plan.report.predicted_seconds,
        ));
        let numbers = figures::numbers(plan, id, size);
        figures::table(plan, &numbers).iter().for_each(|line| context.say(line));
        Ok(numbers)
    }
}

/// Says what is assumed of inputs that look like pictures.
fn remark_assumed(plan: &Plan, context: &Context) {
    let inputs = &plan.client.inputs;
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|i| i.layout.shape()).collect();
    let inputs = inputs.iter().zip(&shapes).enumerate().map(|(k, (input, shape))| OfBytes {
        name: &input.name,
        shape,
        normalisation: &input.normalisation,
        first: k == 0,
    });
    assumed::remark(inputs.filter(OfBytes::is_picture), context);
}

/// The numbers of a program without a plan: of a schedule its counts.
fn stopped(program: &Program, tell: &dyn Fn(String)) -> Result<Value> {
    let (name, nodes) = match program {
        Program::Tensor(g) => (&g.name, g.len()),
        Program::Slot(g) => (&g.name, g.len()),
        Program::Schedule(g) => (&g.name, g.len()),
    };
    let mut numbers = json!({ "network": name, "ir": program.ir() });
    let Program::Schedule(schedule) = program else {
        tell(format!("{name}: {nodes} nodes of the {} IR, verified; no plan", program.ir()));
        numbers["nodes"] = json!(nodes);
        return Ok(numbers);
    };
    let facts = plain_facts(schedule).map_err(anyhow::Error::msg)?;
    let (slots, levels) = (schedule.header.slots, schedule.header.moduli.len() - 1);
    figures::merge(&mut numbers, json!({ "n": 2 * slots, "levels": levels }));
    figures::merge(&mut numbers, figures::work(&counts(schedule, &facts)));
    tell(format!("{name}: schedule of {slots} slots, verified; no parameters, hence no plan"));
    tell(format!("{levels} levels, {}", figures::work_line(&numbers)));
    Ok(numbers)
}
