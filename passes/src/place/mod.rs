//! `place`: how each value is computed and at which level.
//!
//! An e-graph ([`choices`]) holds the values and their alternative computations; rules ([`rules`], see `RULES.md`)
//! add alternatives. Extraction ([`extract`]) is exact and level-aware: it walks the classes in order and keeps, for
//! the classes still needed, the undominated combinations of levels. Inputs arrive at the lowest level from which
//! every output can be reached. Bootstraps are not placed yet.

mod choices;
pub mod extract;
mod rules;

use fhec_ir::Verified;
use fhec_ir::slot::{SlotGraph, SlotOp};

use crate::{PassError, Refusal};
use choices::Choices;

const PASS: &str = "place";

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Prices of the parts of a linear map, in rotations.
    pub prices: crate::minimize_rotations::Prices,
    /// Width of the frontier above which extraction keeps the cheapest states only, and says so.
    pub beam: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { prices: Default::default(), beam: 500 }
    }
}

/// Chooses evaluation strategies and writes the level of every value.
///
/// # Errors
/// Ops that only execution in clear knows.
pub fn run(graph: &Verified<SlotGraph>, config: &Config) -> Result<SlotGraph, PassError> {
    let nodes: Vec<Refusal> = graph
        .ids()
        .filter(|id| only_in_clear(&graph.node(*id).op))
        .map(|id| {
            let reason = "no encrypted execution: make the network polynomial or look at it with \
                          `fhec eval --exact-activations`";
            Refusal::new(graph, id, reason)
        })
        .collect();
    if !nodes.is_empty() {
        return Err(PassError::Refused { pass: PASS, nodes });
    }
    let choices = Choices::new(graph, &config.prices);
    let solution = extract::solve(&choices.problem, config.beam);
    if solution.pruned {
        tracing::warn!(
            "place: the frontier was wider than {}; the placement may not be the cheapest",
            config.beam
        );
    }
    let mut placed = (**graph).clone();
    for id in graph.ids() {
        let node = placed.node_mut(id);
        node.ty.level = Some(solution.levels[id.index()]);
        if let SlotOp::Poly { strategy, .. } = &mut node.op {
            *strategy = choices.strategy(id, solution.chosen[id.index()]);
        }
    }
    Ok(placed)
}

/// Width of the frontier for estimates.
const ESTIMATE_BEAM: usize = 32;

/// Price, in rotations, of the cheapest placement of a packed network whose linear maps have no plans yet. Ops that only
/// run in clear count nothing.
pub(crate) fn estimate(graph: &SlotGraph, config: &crate::assign_layout::Config) -> f64 {
    let rotations = crate::minimize_rotations::Config { prices: config.prices };
    let planned = crate::minimize_rotations::planned(graph, &rotations);
    let choices = Choices::new(&planned, &config.prices);
    extract::solve(&choices.problem, ESTIMATE_BEAM).price
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
