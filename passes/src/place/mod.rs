//! `place`: how each value is computed, at which level, and where it is bootstrapped.
//!
//! An e-graph ([`alternatives`]) holds the values and their alternative computations; rules ([`rules`], see `RULES.md`)
//! add alternatives. Extraction ([`extract`]) is exact and level-aware: it walks the e-classes in order and keeps,
//! for those still needed, the undominated combinations of levels. Without bootstraps inputs arrive at the lowest
//! level from which every output can be reached. With them no level exceeds what a bootstrap gives, and [`insert`]
//! writes the bootstraps into the graph.

mod alternatives;
mod config;
mod enode;
mod estimate;
pub mod extract;
mod insert;
mod prices;
mod report;
mod rules;

use std::collections::BTreeMap;

use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::{ValueId, Verified};

use crate::{PassError, Refusal};
use alternatives::{Alternatives, MapParts};

pub use config::{Bootstrap, Config};
pub(crate) use estimate::estimate;
pub use extract::Solution;
pub use prices::LevelPrices;
pub use report::{Place, Report};

const PASS: &str = "place";

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

/// A packed network to be placed several times: what its linear maps consist of is counted once.
#[derive(Debug)]
pub struct Placer<'g> {
    graph: &'g Verified<SlotGraph>,
    parts: Vec<MapParts>,
}

impl<'g> Placer<'g> {
    /// Looks at the maps of a graph.
    pub fn new(graph: &'g Verified<SlotGraph>) -> Self {
        Self { graph, parts: alternatives::parts_given_and_opened(graph) }
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
        let alternatives = Alternatives::new(self.graph, &self.parts, config);
        let solution = solution(self.graph, config, &alternatives)?;
        if solution.pruned && config.solution.is_none() {
            tracing::warn!(
                "place: the frontier was wider than {}; the placement may not be the cheapest",
                config.beam
            );
        }
        let placed = insert::placed(self.graph, &alternatives, &solution, config.bootstrap.as_ref());
        Ok((placed, Report::new(self.graph, &alternatives.problem, &solution)))
    }

    /// What [`run`](Self::run) would choose, without the graph.
    ///
    /// # Errors
    /// As [`run`].
    pub fn choose(&self, config: &Config) -> Result<(Solution, Report), PassError> {
        check(self.graph, config)?;
        let alternatives = Alternatives::new(self.graph, &self.parts, config);
        let solution = solution(self.graph, config, &alternatives)?;
        let report = Report::new(self.graph, &alternatives.problem, &solution);
        Ok((solution, report))
    }

    /// Slots of ciphertexts that live at once, at least, under a solution: by value of the graph, when it is computed, their
    /// number times the primes that each has.
    pub fn most_limbs(&self, solution: &Solution, config: &Config) -> u64 {
        let floor = config.bootstrap.as_ref().map_or(0, |b| b.level_in);
        let highest = config.bootstrap.as_ref().map_or(0, |b| b.levels);
        let alternatives = Alternatives::new(self.graph, &self.parts, config);
        let limbs = |k: usize| {
            let fresh = solution.bootstrapped[k];
            let level = floor + if fresh { highest } else { solution.levels[k] };
            self.graph.ty(ValueId(k as u32)).layout.ciphertexts as u64 * u64::from(level + 1)
        };
        let chosen = |k: usize| Some(&alternatives.problem.classes[k].alternatives[solution.chosen[k]?]);
        let mut last = vec![0; solution.chosen.len()];
        for k in 0..last.len() {
            chosen(k).into_iter().flat_map(|a| &a.children).for_each(|child| last[*child] = k);
        }
        self.graph.outputs.iter().for_each(|o| last[o.value.index()] = usize::MAX);
        let (mut live, mut most) = (0, 0);
        let mut ends: BTreeMap<usize, u64> = BTreeMap::new();
        for k in (0..last.len()).filter(|k| chosen(*k).is_some()) {
            live += limbs(k);
            *ends.entry(last[k]).or_default() += limbs(k);
            most = most.max(live);
            live -= ends.remove(&k).unwrap_or(0);
        }
        most
    }

    /// Levels that the network takes at least, without bootstraps.
    pub fn levels(&self, config: &Config) -> u32 {
        let levelled = Config { bootstrap: None, ..config.clone() };
        let problem = Alternatives::new(self.graph, &self.parts, &levelled).problem;
        extract::needed_levels(&problem).into_iter().max().unwrap_or(0)
    }

    /// Whether bootstraps as configured can take the network to its outputs; what [`run`] refuses otherwise.
    pub fn reaches(&self, config: &Config) -> bool {
        extract::reaches(&Alternatives::new(self.graph, &self.parts, config).problem)
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

/// The solution that the configuration gives, at its prices, or the one that is found.
fn solution(graph: &SlotGraph, config: &Config, alternatives: &Alternatives) -> Result<Solution, PassError> {
    if let Some(bootstrap) = &config.bootstrap {
        check_depths(graph, bootstrap, alternatives)?;
    }
    let given = config.solution.as_ref().and_then(|given| extract::repriced(&alternatives.problem, given));
    given.or_else(|| extract::solve(&alternatives.problem, config.beam)).ok_or_else(|| {
        let reason = "cannot be reached with the bootstraps that ranges and periods allow";
        PassError::at(PASS, graph, graph.outputs[0].value, reason)
    })
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
fn check_depths(
    graph: &SlotGraph,
    bootstrap: &Bootstrap,
    alternatives: &Alternatives,
) -> Result<(), PassError> {
    let deeper = graph.ids().filter_map(|id| {
        let own = &alternatives.problem.classes[id.index()].alternatives;
        let least = own.iter().min_by_key(|a| a.depth + a.headroom)?;
        if least.depth + least.headroom <= bootstrap.levels {
            return None;
        }
        let restore = if least.headroom > 0 { " and one to restore the scale" } else { "" };
        let reason = format!("takes {} levels{restore}, a bootstrap gives {}", least.depth, bootstrap.levels);
        Some(Refusal::new(graph, id, reason))
    });
    refuse(deeper.collect())
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
