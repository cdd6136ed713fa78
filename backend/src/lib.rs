//! From a schedule to a plan: the decisions that need no network any more.
//!
//! * [`chain`]: parameter sets. [`select`] finds the smallest secure ring for a number of levels.
//! * [`bootstrap`]: the same with a bootstrap, by the engine's search: [`select_bootstrapped`].
//! * [`cost`]: how long instructions take, by formulas over a [`CostTable`](cost::CostTable).
//! * [`facts`]: what is known of plaintexts and values, and what noise does to results.
//! * [`memory`]: what lives when.
//! * [`order`]: the order of instructions.
//! * [`room`]: whether every value fits the modulus of its level.
//! * [`report`]: counts and times by layer.
//! * [`emit`]: all of it, to a [`Plan`](fhec_ir::plan::Plan).
//!
//! The chain is chosen *before* lowering, because scales depend on the very primes; the rest happens after. Of the
//! engine only parameter data and the design of bootstraps are used here: nothing in this crate computes on ciphertexts.

mod amplifier;
pub mod bootstrap;
pub mod chain;
pub mod cost;
mod emit;
mod error;
pub mod facts;
pub mod memory;
pub mod order;
mod precision;
pub mod report;
pub mod room;

pub use bootstrap::{BootstrapRequest, select_bootstrapped};
pub use chain::{BootstrapCosts, Chain, ChainError, ChainRequest, select};
pub use emit::{EmitOptions, Forecast, emit, forecast};
pub use error::EmitError;
