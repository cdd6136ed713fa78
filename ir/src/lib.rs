//! The intermediate representations of fhec.
//!
//! A network passes through three graphs on its way to an encrypted schedule:
//!
//! 1. [`tensor`]: real tensors with static shapes, one node per network operator.
//! 2. [`slot`]: the same values packed into slot vectors by a [`layout`]; linear layers are one op.
//! 3. [`schedule`]: single ciphertexts with exact level and scale; what a runtime executes.
//!
//! All three are a [`Graph`] over a different [`Op`] set. The [`graph`] module states what they share,
//! each IR's module states its semantics and numbers its invariants, [`verify()`] checks them and returns
//! the proof type [`Verified`], the only thing a later stage accepts. [`text`] prints and parses every
//! graph, [`dot`] draws it.
//!
//! [`plan`] is the file that a compiled network is stored in, [`output`] how files are written, here and in all other
//! crates: nothing else here touches the file system. [`noise`] predicts the error of what a plan computes, which
//! [`simulate`] draws.
//!
//! Nothing here knows of ONNX, of passes or of rings.

pub mod constant;
pub mod dot;
pub mod graph;
pub mod layout;
pub mod noise;
pub mod output;
pub mod plan;
pub mod schedule;
pub mod simulate;
pub mod slot;
pub mod tensor;
pub mod text;
pub mod verify;
mod violation;
mod visit;
mod weights;

pub use constant::{ConstId, Constant};
pub use graph::{Graph, Node, Op, Output, ValueId};
pub use verify::{Verified, Violations, verify};
pub use violation::Violation;
pub use visit::UseGraph;
pub use weights::Weights;
