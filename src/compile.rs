//! From an ONNX file to a plan.

use std::cell::RefCell;
use std::path::Path;

use fhec_backend::cost::{CostModel, CostTable};
use fhec_backend::{BootstrapRequest, Chain, ChainError, ChainRequest, EmitOptions};
use fhec_ckks::bootstrap::KernelCosts;
use fhec_frontend::{Import, TailStep};
use fhec_ir::Verified;
use fhec_ir::plan::{Normalisation, Plan};
use fhec_ir::schedule::{Kind, ScheduleOp, ScheduleType};
use fhec_ir::slot::{self, SlotGraph};
use fhec_ir::tensor::{Tensor, TensorGraph};
use fhec_passes::pipeline::{Config, PASSES, Program, Timing};
use fhec_passes::{PassError, Pipeline, assign_layout, lower, place};

use crate::probe::{largest_output, samples};

/// What to compile for. The defaults suit image classifiers.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// From bytes to network inputs, in order of the inputs; missing ones divide by 255.
    pub normalisations: Vec<Normalisation>,
    /// log2 of the ring degree; None takes the smallest secure one.
    pub log_n: Option<u32>,
    /// Bits of the scale; None takes the fewest that reach `precision_bits`.
    pub scale_bits: Option<u32>,
    /// Bits after the binary point that the results should have (−log2 of the predicted rms error).
    pub precision_bits: f64,
    /// Keep non-polynomial functions: gives a slot graph for execution in clear, and no plan.
    pub exact_activations: bool,
    /// End after this pass, without a plan.
    pub stop_after: Option<String>,
    /// Seed of the synthetic images that estimate magnitudes; the same seed gives the same plan.
    pub seed: u64,
    /// Inputs of the network that estimate magnitudes instead, one tensor for each input.
    pub samples: Vec<Vec<Tensor<f64>>>,
    /// Whether to bootstrap; None does if more than 24 levels would be needed otherwise.
    pub bootstrap: Option<bool>,
    /// Levels between bootstraps; None takes the cheapest of a few.
    pub levels: Option<u32>,
    /// Most bytes of the bootstrap's keys in the server's memory.
    pub bootstrap_key_bytes: usize,
}

/// Deepest network that is compiled without bootstraps unless asked for.
pub(crate) use fhec_passes::place::MAX_LEVELED;

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            normalisations: vec![],
            log_n: None,
            scale_bits: None,
            precision_bits: 13.0,
            exact_activations: false,
            stop_after: None,
            seed: 0,
            samples: vec![],
            bootstrap: None,
            levels: None,
            bootstrap_key_bytes: 5_000_000_000,
        }
    }
}

/// What compilation made.
#[derive(Debug)]
pub struct Compiled {
    /// The network as it was imported.
    pub network: Verified<TensorGraph>,
    /// For every output the steps left to the client after decryption, such as a softmax.
    pub tails: Vec<Vec<TailStep>>,
    /// The program after the last pass that ran.
    pub program: Program,
    /// The plan, unless the pipeline was stopped early.
    pub plan: Option<Plan>,
    /// What every pass took.
    pub timings: Vec<Timing>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The ONNX file.
    #[error(transparent)]
    Import(#[from] fhec_frontend::ImportError),
    /// A pass.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Parameters.
    #[error(transparent)]
    Chain(#[from] fhec_backend::ChainError),
    /// Emission.
    #[error(transparent)]
    Emit(#[from] fhec_backend::EmitError),
    /// No scale gives the precision asked for.
    #[error(
        "the results would have {got:.1} bits after the binary point, {wanted} are asked for: ask for less \
         (--precision-bits) or rescale the network"
    )]
    Precision {
        /// Best forecast.
        got: f64,
        /// Asked for.
        wanted: f64,
    },
    /// No sample bounds the values of a network with bootstraps.
    #[error(
        "none of {samples} samples bounds the network's values: they do not fit its input, or it diverges on all of \
         them; give others (--samples)"
    )]
    Samples {
        /// Samples tried.
        samples: usize,
    },
    /// A pass to stop after that does not exist.
    #[error("there is no pass {name:?}; the passes are {}", PASSES.join(", "))]
    NoSuchPass {
        /// What was asked for.
        name: String,
    },
    /// Results too large for any base modulus.
    #[error(
        "results of up to {largest:.3e} do not fit a base modulus of {bits} bits at any supported scale: \
         scale the network's outputs down"
    )]
    Range {
        /// Largest output seen.
        largest: f64,
        /// Widest base modulus.
        bits: u32,
    },
}

