//! `place`: how each value is computed, at which level, and where it is bootstrapped.
//!
//! An e-graph ([`choices`]) holds the values and their alternative computations; rules ([`rules`], see `RULES.md`)
//! add alternatives. Extraction ([`extract`]) is exact and level-aware: it walks the classes in order and keeps, for
//! the classes still needed, the undominated combinations of levels. Without bootstraps inputs arrive at the lowest
//! level from which every output can be reached. With them no level exceeds what a bootstrap gives, and [`insert`]
//! writes the bootstraps into the graph.

mod bound;
mod choices;
pub mod extract;
mod insert;
mod report;
mod rules;

use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::{ValueId, Verified};

use crate::minimize_rotations::Parts;
use crate::{PassError, Refusal};
use choices::Choices;

pub use report::{Place, Report};

const PASS: &str = "place";

/// Parameters of the pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Prices of the parts of a linear map, in rotations.
    pub prices: crate::minimize_rotations::Prices,
    /// Prices of a rotation.
    pub levels: LevelPrices,
    /// Width of the frontier above which extraction keeps the cheapest states only, and says so.
    pub beam: usize,
    /// None: as many levels as the graph takes, and no bootstraps.
    pub bootstrap: Option<Bootstrap>,
}

impl Default for Config {
    fn default() -> Self {
        Self { prices: Default::default(), levels: LevelPrices::default(), beam: 4000, bootstrap: None }
    }
}

/// Price of a rotation by level of the schedule, in any unit; does not fall with the level. Above the last level it is
/// that of the last. The default is [`rotation_price`].
#[derive(Clone, Debug, PartialEq)]
pub struct LevelPrices(Vec<f64>);

/// Levels that a formula is asked about: more than any chain has.
const MAX_LEVELS: u32 = 128;

impl LevelPrices {
    /// The price at each level from 0 on; at least one.
    pub fn new(prices: impl IntoIterator<Item = f64>) -> Self {
        Self(prices.into_iter().collect())
    }

    /// The price at a level.
    pub fn at(&self, level: u32) -> f64 {
        self.0.get(level as usize).or(self.0.last()).copied().unwrap_or(0.0)
    }
}

impl Default for LevelPrices {
    fn default() -> Self {
        Self::new((0..MAX_LEVELS).map(rotation_price))
    }
}

/// What bootstraps do and cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// Level of their results; no other value is higher.
    pub levels: u32,
    /// Level of the schedule that level 0 stands for; ops are priced at it and above.
    pub level_in: u32,
    /// Price per ciphertext, in the unit of [`Config::levels`].
    pub price: f64,
    /// Price of two ciphertexts at once.
    pub pair_price: f64,
    /// Slots that are kept apart: a value whose layout repeats after more may not be bootstrapped.
    pub period: usize,
    /// By value of the graph, a bound on the magnitude of its slots; infinite forbids to bootstrap the value. Empty: 1
    /// for all.
    pub ranges: Vec<f64>,
}

/// Least range of a bootstrap: values that are always 0 have none of their own.
const LEAST_RANGE: f64 = 1.0 / (1 << 20) as f64;

impl Bootstrap {
    /// Bound on the slots of a value; None if it may not be bootstrapped.
    fn range(&self, graph: &SlotGraph, id: ValueId) -> Option<f64> {
        let range = if self.ranges.is_empty() { 1.0 } else { self.ranges[id.index()].max(LEAST_RANGE) };
        let repeats = graph.ty(id).layout.period() <= self.period;
        (range.is_finite() && repeats).then_some(range)
    }

    /// Price of bootstrapping a value: its ciphertexts in pairs, a last one that is left alone.
    fn price_of(&self, graph: &SlotGraph, id: ValueId) -> f64 {
        let cts = graph.ty(id).layout.ciphertexts;
        let price = self.pair() * (cts / 2) as f64 + self.price * (cts % 2) as f64;
        self.range(graph, id).map_or(f64::INFINITY, |_| price)
    }

