//! From an ONNX file to a plan.

use std::path::Path;

use fhec_backend::{Chain, ChainRequest, EmitError, EmitOptions, emit, select};
use fhec_frontend::{ImportError, TailStep};
use fhec_ir::Verified;
use fhec_ir::plan::{Normalisation, Plan};
use fhec_ir::tensor::TensorGraph;
use fhec_passes::pipeline::{Config, PASSES, Pipeline, Program, Timing};
use fhec_passes::{PassError, lower};

/// How to compile.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// log2 of the ring degree; the smallest secure one if not given.
    pub log_n: Option<u32>,
    /// Bits of the scale.
    pub scale_bits: u32,
    /// Bits by which the base modulus exceeds the scale: room for results up to 2^(bits−1).
    pub headroom_bits: u32,
    /// Keep non-polynomial functions down to the slot IR, which only runs in clear.
    pub exact_activations: bool,
    /// End after the named pass; there is no plan then.
    pub stop_after: Option<String>,
    /// From bytes to network inputs, in order of the inputs.
    pub normalisations: Vec<Normalisation>,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            log_n: None,
            scale_bits: 40,
            headroom_bits: 6,
            exact_activations: false,
            stop_after: None,
            normalisations: vec![],
        }
    }
}

/// What compilation gives.
#[derive(Debug)]
pub struct Compiled {
    /// The network as it was imported.
    pub network: Verified<TensorGraph>,
    /// What is left to the client after decryption, by output.
    pub tails: Vec<Vec<TailStep>>,
    /// The result of the last pass that ran.
    pub program: Program,
    /// The plan, unless compilation was stopped.
    pub plan: Option<Plan>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The model cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A pass refuses the network.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The plan cannot be put together.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// There is no such pass.
    #[error("there is no pass {0:?}; passes are {}", PASSES.join(", "))]
    NoSuchPass(String),
    /// The options ask for something else than a plan.
    #[error("internal: the pipeline ended on the {0} IR")]
    Incomplete(&'static str),
}

/// Names of the passes, in order.
pub fn pass_names() -> &'static [&'static str] {
    &PASSES
}

/// Compiles an ONNX file; `observe` sees every pass' result and time.
///
/// Without a chosen ring, rings are tried from the smallest on: the layout, and with it the number of levels,
/// depends on the slots, so each takes its own run of the passes.
///
/// # Errors
/// What the frontend, a pass or the backend refuses.
pub fn compile(
    model: &Path,
    options: &CompileOptions,
    observe: &mut dyn FnMut(&Program, Timing),
) -> Result<Compiled, CompileError> {
    if let Some(pass) = options.stop_after.as_ref().filter(|p| !PASSES.contains(&p.as_str())) {
        return Err(CompileError::NoSuchPass(pass.clone()));
    }
    let import = fhec_frontend::import(model, &fhec_frontend::Options::default())?;
    let rings = match options.log_n {
        Some(log_n) => log_n..=log_n,
        None => fhec_backend::chain::LOG_N,
    };
    let last = *rings.end();
    for log_n in rings {
        match passes(&import.graph, log_n, options, observe) {
            Err(PassError::Chain { .. }) if log_n < last => continue,
            program => return finish(import, program?, log_n, options),
        }
    }
    Err(CompileError::Incomplete("tensor"))
}

/// Runs the passes for a ring.
fn passes(
    network: &Verified<TensorGraph>,
    log_n: u32,
    options: &CompileOptions,
    observe: &mut dyn FnMut(&Program, Timing),
) -> Result<Program, PassError> {
    let mut config = Config::nominal(1 << (log_n.clamp(2, 20) - 1));
    config.exact_activations = options.exact_activations;
    let request = request(options, log_n);
    config.chain = Box::new(move |levels| {
        let chain = chain(&request, levels).map_err(|e| e.to_string())?;
        Ok(lower::Config { moduli: chain.moduli(), scale: chain.scale() })
    });
    let mut pipeline = Pipeline::standard(config);
    if let Some(pass) = &options.stop_after {
        pipeline.stop_after(pass);
    }
    pipeline.run(Program::Tensor(network.clone()), observe)
}

fn request(options: &CompileOptions, log_n: u32) -> ChainRequest {
    ChainRequest {
        scale_bits: options.scale_bits,
        headroom_bits: options.headroom_bits,
        log_n: Some(log_n),
        ..ChainRequest::default()
    }
}

fn chain(request: &ChainRequest, levels: u32) -> Result<Chain, fhec_backend::ChainError> {
    select(&ChainRequest { levels: levels as usize, ..request.clone() })
}

fn finish(
    import: fhec_frontend::Import,
    program: Program,
    log_n: u32,
    options: &CompileOptions,
) -> Result<Compiled, CompileError> {
    let plan = match &program {
        _ if options.stop_after.as_ref().is_some_and(|p| Some(&p.as_str()) != PASSES.last()) => None,
        Program::Schedule(schedule) => {
            let levels = schedule.header.moduli.len() as u32 - 1;
            let chain = chain(&request(options, log_n), levels)
                .map_err(|e| PassError::Chain { levels, reason: e.to_string() })?;
            let options = EmitOptions { normalisations: options.normalisations.clone(), ..EmitOptions::default() };
            Some(emit(&chain, schedule.clone(), &options)?)
        }
        other => return Err(CompileError::Incomplete(other.ir())),
    };
    Ok(Compiled { network: import.graph, tails: import.tails, program, plan })
}
