//! From a network to a plan.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Mutex;

use fhec_frontend::Import;
use fhec_ir::Verified;
use fhec_ir::plan::Plan;
use fhec_ir::tensor::TensorGraph;
use fhec_passes::Pipeline;
use fhec_passes::nominal::MAX_LEVELED;
use fhec_passes::pipeline::Program;

use crate::approximation::{self, Approximated};
use crate::attempt::{Attempt, Passes};
use crate::emission::Emission;
use crate::error::CompileError;
use crate::facts::{compare, input_bounds, levels, many_synthetic, references, synthetic};
use crate::objective::{LeastTime, Objective};
use crate::observer::{Observer, Stage};
use crate::request::Request;
use crate::watch::Watch;
use crate::{bootstrapped, levelled};

/// What compilation made.
#[derive(Debug)]
pub struct Compiled {
    /// The network as it was imported, without what is left to the client.
    pub network: Verified<TensorGraph>,
    /// What is left to the client after decryption, such as a softmax.
    pub tail: Option<Verified<TensorGraph>>,
    /// The program after the last pass that ran.
    pub program: Program,
    /// The plan, unless the pipeline was stopped early.
    pub plan: Option<Plan>,
}

/// Compiles an ONNX file with the standard pipeline.
///
/// # Errors
/// What cannot be compiled, and why.
pub fn compile(model: &Path, request: &Request) -> Result<Compiled, CompileError> {
    let import = fhec_frontend::import(model, &fhec_frontend::Options::default())?;
    Driver::new(&import, request).file(model).run()
}

/// A compilation in the making: what to compile, what for, and who takes part in it.
pub struct Driver<'c> {
    import: &'c Import,
    request: &'c Request,
    customise: &'c dyn Fn(&mut Pipeline),
    observer: Option<&'c mut dyn Observer>,
    objective: &'c dyn Objective,
    file: Option<&'c Path>,
}

impl<'c> Driver<'c> {
    /// Compiles an imported network with the standard pipeline, to the plan of least time, watched by nobody.
    pub fn new(import: &'c Import, request: &'c Request) -> Self {
        Self { import, request, customise: &|_| {}, observer: None, objective: &LeastTime, file: None }
    }

    /// Changes the pipeline, for example inserts passes. Called for each run of it.
    pub fn customise(self, customise: &'c dyn Fn(&mut Pipeline)) -> Self {
        Self { customise, ..self }
    }

    /// Compares the import with the file that it is of: samples are run by both.
    pub fn file(self, file: &'c Path) -> Self {
        Self { file: Some(file), ..self }
    }

