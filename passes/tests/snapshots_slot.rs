//! What the passes from packing to schedules make of three small networks, pass after pass.

mod common;

use common::net::Net;
use fhec_ir::tensor::{Pool, TensorGraph, TensorOp, Window};
use fhec_ir::{Constant, ValueId, verify};
use fhec_passes::pipeline::{Config, Pipeline, Program};
use fhec_passes::place::Bootstrap;
use fhec_passes::settings::nominal_chain;

/// A network whose convolutions have a bias.
fn net(name: &str, shape: [usize; 4]) -> (Net, ValueId) {
    let (mut net, image) = Net::new(name, 1, shape);
    net.bias = true;
    (net, image)
}

fn check(graph: TensorGraph, slots: usize) {
    check_with(graph, Config::nominal(slots));
}

fn check_with(graph: TensorGraph, config: Config) {
    let name = graph.name.clone();
    let program = Program::Tensor(verify(graph).unwrap());
    let mut texts = Vec::new();
    let mut observe = |program: &Program, timing: fhec_passes::pipeline::Timing| match program {
        Program::Tensor(_) => {}
        program => texts.push((timing.pass, program.text())),
    };
    Pipeline::standard(config).run(program, &mut observe).unwrap();
    let passes: Vec<&str> = texts.iter().map(|t| t.0).collect();
    assert_eq!(passes, ["assign-layout", "open-rows", "minimize-rotations", "place", "lower"]);
    for (pass, text) in texts {
        insta::assert_snapshot!(format!("{name}_{}", pass.replace('-', "_")), text);
    }
}

#[test]
fn lenet_like() {
    let (mut net, x) = net("lenet", [1, 1, 8, 8]);
    let x = net.conv(x, 2, 3, 1, "conv1");
    let x = net.push(TensorOp::Mul, &[x, x], "square1");
    let x = net.pool(x, Pool::Average, "pool1");
    let x = net.conv(x, 4, 3, 1, "conv2");
    let x = net.push(TensorOp::Mul, &[x, x], "square2");
    let x = net.pool(x, Pool::Average, "pool2");
    check(net.classifier(x), 128);
}

#[test]
fn residual_block() {
    let (mut net, image) = net("residual", [1, 2, 8, 8]);
    let coeffs = [0.25, 0.5, 0.125];
    let a = net.conv(image, 4, 3, 2, "conv1");
    let a = net.poly(a, &coeffs, "act1");
    let a = net.conv(a, 4, 3, 1, "conv2");
    let b = net.conv(image, 4, 1, 2, "shortcut");
    let x = net.push(TensorOp::Add, &[a, b], "add");
    let x = net.poly(x, &coeffs, "act2");
    let x = net.mean(x, true, "mean");
    check(net.classifier(x), 128);
}

/// Four levels and slots up to 4: operands of bootstraps at a quarter of the usual scale.
#[test]
fn residual_block_with_bootstraps() {
    let (mut net, image) = net("bootstraps", [1, 1, 8, 8]);
    let coeffs = [0.25, 0.5, 0.125, 0.0, 1.0];
    let x = net.conv(image, 2, 3, 2, "stem");
    let x = net.poly(x, &coeffs, "act0");
    let a = net.conv(x, 2, 1, 1, "conv1");
    let a = net.poly(a, &coeffs, "act1");
    let a = net.conv(a, 2, 1, 1, "conv2");
    let x = net.push(TensorOp::Add, &[a, x], "add");
    let x = net.poly(x, &coeffs, "act2");
    let x = net.mean(x, true, "mean");
    let graph = net.classifier(x);

    let mut config = Config::nominal(32);
    let levels = 4;
    // Ranges name values of the packed graph; their number does not depend on the ranges.
    let probe = {
        let mut pipeline = Pipeline::standard(Config::nominal(32));
        pipeline.stop_after("minimize-rotations");
        match pipeline.run(Program::Tensor(verify(graph.clone()).unwrap()), &mut |_, _| {}).unwrap() {
            Program::Slot(g) => g.len(),
            other => panic!("{}", other.ir()),
        }
    };
    let (price, pair_price) = (50.0, f64::INFINITY);
    let bootstrap =
        Bootstrap { levels, level_in: 1, price, pair_price, period: 32, ranges: vec![4.0; probe] };
    config.place.bootstrap = Some(bootstrap);
    config.chain = Box::new(move |top| Ok(nominal_chain(top, Some((levels, 32)))));
    check_with(graph, config);
}

#[test]
fn branches_and_concat() {
    let (mut net, image) = net("branches", [1, 2, 6, 6]);
    let a = net.conv(image, 1, 1, 1, "a/conv");
    let b = net.conv(image, 2, 3, 1, "b/conv");
    let b = net.poly(b, &[0.5, 0.5, 0.25, 0.0625], "b/act");
    let window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [1; 4] };
    let c = net.push(TensorOp::Pool { kind: Pool::Average, window, out: [6, 6] }, &[image], "c/pool");
    let x = net.push(TensorOp::Concat { axis: 1 }, &[a, b, c], "concat");
    let x = net.conv(x, 2, 1, 1, "fuse");
    check(net.classifier(x), 64);
}

/// The low half of a U-Net: linear upsampling along both axes, concatenation, convolution. One map does it all.
#[test]
fn upsampling_and_concat() {
    let (mut net, image) = net("upsampling", [1, 1, 4, 4]);
    let x = net.conv(image, 2, 3, 2, "down");
    let mut x = net.poly(x, &[0.5, 0.0, 1.0], "act");
    for axis in [2, 3] {
        let rows = vec![1.0, 0.0, 0.75, 0.25, 0.25, 0.75, 0.0, 1.0];
        let matrix = net.graph.add_constant(Constant::new(vec![4, 2], rows));
        x = net.push(TensorOp::Resample { axis, matrix }, &[x], "up");
    }
    let x = net.push(TensorOp::Concat { axis: 1 }, &[x, image], "concat");
    let x = net.conv(x, 1, 1, 1, "fuse");
    net.graph.add_output("map", x);
    check(net.graph, 32);
}
