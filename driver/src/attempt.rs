//! Running the passes: up to `place`, from there on, or all of them.

use fhec_backend::Chain;
use fhec_ir::Verified;
use fhec_ir::schedule::Schedule;
use fhec_ir::slot::SlotGraph;
use fhec_ir::tensor::TensorGraph;
use fhec_passes::approximate::Approximation;
use fhec_passes::pipeline::{Config, Pipeline, Program, Timing};
use fhec_passes::{PassError, lower, nominal, place};

use crate::observer::Stage;
use crate::request::Request;
use crate::watch::Watch;

/// One run of passes.
pub(crate) struct Attempt {
    /// The program after the last of them.
    pub(crate) program: Program,
    /// What each of them made, and what that took.
    pub(crate) snapshots: Vec<(Program, Timing)>,
}

impl Attempt {
    /// The program, which is to be a schedule.
    pub(crate) fn schedule(&self) -> Result<&Verified<Schedule>, PassError> {
        match &self.program {
            Program::Schedule(schedule) => Ok(schedule),
            other => Err(PassError::Misplaced { pass: "lower", ir: other.ir() }),
        }
    }

    /// The program, which is to be a network.
    pub(crate) fn tensor_graph(&self) -> Result<&Verified<TensorGraph>, PassError> {
        match &self.program {
            Program::Tensor(graph) => Ok(graph),
            other => Err(PassError::Misplaced { pass: "approximate", ir: other.ir() }),
        }
    }

    /// The program, which is to be an operand or the result of `place`.
    pub(crate) fn slot_graph(&self) -> Result<&Verified<SlotGraph>, PassError> {
        match &self.program {
            Program::Slot(graph) => Ok(graph),
            other => Err(PassError::Misplaced { pass: "place", ir: other.ir() }),
        }
    }

    /// This and the run of the passes after it.
    pub(crate) fn followed_by(self, rest: Self) -> Self {
        let snapshots = self.snapshots.into_iter().chain(rest.snapshots).collect();
        Self { program: rest.program, snapshots }
    }

    /// The same with another schedule in place of the last program.
    pub(crate) fn ending_in(self, schedule: Verified<Schedule>) -> Self {
        Self { program: Program::Schedule(schedule), ..self }
    }
}

/// Runs the passes for a request.
pub(crate) struct Passes<'c> {
    pub(crate) network: &'c Verified<TensorGraph>,
    pub(crate) request: &'c Request,
    pub(crate) watch: Watch<'c>,
    /// What the caller changes about the pipeline.
    pub(crate) customise: &'c dyn Fn(&mut Pipeline),
    /// How functions are replaced, once that is known.
    pub(crate) approximation: Option<Approximation>,
}

