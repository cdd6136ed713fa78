//! Why a pass refuses a graph.

use std::fmt;

use fhec_ir::{Graph, Op, ValueId, Violations};

/// One node that a pass cannot handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the network node, or its id.
    pub node: String,
    /// Operator.
    pub op: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Refusal {
    /// Refuses the node that computes `id`.
    pub fn new<O: Op>(graph: &Graph<O>, id: ValueId, reason: impl Into<String>) -> Self {
        let node = graph.node(id);
        let name = if node.name.is_empty() { id.to_string() } else { node.name.clone() };
        Self { node: name, op: node.op.mnemonic().into(), reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.node, self.op, self.reason)
    }
}

/// Failure of a pass.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PassError {
    /// Nodes that cannot be compiled, all of them.
    #[error("{pass} refuses {} node(s):{}", nodes.len(), list(nodes))]
    Refused {
        /// The pass.
        pass: &'static str,
        /// The nodes.
        nodes: Vec<Refusal>,
    },
    /// There is no pass of this name.
    #[error("there is no pass {pass:?}; the passes are {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        pass: String,
        /// Those that there are.
        known: &'static [&'static str],
    },
    /// There is no modulus chain with this many levels.
    #[error("no parameters for {levels} levels: {reason}")]
    Chain {
        /// Levels of the schedule.
        levels: u32,
        /// Why.
        reason: String,
    },
    /// The modulus of a value's level has no room for it, and its scale cannot be lower.
    #[error(
        "{node}: values of up to {range:.3e} at a scale of {scale_bits:.0} bits need {missing:.1} bits more than the modulus \
         of level {level} has: scale the network's weights down before it"
    )]
    Room {
        /// The value.
        node: String,
        /// Bound on its slots.
        range: f64,
        /// log2 of its scale.
        scale_bits: f64,
        /// Its level.
        level: u32,
        /// Bits that the modulus is too short by.
        missing: f64,
    },
    /// A pass stands where its IR does not exist yet or no more.
    #[error("pass {pass} cannot run on the {ir} IR: check its place in the pipeline")]
    Misplaced {
        /// The pass.
        pass: &'static str,
        /// The IR at its place.
        ir: &'static str,
    },
    /// A pass made a graph that breaks invariants: a defect of the compiler.
    #[error("internal error: after {pass} {violations}")]
    Broken {
        /// The pass.
        pass: &'static str,
        /// What it broke.
        violations: Violations,
    },
}

impl PassError {
    /// A refusal of one node.
    pub fn at<O: Op>(pass: &'static str, graph: &Graph<O>, id: ValueId, reason: impl Into<String>) -> Self {
        Self::Refused { pass, nodes: vec![Refusal::new(graph, id, reason)] }
    }
}

fn list(nodes: &[Refusal]) -> String {
    nodes.iter().map(|n| format!("\n  {n}")).collect()
}
