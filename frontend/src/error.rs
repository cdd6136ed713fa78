//! What can go wrong in an import.

use std::fmt;
use std::path::PathBuf;

use fhec_ir::Violations;

/// A node that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the node, or of its first output where it has no name.
    pub node: String,
    /// ONNX operator.
    pub op: String,
    /// Why, and if possible what to do.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: {}", self.op, self.node, self.reason)
    }
}

/// Why a network could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no well-formed ONNX model.
    #[error("not a valid ONNX model: {0}")]
    Malformed(String),
    /// A shape that was given for an input does not fit the model.
    #[error("--input-shape: {0}")]
    Shape(String),
    /// Nodes that cannot be compiled: all of them.
    #[error("{}", report(.0))]
    Unsupported(Vec<Refusal>),
    /// The model breaks an invariant of the tensor IR as a whole.
    #[error("the model does not make a valid network: {0}")]
    Invalid(#[from] Violations),
}

fn report(refusals: &[Refusal]) -> String {
    let mut text = format!("{} node(s) cannot be compiled", refusals.len());
    for refusal in refusals {
        text.push_str("\n  ");
        text.push_str(&refusal.to_string());
    }
    text
}