    /// What a value pays when its last ciphertext is paired with that of another value; infinite if it has none left.
    fn share_of(&self, graph: &SlotGraph, id: ValueId) -> f64 {
        let cts = graph.ty(id).layout.ciphertexts;
        let saves = cts % 2 == 1 && self.pair_price < 2.0 * self.price;
        self.range(graph, id).filter(|_| saves).map_or(f64::INFINITY, |_| self.pair() / 2.0 * cts as f64)
    }

    /// Price of two ciphertexts, however they are bootstrapped.
    fn pair(&self) -> f64 {
        self.pair_price.min(2.0 * self.price)
    }
}

/// Chooses evaluation strategies, writes the level of every value, and inserts bootstraps.
///
/// # Errors
/// Ops that only execution in clear knows; ops that are deeper than a bootstrap is high.
pub fn run(graph: &Verified<SlotGraph>, config: &Config) -> Result<SlotGraph, PassError> {
    let (placed, report) = run_with_report(graph, config)?;
    if config.bootstrap.is_some() {
        tracing::info!("place: {report}");
    }
    Ok(placed)
}

/// [`run`], and what was chosen.
///
/// # Errors
/// As [`run`].
pub fn run_with_report(
    graph: &Verified<SlotGraph>,
    config: &Config,
) -> Result<(SlotGraph, Report), PassError> {
    Placer::new(graph).run(config)
}

/// A packed network to be placed in several ways: what its linear maps consist of is counted once.
#[derive(Debug)]
pub struct Placer<'g> {
    graph: &'g Verified<SlotGraph>,
    parts: Vec<Option<Parts>>,
}

impl<'g> Placer<'g> {
    /// Looks at the maps of a graph.
    pub fn new(graph: &'g Verified<SlotGraph>) -> Self {
        Self { graph, parts: choices::parts(graph) }
    }

    /// The graph.
    pub fn graph(&self) -> &'g Verified<SlotGraph> {
        self.graph
    }

    /// As [`run_with_report`].
    ///
    /// # Errors
    /// As [`run`].
    pub fn run(&self, config: &Config) -> Result<(SlotGraph, Report), PassError> {
        check(self.graph, config)?;
        placed(self.graph, config, &Choices::new(self.graph, &self.parts, config))
    }

    /// Whether bootstraps as configured can take the network to its outputs; what [`run`] refuses otherwise.
    pub fn reaches(&self, config: &Config) -> bool {
        extract::reaches(&Choices::new(self.graph, &self.parts, config).problem)
    }
}

fn check(graph: &SlotGraph, config: &Config) -> Result<(), PassError> {
    let nodes: Vec<Refusal> = graph
        .ids()
        .filter(|id| only_in_clear(&graph.node(*id).op))
        .map(|id| {
            let reason = "no encrypted execution: make the network polynomial or look at it with \
                          `fhec eval --exact-activations`";
            Refusal::new(graph, id, reason)
        })
        .collect();
    refuse(nodes)?;
    config.bootstrap.as_ref().map_or(Ok(()), |bootstrap| check_ranges(graph, bootstrap))
}

fn placed(graph: &SlotGraph, config: &Config, choices: &Choices) -> Result<(SlotGraph, Report), PassError> {
    if let Some(bootstrap) = &config.bootstrap {
        check_depths(graph, bootstrap, choices)?;
    }
    let Some(solution) = extract::solve(&choices.problem, config.beam) else {
        let reason = "cannot be reached with the bootstraps that ranges and periods allow";
        return Err(PassError::at(PASS, graph, graph.outputs[0].value, reason));
    };
    if solution.pruned {
        tracing::warn!(
            "place: the frontier was wider than {}; the placement may not be the cheapest",
            config.beam
        );
    }
    let placed = insert::placed(graph, choices, &solution, config.bootstrap.as_ref());
    let report = Report::new(graph, &choices.problem, &solution);
    Ok((placed, report))
}

