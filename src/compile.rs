//! From an ONNX file to a plan.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use fhec_backend::cost::CostTable;
use fhec_backend::{Chain, ChainRequest, EmitOptions};
use fhec_frontend::{Import, TailStep};
use fhec_ir::Verified;
use fhec_ir::plan::{BudgetReport, MemoryReport, Normalisation, Plan};
use fhec_ir::schedule::Schedule;
use fhec_ir::slot::{self, SlotGraph};
use fhec_ir::tensor::{Tensor, TensorGraph};
use fhec_passes::pipeline::{Config, PASSES, Program, Timing};
use fhec_passes::place::{self, Placer};
use fhec_passes::{PassError, Pipeline, assign_layout, lower, minimize_rotations, nominal};

use crate::probe::{largest_output, samples};
use crate::search::{
    Candidate, DEARER_KEYS, FEWER_BOOTSTRAP_KEYS, Next, Placed, Search, Shape, bootstrap_chains,
    dense_shapes, fitted, placed,
};
use crate::sparse::placed_sparsely;

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
    /// Most bytes of memory that the evaluation of a network with bootstraps may be predicted to take.
    pub memory_budget: u64,
    /// Kernel times of the machine that will run the plan.
    pub costs: CostTable,
}

/// Deepest network that is compiled without bootstraps unless asked for.
pub(crate) use fhec_passes::nominal::MAX_LEVELED;

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
            memory_budget: 12_000_000_000,
            costs: CostTable::default(),
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
    /// What the rest took.
    pub stages: Stages,
}

