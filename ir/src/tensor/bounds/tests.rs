//! No run leaves its bounds, and bounds of single operators are tight.

use proptest::prelude::*;

use super::*;
use crate::tensor::random::{self, Options, Rng};
use crate::tensor::{Tensor, run_observed};
use crate::{ValueId, verify};

/// Random bounds of an input's channels, and a tensor within them that often touches them.
fn input(rng: &mut Rng, shape: &[usize]) -> (Bounds, Tensor<f64>) {
    let per = if rng.once_in(2) { channels(shape) } else { 1 };
    let ends = |rng: &mut Rng| Interval::new(3.0 * f64::from(rng.unit()), 3.0 * f64::from(rng.unit()));
    let bounds = Bounds::per_channel((0..per).map(|_| ends(rng)).collect());
    let inner = shape.iter().skip(2).product::<usize>();
    let element = |k: usize, rng: &mut Rng| {
        let x = bounds.channel(k / inner % channels(shape));
        match rng.range(0, 3) {
            0 => x.lo,
            1 => x.hi,
            _ => x.middle() + x.radius() * f64::from(rng.unit()),
        }
    };
    let data = (0..shape.iter().product()).map(|k| element(k, rng)).collect();
    (bounds.clone(), Tensor::new(shape.to_vec(), data))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_leaves_its_bounds(seed: u64) {
        let options = Options { nodes: 4 + (seed % 24) as usize, ..Options::default() };
        let graph = random::graph(seed, &options);
        let mut rng = Rng(seed);
        let (given, tensors): (Vec<_>, Vec<_>) =
            graph.inputs().map(|(id, _)| input(&mut rng, graph.ty(id))).unzip();
        let known = bounds(&graph, &given);
        let mut left = Vec::new();
        run_observed(&graph, &tensors, |id, value| {
            let shape = graph.ty(id);
            let inner = shape.iter().skip(2).product::<usize>();
            for (k, &x) in value.data.iter().enumerate() {
                let bound = known[id.index()].channel(k / inner % channels(shape));
                // A value that overflowed is no number any more.
                if !x.is_nan() && !bound.contains(x) {
                    left.push(format!("{}: {x} outside {bound:?}", graph.describe(id)));
                }
            }
        }).unwrap();
        prop_assert!(left.is_empty(), "{}", left[0]);
        prop_assert!(known.iter().flat_map(Bounds::channels).all(|x| x.lo <= x.hi));
    }
}

/// Bounds of what follows an input in [lo, hi] of the given shape.
fn after(shape: &[usize], x: Interval, grow: impl FnOnce(&mut TensorGraph, ValueId) -> ValueId) -> Bounds {
    let mut graph = TensorGraph::new("bounds", ());
    let op = TensorOp::Input { name: "x".into(), shape: shape.to_vec() };
    let input = graph.push(op, vec![], shape.to_vec(), "x");
    let y = grow(&mut graph, input);
    graph.add_output("y", y);
    let graph = verify(graph).unwrap();
    bounds(&graph, &[Bounds::uniform(x)])[y.index()].clone()
}

fn close(got: Interval, lo: f64, hi: f64) {
    assert!((got.lo - lo).abs() < 1e-6 && (got.hi - hi).abs() < 1e-6, "{got:?} for {lo}..{hi}");
}

/// The largest and least sums, borders included: the centre tap always meets the image.
#[test]
fn convolutions_are_tight() {
    let window =
        super::super::Window { kernel: [1, 3], stride: [1, 1], dilation: [1, 1], pads: [0, 1, 0, 1] };
    let bounds = after(&[1, 1, 1, 4], Interval::new(1.0, 2.0), |g, x| {
        let weight = g.add_constant(Constant::new(vec![2, 1, 1, 3], vec![1.0, 10.0, 1.0, -1.0, 0.0, 1.0]));
        let op = TensorOp::Conv { window, groups: 1, weight, bias: None };
        g.push_inferred(op, vec![x], "conv").unwrap()
    });
    close(bounds.channel(0), 11.0, 24.0);
    close(bounds.channel(1), -2.0, 2.0);
}

/// Channels keep their own bounds through a flattening into a matrix.
#[test]
fn channels_survive_flattening() {
    let bounds = after(&[1, 2, 1, 2], Interval::new(-1.0, 1.0), |g, x| {
        let scale = Some(g.add_constant(Constant::new(vec![1, 2, 1, 1], vec![1.0, 100.0])));
        let x = g.push_inferred(TensorOp::Affine { scale, shift: None }, vec![x], "scaled").unwrap();
        let x = g.push_inferred(TensorOp::Reshape { out: vec![1, 4] }, vec![x], "flat").unwrap();
        let weight = g.add_constant(Constant::new(vec![1, 4], vec![1.0, 1.0, 0.01, 0.01]));
        g.push_inferred(TensorOp::Gemm { weight, bias: None }, vec![x], "fc").unwrap()
    });
    close(bounds.channel(0), -4.0, 4.0);
}

/// Squares are not negative, and what overflows is infinite.
#[test]
fn deep_squares_overflow_to_infinity() {
    let bounds = after(&[1, 1, 1, 1], Interval::new(-10.0, 10.0), |g, mut x| {
        for _ in 0..10 {
            x = g.push_inferred(TensorOp::Mul, vec![x, x], "square").unwrap();
        }
        x
    });
    assert_eq!(bounds.hull(), Interval { lo: 0.0, hi: f64::INFINITY });
}
