//! What is known of a network before anything is decided.

mod depth;
mod domain;
mod operands;
mod original;
mod ranges;
mod samples;

pub(crate) use depth::levels;
pub(crate) use domain::input_bounds;
pub(crate) use operands::{Operands, proven as proven_ranges};
pub(crate) use original::compare;
pub(crate) use ranges::{
    BOOTSTRAP_MARGIN, LEVELLED_MARGIN, Ranges, largest_output, proven_output, references, slot_ranges,
};
pub(crate) use samples::{many_synthetic, synthetic};
