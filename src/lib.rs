//! fhec compiles convolutional networks into programs on encrypted images.
//!
//! This crate is the facade: [`compile`](compile()) takes an ONNX file to a [`Plan`](fhec_ir::plan::Plan). Running plans is
//! [`fhec_runtime`]'s job; the command line in `main.rs` is a thin layer over both.

#[cfg(feature = "compiler")]
mod compile;

#[cfg(feature = "compiler")]
pub use compile::{CompileError, CompileOptions, Compiled, compile, pass_names};
