//! ONNX networks become tensor IR.
//!
//! ```no_run
//! let import = fhec_frontend::import("net.onnx".as_ref(), &fhec_frontend::Options::default())?;
//! println!("{}", fhec_ir::text::print(&import.graph));
//! # Ok::<(), fhec_frontend::ImportError>(())
//! ```
//!
//! The protobuf nodes are imported one by one: not a runtime's optimised graph, in which convolutions have lost their
//! identity. Every value is either a constant known now or a node of the IR, whose shape is known; shape-computing
//! subgraphs fold away on the way. What cannot be compiled is refused, all nodes in one report.
//!
//! Code map: `import` drives, `functions` inlines those that a model brings along, `ops` has one importer per operator, `fold` the constants, `recognise` gives back
//! activations and polynomials that exporters wrote as several nodes, `tail` splits off what the client computes after
//! decryption, [`reference`](mod@reference) runs the same file on tract.
//!
//! Nothing here knows of encryption, and nothing else knows of ONNX.

mod advice;
mod branch;
mod builder;
mod call;
mod error;
mod extents;
mod fold;
mod functions;
mod hints;
mod import;
mod integers;
mod literal;
mod network;
mod ops;
mod recognise;
pub mod reference;
mod tail;

pub use error::{ImportError, Refusal};
pub use hints::InputHint;
pub use import::{Options, import, import_bytes};
pub use network::Import;
