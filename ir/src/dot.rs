//! Graphviz export.

use std::fmt::Write;

use crate::Graph;
use crate::text::Syntax;

/// The graph in Graphviz' language: one box per node, labelled with id, operator, name and type.
pub fn to_dot<O: Syntax>(graph: &Graph<O>) -> String {
    let mut out = format!("digraph {:?} {{\n  node [shape=box, fontname=monospace];\n", graph.name);
    for (id, node) in graph.iter() {
        let ty = O::type_label(&node.ty);
        let label = format!("{id} {}\n{}\n{ty}", node.op.mnemonic(), node.name);
        let _ = writeln!(out, "  n{} [label={label:?}];", id.0);
        for arg in &node.args {
            let _ = writeln!(out, "  n{} -> n{};", arg.0, id.0);
        }
    }
    for (i, output) in graph.outputs.iter().enumerate() {
        let _ =
            writeln!(out, "  o{i} [label={:?}, shape=oval];\n  n{} -> o{i};", output.name, output.value.0);
    }
    out.push_str("}\n");
    out
}
