//! Placing a network on chains with bootstraps.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// A network of few values that live at once is placed exactly on each. For others the frontier would be too wide: they
    /// are placed once for all chains that give as many levels, and looked at closely for the most promising of these.
    ///
    /// # Errors
    /// If the network can be placed on none of them.
    pub(crate) fn on(
        &self,
        chains: Vec<LevelledChain>,
        (packing, placer): (usize, &Placer<'_>),
    ) -> Result<Vec<Candidate>, PassError> {
        let groups = groups(chains);
        let total = groups.iter().map(|group| group.len()).sum();
        self.watch.stage(Stage::Placement, |steps| {
            let narrow = |group: Group| self.group(group, (packing, placer), &|| steps.step(total));
            let placed: Vec<Result<Vec<Candidate>, PassError>> = groups.into_par_iter().map(narrow).collect();
            // A chain that is too short for an op is of no use; that none is long enough is an error.
            let (placed, refused): (Vec<_>, Vec<_>) = placed.into_iter().partition(Result::is_ok);
            let mut placed: Vec<Vec<Candidate>> = placed.into_iter().flatten().collect();
            match refused.into_iter().next_back() {
                Some(Err(refusal)) if placed.is_empty() => return Err(refusal),
                _ => {}
            }
            let least =
                |group: &Vec<Candidate>| group.iter().map(|c| c.report.seconds).fold(f64::INFINITY, f64::min);
            let best = placed.iter().map(least).fold(f64::INFINITY, f64::min);
            let promising = |group: &&mut Vec<Candidate>| {
                !group.iter().all(|c| c.report.exact) && least(group) <= best * PROMISING
            };
            placed.par_iter_mut().filter(promising).for_each(|group| self.refine(group, placer));
            Ok(placed.into_iter().flatten().collect())
        })
    }

    /// Places the network on chains that give as many levels.
    fn group(
        &self,
        group: Group,
        (packing, placer): (usize, &Placer<'_>),
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<Candidate>, PassError> {
        let mut candidates: Vec<Candidate> = Vec::with_capacity(group.len());
        let mut refused = None;
        for (levels, chain) in &group {
            let mut config = place_config(chain, *levels, self.ranges, &self.request.costs);
            config.beam = NARROW;
            // Placements that are not exact are shared.
            let shared = candidates.first().filter(|first| !first.report.exact);
            config.solution = shared.and_then(|first| first.config.solution.clone());
            match candidate((chain, config), (packing, placer)) {
                Ok(candidate) => candidates.push(candidate),
                Err(refusal) => refused = Some(refusal),
            }
            done();
        }
        refused.filter(|_| candidates.is_empty()).map_or(Ok(candidates), Err)
    }

    /// Looks closely at one of the chains, and has the others share what is found.
    fn refine(&self, group: &mut [Candidate], placer: &Placer<'_>) {
        let Some(best) = group.iter().min_by(|a, b| a.report.seconds.total_cmp(&b.report.seconds)) else {
            return;
        };
        let wide = place::Config { solution: None, beam: WIDE, ..best.config.clone() };
        let Ok((solution, _)) = placer.choose(&wide) else { return };
        let solution = Some(Arc::new(solution));
        for one in group {
            let config = place::Config { solution: solution.clone(), ..one.config.clone() };
            if let Ok(refined) = candidate((&one.chain, config), (one.packing, placer))
                && refined.report.seconds < one.report.seconds
            {
                *one = refined;
            }
        }
    }
}

/// Chains with what `place` cannot tell apart, but for prices.
type Group = Vec<LevelledChain>;

/// The frontier's states in a first look, and in a second one at the most promising chains.
const NARROW: usize = 128;
const WIDE: usize = 4000;

/// Seconds up to which a placement is promising, in those of the best.
const PROMISING: f64 = 1.06;

/// Chains that give as many levels from the same one, of as many slots.
fn groups(chains: Vec<LevelledChain>) -> Vec<Group> {
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for (levels, chain) in chains {
        let header = chain.bootstrap_header();
        let key = (levels, header.map(|h| (h.period, h.level_in)));
        groups.entry(key).or_default().push((levels, chain));
    }
    groups.into_values().collect()
}

/// The placement on a chain, for which the pass is configured.
fn candidate(
    (chain, mut config): (&Chain, place::Config),
    (packing, placer): (usize, &Placer<'_>),
) -> Result<Candidate, PassError> {
    let (solution, report) = placer.choose(&config)?;
    let limbs = placer.most_limbs(&solution, &config);
    let levels = config.bootstrap.as_ref().map_or(0, |b| b.levels);
    let report = PlacementReport {
        levels,
        bootstraps: report.ciphertexts() as u64,
        pairs: report.pairs() as u64,
        slots: chain.bootstrap_header().map_or(0, |header| header.period.into()),
        seconds: report.price,
        naive: report.naive.map(|n| (n.price, n.bootstraps as u64)),
        exact: report.exact,
    };
    config.solution = Some(Arc::new(solution));
    Ok(Candidate {
        chain: chain.clone(),
        config,
        report,
        packing,
        value_bytes: limbs * (16 << chain.data.log_n),
    })
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
