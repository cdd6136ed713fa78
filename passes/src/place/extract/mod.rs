//! Exact level-aware extraction.
//!
//! A [`Problem`] lists e-classes in topological order, each with its alternatives. Levels are not part of it but the state
//! of the [`search`]: at each e-class it picks an alternative, the level at which this executes and whether the result is
//! bootstrapped, and keeps the [`state`]s that no other one dominates. What is known without a search says [`levels`];
//! [`bound`]s on what is still to come keep the search narrow, [`naive`](mod@naive) bootstrapping is the first of them.

mod bound;
mod levels;
mod naive;
mod problem;
mod search;
mod state;

pub use levels::{needed_levels, reaches};
pub use naive::{Naive, naive};
pub use problem::{Alternative, Bootstraps, EClass, Problem, Solution, repriced};
pub use search::solve;
