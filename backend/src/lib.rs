//! From a schedule to a plan: the decisions that need no network any more.
//!
//! * [`chain`]: parameter sets. [`select`] finds the smallest secure ring for a number of levels.
//! * [`bootstrap`]: the same with a bootstrap, by the engine's search: [`select_bootstrapped`].
//! * [`cost`]: how long instructions take, by formulas over a [`CostTable`](cost::CostTable).
//! * [`order`]: instruction order and what lives when.
//! * [`report`]: counts, times and precision by layer.
//! * [`emit`]: all of it, to a [`Plan`](fhec_ir::plan::Plan).
//!
//! The chain is chosen *before* lowering, because scales depend on the very primes; the rest happens after. Of the
//! engine only parameter data and the design of bootstraps are used here: nothing in this crate computes on ciphertexts.

pub mod bootstrap;
pub mod chain;
pub mod cost;
mod emit;
pub mod order;
pub mod report;

pub use bootstrap::{BootstrapCosts, BootstrapRequest, select_bootstrapped};
pub use chain::{Chain, ChainError, ChainRequest, select};
pub use emit::{EmitError, EmitOptions, Forecast, emit, forecast};
