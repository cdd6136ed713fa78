//! RNS-CKKS on encrypted slot vectors: the engine of fhec.

mod error;
pub mod params;
pub mod ring;

pub use error::{CkksError, KeyName, Result};
