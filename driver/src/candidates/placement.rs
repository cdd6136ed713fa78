//! Placing a network on chains with bootstraps.

use fhec_backend::Chain;
use fhec_backend::cost::{CostModel, CostTable};
use fhec_ir::plan::PlacementReport;
use fhec_passes::PassError;
use fhec_passes::maps::Prices;
use fhec_passes::place::{self, Placer};
use rayon::prelude::*;

use super::candidate::Candidate;
use super::chains::LevelledChain;
use crate::observer::Stage;
use crate::request::Request;
use crate::watch::Watch;

/// Places a network whose values have these ranges.
pub(crate) struct Placements<'c> {
    pub(crate) request: &'c Request,
    pub(crate) watch: Watch<'c>,
    /// By value, a bound on its slots.
    pub(crate) ranges: &'c [f64],
}

impl Placements<'_> {
    /// The cheapest placement of a packed network, which is known by a number, on each chain.
    ///
    /// # Errors
    /// If the network can be placed on none of them.
    pub(crate) fn on(
        &self,
        chains: Vec<LevelledChain>,
        (packing, placer): (usize, &Placer<'_>),
    ) -> Result<Vec<Candidate>, PassError> {
        let total = chains.len();
        self.watch.stage(Stage::Placement, |steps| {
            let place = |(levels, chain): LevelledChain| {
                let candidate = self.candidate(levels, chain, packing, placer);
                steps.step(total);
                candidate
            };
            let found: Vec<Result<Candidate, PassError>> = chains.into_par_iter().map(place).collect();
            // A chain that is too short for an op is of no use; that none is long enough is an error.
            let (placed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
            match refused.into_iter().next_back() {
                Some(Err(refusal)) if placed.is_empty() => Err(refusal),
                _ => Ok(placed.into_iter().flatten().collect()),
            }
        })
    }

    fn candidate(
        &self,
        levels: u32,
        chain: Chain,
        packing: usize,
        placer: &Placer<'_>,
    ) -> Result<Candidate, PassError> {
        let config = place_config(&chain, levels, self.ranges, &self.request.costs);
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
        Ok(Candidate { chain, config, report, packing })
    }
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
