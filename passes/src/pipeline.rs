//! The pass pipeline: all passes in order, verified after each, timed, dumped on request.

use std::fmt;
use std::time::{Duration, Instant};

use fhec_ir::schedule::Schedule;
use fhec_ir::slot::SlotGraph;
use fhec_ir::tensor::TensorGraph;
use fhec_ir::text::{Constants, Syntax};
use fhec_ir::{Graph, Verified, Violations, text, verify};

use crate::estimate::estimator;
use crate::{PassError, approximate, assign_layout, lower, minimize_rotations, open_rows, place};

/// A program at some stage.
#[derive(Clone, Debug, PartialEq)]
pub enum Program {
    /// Real tensors.
    Tensor(Verified<TensorGraph>),
    /// Packed values.
    Slot(Verified<SlotGraph>),
    /// Ciphertexts.
    Schedule(Verified<Schedule>),
}

impl Program {
    /// The program in the language of its IR ([`text`]); large constants by their digests.
    pub fn text(&self) -> String {
        match self {
            Self::Tensor(g) => text::print(&**g),
            Self::Slot(g) => text::print(&**g),
            Self::Schedule(g) => text::print(&**g),
        }
    }

    /// As [`Program::text`], with all numbers of the constants.
    pub fn whole_text(&self) -> String {
        match self {
            Self::Tensor(g) => text::print_whole(&**g),
            Self::Slot(g) => text::print_whole(&**g),
            Self::Schedule(g) => text::print_whole(&**g),
        }
    }

    /// The part of the text that belongs to a layer: the nodes of this name, and those whose names begin with it and a
    /// slash. None if there is no such node.
    pub fn layer_text(&self, layer: &str) -> Option<String> {
        match self {
            Self::Tensor(g) => text::print_layer(&**g, layer),
            Self::Slot(g) => text::print_layer(&**g, layer),
            Self::Schedule(g) => text::print_layer(&**g, layer),
        }
    }

    /// The constants of the program.
    pub fn constants(&self) -> Constants {
        match self {
            Self::Tensor(g) => Constants::of(g),
            Self::Slot(g) => Constants::of(g),
            Self::Schedule(g) => Constants::of(g),
        }
    }

    /// Reads and verifies a text of any of the three IRs. `constants` has the numbers of large constants.
    ///
    /// # Errors
    /// What the text is no program for.
    pub fn parse(text: &str, constants: &Constants) -> Result<Self, ProgramError> {
        fn verified<O: Syntax>(
            text: &str,
            constants: &Constants,
        ) -> Result<Verified<Graph<O>>, ProgramError> {
            Ok(verify(text::parse(text, constants)?)?)
        }
        match text::ir_of(text) {
            Some("tensor") => verified(text, constants).map(Self::Tensor),
            Some("slot") => verified(text, constants).map(Self::Slot),
            Some("schedule") => verified(text, constants).map(Self::Schedule),
            first => Err(ProgramError::NoIr { first: first.unwrap_or_default().into() }),
        }
    }

    /// Name of the IR.
    pub fn ir(&self) -> &'static str {
        match self {
            Self::Tensor(_) => "tensor",
            Self::Slot(_) => "slot",
            Self::Schedule(_) => "schedule",
        }
    }
}

/// Why a text is no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It does not begin with the name of an IR.
    #[error("a program begins with `tensor`, `slot` or `schedule`, not with {first:?}")]
    NoIr {
        /// What it begins with.
        first: String,
    },
    /// It is not of the language.
    #[error(transparent)]
    Parse(#[from] text::ParseError),
    /// It breaks invariants.
    #[error(transparent)]
    Invalid(#[from] Violations),
}

/// A pass: a pure function on programs. [`tensor_pass`], [`slot_pass`] and the others make one from a function on graphs.
pub trait Pass {
    /// Name for `--stop-after` and reports.
    fn name(&self) -> &'static str;

    /// Transforms the program.
    ///
    /// # Errors
    /// What the pass cannot handle.
    fn run(&self, program: Program) -> Result<Program, PassError>;
}

/// What one pass took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The pass.
    pub pass: &'static str,
    /// The pass itself.
    pub run: Duration,
    /// Of which verification of its result.
    pub verify: Duration,
}

/// Passes in order.
#[derive(Default)]
pub struct Pipeline {
    passes: Vec<Box<dyn Pass>>,
    start_at: Option<String>,
    stop_after: Option<String>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Names of all passes of the standard pipeline, in order.
pub const PASSES: [&str; 8] = [
    "canonicalize",
    "approximate",
    "absorb",
    "assign-layout",
    "open-rows",
    "minimize-rotations",
    "place",
    "lower",
];

/// Parameters of all passes.
pub struct Config {
    /// `approximate`.
    pub approximate: approximate::Config,
    /// `assign-layout`.
    pub layout: assign_layout::Config,
    /// `minimize-rotations`.
    pub rotations: minimize_rotations::Config,
    /// `place`.
    pub place: place::Config,
    /// The modulus chain and scale for a number of levels, or why there is none.
    pub chain: ChainSource,
}

/// Gives the modulus chain for a number of levels.
pub type ChainSource = Box<dyn Fn(u32) -> Result<lower::Config, String>>;

impl Config {
    /// Parameters for `slots` slots and a chain of powers of two: enough to look at schedules, not to run them encrypted.
    pub fn nominal(slots: usize) -> Self {
        Self {
            approximate: approximate::Config::default(),
            layout: assign_layout::Config::new(slots),
            rotations: minimize_rotations::Config::default(),
            place: place::Config::default(),
            chain: Box::new(|levels| Ok(lower::Config::nominal(levels, 40, 60))),
        }
    }
}

impl Pipeline {
    /// The standard pipeline: the order of all passes.
    pub fn standard(config: Config) -> Self {
        let Config { approximate, layout, rotations, place, chain } = config;
        let mut pipeline = Self::default();
        pipeline.push(tensor_pass("canonicalize", |g| crate::canonicalize::run(g, &Default::default())));
        pipeline.push(tensor_pass("approximate", move |g| crate::approximate::run(g, &approximate)));
        pipeline.push(tensor_pass("absorb", |g| crate::absorb::run(g, &Default::default())));
        pipeline.push(packing_pass("assign-layout", move |g| {
            assign_layout::run(g, &layout, &mut estimator(rotations.prices))
        }));
        pipeline.push(slot_pass("open-rows", open_rows::run));
        pipeline.push(slot_pass("minimize-rotations", move |g| minimize_rotations::run(g, &rotations)));
        pipeline.push(slot_pass("place", move |g| place::run(g, &place)));
        pipeline.push(lowering_pass("lower", move |g| {
            let levels = lower::top_level(g);
            let chain = chain(levels).map_err(|reason| PassError::Chain { levels, reason })?;
            lower::run(g, &chain)
        }));
        pipeline
    }

