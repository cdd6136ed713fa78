//! Candidate plans of a map: the replicas over which partial sums may be spread and, for each, splits of the offsets.

use fhec_ir::Constant;
use fhec_ir::layout::Factor;
use fhec_ir::slot::routing::{Offsets, Routing};
use fhec_ir::slot::{LinearMap, MapPlan};

use super::prices::Prices;
use super::split;

/// Plans of a map and their prices in rotations, cheapest first.
pub(crate) type Candidates = Vec<(MapPlan, f64)>;

/// Products above which only the cheapest plan is looked at: comparing such plans takes more memory than they are worth.
const LARGE: usize = 10_000;

/// The cheapest plans found for a map, at most `most`. Its offsets are found out unless they are given.
pub(crate) fn candidates(
    map: &LinearMap,
    constants: &[Constant],
    prices: &Prices,
    most: usize,
    mut offsets: Option<Offsets>,
) -> Candidates {
    // Plans with the number of their reduction, which decides between equals.
    let mut found: Vec<(usize, MapPlan, f64)> = Vec::new();
    // The last ones have the fewest products.
    for (at, reduce) in reductions(map).into_iter().enumerate().rev() {
        let Ok(routing) = Routing::new(map, &reduce) else { continue };
        let offsets = offsets.get_or_insert_with(|| Offsets::new(&routing, map, constants));
        let classes = routing.classes_of(offsets);
        let sums = price_of_sums(map, &reduce, prices);
        let least = split::least(map, classes.len(), prices) + sums;
        if found.len() >= most && found.last().is_some_and(|o| o.2 < least) {
            continue;
        }
        let most = if classes.len() > LARGE { 1 } else { most };
        for split in split::cheapest(map, &routing, &classes, prices, most) {
            let plan = MapPlan { products: split.products, reduce: reduce.clone(), fold: split.fold };
            found.push((at, plan, split.price + sums));
        }
        found.sort_by(|a, b| a.2.total_cmp(&b.2).then(a.0.cmp(&b.0)));
        found.truncate(most);
    }
    assert!(!found.is_empty(), "to reduce over nothing is always possible");
    found.into_iter().map(|(_, plan, price)| (plan, price)).collect()
}

/// Chains of output replicas that partial sums can be spread over: from any stride up to the inputs' period.
/// The plaintexts of an open map are the same in all rows, those of partial sums are not.
fn reductions(map: &LinearMap) -> Vec<Vec<Factor>> {
    if map.open {
        return vec![vec![]];
    }
    let top = map.inputs.iter().map(|l| l.period()).max().unwrap_or(1);
    let mut below: Vec<Factor> = map.output.replicas.iter().copied().filter(|r| r.stride < top).collect();
    below.sort_unstable_by_key(|r| r.stride);
    (0..=below.len()).map(|k| below[k..].to_vec()).rev().collect()
}

/// What is known of a map before it is planned.
pub(crate) struct Draft {
    /// No plan is cheaper, in rotations.
    pub least: f64,
    /// For [`candidates`], unless they take much memory.
    pub offsets: Option<Offsets>,
}

/// Pairs of ciphertexts of a map whose offsets are kept.
const KEPT: usize = 64;

/// Looks at a map without planning it.
pub(crate) fn draft(map: &LinearMap, constants: &[Constant], prices: &Prices) -> Draft {
    let mut offsets = None;
    let price = |reduce: Vec<Factor>| {
        let routing = Routing::new(map, &reduce).ok()?;
        let offsets = offsets.get_or_insert_with(|| Offsets::new(&routing, map, constants));
        Some(
            split::least(map, routing.classes_of(offsets).len(), prices)
                + price_of_sums(map, &reduce, prices),
        )
    };
    let least = reductions(map).into_iter().filter_map(price).fold(f64::INFINITY, f64::min);
    let inputs: usize = map.inputs.iter().map(|l| l.ciphertexts).sum();
    Draft { least, offsets: offsets.filter(|_| inputs * map.output.ciphertexts <= KEPT) }
}

/// Price of adding up what was spread over replicas.
fn price_of_sums(map: &LinearMap, reduce: &[Factor], prices: &Prices) -> f64 {
    prices.rotation * (reduce.len() * map.output.ciphertexts) as f64
}