impl Passes<'_> {
    /// Names of all passes.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut pipeline = Pipeline::standard(Config::nominal(4));
        (self.customise)(&mut pipeline);
        pipeline.names()
    }

    /// Runs the passes for a ring and the primes of no chain, up to the one named.
    pub(crate) fn up_to(&self, last: Option<&str>, log_n: u32) -> Result<Attempt, PassError> {
        self.packed(self.config(log_n), last)
    }

    /// Runs the passes up to the one before `place`, a rotation key being so many times as dear as usual.
    pub(crate) fn before_place(&self, log_n: u32, dearer: f64) -> Result<Attempt, PassError> {
        let mut config = self.config(log_n);
        config.rotations.prices.key *= dearer;
        // What a bootstrap costs for sure, if there will be any.
        if self.request.bootstrap == Some(true) {
            config.rotations.level = Some(nominal::BOOTSTRAP_PRICE);
        }
        let names = self.names();
        let last = names.iter().position(|name| *name == "place").and_then(|at| at.checked_sub(1));
        self.packed(config, last.map(|last| names[last]))
    }

    /// Runs the passes up to the one before `approximate`.
    pub(crate) fn before_approximate(&self) -> Result<Attempt, PassError> {
        let names = self.names();
        let at = names.iter().position(|name| *name == "approximate").unwrap_or(0);
        if at == 0 {
            return Ok(Attempt { program: Program::Tensor(self.network.clone()), snapshots: vec![] });
        }
        self.packed(self.config(4), Some(names[at - 1]))
    }

    /// Runs the passes up to the one before `lower`.
    pub(crate) fn before_lower(&self, log_n: u32) -> Result<Attempt, PassError> {
        let names = self.names();
        let last = names.iter().position(|name| *name == "lower").and_then(|at| at.checked_sub(1));
        self.packed(self.config(log_n), last.map(|last| names[last]))
    }

    /// Runs the passes from `lower` on for a chain without bootstraps; `ranges` bound the placed values.
    pub(crate) fn lower(
        &self,
        placed: &Attempt,
        chain: &Chain,
        ranges: &[f64],
    ) -> Result<Attempt, PassError> {
        let config = self.for_chain(chain, ranges);
        let start = |pipeline: &mut Pipeline| pipeline.start_at("lower");
        self.run(placed.program.clone(), config, &start, &mut || {})
    }

    /// Runs the passes from `place` on, which is configured for the chain.
    pub(crate) fn place_and_lower(
        &self,
        packed: &Attempt,
        chain: &Chain,
        place: &place::Config,
    ) -> Result<Attempt, PassError> {
        let mut config = self.for_chain(chain, &[]);
        config.place = place.clone();
        let start = |pipeline: &mut Pipeline| pipeline.start_at("place");
        self.run(packed.program.clone(), config, &start, &mut || {})
    }

    fn packed(&self, config: Config, last: Option<&str>) -> Result<Attempt, PassError> {
        let names = self.names();
        let at = names.iter().position(|name| Some(*name) == last);
        let total = at.map_or(names.len(), |at| at + 1);
        let stop = |pipeline: &mut Pipeline| last.into_iter().for_each(|pass| pipeline.stop_after(pass));
        let network = Program::Tensor(self.network.clone());
        self.watch.stage(Stage::Packing, |steps| self.run(network, config, &stop, &mut || steps.step(total)))
    }

    fn config(&self, log_n: u32) -> Config {
        let mut config = Config::nominal(1 << (log_n - 1));
        config.approximate.exact_activations = self.request.exact_activations;
        config.approximate.approximation = self.approximation.clone();
        config
    }

    /// Bounds on slots as measured, and no smaller than 1 where functions were replaced: operands were scaled to that by more
    /// samples than were run.
    pub(crate) fn at_least_scaled(&self, mut bounds: Vec<f64>) -> Vec<f64> {
        if self.approximation.is_some() {
            bounds.iter_mut().for_each(|b| *b = b.max(1.0));
        }
        bounds
    }

    fn for_chain(&self, chain: &Chain, ranges: &[f64]) -> Config {
        let mut config = self.config(chain.data.log_n);
        let given = lower::Config {
            moduli: chain.moduli(),
            scale: chain.scale(),
            bootstrap: chain.bootstrap_header(),
            floor: chain.floor,
            ranges: ranges.to_vec(),
        };
        config.chain = Box::new(move |_| Ok(given.clone()));
        config
    }

    /// Runs the pipeline that `config` and `part` make, `done` after each pass.
    fn run(
        &self,
        program: Program,
        config: Config,
        part: &dyn Fn(&mut Pipeline),
        done: &mut dyn FnMut(),
    ) -> Result<Attempt, PassError> {
        let mut pipeline = Pipeline::standard(config);
        (self.customise)(&mut pipeline);
        part(&mut pipeline);
        let mut snapshots = Vec::new();
        let program = pipeline.run(program, &mut |program, timing| {
            snapshots.push((program.clone(), timing));
            done();
        })?;
        Ok(Attempt { program, snapshots })
    }
}