/// Time spent outside the passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Running the samples in clear for bounds, beside the design.
    pub bounds: Duration,
    /// Designing chains with bootstraps.
    pub design: Duration,
    /// Trying placements on these chains.
    pub placement: Duration,
    /// Making the plan: order, predictions, and a run in clear for the precision.
    pub emission: Duration,
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
    /// No plan fits the memory.
    #[error(
        "the evaluation takes {:.2} GB at least (keys {:.2}, bootstrap matrices {:.2}, values {:.2}, working memory {:.2}, \
         plaintexts {:.2}), the memory budget is {:.2} GB (--memory-budget)",
        gb(least.total()), gb(least.keys), gb(least.matrices), gb(least.values), gb(least.working),
        gb(least.plaintexts), gb(*budget)
    )]
    Memory {
        /// The least found.
        least: Box<MemoryReport>,
        /// Bytes allowed.
        budget: u64,
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

fn gb(bytes: u64) -> f64 {
    bytes as f64 / 1e9
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

/// Room above the largest magnitude seen in the samples.
const RANGE_MARGIN: f64 = 1.5;

/// Bounds on the slots of every value, from the samples on which the network stays finite; None if there is none.
fn slot_ranges(graph: &Verified<SlotGraph>, samples: &[Vec<Tensor<f64>>]) -> Option<Vec<f64>> {
    let mut seen = vec![vec![None; graph.len()]; samples.len()];
    slot::interp::run_by_entries(graph, samples, &mut |sample, id, slots| {
        let slots = slots.iter().flatten();
        // What is not a number would get lost in a maximum.
        let size = |x: &f64| if x.is_finite() { x.abs() } else { f64::INFINITY };
        seen[sample][id.index()] = Some(slots.map(size).fold(0.0, f64::max));
    })
    .ok()?;
    let finite: Vec<_> =
        seen.into_iter().filter(|seen| seen.iter().flatten().all(|x| x.is_finite())).collect();
    // What was not computed may not be bootstrapped.
    let size = |seen: &Vec<Option<f64>>, k: usize| seen[k].unwrap_or(f64::INFINITY) * RANGE_MARGIN;
    let range = |k: usize| finite.iter().map(|seen| size(seen, k)).fold(0.0, f64::max);
    (!finite.is_empty()).then(|| (0..graph.len()).map(range).collect())
}

/// `work` and the time it takes.
pub(crate) fn timed<T>(time: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *time += start.elapsed();
    result
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

impl Attempt {
    fn schedule(&self) -> Result<&Verified<Schedule>, PassError> {
        match &self.program {
            Program::Schedule(schedule) => Ok(schedule),
            other => Err(PassError::Misplaced { pass: "lower", ir: other.ir() }),
        }
    }

    /// This and the run of the passes after it, whose schedule another one took the place of.
    fn followed_by(self, rest: Self, schedule: Verified<Schedule>) -> Self {
        let snapshots = self.snapshots.into_iter().chain(rest.snapshots).collect();
        Self { program: Program::Schedule(schedule), snapshots }
    }

    /// The program, which is to be an operand of `pass`.
    fn slot_graph(&self, pass: &'static str) -> Result<&Verified<SlotGraph>, PassError> {
        match &self.program {
            Program::Slot(graph) => Ok(graph),
            other => Err(PassError::Misplaced { pass, ir: other.ir() }),
        }
    }
}

impl Driver<'_> {
    fn run(&self, log_n: u32, chain: Option<&Chain>, stop_after: Option<&str>) -> Result<Attempt, PassError> {
        let network = Program::Tensor(self.import.graph.clone());
        let rotations = minimize_rotations::Config::default();
        self.run_with(network, log_n, chain, (rotations, place::Config::default()), &|pipeline| {
            if let Some(pass) = stop_after {
                pipeline.stop_after(pass);
            }
        })
    }

    /// Runs the passes up to the one before `place`, a key being so many times as dear as usual.
    fn before_place(&self, log_n: u32, dearer: f64) -> Result<Attempt, PassError> {
        let network = Program::Tensor(self.import.graph.clone());
        let mut rotations = minimize_rotations::Config::default();
        rotations.prices.key *= dearer;
        // What a bootstrap costs for sure, if there will be any.
        if self.options.bootstrap == Some(true) {
            rotations.level = Some(nominal::BOOTSTRAP_PRICE);
        }
        self.run_with(network, log_n, None, (rotations, place::Config::default()), &|pipeline| {
            let names = pipeline.names();
            let last = names.iter().position(|name| *name == "place").and_then(|at| at.checked_sub(1));
            if let Some(last) = last {
                pipeline.stop_after(names[last]);
            }
        })
    }

    fn run_with(
        &self,
        program: Program,
        log_n: u32,
        chain: Option<&Chain>,
        (rotations, place): (minimize_rotations::Config, place::Config),
        change: &dyn Fn(&mut Pipeline),
    ) -> Result<Attempt, PassError> {
        let mut config = Config::nominal(1 << (log_n - 1));
        config.exact_activations = self.options.exact_activations;
        config.layout = assign_layout::Config::new(1 << (log_n - 1));
        config.rotations = rotations;
        config.place = place;
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
        change(&mut pipeline);
        let snapshots = RefCell::new(Vec::new());
        let program = pipeline.run(program, &mut |program, timing| {
            snapshots.borrow_mut().push((program.clone(), timing));
        })?;
        Ok(Attempt { program, snapshots: snapshots.into_inner() })
    }

    fn finish(
        &self,
        attempt: Attempt,
        plan: Option<Plan>,
        stages: Stages,
        observe: &mut dyn FnMut(&Program, Timing),
    ) -> Compiled {
        let timings = attempt.snapshots.iter().map(|(_, t)| *t).collect();
        attempt.snapshots.iter().for_each(|(program, timing)| observe(program, *timing));
        let (network, tails) = (self.import.graph.clone(), self.import.tails.clone());
        Compiled { network, tails, program: attempt.program, plan, timings, stages }
    }

    fn without_plan(&self, observe: &mut dyn FnMut(&Program, Timing)) -> Result<Compiled, CompileError> {
        let last = if self.options.exact_activations { Some("assign-layout") } else { None };
        let stop = self.options.stop_after.as_deref().or(last);
        let attempt = self.run(self.options.log_n.unwrap_or(NOMINAL_LOG_N), None, stop)?;
        Ok(self.finish(attempt, None, Stages::default(), observe))
    }

    fn with_plan(&self, observe: &mut dyn FnMut(&Program, Timing)) -> Result<Compiled, CompileError> {
        let samples = match &self.options.samples[..] {
            [] => samples(&self.import.graph, &self.options.normalisations, self.options.seed),
            given => given.to_vec(),
        };
        if self.options.bootstrap != Some(false) {
            let planned = self.before_place(self.options.log_n.unwrap_or(BOOTSTRAP_LOG_N), 1.0)?;
            if self.bootstraps(&planned)? {
                return self.bootstrapped(planned, &samples, observe);
            }
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
                costs: self.options.costs.clone(),
                placement: None,
                budget: None,
            };
            let plan = fhec_backend::emit(&chain, schedule.clone(), &emit)?;
            best = best.max(plan.client.precision_bits);
            if plan.client.precision_bits >= self.options.precision_bits || self.options.scale_bits.is_some()
            {
                return Ok(self.finish(attempt, Some(plan), Stages::default(), observe));
            }
        }
        Err(CompileError::Precision { got: best, wanted: self.options.precision_bits })
    }

    /// Whether to compile with bootstraps what is ready for `place`.
    fn bootstraps(&self, planned: &Attempt) -> Result<bool, CompileError> {
        if let Some(given) = self.options.bootstrap {
            return Ok(given);
        }
        let placed = place::run(planned.slot_graph("place")?, &place::Config::default())?;
        Ok(lower::top_level(&placed) > MAX_LEVELED)
    }

    /// A plan with bootstraps: for every choice of levels between them the cheapest chain and placement, and of those
    /// the cheapest whose results are precise enough.
    fn bootstrapped(
        &self,
        planned: Attempt,
        samples: &[Vec<Tensor<f64>>],
        observe: &mut dyn FnMut(&Program, Timing),
    ) -> Result<Compiled, CompileError> {
        let log_n = self.options.log_n.unwrap_or(BOOTSTRAP_LOG_N);
        let mut stages = Stages::default();
        let graph = planned.slot_graph("place")?;
        let (Stages { bounds, design, .. }, options) = (&mut stages, self.options);
        let shapes = dense_shapes(options);
        let (ranges, chains) = rayon::join(
            || timed(bounds, || slot_ranges(graph, samples)),
            || timed(design, || bootstrap_chains(options, log_n, options.bootstrap_key_bytes, &shapes)),
        );
        let ranges = ranges.ok_or(CompileError::Samples { samples: samples.len() })?;
        let placer = Placer::new(graph);
        let mut open = timed(&mut stages.placement, || placed(options, (0, &placer), &ranges, chains?))?;
        let most = (log_n, options.bootstrap_key_bytes);
        open.extend(placed_sparsely(options, most, (&placer, &ranges), &open, &mut stages));
        let chains: Vec<_> = open.iter().map(|p| (p.report.levels, p.chain.clone())).collect();
        let mut search = Search::new(open, options.memory_budget);
        let mut plans = vec![planned];
        let mut widened = false;
        let (mut best, mut refusal) = (f64::NEG_INFINITY, None);
        while let Some(next) = search.next() {
            match next {
                Next::Lower(placed) => {
                    // A placement may leave a bootstrap's operand no scale that suits its range.
                    let rest = match self.lowered(&plans[placed.planned], log_n, &placed) {
                        Ok(rest) => rest,
                        Err(error) => {
                            refusal = Some(error);
                            continue;
                        }
                    };
                    let schedule = rest.schedule()?;
                    let fitted = fitted(&placed.chain, schedule, &options.costs, options.memory_budget)?;
                    let tight = search.add(*placed, fitted, rest);
                    if tight && !widened {
                        widened = true;
                        let more = self.wider(log_n, &ranges, &chains, &mut plans, &mut stages)?;
                        search.extend(more);
                    }
                }
                Next::Take(candidate) => {
                    let budget = widened.then(|| search.cost(&candidate));
                    let plan = timed(&mut stages.emission, || self.emitted(&candidate, budget, samples))?;
                    if plan.report.memory.total() > options.memory_budget {
                        search.refuse(plan.report.memory);
                        continue;
                    }
                    best = best.max(plan.client.precision_bits);
                    if plan.client.precision_bits >= options.precision_bits {
                        let planned = plans.swap_remove(candidate.placed.planned);
                        let attempt = planned.followed_by(candidate.run, candidate.fitted.schedule);
                        return Ok(self.finish(attempt, Some(plan), stages, observe));
                    }
                }
            }
        }
        match (refusal, search.least) {
            _ if best > f64::NEG_INFINITY => {
                Err(CompileError::Precision { got: best, wanted: options.precision_bits })
            }
            (_, Some(least)) => {
                Err(CompileError::Memory { least: Box::new(least), budget: options.memory_budget })
            }
            (Some(refusal), None) => Err(refusal.into()),
            (None, None) => Err(CompileError::Precision { got: best, wanted: options.precision_bits }),
        }
    }

    /// Runs the passes from `place` on.
    fn lowered(&self, planned: &Attempt, log_n: u32, placed: &Placed) -> Result<Attempt, PassError> {
        let Placed { chain, config, report, .. } = placed;
        tracing::info!("{} levels of {} bits: {report:?}", report.levels, chain.data.scale_bits);
        let configs = (minimize_rotations::Config::default(), config.clone());
        self.run_with(planned.program.clone(), log_n, Some(chain), configs, &|pipeline| {
            pipeline.start_at("place");
        })
    }

    /// The plan of a candidate.
    fn emitted(
        &self,
        candidate: &Candidate<Attempt>,
        budget: Option<BudgetReport>,
        samples: &[Vec<Tensor<f64>>],
    ) -> Result<Plan, CompileError> {
        let emit = EmitOptions {
            normalisations: self.options.normalisations.clone(),
            samples: samples[samples.len() - 1..].to_vec(),
            costs: self.options.costs.clone(),
            placement: Some(candidate.placed.report.clone()),
            budget,
        };
        Ok(fhec_backend::emit(&candidate.placed.chain, candidate.fitted.schedule.clone(), &emit)?)
    }

    /// For a tight budget: placements on chains whose bootstraps have fewer keys, and of linear maps that share more
    /// steps. The latter's plans join `plans`.
    fn wider(
        &self,
        log_n: u32,
        ranges: &[f64],
        known: &[(u32, Chain)],
        plans: &mut Vec<Attempt>,
        stages: &mut Stages,
    ) -> Result<Vec<Placed>, CompileError> {
        let most = known.iter().filter_map(|(_, chain)| chain.bootstrap).map(|b| b.key_bytes).max();
        let mut chains: Vec<(u32, Chain)> = Vec::new();
        let mut shapes = dense_shapes(self.options);
        let like = known.iter().map(|(levels, chain)| Shape::of(*levels, chain));
        let sparse: BTreeSet<Shape> = like.filter(|shape| shape.log_slots.is_some()).collect();
        shapes.extend(sparse);
        for part in FEWER_BOOTSTRAP_KEYS {
            let key_bytes = (part * most.unwrap_or(0) as f64) as usize;
            let design = || bootstrap_chains(self.options, log_n, key_bytes, &shapes);
            let found = timed(&mut stages.design, design);
            // That there is none so small is no error.
            for (levels, chain) in found.unwrap_or_default() {
                if !known.iter().chain(&chains).any(|(_, other)| other.data == chain.data) {
                    chains.push((levels, chain));
                }
            }
        }
        let mut open = Vec::new();
        if !chains.is_empty() {
            let placer = Placer::new(plans[0].slot_graph("place")?);
            open =
                timed(&mut stages.placement, || placed(self.options, (0, &placer), ranges, chains.clone()))
                    .unwrap_or_default();
        }
        chains.extend_from_slice(known);
        for dearer in DEARER_KEYS {
            let planned = self.before_place(log_n, dearer)?;
            let placer = Placer::new(planned.slot_graph("place")?);
            let at = (plans.len(), &placer);
            open.extend(timed(&mut stages.placement, || placed(self.options, at, ranges, chains.clone()))?);
            plans.push(planned);
        }
        Ok(open)
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
