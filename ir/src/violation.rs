//! What the checks of an IR report.

use std::fmt;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the invariant in its IR's documentation, such as `G1` or `T3`.
    pub invariant: &'static str,
    /// Where: the value as messages name it, or the graph.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl Violation {
    /// A violation of the graph as a whole.
    pub fn of_graph(invariant: &'static str, message: impl Into<String>) -> Self {
        Self { invariant, place: "graph".into(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.invariant, self.place, self.message)
    }
}