    /// Appends a pass.
    pub fn push(&mut self, pass: impl Pass + 'static) {
        self.passes.push(Box::new(pass));
    }

    /// Inserts a pass after the named one. False if there is no such pass.
    pub fn insert_after(&mut self, name: &str, pass: impl Pass + 'static) -> bool {
        let at = self.passes.iter().position(|p| p.name() == name);
        if let Some(at) = at {
            self.passes.insert(at + 1, Box::new(pass));
        }
        at.is_some()
    }

    /// Begins the run at the named pass, with the program that the pass before it made.
    pub fn start_at(&mut self, name: &str) {
        self.start_at = Some(name.into());
    }

    /// Ends the run after the named pass.
    pub fn stop_after(&mut self, name: &str) {
        self.stop_after = Some(name.into());
    }

    /// Names of the passes in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.passes.iter().map(|p| p.name()).collect()
    }

    /// Runs the passes, `observe` after each with its result and what it took.
    ///
    /// # Errors
    /// The first pass that fails.
    pub fn run(
        &self,
        program: Program,
        observe: &mut dyn FnMut(&Program, Timing),
    ) -> Result<Program, PassError> {
        let mut program = program;
        let first = self.passes.iter().position(|p| self.start_at.as_deref() == Some(p.name())).unwrap_or(0);
        for pass in &self.passes[first..] {
            let begin = Instant::now();
            VERIFY_TIME.set(Duration::ZERO);
            program = pass.run(program)?;
            let verify = VERIFY_TIME.get();
            observe(&program, Timing { pass: pass.name(), run: begin.elapsed() - verify, verify });
            if self.stop_after.as_deref() == Some(pass.name()) {
                break;
            }
        }
        Ok(program)
    }
}

thread_local! {
    /// Time spent in the verifier by the pass that runs on this thread.
    static VERIFY_TIME: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
}

struct FnPass<F> {
    name: &'static str,
    run: F,
}

impl<F: Fn(Program) -> Result<Program, PassError>> Pass for FnPass<F> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn run(&self, program: Program) -> Result<Program, PassError> {
        (self.run)(program)
    }
}

/// Verifies what a pass made. Every pass, in every build: later stages accept nothing else.
fn checked<O: fhec_ir::Op>(
    pass: &'static str,
    graph: fhec_ir::Graph<O>,
) -> Result<Verified<fhec_ir::Graph<O>>, PassError> {
    let begin = Instant::now();
    let result = verify(graph).map_err(|violations| PassError::Broken { pass, violations });
    VERIFY_TIME.set(VERIFY_TIME.get() + begin.elapsed());
    result
}

fn misplaced(pass: &'static str, program: &Program) -> PassError {
    PassError::Misplaced { pass, ir: program.ir() }
}

/// A pass from tensors to tensors.
pub fn tensor_pass<F>(name: &'static str, f: F) -> impl Pass
where
    F: Fn(&Verified<TensorGraph>) -> Result<TensorGraph, PassError>,
{
    let run = move |program| match program {
        Program::Tensor(g) => Ok(Program::Tensor(checked(name, f(&g)?)?)),
        other => Err(misplaced(name, &other)),
    };
    FnPass { name, run }
}

/// A pass from tensors to packed values.
pub fn packing_pass<F>(name: &'static str, f: F) -> impl Pass
where
    F: Fn(&Verified<TensorGraph>) -> Result<SlotGraph, PassError>,
{
    let run = move |program| match program {
        Program::Tensor(g) => Ok(Program::Slot(checked(name, f(&g)?)?)),
        other => Err(misplaced(name, &other)),
    };
    FnPass { name, run }
}

/// A pass from packed values to packed values.
pub fn slot_pass<F>(name: &'static str, f: F) -> impl Pass
where
    F: Fn(&Verified<SlotGraph>) -> Result<SlotGraph, PassError>,
{
    let run = move |program| match program {
        Program::Slot(g) => Ok(Program::Slot(checked(name, f(&g)?)?)),
        other => Err(misplaced(name, &other)),
    };
    FnPass { name, run }
}

/// A pass from packed values to ciphertexts.
pub fn lowering_pass<F>(name: &'static str, f: F) -> impl Pass
where
    F: Fn(&Verified<SlotGraph>) -> Result<Schedule, PassError>,
{
    let run = move |program| match program {
        Program::Slot(g) => Ok(Program::Schedule(checked(name, f(&g)?)?)),
        other => Err(misplaced(name, &other)),
    };
    FnPass { name, run }
}
