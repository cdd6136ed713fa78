//! What was placed, for people.

use std::fmt;

use fhec_ir::slot::SlotGraph;

use super::extract::{Naive, Problem, Solution, naive};

/// A value that is bootstrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the network node, or the value's id in the graph that was placed.
    pub value: String,
    /// Ciphertexts of the value: as many bootstraps.
    pub ciphertexts: usize,
}

/// What a placement costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The bootstrapped values, in order of computation.
    pub bootstraps: Vec<Place>,
    /// Price of the placement, in the unit of its prices.
    pub price: f64,
    /// Of which bootstraps.
    pub bootstraps_price: f64,
    /// What it would cost to compute everything as high as possible and to bootstrap what is exhausted. None without
    /// bootstraps, or if they may not stand there.
    pub naive: Option<Naive>,
    /// True if no placement is cheaper; false if the frontier was too wide to be sure.
    pub exact: bool,
}

impl Report {
    pub(super) fn new(graph: &SlotGraph, problem: &Problem, solution: &Solution) -> Self {
        let chosen: Vec<_> = graph.ids().filter(|id| solution.bootstrapped[id.index()]).collect();
        let place = |id: &fhec_ir::ValueId| Place {
            value: Some(&graph.node(*id).name).filter(|n| !n.is_empty()).cloned().unwrap_or(id.to_string()),
            ciphertexts: graph.ty(*id).layout.ciphertexts,
        };
        let prices = problem.bootstraps.as_ref().map(|b| &b.prices);
        Self {
            bootstraps: chosen.iter().map(place).collect(),
            price: solution.price,
            bootstraps_price: prices.map_or(0.0, |p| chosen.iter().map(|id| p[id.index()]).sum()),
            naive: naive(problem),
            exact: !solution.pruned,
        }
    }

    /// Number of ciphertexts that are bootstrapped.
    pub fn ciphertexts(&self) -> usize {
        self.bootstraps.iter().map(|p| p.ciphertexts).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cheapest = if self.exact { "the cheapest" } else { "perhaps not the cheapest" };
        write!(
            f,
            "{} bootstraps of {} values; {:.1} in all, {cheapest}, {:.1} of it for bootstraps",
            self.ciphertexts(),
            self.bootstraps.len(),
            self.price,
            self.bootstraps_price
        )?;
        if let Some(naive) = &self.naive {
            write!(f, "; without foresight {} values, {:.1} in all", naive.bootstraps, naive.price)?;
        }
        let places = self.bootstraps.iter().map(|p| match p.ciphertexts {
            1 => p.value.clone(),
            n => format!("{} (x{n})", p.value),
        });
        if !self.bootstraps.is_empty() {
            write!(f, "; behind {}", places.collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}