/// Compiles an ONNX file with the standard pipeline.
///
/// # Errors
/// What cannot be compiled, and why.
pub fn compile(model: &Path, options: &CompileOptions) -> Result<Compiled, CompileError> {
    let import = fhec_frontend::import(model, &fhec_frontend::Options::default())?;
    compile_with(&import, options, &|_| {}, &mut |_, _| {})
}

/// Names of the passes of the standard pipeline, in order.
pub fn pass_names() -> &'static [&'static str] {
    &PASSES
}

/// Compiles an imported network. `customise` may change the pipeline, for example insert passes; `observe` sees the
/// program after each pass. The passes may run more than once, until ring and layouts fit each other; `observe` sees
/// the last run only.
///
/// # Errors
/// What cannot be compiled, and why.
pub fn compile_with(
    import: &Import,
    options: &CompileOptions,
    customise: &dyn Fn(&mut Pipeline),
    observe: &mut dyn FnMut(&Program, Timing),
) -> Result<Compiled, CompileError> {
    if let Some(pass) = &options.stop_after {
        let known = {
            let mut pipeline = Pipeline::standard(Config::nominal(4));
            customise(&mut pipeline);
            pipeline.names().contains(&pass.as_str())
        };
        if !known {
            return Err(CompileError::NoSuchPass { name: pass.clone() });
        }
    }
    let driver = Driver { import, options, customise };
    if options.stop_after.is_some() || options.exact_activations {
        return driver.without_plan(observe);
    }
    driver.with_plan(observe)
}

/// Ring whose slots a schedule without parameters is made for.
const NOMINAL_LOG_N: u32 = 16;

/// Scales to try, in bits. Narrow primes leave more of the cap to the special modulus, hence fewer digits.
const SCALES: [u32; 7] = [28, 30, 32, 34, 37, 40, 43];

/// Widest prime.
const WIDEST: u32 = fhec_ckks::params::MAX_PRIME_BITS;

/// Ring of networks with bootstraps.
const BOOTSTRAP_LOG_N: u32 = 16;

/// Scale of networks with bootstraps, in bits.
const BOOTSTRAP_SCALE_BITS: u32 = 40;

/// Levels between bootstraps to try.
const LEVELS: [u32; 2] = [9, 12];

/// Precisions of the bootstrap to ask for, best first.
const BOOTSTRAP_PRECISIONS: [f64; 3] = [19.0, 18.0, 16.5];

/// Room above the largest magnitude seen in the samples.
const RANGE_MARGIN: f64 = 1.5;

/// Bounds on the slots of every value, from the samples on which the network stays finite; None if there is none.
fn slot_ranges(graph: &Verified<SlotGraph>, samples: &[Vec<Tensor<f64>>]) -> Option<Vec<f64>> {
    let mut ranges = vec![0.0f64; graph.len()];
    let mut finite = 0;
    for sample in samples {
        let mut seen = vec![0.0f64; graph.len()];
        let run = slot::interp::run_observed(graph, sample, &mut |id, slots| {
            seen[id.index()] = slots.iter().flatten().fold(0.0, |max, x| x.abs().max(max));
        });
        if run.is_ok() && seen.iter().all(|x| x.is_finite()) {
            ranges.iter_mut().zip(seen).for_each(|(range, x)| *range = range.max(x * RANGE_MARGIN));
            finite += 1;
        }
    }
    (finite > 0).then_some(ranges)
}

/// Price of the chain's bootstrap in rotations at level 9.
fn bootstrap_price(chain: &Chain) -> f64 {
    let costs = CostModel::new(&chain.data, &CostTable::default());
    let operand = ScheduleType { kind: Kind::Ct, level: 9, scale: chain.scale() };
    let rotation = costs.instruction(&ScheduleOp::Rotate { step: 1 }, &[operand]);
    chain.bootstrap.map_or(f64::INFINITY, |b| b.seconds * 1e6 / rotation)
}

struct Driver<'c> {
    import: &'c Import,
    options: &'c CompileOptions,
    customise: &'c dyn Fn(&mut Pipeline),
}

/// One run of the pipeline.
struct Attempt {
    program: Program,
    snapshots: Vec<(Program, Timing)>,
}

