//! Graphs inside nodes: the branches of an `If`.

use std::collections::HashSet;

use tract_onnx::pb::{GraphProto, NodeProto};

use crate::call::{Call, Imported, Value};

/// Names that a node reads, those included that graphs inside it may read from around it.
pub(crate) fn needed(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> = node.input.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
    for graph in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
        names.extend(graph.node.iter().flat_map(needed));
        names.extend(graph.output.iter().map(|o| o.name.as_str()));
    }
    names
}

/// What the outputs of a graph depend on.
pub(crate) struct Live<'p> {
    /// Nodes, operands first.
    pub(crate) nodes: Vec<&'p NodeProto>,
    /// Names that these read, and the outputs.
    pub(crate) names: HashSet<&'p str>,
}

/// The part of an inner graph that is needed. Its nodes stand in order, as ONNX wants.
pub(crate) fn live(graph: &GraphProto) -> Live<'_> {
    let mut names: HashSet<&str> = graph.output.iter().map(|o| o.name.as_str()).collect();
    let mut nodes = Vec::new();
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|o| names.contains(o.as_str())) {
            names.extend(needed(node));
            nodes.push(node);
        }
    }
    nodes.reverse();
    Live { nodes, names }
}

/// The branch that an `If` takes.
pub(crate) fn chosen<'p>(call: &Call<'p>) -> Imported<&'p GraphProto> {
    let Value::Const(condition) = call.value(0)? else {
        return Err(
            "its condition depends on the input, which is encrypted: export the network without it".into()
        );
    };
    let [holds] = condition.to_ints()?[..] else {
        return Err(format!("a condition of shape {:?}", condition.shape));
    };
    let branch = if holds != 0 { "then_branch" } else { "else_branch" };
    call.graph(branch).ok_or_else(|| format!("the {branch} is missing"))
}