fn refuse(nodes: Vec<Refusal>) -> Result<(), PassError> {
    if nodes.is_empty() { Ok(()) } else { Err(PassError::Refused { pass: PASS, nodes }) }
}

/// Refuses ranges of another graph.
fn check_ranges(graph: &SlotGraph, bootstrap: &Bootstrap) -> Result<(), PassError> {
    let (given, values) = (bootstrap.ranges.len(), graph.len());
    if given != 0 && given != values {
        let reason = format!("there are ranges for {given} values, the graph has {values}");
        return Err(PassError::at(PASS, graph, ValueId(0), reason));
    }
    Ok(())
}

/// Refuses ops that are deeper than a bootstrap is high.
fn check_depths(graph: &SlotGraph, bootstrap: &Bootstrap, choices: &Choices) -> Result<(), PassError> {
    let deeper = graph.ids().filter_map(|id| {
        let alternatives = &choices.problem.classes[id.index()].alternatives;
        let least = alternatives.iter().min_by_key(|a| a.depth + a.headroom)?;
        if least.depth + least.headroom <= bootstrap.levels {
            return None;
        }
        let restore = if least.headroom > 0 { " and one to restore the scale" } else { "" };
        let reason = format!("takes {} levels{restore}, a bootstrap gives {}", least.depth, bootstrap.levels);
        Some(Refusal::new(graph, id, reason))
    });
    refuse(deeper.collect())
}

/// Width of the frontier for estimates.
const ESTIMATE_BEAM: usize = 32;

/// Levels above which estimates count on bootstraps, though none are configured.
pub const MAX_LEVELED: u32 = 24;

/// A bootstrap for estimates: about what one costs at N = 2^16. Two at once are left out: with them the estimates picked
/// dearer layouts (ResNet-20: 2 %).
pub const NOMINAL: Bootstrap = Bootstrap {
    levels: 9,
    level_in: 3,
    price: 240.0,
    pair_price: f64::INFINITY,
    period: usize::MAX,
    ranges: vec![],
};

/// Slots for estimates: wide enough to ask for a level that restores the scale before a product.
const NOMINAL_RANGE: f64 = 2.0;

/// Price, in rotations, of the cheapest placement of a packed network whose linear maps have no plans yet. Ops that only
/// run in clear count nothing.
pub(crate) fn estimate(
    graph: &SlotGraph,
    config: &crate::assign_layout::Config,
    memo: &mut crate::minimize_rotations::Memo,
) -> f64 {
    let rotations = crate::minimize_rotations::Config { prices: config.prices, level: None };
    let planned = crate::minimize_rotations::planned(graph, &rotations, memo);
    let placement = |bootstrap| Config { prices: config.prices, bootstrap, ..Config::default() };
    let parts = choices::parts(&planned);
    let mut choices = Choices::new(&planned, &parts, &placement(None));
    let levels = extract::needed_levels(&choices.problem).into_iter().max().unwrap_or(0);
    let nominal = (levels > MAX_LEVELED).then_some(NOMINAL);
    if let Some(bootstrap) = config.bootstrap.clone().or(nominal) {
        let ranges = vec![NOMINAL_RANGE; planned.len()];
        choices = Choices::new(&planned, &parts, &placement(Some(Bootstrap { ranges, ..bootstrap })));
    }
    extract::solve(&choices.problem, ESTIMATE_BEAM).map_or(f64::INFINITY, |s| s.price)
}

fn only_in_clear(op: &SlotOp) -> bool {
    matches!(
        op,
        SlotOp::Constant { .. }
            | SlotOp::Div
            | SlotOp::Max
            | SlotOp::Min
            | SlotOp::Activation(_)
            | SlotOp::PRelu { .. }
    )
}

/// Price of a rotation at a level, in rotations at level 9: digits and limbs both grow with the level.
pub fn rotation_price(level: u32) -> f64 {
    let limbs = f64::from(level + 1);
    (0.04 * limbs) * (1.0 + 0.15 * limbs)
}
