//! What clients evaluate: values, the language, and what is refused.

use fhec_ir::tensor::{ClientOp, Comparison, Function, Tensor, TensorGraph, TensorOp, run};
use fhec_ir::{ValueId, text, verify};

/// What an operator makes of operands, whose graph is also written and read.
#[track_caller]
fn eval(op: ClientOp, args: &[(&[usize], &[f64])]) -> Tensor<f64> {
    let mut graph = TensorGraph::new("client", ());
    let mut ids = Vec::new();
    for (k, (shape, _)) in args.iter().enumerate() {
        let input = TensorOp::Input { name: format!("x{k}"), shape: shape.to_vec() };
        ids.push(graph.push_inferred(input, vec![], "").unwrap());
    }
    let y = graph.push_inferred(TensorOp::Client(op), ids, "y").unwrap();
    graph.add_output("y", y);
    let written = text::print(&graph);
    let read = text::parse::<TensorOp>(&written, &text::Constants::default());
    assert_eq!(read.as_ref(), Ok(&graph), "{written}");
    let inputs: Vec<_> =
        args.iter().map(|(shape, data)| Tensor::new(shape.to_vec(), data.to_vec())).collect();
    run(&verify(graph).unwrap(), &inputs).unwrap().remove(0)
}

fn one(op: ClientOp, shape: &[usize], data: &[f64]) -> (Vec<usize>, Vec<f64>) {
    let y = eval(op, &[(shape, data)]);
    (y.shape, y.data)
}

#[test]
fn softmax_does_not_overflow() {
    let softmax = |axes: &[usize], log| ClientOp::Softmax { axes: axes.to_vec(), log };
    let (shape, y) = one(softmax(&[1], false), &[2, 2], &[1000.0, 1000.0, -1e4, 0.0]);
    assert_eq!((shape, y), (vec![2, 2], vec![0.5, 0.5, 0.0, 1.0]));
    let (_, y) = one(softmax(&[0, 1], false), &[2, 2], &[0.0; 4]);
    assert_eq!(y, [0.25; 4]);
    let (_, y) = one(softmax(&[0], true), &[2, 1], &[5000.0, 5000.0]);
    assert!(y.iter().all(|v| (v + 2f64.ln()).abs() < 1e-12), "{y:?}");
}

