//! Networks of thousands of nodes in a row: passes over them take time in proportion.

use fhec_ir::tensor::{Basis, TensorGraph, TensorOp};
use fhec_ir::{Constant, ValueId, verify};
use fhec_passes::canonicalize;

const LENGTH: usize = 10_000;

/// A graph of `LENGTH` steps from an input of four numbers.
fn chain(step: impl Fn(&mut TensorGraph, ValueId, ValueId, usize) -> ValueId) -> TensorGraph {
    let mut graph = TensorGraph::new("chain", ());
    let op = TensorOp::Input { name: "x".into(), shape: vec![1, 4] };
    let x = graph.push(op, vec![], vec![1, 4], "x");
    let mut value = x;
    for k in 0..LENGTH {
        value = step(&mut graph, value, x, k);
    }
    graph.add_output("y", value);
    graph
}

fn shifted(graph: &mut TensorGraph, value: ValueId, by: f32, name: String) -> ValueId {
    let shift = Some(graph.add_constant(Constant::new(vec![1, 1], vec![by])));
    graph.push(TensorOp::Affine { scale: None, shift }, vec![value], vec![1, 4], name)
}

fn canonical(graph: TensorGraph) -> TensorGraph {
    let graph = verify(graph).unwrap();
    canonicalize::run(&graph, &canonicalize::Config::default()).unwrap()
}

#[test]
fn additions_of_constants_are_one() {
    let graph = chain(|g, v, _, k| shifted(g, v, 1.0 + (k % 7) as f32, format!("add{k}")));
    assert_eq!(canonical(graph).len(), 2);
}

#[test]
fn additions_of_computed_values_stay() {
    let graph = chain(|g, v, x, k| g.push(TensorOp::Add, vec![v, x], vec![1, 4], format!("add{k}")));
    // x + x is a product with 2.
    assert_eq!(canonical(graph).len(), LENGTH + 1);
}

#[test]
fn additions_with_activations_between_them_stay() {
    let graph = chain(|g, v, _, k| {
        let square = g.add_constant(Constant::new(vec![3, 1], vec![0.0, 0.0, 1.0]));
        let v = g.push(
            TensorOp::Poly { coeffs: square, basis: Basis::Power },
            vec![v],
            vec![1, 4],
            format!("square{k}"),
        );
        g.push(TensorOp::Add, vec![v, ValueId(0)], vec![1, 4], format!("add{k}"))
    });
    assert_eq!(canonical(graph).len(), 2 * LENGTH + 1);
}
