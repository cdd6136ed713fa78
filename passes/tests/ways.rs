//! All ways to a value are that value: composed maps compute what the separate ones do.

use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::tensor::random::{self, Options};
use fhec_ir::tensor::{Tensor, TensorGraph};
use fhec_ir::{Verified, slot, tensor, verify};
use fhec_passes::{assign_layout, minimize_rotations};

/// The graph with way number `k` of every value that has so many in the first place.
fn rotated(graph: &SlotGraph, k: usize) -> Option<SlotGraph> {
    let mut rotated = graph.clone();
    let mut any = false;
    for id in graph.ids().filter(|id| graph.node(*id).op == SlotOp::Either) {
        let ways = &mut rotated.node_mut(id).args;
        if k < ways.len() {
            ways.swap(0, k);
            any = true;
        }
    }
    any.then_some(rotated)
}

#[track_caller]
fn compare(graph: &TensorGraph, got: &[Tensor<f64>], want: &[Tensor<f64>], context: &str) {
    for (want, got) in want.iter().zip(got) {
        let scale = want.data.iter().fold(1.0f64, |m, x| m.max(x.abs()));
        for (k, (a, b)) in want.data.iter().zip(&got.data).enumerate() {
            let text = || fhec_ir::text::summary(graph);
            assert!((a - b).abs() <= 1e-9 * scale, "{context}, element {k}: {a} {b}\n{}", text());
        }
    }
}

/// Runs all ways of a graph; how many graphs that makes.
fn check(network: &Verified<TensorGraph>, graph: &SlotGraph, context: &str) -> usize {
    let inputs = random::inputs(network, 7);
    let want = tensor::run(network, &inputs).unwrap();
    let others: Vec<SlotGraph> = (1..6).map_while(|k| rotated(graph, k)).collect();
    for (k, other) in others.iter().enumerate() {
        let context = format!("{context}, way {}", k + 1);
        let other = verify(other.clone()).unwrap_or_else(|e| panic!("{context}: {e}"));
        compare(network, &slot::interp::run(&other, &inputs).unwrap(), &want, &context);
    }
    others.len()
}

#[test]
fn every_way_computes_the_value() {
    let (mut packed_ways, mut planned_ways) = (0, 0);
    for seed in 0..150 {
        // Without activations linear layers follow each other.
        let options = match seed % 3 {
            0 => Options::default(),
            1 => Options { poly: false, exact: false, products: false, ..Options::default() },
            _ => Options { exact: false, nodes: 20, ..Options::default() },
        };
        let network = random::graph(seed, &options);
        for slots in [64, 2048] {
            let context = format!("seed {seed}, {slots} slots");
            let config = assign_layout::Config::new(slots);
            let packed = verify(assign_layout::run(&network, &config).unwrap())
                .unwrap_or_else(|e| panic!("{context}: {e}"));
            packed_ways += check(&network, &packed, &context);
            let planned = verify(minimize_rotations::run(&packed, &Default::default()).unwrap())
                .unwrap_or_else(|e| panic!("{context}, planned: {e}"));
            planned_ways += check(&network, &planned, &context);
        }
    }
    println!("{packed_ways} packed, {planned_ways} planned");
    assert!(packed_ways > 200 && planned_ways > 50, "{packed_ways} {planned_ways}");
}
