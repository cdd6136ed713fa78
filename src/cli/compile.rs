//! `fhec compile`, the default verb.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fhec::pipeline::{PASSES, Program, Timing};
use fhec::{Compiled, Driver, Request};
use fhec_backend::cost::CostTable;
use fhec_backend::facts::plain_facts;
use fhec_backend::report::counts;
use fhec_ir::plan::{Normalisation, Plan};
use serde::Deserialize;
use serde_json::{Value, json};

use super::files::import;
use super::output::bytes;
use super::watching::{Keep, Watched, Watching, done};
use super::{Context, constants, figures};

/// How bytes become inputs, for all verbs that read a network.
#[derive(Args, Clone, Debug)]
pub(crate) struct NormArgs {
    /// Mean of the inputs by channel: bytes become (x/255 − mean)/std.
    #[arg(
        long,
        value_name = "M,M,…",
        value_delimiter = ',',
        allow_hyphen_values = true,
        help_heading = "Compilation"
    )]
    mean: Vec<f64>,
    /// Standard deviation of the inputs by channel.
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', help_heading = "Compilation")]
    std: Vec<f64>,
    /// A TOML file with `mean`, `std` and `divisor` instead; MODEL.toml beside the network if there is one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mean", "std"], help_heading = "Compilation")]
    norm: Option<PathBuf>,
}

