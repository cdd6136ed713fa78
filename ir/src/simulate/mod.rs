//! Many images through a schedule in clear, with exact levels and scales and modelled noise: how often a plan is right,
//! and on which images its network leaves the ranges that encryption gives it.
//!
//! What [`interp`](crate::schedule::interp) computes for one image, here for batches: plaintexts are evaluated once and multiplied
//! with several images while they are in cache, and rotations are not carried out but read. The noise of an instruction
//! that neither divides nor refreshes is carried along as a variance, by the same model, and added to the slots by
//! the next one that does: noise that several results of one value share is independent here until then.
//! Results depend on schedule, image and seed only, not on batches or threads.

mod batch;
mod image;
mod simulator;
mod slots;

pub use image::{Excess, Facts, Image, SimulateError, Simulated};
pub use simulator::{Seen, Simulator, Watch, simulate_once};

#[cfg(test)]
mod tests;
