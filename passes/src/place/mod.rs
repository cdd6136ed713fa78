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

use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::{ValueId, Verified};

use crate::maps::Parts;
use crate::{PassError, Refusal};
use alternatives::Alternatives;

pub use config::{Bootstrap, Config};
pub(crate) use estimate::estimate;
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
    parts: Vec<Option<Parts>>,
}

impl<'g> Placer<'g> {
    /// Looks at the maps of a graph.
    pub fn new(graph: &'g Verified<SlotGraph>) -> Self {
        Self { graph, parts: alternatives::parts(graph) }
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
        placed(self.graph, config, &Alternatives::new(self.graph, &self.parts, config))
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

fn placed(
    graph: &SlotGraph,
    config: &Config,
    alternatives: &Alternatives,
) -> Result<(SlotGraph, Report), PassError> {
    if let Some(bootstrap) = &config.bootstrap {
        check_depths(graph, bootstrap, alternatives)?;
    }
    let Some(solution) = extract::solve(&alternatives.problem, config.beam) else {
        let reason = "cannot be reached with the bootstraps that ranges and periods allow";
        return Err(PassError::at(PASS, graph, graph.outputs[0].value, reason));
    };
    if solution.pruned {
        tracing::warn!(
            "place: the frontier was wider than {}; the placement may not be the cheapest",
            config.beam
        );
    }
    let placed = insert::placed(graph, alternatives, &solution, config.bootstrap.as_ref());
    let report = Report::new(graph, &alternatives.problem, &solution);
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
