//! What was placed, for people.

use std::fmt;

use fhec_ir::ValueId;
use fhec_ir::slot::SlotGraph;

use super::extract::{Bootstraps, Naive, Problem, Solution, naive};

/// A value that is bootstrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the network node, or the value's id in the graph that was placed.
    pub value: String,
    /// Ciphertexts of the value: as many bootstraps.
    pub ciphertexts: usize,
    /// Index of the value that it is bootstrapped together with.
    pub with: Option<usize>,
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
        let with = |id: &ValueId| solution.together[id.index()].map(|k| ValueId(k as u32));
        let place = |id: &ValueId| Place {
            value: Some(&graph.node(*id).name).filter(|n| !n.is_empty()).cloned().unwrap_or(id.to_string()),
            ciphertexts: graph.ty(*id).layout.ciphertexts,
            with: with(id).and_then(|with| chosen.binary_search(&with).ok()),
        };
        let price = |rules: &Bootstraps| {
            let of = |id: &ValueId| match with(id) {
                Some(with) if with < *id => rules.together(with.index(), id.index()),
                Some(_) => 0.0,
                None => rules.prices[id.index()],
            };
            chosen.iter().map(of).sum()
        };
        Self {
            bootstraps: chosen.iter().map(place).collect(),
            price: solution.price,
            bootstraps_price: problem.bootstraps.as_ref().map_or(0.0, price),
            naive: naive(problem),
            exact: !solution.pruned,
        }
    }

    /// Number of ciphertexts that are bootstrapped.
    pub fn ciphertexts(&self) -> usize {
        self.bootstraps.iter().map(|p| p.ciphertexts).sum()
    }

    /// Number of bootstraps of two ciphertexts at once.
    pub fn pairs(&self) -> usize {
        let later = |(k, p): (usize, &Place)| usize::from(p.with.is_some_and(|with| with < k));
        self.bootstraps.iter().enumerate().map(|(k, p)| p.ciphertexts / 2 + later((k, p))).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cheapest = if self.exact { "the cheapest" } else { "perhaps not the cheapest" };
        write!(
            f,
            "{} bootstraps of {} values, {} pairs; {:.1} in all, {cheapest}, {:.1} of it for bootstraps",
            self.ciphertexts(),
            self.bootstraps.len(),
            self.pairs(),
            self.price,
            self.bootstraps_price
        )?;
        if let Some(naive) = &self.naive {
            write!(f, "; without foresight {} values, {:.1} in all", naive.bootstraps, naive.price)?;
        }
        let places = self.bootstraps.iter().map(|p| {
            let cts = if p.ciphertexts > 1 { format!(" (x{})", p.ciphertexts) } else { String::new() };
            let with = p.with.map(|k| format!(" with {}", self.bootstraps[k].value)).unwrap_or_default();
            format!("{}{cts}{with}", p.value)
        });
        if !self.bootstraps.is_empty() {
            write!(f, "; behind {}", places.collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}
