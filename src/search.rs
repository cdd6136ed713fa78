//! Plans with bootstraps: which chain, which placement and which keys.
//!
//! Chains are designed for bootstraps of all slots first, then for those of fewer where that may pay
//! ([`sparse`](crate::sparse)).
//!
//! The placements on all chains are looked at in the order of their modelled time. One whose memory exceeds the budget
//! gives up keys and kept plaintexts ([`compose_rotations`]), which takes time; and as soon as one has to, chains whose
//! bootstraps need fewer keys, and plans of linear maps that share more steps, take part. A candidate is taken when
//! no other can be faster, whatever it gives up.

use fhec_backend::cost::{CostModel, CostTable};
use fhec_backend::{BootstrapRequest, Chain, ChainError, Forecast};
use fhec_ckks::bootstrap::Designer;
use fhec_ir::plan::{BudgetReport, MemoryReport, PlacementReport};
use fhec_ir::schedule::Schedule;
use fhec_ir::{Verified, Violations, verify};
use fhec_passes::PassError;
use fhec_passes::compose_rotations::{self, Spare, SwitchPrices};
use fhec_passes::maps::Prices;
use fhec_passes::place::{self, Placer};
use rayon::prelude::*;

use crate::compile::{CompileError, CompileOptions};

/// Bits of the scales to try with bootstraps: less leaves no precision for the values between them, more costs a chain
/// levels or special primes.
const BOOTSTRAP_SCALE_BITS: [u32; 3] = [36, 38, 40];

/// Levels between bootstraps to try.
const LEVELS: std::ops::RangeInclusive<u32> = 4..=16;

/// Precisions of the bootstrap to ask for, best first.
const BOOTSTRAP_PRECISIONS: [f64; 3] = [19.0, 18.0, 16.5];

/// Parts of the memory for bootstrap keys to try when it is tight.
pub(crate) const FEWER_BOOTSTRAP_KEYS: [f64; 3] = [0.7, 0.5, 0.35];

/// Prices of a key to try when memory is tight, in units of the usual one.
pub(crate) const DEARER_KEYS: [f64; 2] = [4.0, 16.0];

/// A chain with the bootstraps placed on it.
pub(crate) struct Placed {
    pub(crate) chain: Chain,
    pub(crate) config: place::Config,
    pub(crate) report: PlacementReport,
    /// Of the linear maps' plans tried, which one.
    pub(crate) planned: usize,
}

/// What `place` needs to know of a chain: prices in seconds by its cost model.
fn place_config(chain: &Chain, levels: u32, ranges: &[f64], costs: &CostTable) -> place::Config {
    let header = chain.bootstrap_header().expect("the chain is made for a bootstrap");
    let model = CostModel::new(&chain.data, costs);
    let rotations = (0..=header.level_out).map(|level| model.rotation(level) * 1e-6);
    // The parts of a map cost about as many rotations at every level.
    let middle = header.level_in + levels.div_ceil(2);
    let rotation = model.rotation(middle);
    let bootstrap = place::Bootstrap {
        levels,
        level_in: header.level_in,
        price: chain.bootstrap.map_or(f64::INFINITY, |b| b.seconds),
        pair_price: chain.bootstrap.map_or(f64::INFINITY, |b| b.pair_seconds),
        period: header.period as usize,
        ranges: ranges.to_vec(),
    };
    place::Config {
        prices: Prices {
            rotation: 1.0,
            hoist: model.hoist(middle) / rotation,
            baby: model.baby(middle) / rotation,
            giant: model.giant(middle) / rotation,
            fold: model.fold(middle) / rotation,
            product: model.product(middle) / rotation,
            encode: model.lift(middle, 1.0) / rotation,
            ..Prices::default()
        },
        levels: place::LevelPrices::new(rotations),
        bootstrap: Some(bootstrap),
        ..place::Config::default()
    }
}

