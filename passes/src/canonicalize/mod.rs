//! `canonicalize`: constants fold, batch normalisation and other affine maps go into their neighbours, equal
//! computations become one, dead ones go.
//!
//! The network becomes an e-graph ([`network`]) whose e-nodes are operators, interned with their weights ([`enode`]).
//! Directed rules ([`rules`], see `RULES.md`) add cheaper forms to e-classes until none applies ([`apply`](mod@apply)).
//! [`extract`](mod@extract) chooses one form per e-class, counting shared nodes once, by number of operators and levels.
//! Last, max-pools move in front of functions that do not fall ([`pools`]).
//! Everything is exact up to the rounding of weights to f32; a shift never moves through zero padding.

mod apply;
mod enode;
mod extract;
mod network;
mod pools;
mod rule;
mod rules;
mod vectors;

use fhec_ir::Verified;
use fhec_ir::tensor::TensorGraph;

use crate::PassError;

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Rounds over all rules after which the pass stops, saturated or not. No network needs that many.
    pub rounds: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { rounds: 32 }
    }
}

/// Runs the pass. It never fails.
///
/// # Errors
/// None at present.
pub fn run(graph: &Verified<TensorGraph>, config: &Config) -> Result<TensorGraph, PassError> {
    let mut network = network::Network::new(graph);
    for _ in 0..config.rounds {
        let mut changed = false;
        for rule in rules::RULES {
            while apply::apply(&mut network, rule) {
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    Ok(pools::before_functions(extract::extract(graph, &network)))
}
