//! Candidates: placements of the network on chains with bootstraps.
//!
//! A [shape] says what a chain is designed for: levels between bootstraps, scale, slots. Of each [`Designs`] makes a
//! chain and its variants, and of each chain [`Placements`] make a candidate. Chains for all slots come first;
//! [`sparse`] adds those for fewer slots that may be faster, [`fewer_keys`] those that need less memory.

mod candidate;
mod chains;
pub(crate) mod fewer_keys;
mod placement;
mod shape;
pub(crate) mod sparse;

pub(crate) use candidate::Candidate;
pub(crate) use chains::{Designs, LevelledChain};
pub(crate) use placement::Placements;
pub(crate) use shape::dense_shapes;
