//! All alternatives for a value are that value: composed maps compute what the separate ones do.

mod common;

use common::assert_close;
use common::net::Net;
use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::tensor::random::{self, Options};
use fhec_ir::tensor::{Tensor, TensorGraph, TensorOp};
use fhec_ir::{Constant, ValueId, Verified, slot, tensor, verify};
use fhec_passes::{assign_layout, lower, minimize_rotations, place};

/// The graph with alternative number `k` of every value that has so many in the first place.
fn rotated(graph: &SlotGraph, k: usize) -> Option<SlotGraph> {
    let mut rotated = graph.clone();
    let mut any = false;
    for id in graph.ids().filter(|id| graph.node(*id).op == SlotOp::Alternatives) {
        let alternatives = &mut rotated.node_mut(id).args;
        if k < alternatives.len() {
            alternatives.swap(0, k);
            any = true;
        }
    }
    any.then_some(rotated)
}

#[track_caller]
fn compare(graph: &TensorGraph, got: &[Tensor<f64>], want: &[Tensor<f64>], context: &str) {
    for (want, got) in want.iter().zip(got) {
        let context = || format!("{context}\n{}", fhec_ir::text::print(graph));
        assert_close(&want.data, &got.data, 1e-9, &context);
    }
}

/// Runs all alternatives of a graph; how many graphs that makes.
fn check(network: &Verified<TensorGraph>, graph: &SlotGraph, context: &str) -> usize {
    let inputs = random::inputs(network, 7);
    let want = tensor::run(network, &inputs).unwrap();
    let others: Vec<SlotGraph> = (1..6).map_while(|k| rotated(graph, k)).collect();
    for (k, other) in others.iter().enumerate() {
        let context = format!("{context}, alternative {}", k + 1);
        let other = verify(other.clone()).unwrap_or_else(|e| panic!("{context}: {e}"));
        compare(network, &slot::interp::run(&other, &inputs).unwrap(), &want, &context);
    }
    others.len()
}

#[test]
fn every_alternative_computes_the_value() {
    let (mut packed_count, mut planned_count) = (0, 0);
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
            let packed = common::pack(&network, &config).unwrap();
            packed_count += check(&network, &packed, &context);
            let planned = verify(minimize_rotations::run(&packed, &Default::default()).unwrap())
                .unwrap_or_else(|e| panic!("{context}, planned: {e}"));
            planned_count += check(&network, &planned, &context);
        }
    }
    println!("{packed_count} packed, {planned_count} planned");
    assert!(packed_count > 200 && planned_count > 50, "{packed_count} {planned_count}");
}

impl Net {
    /// A convolution and a square.
    fn layer(&mut self, x: ValueId, channels: usize, stride: usize) -> ValueId {
        let x = self.conv(x, channels, 3, stride, "");
        self.push(TensorOp::Mul, &[x, x], "")
    }

    /// Twice the rows and columns, linearly.
    fn up(&mut self, mut x: ValueId) -> ValueId {
        for axis in [2, 3] {
            let n = self.graph.ty(x)[axis];
            let mut rows = vec![0.0; 2 * n * n];
            for to in 0..2 * n {
                let from = ((to as f32 - 0.5) / 2.0).clamp(0.0, n as f32 - 1.0);
                let (low, part) = (from as usize, from.fract());
                rows[to * n + low] += 1.0 - part;
                rows[to * n + (low + 1).min(n - 1)] += part;
            }
            let matrix = self.graph.add_constant(Constant::new(vec![2 * n, n], rows));
            x = self.push(TensorOp::Resample { axis, matrix }, &[x], "");
        }
        x
    }
}

/// A U-Net with squares: two strides down, linear upsampling up again, with skips.
fn u_net() -> Verified<TensorGraph> {
    let (mut net, image) = Net::new("unet", 3, [1, 1, 16, 16]);
    net.scale = |products| 1.0 / products.sqrt();
    net.bias = true;
    let fine = net.layer(image, 4, 1);
    let middle = net.layer(fine, 8, 2);
    let coarse = net.layer(middle, 16, 2);
    let up = net.up(coarse);
    let x = net.push(TensorOp::Concat { axis: 1 }, &[up, middle], "");
    let x = net.layer(x, 8, 1);
    let up = net.up(x);
    let x = net.push(TensorOp::Concat { axis: 1 }, &[up, fine], "");
    let x = net.layer(x, 2, 1);
    net.graph.add_output("map", x);
    verify(net.graph).unwrap()
}

/// Upsampling and concatenation become a part of the convolutions behind them: three levels less each time.
#[test]
fn a_u_net_takes_fewer_levels() {
    let network = u_net();
    let inputs = random::inputs(&network, 1);
    let want = tensor::run(&network, &inputs).unwrap();
    let placed = |compose: bool| {
        let config = assign_layout::Config { compose, ..assign_layout::Config::new(4096) };
        let planned = common::planned(&network, &config);
        let (placed, report) = place::run_with_report(&planned, &Default::default()).unwrap();
        let placed = verify(placed).unwrap();
        compare(&network, &slot::interp::run(&placed, &inputs).unwrap(), &want, "placed");
        let maps = placed.iter().filter(|(_, n)| matches!(n.op, SlotOp::Linear(_))).count();
        println!("compose {compose}: {} levels, {maps} maps, {:.1}", lower::top_level(&placed), report.price);
        (lower::top_level(&placed), maps, report.price)
    };
    let (apart, composed) = (placed(false), placed(true));
    assert_eq!(apart.0, 16);
    assert_eq!((composed.0, composed.1), (10, 5));
    assert!(composed.2 < apart.2, "{composed:?} {apart:?}");
}
