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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{TensorGraph, TensorOp};

    #[test]
    fn boxes_and_arrows() {
        let mut graph = TensorGraph::new("a graph", ());
        let input = TensorOp::Input { name: "x".into(), shape: vec![1, 2] };
        let x = graph.push_inferred(input, vec![], "image").unwrap();
        let y = graph.push_inferred(TensorOp::Add, vec![x, x], "sum").unwrap();
        graph.add_output("y", y);
        let expected = r#"digraph "a graph" {
  node [shape=box, fontname=monospace];
  n0 [label="%0 Input\nimage\n[1,2]"];
  n1 [label="%1 Add\nsum\n[1,2]"];
  n0 -> n1;
  n0 -> n1;
  o0 [label="y", shape=oval];
  n1 -> o0;
}
"#;
        assert_eq!(to_dot(&graph), expected);
    }
}
