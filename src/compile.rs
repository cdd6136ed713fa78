//! From an ONNX file to a plan.

use std::cell::RefCell;
use std::path::Path;

use fhec_backend::{Chain, ChainRequest, EmitOptions};
use fhec_frontend::{Import, TailStep};
use fhec_ir::Verified;
use fhec_ir::plan::{Normalisation, Plan};
use fhec_ir::tensor::TensorGraph;
use fhec_passes::pipeline::{Config, PASSES, Program, Timing};
use fhec_passes::{PassError, Pipeline, assign_layout, lower};

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
}

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
        let mut config = Config::nominal(1 << (log_n - 1));
        config.exact_activations = self.options.exact_activations;
        config.layout = assign_layout::Config::new(1 << (log_n - 1));
        if let Some(chain) = chain {
            let given = lower::Config { moduli: chain.moduli(), scale: chain.scale() };
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
        let samples = samples(&self.import.graph, &self.options.normalisations, self.options.seed);
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
                samples: samples[4..].to_vec(),
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
