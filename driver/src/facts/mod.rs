//! What is known of a network before anything is decided.

mod depth;
mod ranges;
mod samples;

pub(crate) use depth::needs_bootstraps;
pub(crate) use ranges::{largest_output, slot_ranges};
pub(crate) use samples::synthetic;
