//! Plans of linear maps: what they consist of, what they cost, and the search for cheap ones.
//!
//! All passes that plan maps or price them build on this: `minimize-rotations` chooses among the [`candidates`], `place`
//! prices the [`Parts`] of the plan chosen. How a plan is executed says `fhec_ir::slot::routing`.

mod halves;
mod parts;
mod prices;
mod search;
mod split;

pub(crate) use parts::Parts;
pub use parts::{Counts, count, rotation_steps};
pub use prices::Prices;
pub(crate) use search::{Candidates, Draft, candidates, draft};