/// How a network is compiled, for all verbs that do.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    norm: NormArgs,
    /// log2 of the ring degree, 12 to 17; the smallest secure one if not given.
    #[arg(long, value_name = "LOG_N", value_parser = clap::value_parser!(u32).range(12..=17), help_heading = "Compilation")]
    log_n: Option<u32>,
    /// Bits of the scale; the fewest that reach the precision if not given, with bootstraps the cheapest of a few.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(20..=49), help_heading = "Compilation")]
    scale_bits: Option<u32>,
    /// Bits after the binary point that the results should have.
    #[arg(long, value_name = "BITS", default_value_t = Request::default().precision_bits, help_heading = "Compilation")]
    precision_bits: f64,
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
    /// Records that bound the values of the network, instead of synthetic images: a file of records as for --input
    /// (`infer --help`). Networks with bootstraps need real ones.
    #[cfg(feature = "client")]
    #[arg(long, value_name = "FILE", help_heading = "Compilation")]
    samples: Option<String>,
    /// How many of these records.
    #[cfg(feature = "client")]
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 16,
        requires = "samples",
        help_heading = "Compilation"
    )]
    sample_count: usize,
    /// Kernel times of the machine that will run the plan, as `fhec calibrate` writes them; built-in ones if not given.
    #[arg(long, value_name = "FILE", help_heading = "Compilation")]
    costs: Option<PathBuf>,
    /// Keep activations as they are, down to the slot IR (for looking at, not for running).
    #[arg(long, help_heading = "Compilation")]
    exact_activations: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NormFile {
    #[serde(default)]
    mean: Vec<f64>,
    #[serde(default)]
    std: Vec<f64>,
    divisor: Option<f64>,
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

pub(crate) fn pass(name: &str) -> Result<String, String> {
    if PASSES.contains(&name) { Ok(name.into()) } else { Err(format!("passes are {}", PASSES.join(", "))) }
}

impl NormArgs {
    pub(crate) fn normalisation(&self, model: &Path) -> Result<Normalisation> {
        let mut normalisation =
            Normalisation { mean: self.mean.clone(), std: self.std.clone(), ..Normalisation::default() };
        // What the options leave open the file MODEL.toml beside the network says.
        let beside = Some(model.with_extension("toml"));
        let beside = beside.filter(|p| self.mean.is_empty() && self.std.is_empty() && p.is_file());
        if let Some(path) = self.norm.as_ref().or(beside.as_ref()) {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let file: NormFile = toml::from_str(&text).with_context(|| path.display().to_string())?;
            normalisation.mean = file.mean;
            normalisation.std = file.std;
            normalisation.divisor = file.divisor.unwrap_or(normalisation.divisor);
        }
        if normalisation.std.iter().any(|s| s.is_nan() || *s <= 0.0) {
            bail!("standard deviations are positive numbers");
        }
        Ok(normalisation)
    }
}

impl ModelArgs {
    /// Whether it was said what inputs there are.
    #[cfg(feature = "client")]
    pub(crate) fn says_inputs(&self) -> bool {
        self.samples.is_some() || self.input_range.is_some()
    }

    /// The same for inputs in this range.
    #[cfg(feature = "client")]
    pub(crate) fn with_input_range(&self, range: (f64, f64)) -> Self {
        Self { input_range: Some(range), ..self.clone() }
    }

    fn request(&self, model: &Path) -> Result<Request> {
        Ok(Request {
            log_n: self.log_n,
            scale_bits: self.scale_bits,
            precision_bits: self.precision_bits,
            input_range: self.input_range,
            seed: self.seed,
            exact_activations: self.exact_activations,
            bootstrap: self.bootstrap,
            levels: self.levels,
            bootstrap_key_bytes: (self.bootstrap_keys as usize) << 20,
            memory_budget: self.memory_budget.saturating_mul(1 << 20),
            normalisations: vec![self.norm.normalisation(model)?],
            costs: self.costs.as_deref().map_or_else(|| Ok(CostTable::default()), CostTable::load)?,
            ..Request::default()
        })
    }

    /// Reads the records that bound the network's values.
    #[cfg(feature = "client")]
    fn add_samples(&self, model: &Path, request: &mut Request) -> Result<()> {
        use fhec_runtime::input::RecordFile;
        let Some(path) = &self.samples else { return Ok(()) };
        let import = import(model)?;
        let [(id, _)] = import.graph.inputs().collect::<Vec<_>>()[..] else {
            bail!("--samples is for networks with one input");
        };
        let shape = import.graph.ty(id).clone();
        let file = RecordFile::open(Path::new(path), &shape, false).map_err(anyhow::Error::msg)?;
        let normalisation = request.normalisations.first().cloned().unwrap_or_default();
        for record in 0..self.sample_count {
            let bytes = file.record(record).map_err(anyhow::Error::msg)?;
            let data =
                fhec_runtime::input::normalise(&bytes, &shape, &normalisation).map_err(anyhow::Error::msg)?;
            request.samples.push(vec![fhec_ir::tensor::Tensor::new(shape.clone(), data)]);
        }
        Ok(())
    }

    #[cfg(not(feature = "client"))]
    fn add_samples(&self, _: &Path, _: &mut Request) -> Result<()> {
        Ok(())
    }

    /// Compiles a network to a plan.
    #[cfg(feature = "client")]
    pub(crate) fn compile(&self, model: &Path, context: &Context) -> Result<Compiled> {
        Ok(self.watched(model, context, &|_, _| None)?.0)
    }

    /// Compiles, keeping what `keep` makes of the programs after passes.
    pub(crate) fn watched(
        &self,
        model: &Path,
        context: &Context,
        keep: &Keep<'_>,
    ) -> Result<(Compiled, Watched)> {
        let mut request = self.request(model)?;
        self.add_samples(model, &mut request)?;
        run(model, &request, context, keep)
    }
}

fn run(model: &Path, request: &Request, context: &Context, keep: &Keep<'_>) -> Result<(Compiled, Watched)> {
    let import = import(model)?;
    for (output, tail) in import.graph.outputs.iter().zip(&import.tails).filter(|(_, tail)| !tail.is_empty())
    {
        let steps: Vec<String> = tail.iter().map(ToString::to_string).collect();
        context.remark(format!(
            "output `{}` is given as it enters {}: apply that after decryption (`fhec eval` does)",
            output.name,
            steps.join(", then ")
        ));
    }
    let mut watching = Watching::new(context, keep);
    let compiled = Driver::new(&import, request).observer(&mut watching).run()?;
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
        let mut request = self.options.request(&self.model)?;
        self.options.add_samples(&self.model, &mut request)?;
        request.stop_after = self.stop_after.clone();
        if self.options.exact_activations && request.stop_after.is_none() {
            bail!(
                "exact activations cannot run encrypted: add --stop-after assign-layout, or use `fhec eval`"
            );
        }
        let dumped =
            |program: &Program, pass: &str| self.dump_after.iter().any(|p| p == pass).then(|| program.text());
        let (compiled, watched) = run(&self.model, &request, context, &dumped)?;
        let Watched { dumps, constants, timings, stages } = watched;
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
            Some(plan) => self.save(plan, context)?,
            None => {
                // Behind a dump the numbers are a remark: with -q there is only the program.
                let tell =
                    |line: String| if dumps.is_empty() { context.answer(line) } else { context.say(line) };
                stopped(&compiled.program, &tell)?
            }
        };
        if context.json {
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

    /// Writes the plan and gives its numbers.
    fn save(&self, plan: &Plan, context: &Context) -> Result<Value> {
        let path = self.output.clone().unwrap_or_else(|| self.model.with_extension("plan"));
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