/// The cheapest placement on each chain.
pub(crate) fn placed(
    options: &CompileOptions,
    (planned, placer): (usize, &Placer<'_>),
    ranges: &[f64],
    chains: Vec<(u32, Chain)>,
) -> Result<Vec<Placed>, CompileError> {
    let place = |(levels, chain): (u32, Chain)| {
        let config = place_config(&chain, levels, ranges, &options.costs);
        let report = placer.run(&config)?.1;
        let report = PlacementReport {
            levels,
            bootstraps: report.ciphertexts() as u64,
            pairs: report.pairs() as u64,
            slots: chain.bootstrap_header().map_or(0, |header| header.period.into()),
            seconds: report.price,
            naive: report.naive.map(|n| (n.price, n.bootstraps as u64)),
            exact: report.exact,
        };
        Ok(Placed { chain, config, report, planned })
    };
    let found: Vec<Result<Placed, PassError>> = chains.into_par_iter().map(place).collect();
    // A chain that is too short for an op is of no use; that none is long enough is an error.
    let (placed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    match refused.into_iter().next_back() {
        Some(Err(refusal)) if placed.is_empty() => Err(refusal.into()),
        _ => Ok(placed.into_iter().flatten().collect()),
    }
}

/// What a chain with a bootstrap is designed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    /// log2 of the slots that the bootstrap keeps apart; None for all.
    pub(crate) log_slots: Option<u32>,
    /// Bits of the scale.
    pub(crate) scale_bits: u32,
    /// Levels between bootstraps.
    pub(crate) levels: u32,
    /// Of the precisions to ask for, the first that may be reached.
    pub(crate) first: usize,
}

impl Shape {
    /// The shape of a chain with a bootstrap and so many levels between them; others like it are hardly more precise.
    pub(crate) fn of(levels: u32, chain: &Chain) -> Self {
        let bootstrap = chain.data.bootstrap.as_ref();
        let log_slots = bootstrap.map(|b| b.log_slots).filter(|log_slots| log_slots + 1 < chain.data.log_n);
        let bits = bootstrap.map_or(f64::INFINITY, |b| -b.error.log2());
        let first = BOOTSTRAP_PRECISIONS.iter().position(|precision| bits >= *precision).unwrap_or(0);
        Self { log_slots, scale_bits: chain.data.scale_bits, levels, first }
    }
}

/// Every number of levels and every scale to try, with bootstraps of all slots.
pub(crate) fn dense_shapes(options: &CompileOptions) -> Vec<Shape> {
    let levels = options.levels.map_or(LEVELS, |levels| levels..=levels);
    let scales = options.scale_bits.map_or(BOOTSTRAP_SCALE_BITS.to_vec(), |bits| vec![bits]);
    let shape = |scale_bits| {
        levels.clone().map(move |levels| Shape { levels, scale_bits, log_slots: None, first: 0 })
    };
    scales.into_iter().flat_map(shape).collect()
}

/// For each shape the most precise chain with a bootstrap whose keys fit `key_bytes`, and its variants, with the levels.
///
/// # Errors
/// If there is none for any of them.
pub(crate) fn bootstrap_chains(
    options: &CompileOptions,
    log_n: u32,
    key_bytes: usize,
    shapes: &[Shape],
) -> Result<Vec<(u32, Chain)>, ChainError> {
    // What a designer keeps serves shapes of the same scale and slots.
    let alike = |a: &Shape, b: &Shape| (a.scale_bits, a.log_slots) == (b.scale_bits, b.log_slots);
    let runs: Vec<&[Shape]> = shapes.chunk_by(alike).collect();
    let designed = runs.into_par_iter().flat_map_iter(|run| {
        let mut designer = Designer::new(&options.costs.kernels);
        let design =
            |shape: &Shape| Ok((shape.levels, most_precise(&mut designer, *shape, log_n, key_bytes)?));
        run.iter().map(design).collect::<Vec<_>>()
    });
    let designed: Vec<Result<(u32, Chain), ChainError>> = designed.collect();
    let (mut chains, mut refusal) = (Vec::new(), None);
    for designed in designed {
        match designed {
            Ok((levels, chain)) => chains.extend(chain.variants().into_iter().map(|chain| (levels, chain))),
            Err(error) => refusal = Some(error),
        }
    }
    match refusal {
        Some(refusal) if chains.is_empty() => Err(refusal),
        _ => Ok(chains),
    }
}

/// The most precise chain of a shape.
fn most_precise(
    designer: &mut Designer,
    shape: Shape,
    log_n: u32,
    key_bytes: usize,
) -> Result<Chain, ChainError> {
    let mut design = |precision| {
        let request = BootstrapRequest {
            levels: shape.levels as usize,
            level_bits: shape.scale_bits,
            precision,
            key_bytes: Some(key_bytes),
            log_n: Some(log_n),
            log_slots: shape.log_slots,
            ..BootstrapRequest::default()
        };
        fhec_backend::select_bootstrapped(&request, designer)
    };
    let mut refusal = None;
    for &precision in &BOOTSTRAP_PRECISIONS[shape.first..] {
        match design(precision) {
            Ok(chain) => return Ok(chain),
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal.expect("there is a precision to try"))
}

/// What fits the budget by prediction.
pub(crate) struct Candidate<P> {
    pub(crate) placed: Placed,
    pub(crate) fitted: Fitted,
    /// The run of the passes behind it.
    pub(crate) run: P,
    /// Modelled seconds, what was given up included.
    pub(crate) seconds: f64,
}

/// What was and what is to be looked at.
pub(crate) struct Search<P> {
    budget: u64,
    /// Dearest first.
    open: Vec<Placed>,
    fitting: Vec<Candidate<P>>,
    /// Modelled seconds of the fastest schedule regardless of memory.
    fastest: f64,
    /// The least memory of what does not fit.
    pub(crate) least: Option<MemoryReport>,
}

/// What to do next.
pub(crate) enum Next<P> {
    /// Lower it and see whether it fits.
    Lower(Box<Placed>),
    /// Nothing is faster.
    Take(Box<Candidate<P>>),
}

impl<P> Search<P> {
    pub(crate) fn new(open: Vec<Placed>, budget: u64) -> Self {
        let mut search = Self { budget, open: vec![], fitting: vec![], fastest: f64::INFINITY, least: None };
        search.extend(open);
        search
    }

    /// Adds what may be looked at.
    pub(crate) fn extend(&mut self, open: Vec<Placed>) {
        self.open.extend(open);
        self.open.sort_by(|a, b| b.report.seconds.total_cmp(&a.report.seconds));
    }

    pub(crate) fn next(&mut self) -> Option<Next<P>> {
        // Whose bootstrap alone exceeds the budget, and takes more than something seen, is not worth a look.
        let most = self.budget.max(self.least.map_or(u64::MAX, |memory| memory.total()));
        let fixed = |chain: &Chain| chain.bootstrap.map_or(0, |b| b.key_bytes + b.matrix_bytes);
        self.open.retain(|placed| fixed(&placed.chain) <= most);
        let best = (0..self.fitting.len())
            .min_by(|a, b| self.fitting[*a].seconds.total_cmp(&self.fitting[*b].seconds));
        let bound = self.open.last().map_or(f64::INFINITY, |placed| placed.report.seconds);
        match best.filter(|best| self.fitting[*best].seconds <= bound) {
            Some(best) => Some(Next::Take(Box::new(self.fitting.swap_remove(best)))),
            None => self.open.pop().map(|placed| Next::Lower(Box::new(placed))),
        }
    }

    /// Remembers what became of a schedule. True if it had to give something up.
    pub(crate) fn add(&mut self, placed: Placed, fitted: Fitted, run: P) -> bool {
        self.fastest = self.fastest.min(placed.report.seconds);
        let seconds = placed.report.seconds + fitted.report.seconds;
        let tight = !fitted.report.fits || fitted.report.seconds > 0.0;
        if fitted.report.fits {
            self.fitting.push(Candidate { placed, fitted, run, seconds });
        } else {
            self.refuse(fitted.memory);
        }
        tight
    }

    /// Remembers what does not fit.
    pub(crate) fn refuse(&mut self, memory: MemoryReport) {
        self.least = self.least.filter(|least| least.total() <= memory.total()).or(Some(memory));
    }

    /// What the budget cost a candidate by its keys; what plaintexts cost follows when they are known.
    pub(crate) fn cost(&self, candidate: &Candidate<P>) -> BudgetReport {
        let keys = candidate.fitted.report;
        let composed = keys.seconds - keys.spare_seconds;
        BudgetReport {
            bytes: self.budget,
            keys_before: keys.keys_before as u64,
            key_bytes_before: keys.bytes_before,
            seconds: composed,
            seconds_in_all: candidate.placed.report.seconds - self.fastest + composed,
        }
    }
}

/// A schedule with as few keys as the budget asks for.
pub(crate) struct Fitted {
    pub(crate) schedule: Verified<Schedule>,
    pub(crate) report: compose_rotations::Report,
    pub(crate) memory: MemoryReport,
}

/// Seconds of key switches, by level.
fn switch_prices(chain: &Chain, costs: &CostTable) -> Vec<SwitchPrices> {
    let model = CostModel::new(&chain.data, costs);
    let price = |level: u32| SwitchPrices {
        rotation: model.rotation(level) * 1e-6,
        hoist: model.hoist(level) * 1e-6,
        giant: model.giant(level) * 1e-6,
    };
    (0..chain.data.gadgets.len() as u32).map(price).collect()
}

/// Composes steps of a schedule that was lowered for `chain` until it fits `budget` bytes, if it can.
///
/// # Errors
/// None for a verified schedule; the type is the pass's.
pub(crate) fn fitted(
    chain: &Chain,
    schedule: &Verified<Schedule>,
    costs: &CostTable,
    budget: u64,
) -> Result<Fitted, PassError> {
    let Forecast { memory, rotation_bytes, plaintext_seconds } = forecast(chain, schedule, costs)?;
    let rest = memory.total() - memory.plaintexts - rotation_bytes;
    let mut config = compose_rotations::Config {
        parameters: chain.data.clone(),
        prices: switch_prices(chain, costs),
        bytes: budget.saturating_sub(rest),
        spare: Spare { bytes: memory.plaintexts, seconds: plaintext_seconds },
    };
    let mut result = composed(chain, schedule, costs, &config)?;
    // Composed steps may lengthen lives: what values take more is to be given up as well.
    let beside = |memory: &MemoryReport| memory.values + memory.working;
    let more = beside(&result.memory).saturating_sub(beside(&memory));
    if more > 0 && result.report.fits {
        config.bytes = config.bytes.saturating_sub(more);
        result = composed(chain, schedule, costs, &config)?;
    }
    Ok(result)
}

fn broken(violations: Violations) -> PassError {
    PassError::Broken { pass: "compose-rotations", violations }
}

fn forecast(chain: &Chain, schedule: &Verified<Schedule>, costs: &CostTable) -> Result<Forecast, PassError> {
    fhec_backend::forecast(chain, schedule, costs).map_err(broken)
}

fn composed(
    chain: &Chain,
    schedule: &Verified<Schedule>,
    costs: &CostTable,
    config: &compose_rotations::Config,
) -> Result<Fitted, PassError> {
    let (schedule, report) = compose_rotations::run(schedule, config)?;
    let schedule = verify(schedule).map_err(broken)?;
    let memory = forecast(chain, &schedule, costs)?.memory;
    let memory = MemoryReport { plaintexts: memory.plaintexts.saturating_sub(report.spared), ..memory };
    Ok(Fitted { schedule, report, memory })
}
