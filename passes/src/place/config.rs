//! Parameters of the pass.

use std::sync::Arc;

use fhec_ir::ValueId;
use fhec_ir::slot::SlotGraph;

use super::extract::Solution;
use super::prices::LevelPrices;
use crate::maps::Prices;

/// Parameters of the pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Prices of the parts of a linear map, in rotations.
    pub prices: Prices,
    /// Prices of a rotation.
    pub levels: LevelPrices,
    /// Width of the frontier above which extraction keeps the cheapest states only, and says so.
    pub beam: usize,
    /// None: as many levels as the graph takes, and no bootstraps.
    pub bootstrap: Option<Bootstrap>,
    /// What was chosen before, for the same graph and bootstraps of as many levels: it is taken where it can be.
    pub solution: Option<Arc<Solution>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            prices: Default::default(),
            levels: LevelPrices::default(),
            beam: 4000,
            bootstrap: None,
            solution: None,
        }
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
    pub(super) fn range(&self, graph: &SlotGraph, id: ValueId) -> Option<f64> {
        let range = if self.ranges.is_empty() { 1.0 } else { self.ranges[id.index()].max(LEAST_RANGE) };
        let repeats = graph.ty(id).layout.period() <= self.period;
        (range.is_finite() && repeats).then_some(range)
    }

    /// Price of bootstrapping a value: its ciphertexts in pairs, a last one that is left alone.
    pub(super) fn price_of(&self, graph: &SlotGraph, id: ValueId) -> f64 {
        let cts = graph.ty(id).layout.ciphertexts;
        let price = self.pair() * (cts / 2) as f64 + self.price * (cts % 2) as f64;
        self.range(graph, id).map_or(f64::INFINITY, |_| price)
    }

    /// What a value pays when its last ciphertext is paired with that of another value; infinite if it has none left.
    pub(super) fn share_of(&self, graph: &SlotGraph, id: ValueId) -> f64 {
        let cts = graph.ty(id).layout.ciphertexts;
        let saves = cts % 2 == 1 && self.pair_price < 2.0 * self.price;
        self.range(graph, id).filter(|_| saves).map_or(f64::INFINITY, |_| self.pair() / 2.0 * cts as f64)
    }

    /// Price of two ciphertexts, however they are bootstrapped.
    fn pair(&self) -> f64 {
        self.pair_price.min(2.0 * self.price)
    }
}