#[test]
fn choices() {
    let x = [3.0, 1.0, 3.0, -1.0, 5.0, -1.0];
    let arg = |axis, keep, last, least| ClientOp::Arg { axis, keep, last, least };
    assert_eq!(one(arg(1, false, false, false), &[2, 3], &x), (vec![2], vec![0.0, 1.0]));
    assert_eq!(one(arg(1, true, true, false), &[2, 3], &x), (vec![2, 1], vec![2.0, 1.0]));
    assert_eq!(one(arg(1, false, true, true), &[2, 3], &x), (vec![2], vec![1.0, 2.0]));
    assert_eq!(one(arg(0, false, false, false), &[2, 3], &x), (vec![3], vec![0.0, 1.0, 0.0]));
    assert_eq!(one(arg(0, false, false, false), &[3], &[f64::NAN, 1.0, 2.0]), (vec![], vec![2.0]));
    let top = |axis, least, indices| ClientOp::TopK { axis, k: 2, least, indices };
    assert_eq!(one(top(1, false, false), &[2, 3], &x), (vec![2, 2], vec![3.0, 3.0, 5.0, -1.0]));
    assert_eq!(one(top(1, false, true), &[2, 3], &x).1, [0.0, 2.0, 1.0, 0.0]);
    assert_eq!(one(top(1, true, true), &[2, 3], &x).1, [1.0, 0.0, 0.0, 2.0]);
    assert_eq!(one(top(0, false, true), &[2, 3], &x).1, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(one(top(0, false, true), &[3], &[f64::NAN, -0.0, 0.0]).1, [1.0, 2.0]);
    let extreme = |axes: &[usize], least| ClientOp::Extreme { axes: axes.to_vec(), keep: false, least };
    assert_eq!(one(extreme(&[1], false), &[2, 3], &x), (vec![2], vec![3.0, 5.0]));
    assert_eq!(one(extreme(&[0, 1], true), &[2, 3], &x), (vec![], vec![-1.0]));
}

#[test]
fn functions_and_comparisons() {
    let x = [-1.5, 0.0, 2.5];
    let f = |f| one(ClientOp::Function(f), &[3], &x).1;
    assert_eq!(f(Function::Floor), [-2.0, 0.0, 2.0]);
    assert_eq!(f(Function::Ceil), [-1.0, 0.0, 3.0]);
    assert_eq!(f(Function::Round), [-2.0, 0.0, 2.0]);
    assert_eq!(f(Function::Trunc), [-1.0, 0.0, 2.0]);
    assert_eq!(f(Function::Sign), [-1.0, 0.0, 1.0]);
    assert_eq!(f(Function::Not), [0.0, 1.0, 0.0]);
    assert_eq!(f(Function::Truth), [1.0, 0.0, 1.0]);
    assert_eq!(one(ClientOp::Function(Function::Log), &[2], &[1.0, 0.0]).1, [0.0, f64::NEG_INFINITY]);
    let y = [-1.5, 1.0, 2.0];
    let c = |c| eval(ClientOp::Compare(c), &[(&[3], &x), (&[3], &y)]).data;
    assert_eq!(c(Comparison::Equal), [1.0, 0.0, 0.0]);
    assert_eq!(c(Comparison::Less), [0.0, 1.0, 0.0]);
    assert_eq!(c(Comparison::LessOrEqual), [1.0, 1.0, 0.0]);
    assert_eq!(c(Comparison::And), [1.0, 0.0, 1.0]);
    assert_eq!(c(Comparison::Or), [1.0, 1.0, 1.0]);
    assert_eq!(c(Comparison::Xor), [0.0, 1.0, 0.0]);
    assert_eq!(
        eval(ClientOp::Select, &[(&[3], &[1.0, 0.0, -1.0]), (&[3], &x), (&[3], &y)]).data,
        [-1.5, 1.0, 2.5]
    );
}

#[test]
fn attributes_out_of_range_are_refused() {
    let refused = |op: ClientOp, count: usize| {
        let mut graph = TensorGraph::new("client", ());
        let input = TensorOp::Input { name: "x".into(), shape: vec![2, 3] };
        let x = graph.push_inferred(input, vec![], "").unwrap();
        graph.push_inferred(TensorOp::Client(op), vec![x; count], "").unwrap_err().invariant
    };
    assert_eq!(refused(ClientOp::Softmax { axes: vec![], log: false }, 1), "T3");
    assert_eq!(refused(ClientOp::Softmax { axes: vec![1, 1], log: false }, 1), "T3");
    assert_eq!(refused(ClientOp::TopK { axis: 1, k: 4, least: false, indices: false }, 1), "T3");
    assert_eq!(refused(ClientOp::TopK { axis: 1, k: 0, least: false, indices: false }, 1), "T3");
    assert_eq!(refused(ClientOp::TopK { axis: 2, k: 1, least: false, indices: false }, 1), "T3");
    assert_eq!(refused(ClientOp::Arg { axis: 2, keep: true, last: false, least: false }, 1), "T3");
    assert_eq!(refused(ClientOp::Select, 2), "T1");
    let mut graph = TensorGraph::new("client", ());
    for (k, shape) in [vec![2], vec![3]].into_iter().enumerate() {
        graph.push_inferred(TensorOp::Input { name: format!("x{k}"), shape }, vec![], "").unwrap();
    }
    let less = TensorOp::Client(ClientOp::Compare(Comparison::Less));
    assert_eq!(graph.push_inferred(less, vec![ValueId(0), ValueId(1)], "").unwrap_err().invariant, "T1");
}