impl Driver<'_> {
    fn run(&self, log_n: u32, chain: Option<&Chain>, stop_after: Option<&str>) -> Result<Attempt, PassError> {
        self.run_with(log_n, chain, None, stop_after)
    }

    fn run_with(
        &self,
        log_n: u32,
        chain: Option<&Chain>,
        bootstrap: Option<place::Bootstrap>,
        stop_after: Option<&str>,
    ) -> Result<Attempt, PassError> {
        let mut config = Config::nominal(1 << (log_n - 1));
        config.exact_activations = self.options.exact_activations;
        config.layout = assign_layout::Config::new(1 << (log_n - 1));
        config.place.bootstrap = bootstrap;
        if let Some(chain) = chain {
            let given = lower::Config {
                moduli: chain.moduli(),
                scale: chain.scale(),
                bootstrap: chain.bootstrap_header(),
            };
            config.chain = Box::new(move |_| Ok(given.clone()));
        }
        let mut pipeline = Pipeline::standard(config);
        (self.customise)(&mut pipeline);
        if let Some(pass) = stop_after {
            pipeline.stop_after(pass);
        }
        let snapshots = RefCell::new(Vec::new());
        let program = pipeline.run(Program::Tensor(self.import.graph.clone()), &mut |program, timing| {
            snapshots.borrow_mut().push((program.clone(), timing));
        })?;
        Ok(Attempt { program, snapshots: snapshots.into_inner() })
    }

    fn finish(
        &self,
        attempt: Attempt,
        plan: Option<Plan>,
        observe: &mut dyn FnMut(&Program, Timing),
    ) -> Compiled {
        let timings = attempt.snapshots.iter().map(|(_, t)| *t).collect();
        attempt.snapshots.iter().for_each(|(program, timing)| observe(program, *timing));
        let (network, tails) = (self.import.graph.clone(), self.import.tails.clone());
        Compiled { network, tails, program: attempt.program, plan, timings }
    }

    fn without_plan(&self, observe: &mut dyn FnMut(&Program, Timing)) -> Result<Compiled, CompileError> {
        let last = if self.options.exact_activations { Some("assign-layout") } else { None };
        let stop = self.options.stop_after.as_deref().or(last);
        let attempt = self.run(self.options.log_n.unwrap_or(NOMINAL_LOG_N), None, stop)?;
        Ok(self.finish(attempt, None, observe))
    }

    fn with_plan(&self, observe: &mut dyn FnMut(&Program, Timing)) -> Result<Compiled, CompileError> {
        let samples = match &self.options.samples[..] {
            [] => samples(&self.import.graph, &self.options.normalisations, self.options.seed),
            given => given.to_vec(),
        };
        if self.bootstraps()? {
            return self.bootstrapped(&samples, observe);
        }
        let largest = largest_output(&self.import.graph, &samples);
        // One bit for the sign, two for images that give more than the synthetic ones.
        let headroom_bits = ((largest * 8.0).log2().ceil().max(7.0)) as u32;
        let fits = |bits: &u32| bits + headroom_bits <= WIDEST;
        let scales: Vec<u32> = match self.options.scale_bits {
            Some(bits) => vec![bits],
            None => SCALES.into_iter().filter(fits).collect(),
        };
        if scales.is_empty() {
            return Err(CompileError::Range { largest, bits: WIDEST });
        }
        let mut best = f64::NEG_INFINITY;
        let mut log_n = self.options.log_n.unwrap_or(*fhec_backend::chain::LOG_N.start() + 1);
        for scale_bits in scales {
            let (attempt, chain) = self.fitted(&mut log_n, scale_bits, headroom_bits)?;
            let Program::Schedule(schedule) = &attempt.program else {
                return Err(PassError::Misplaced { pass: "lower", ir: attempt.program.ir() }.into());
            };
            let emit = EmitOptions {
                normalisations: self.options.normalisations.clone(),
                // Grey noise is close to what real images are like; blank and full ones are not.
                samples: samples[samples.len() - 1..].to_vec(),
                ..EmitOptions::default()
            };
            let plan = fhec_backend::emit(&chain, schedule.clone(), &emit)?;
            best = best.max(plan.client.precision_bits);
            if plan.client.precision_bits >= self.options.precision_bits || self.options.scale_bits.is_some()
            {
                return Ok(self.finish(attempt, Some(plan), observe));
            }
        }
        Err(CompileError::Precision { got: best, wanted: self.options.precision_bits })
    }

    /// Whether to compile with bootstraps.
    fn bootstraps(&self) -> Result<bool, CompileError> {
        if let Some(given) = self.options.bootstrap {
            return Ok(given);
        }
        let attempt = self.run(self.options.log_n.unwrap_or(NOMINAL_LOG_N), None, Some("place"))?;
        let Program::Slot(placed) = &attempt.program else {
            return Err(PassError::Misplaced { pass: "place", ir: attempt.program.ir() }.into());
        };
        Ok(lower::top_level(placed) > MAX_LEVELED)
    }

    /// A plan with bootstraps: for every choice of levels between them the cheapest chain and placement, and the cheapest
    /// of those.
    fn bootstrapped(
        &self,
        samples: &[Vec<Tensor<f64>>],
        observe: &mut dyn FnMut(&Program, Timing),
    ) -> Result<Compiled, CompileError> {
        let log_n = self.options.log_n.unwrap_or(BOOTSTRAP_LOG_N);
        let planned = self.run(log_n, None, Some("minimize-rotations"))?;
        let Program::Slot(graph) = &planned.program else {
            return Err(PassError::Misplaced { pass: "minimize-rotations", ir: planned.program.ir() }.into());
        };
        let ranges = slot_ranges(graph, samples).ok_or(CompileError::Samples { samples: samples.len() })?;
        let candidates = self.options.levels.map_or(LEVELS.to_vec(), |levels| vec![levels]);
        let mut best: Option<(f64, Chain, place::Bootstrap)> = None;
        let mut refusal = None;
        for levels in candidates {
            let chain = match self.bootstrap_chain(log_n, levels) {
                Ok(chain) => chain,
                Err(error) => {
                    refusal = Some(error);
                    continue;
                }
            };
            let header = chain.bootstrap_header().expect("the chain is made for a bootstrap");
            let bootstrap = place::Bootstrap {
                levels,
                level_in: header.level_in,
                price: bootstrap_price(&chain),
                ranges: ranges.clone(),
            };
            let config = place::Config { bootstrap: Some(bootstrap.clone()), ..place::Config::default() };
            let (_, report) = place::run_with_report(graph, &config)?;
            tracing::info!("{levels} levels between bootstraps: {report}");
            if best.as_ref().is_none_or(|(price, ..)| report.price < *price) {
                best = Some((report.price, chain, bootstrap));
            }
        }
        let Some((_, chain, bootstrap)) = best else {
            return Err(refusal.expect("there is a candidate").into());
        };
        let attempt = self.run_with(log_n, Some(&chain), Some(bootstrap), None)?;
        let Program::Schedule(schedule) = &attempt.program else {
            return Err(PassError::Misplaced { pass: "lower", ir: attempt.program.ir() }.into());
        };
        let emit = EmitOptions {
            normalisations: self.options.normalisations.clone(),
            samples: samples[samples.len() - 1..].to_vec(),
            ..EmitOptions::default()
        };
        let plan = fhec_backend::emit(&chain, schedule.clone(), &emit)?;
        Ok(self.finish(attempt, Some(plan), observe))
    }

    /// The most precise chain with a bootstrap that fits the memory.
    fn bootstrap_chain(&self, log_n: u32, levels: u32) -> Result<Chain, ChainError> {
        let mut refusal = None;
        for precision in BOOTSTRAP_PRECISIONS {
            let request = BootstrapRequest {
                levels: levels as usize,
                level_bits: self.options.scale_bits.unwrap_or(BOOTSTRAP_SCALE_BITS),
                precision,
                key_bytes: Some(self.options.bootstrap_key_bytes),
                log_n: Some(log_n),
                ..BootstrapRequest::default()
            };
            match fhec_backend::select_bootstrapped(&request, &KernelCosts::default()) {
                Ok(chain) => return Ok(chain),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.expect("there are precisions to try"))
    }

    /// A schedule and parameters of one ring degree, the smallest in which the schedule's levels are secure.
    fn fitted(
        &self,
        log_n: &mut u32,
        scale_bits: u32,
        headroom_bits: u32,
    ) -> Result<(Attempt, Chain), CompileError> {
        loop {
            let attempt = self.run(*log_n, None, Some("place"))?;
            let Program::Slot(placed) = &attempt.program else {
                return Err(PassError::Misplaced { pass: "place", ir: attempt.program.ir() }.into());
            };
            let chain = fhec_backend::select(&ChainRequest {
                levels: lower::top_level(placed) as usize,
                scale_bits,
                headroom_bits,
                log_n: self.options.log_n,
                min_log_n: *log_n,
                ..ChainRequest::default()
            })?;
            if chain.data.log_n == *log_n {
                return Ok((self.run(*log_n, Some(&chain), None)?, chain));
            }
            *log_n = chain.data.log_n;
        }
    }
}
