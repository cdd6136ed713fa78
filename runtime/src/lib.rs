//! Runs plans.
//!
//! * [`engine`]: what executes instructions. [`clear`] computes on slots with modelled noise, [`ckks`] on
//!   ciphertexts; both carry exact levels and scales.
//! * [`executor`]: data flow over a schedule on all cores, with any engine, plaintexts encoded ahead of their use. [`plaintexts`] keeps them.
//! * [`bootstrap`]: the bootstrap that a plan describes.
//! * [`resume`]: runs that are taken up again from the values that an earlier one kept.
//! * [`server`]: a plan with its engine, ready to run ciphertext files.
//! * [`files`]: key and ciphertext files, tagged so that swapped ones are noticed.
//! * [`key_folder`]: the folder of a client's keys, made as a whole.
//! * `client` (feature `client`): key generation, encryption, decryption. `input`: from image files to numbers. `ledger`: the
//!   requests and releases of a key. `boxes`: what the results of detectors mean, and pictures of them.
//!
//! Without the feature `client` nothing here can decrypt, and no type holds a secret key.

mod ahead;
pub mod bootstrap;
#[cfg(feature = "client")]
pub mod boxes;
pub mod ckks;
pub mod clear;
#[cfg(feature = "client")]
pub mod client;
pub mod engine;
pub mod error;
pub mod executor;
pub mod files;
#[cfg(feature = "client")]
pub mod input;
pub mod key_folder;
#[cfg(feature = "client")]
pub mod ledger;
pub mod memory;
pub mod plaintexts;
mod preparation;
pub mod resume;
pub mod server;
mod units;

pub use engine::Engine;
pub use error::{EngineError, FileError, KeptError, RunError};
pub use executor::{ExecuteOptions, Execution, Observer, Span, execute, execute_observed, execute_resumed};
pub use plaintexts::PlaintextStore;
