//! What a packed network will cost once the passes behind `assign-layout` have planned and placed it.

use fhec_ir::slot::SlotGraph;

use crate::maps::Prices;
use crate::minimize_rotations::{Memo, planned};
use crate::place;

/// Prices packed networks, in rotations, for `assign-layout` to compare them. Plans of maps are remembered from one network
/// to the next.
pub fn estimator(prices: Prices) -> impl FnMut(&SlotGraph) -> f64 {
    let mut memo = Memo::default();
    move |packed| place::estimate(&planned(packed, &prices, &mut memo), &prices)
}