    /// Tells what goes on.
    pub fn observer(self, observer: &'c mut dyn Observer) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Decides which candidate is best.
    pub fn objective(self, objective: &'c dyn Objective) -> Self {
        Self { objective, ..self }
    }

    /// Compiles.
    ///
    /// # Errors
    /// What cannot be compiled, and why.
    pub fn run(self) -> Result<Compiled, CompileError> {
        let Self { import, request, customise, observer, objective, file } = self;
        let mut nobody = Nobody;
        let observer: &mut dyn Observer = match observer {
            Some(observer) => observer,
            None => &mut nobody,
        };
        let audience = Mutex::new(observer);
        let watch = Watch::new(&audience);
        let mut passes = Passes { network: &import.graph, request, watch, customise, approximation: None };
        let names = passes.names();
        let place = |pass: &str| names.iter().position(|name| *name == pass);
        let stop = request.stop_after.as_deref();
        if let Some(pass) = stop.filter(|pass| place(pass).is_none()) {
            return Err(CompileError::NoSuchPass { name: pass.into() });
        }
        let input_bounds = input_bounds(request, import.graph.inputs().count());
        let mut approximated = None;
        if stop.is_none_or(|pass| place(pass) >= place("approximate")) {
            approximated = approximation::approximated(&passes, import)?;
        }
        let of_polynomials = approximated.as_ref().map(|a| request.of_polynomials(a.fidelity.bits()));
        if let Some(approximated) = &approximated {
            passes.approximation = Some(approximated.approximation.clone());
            passes.request = of_polynomials.as_ref().unwrap_or(request);
            watch.tell(|o| o.approximated(&approximated.fidelity));
        }
        let (attempt, plan) = match &request.stop_after {
            None if !request.exact_activations => {
                if let Some(file) = file {
                    check_original(&passes, import, file)?;
                }
                let (attempt, mut plan) = planned(&passes, objective, approximated.as_ref(), input_bounds)?;
                if let Some(approximated) = &approximated {
                    approximated.fidelity.add_to(&mut plan);
                }
                plan.client.tail = import.tail.as_deref().cloned();
                plan.client.classes = request.classes.as_ref().unwrap_or(&import.classes).clone();
                plan.check().map_err(fhec_backend::EmitError::from)?;
                (attempt, Some(plan))
            }
            stop => (without_plan(&passes, stop.as_deref())?, None),
        };
        for (program, timing) in &attempt.snapshots {
            watch.tell(|o| o.pass_finished(program, *timing));
        }
        let (network, tail) = (import.graph.clone(), import.tail.clone());
        Ok(Compiled { network, tail, program: attempt.program, plan })
    }
}

/// Sees nothing.
struct Nobody;

impl Observer for Nobody {}

/// Ring whose slots a schedule without parameters is made for.
const NOMINAL_LOG_N: u32 = 16;

fn without_plan(passes: &Passes<'_>, stop_after: Option<&str>) -> Result<Attempt, CompileError> {
    let Passes { request, .. } = passes;
    // Non-polynomial functions go no further.
    let last = request.exact_activations.then_some("assign-layout");
    Ok(passes.up_to(stop_after.or(last), request.log_n.unwrap_or(NOMINAL_LOG_N))?)
}

/// Whether the import is what its file says, as far as tract runs that.
fn check_original(passes: &Passes<'_>, import: &Import, file: &Path) -> Result<(), CompileError> {
    let Passes { request, watch, network, .. } = *passes;
    let synthetic = if request.samples.is_empty() { synthetic(network, request) } else { vec![] };
    let samples = if request.samples.is_empty() { &synthetic } else { &request.samples };
    let compared = watch.stage(Stage::Original, |_| compare(import, file, samples, request.precision_bits));
    if let Err(why) = compared? {
        watch.tell(|o| o.original_not_run(&why));
    }
    Ok(())
}

/// The passes down to a schedule, and its plan.
fn planned(
    passes: &Passes<'_>,
    objective: &dyn Objective,
    approximated: Option<&Approximated>,
    input_bounds: Vec<f64>,
) -> Result<(Attempt, Plan), CompileError> {
    let Passes { request, watch, .. } = *passes;
    // What encryption loses is measured against the polynomials.
    let network = approximated.map_or(passes.network, |a| &a.network);
    let referenced = |samples| watch.stage(Stage::Bounds, |_| references(network, samples));
    let emission = |samples, references| {
        let input_bounds = input_bounds.clone();
        Emission { request, objective, watch, samples, references, input_bounds }
    };
    let given = Some(&request.samples[..]).filter(|samples| !samples.is_empty());
    let (few, many) = (OnceCell::new(), OnceCell::new());
    let levelled = || {
        let samples = given.unwrap_or_else(|| few.get_or_init(|| synthetic(network, request)));
        levelled::compile(passes, &emission(samples, referenced(samples)))
    };
    let bootstrapped = |packed| {
        let samples = given.unwrap_or_else(|| many.get_or_init(|| many_synthetic(network, request)));
        bootstrapped::compile(passes, &emission(samples, referenced(samples)), packed)
    };
    if request.bootstrap == Some(false) {
        return levelled();
    }
    let packed = passes.before_place(request.bootstrap_log_n(), 1.0)?;
    let levels = levels(packed.slot_graph()?);
    if request.bootstrap == Some(true) || levels > MOST_LEVELS {
        return bootstrapped(packed);
    }
    if levels > MAX_LEVELED {
        // Rather with bootstraps, but those take longer than many levels where they are few.
        let both = (bootstrapped(packed), levelled());
        return match both {
            (Ok(with), Ok(without)) if seconds(&without) < seconds(&with) => Ok(without),
            (Err(_), Ok(without)) => Ok(without),
            (with, _) => with,
        };
    }
    // Chains with bootstraps take seconds to design, and an evaluation with one a second at least.
    let made = match levelled() {
        Ok(made) if seconds(&made) < QUICK || given.is_none() => return Ok(made),
        Err(refusal) if !matches!(refusal, CompileError::Memory { .. }) => return Err(refusal),
        Err(refusal) => return bootstrapped(packed).map_err(|_| refusal),
        Ok(made) => made,
    };
    match bootstrapped(packed) {
        Ok(other) if seconds(&other) < seconds(&made) => Ok(other),
        _ => Ok(made),
    }
}

fn seconds((_, plan): &(Attempt, Plan)) -> f64 {
    plan.report.predicted_seconds
}

/// Levels up to which a plan without bootstraps is tried: no ring has room for more.
const MOST_LEVELS: u32 = 36;

/// Modelled seconds up to which a plan without bootstraps is taken at once.
const QUICK: f64 = 8.0;
