//! What a placement will cost, as long as no chain is known.

use fhec_ir::slot::SlotGraph;

use super::alternatives::{Alternatives, parts};
use super::config::{Bootstrap, Config};
use super::extract;
use crate::maps::Prices;
use crate::nominal;

/// Width of the frontier for estimates.
const BEAM: usize = 32;

/// Bound on slots for estimates: wide enough to ask for a level that restores the scale before a product.
const RANGE: f64 = 2.0;

/// Price, in rotations, of the cheapest placement of a graph whose linear maps have plans: with nominal bootstraps if it
/// takes more than [`nominal::MAX_LEVELED`] levels. Ops that only run in clear count nothing.
pub(crate) fn estimate(graph: &SlotGraph, prices: &Prices) -> f64 {
    let placement = |bootstrap| Config { prices: *prices, bootstrap, ..Config::default() };
    let parts = parts(graph);
    let mut alternatives = Alternatives::new(graph, &parts, &placement(None));
    let levels = extract::needed_levels(&alternatives.problem).into_iter().max().unwrap_or(0);
    if levels > nominal::MAX_LEVELED {
        let bootstrap = Bootstrap {
            levels: nominal::BOOTSTRAP_LEVELS,
            level_in: nominal::BOOTSTRAP_LEVEL_IN,
            price: nominal::BOOTSTRAP_PRICE,
            // With two at once the estimates picked dearer layouts (ResNet-20: 2 %).
            pair_price: f64::INFINITY,
            period: usize::MAX,
            ranges: vec![RANGE; graph.len()],
        };
        alternatives = Alternatives::new(graph, &parts, &placement(Some(bootstrap)));
    }
    extract::solve(&alternatives.problem, BEAM).map_or(f64::INFINITY, |s| s.price)
}
