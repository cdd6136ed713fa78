//! What the passes from packing to schedules make of three small networks, pass after pass.

mod common;

use fhec_ir::tensor::random::Rng;
use fhec_ir::tensor::{Pool, ReduceKind, TensorGraph, TensorOp, Window};
use fhec_ir::{ConstId, Constant, ValueId, verify};
use fhec_passes::pipeline::{Config, Pipeline, Program};
use fhec_passes::place::Bootstrap;

/// Builds graphs op by op; weights come from a seeded generator.
struct Net {
    graph: TensorGraph,
    rng: Rng,
}

impl Net {
    fn new(name: &str, shape: [usize; 4]) -> (Self, ValueId) {
        let mut graph = TensorGraph::new(name, ());
        let input = TensorOp::Input { name: "image".into(), shape: shape.to_vec() };
        let x = graph.push_inferred(input, vec![], "image").unwrap();
        (Self { graph, rng: Rng(1) }, x)
    }

    fn weights(&mut self, shape: &[usize]) -> ConstId {
        let len = shape.iter().product();
        let data: Vec<f32> = (0..len).map(|_| self.rng.unit()).collect();
        self.graph.add_constant(Constant::new(shape.to_vec(), data))
    }

    fn push(&mut self, op: TensorOp, args: &[ValueId], name: &str) -> ValueId {
        self.graph.push_inferred(op, args.to_vec(), name).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn conv(&mut self, x: ValueId, channels: usize, kernel: usize, stride: usize, name: &str) -> ValueId {
        let inputs = self.graph.ty(x)[1];
        let weight = self.weights(&[channels, inputs, kernel, kernel]);
        let bias = Some(self.weights(&[channels]));
        let window =
            Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1, 1], pads: [kernel / 2; 4] };
        self.push(TensorOp::Conv { window, groups: 1, weight, bias }, &[x], name)
    }

    fn poly(&mut self, x: ValueId, coeffs: &[f32], name: &str) -> ValueId {
        let coeffs = self.graph.add_constant(Constant::new(vec![coeffs.len(), 1], coeffs.to_vec()));
        self.push(TensorOp::Poly { coeffs }, &[x], name)
    }

    fn pool(&mut self, x: ValueId, name: &str) -> ValueId {
        let window = Window { kernel: [2, 2], stride: [2, 2], dilation: [1, 1], pads: [0; 4] };
        let out = [self.graph.ty(x)[2] / 2, self.graph.ty(x)[3] / 2];
        self.push(TensorOp::Pool { kind: Pool::Average, window, out }, &[x], name)
    }

    fn classifier(mut self, x: ValueId) -> TensorGraph {
        let elements = self.graph.ty(x).iter().product();
        let x = self.push(TensorOp::Reshape { out: vec![1, elements] }, &[x], "flatten");
        let (weight, bias) = (self.weights(&[3, elements]), Some(self.weights(&[3])));
        let y = self.push(TensorOp::Gemm { weight, bias }, &[x], "fc");
        self.graph.add_output("logits", y);
        self.graph
    }
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
    assert_eq!(passes, ["assign-layout", "minimize-rotations", "place", "lower"]);
    for (pass, text) in texts {
        insta::assert_snapshot!(format!("{name}_{}", pass.replace('-', "_")), text);
    }
}

#[test]
fn lenet_like() {
    let (mut net, x) = Net::new("lenet", [1, 1, 8, 8]);
    let x = net.conv(x, 2, 3, 1, "conv1");
    let x = net.push(TensorOp::Mul, &[x, x], "square1");
    let x = net.pool(x, "pool1");
    let x = net.conv(x, 4, 3, 1, "conv2");
    let x = net.push(TensorOp::Mul, &[x, x], "square2");
    let x = net.pool(x, "pool2");
    check(net.classifier(x), 128);
}

#[test]
fn residual_block() {
    let (mut net, image) = Net::new("residual", [1, 2, 8, 8]);
    let coeffs = [0.25, 0.5, 0.125];
    let a = net.conv(image, 4, 3, 2, "conv1");
    let a = net.poly(a, &coeffs, "act1");
    let a = net.conv(a, 4, 3, 1, "conv2");
    let b = net.conv(image, 4, 1, 2, "shortcut");
    let x = net.push(TensorOp::Add, &[a, b], "add");
    let x = net.poly(x, &coeffs, "act2");
    let mean = TensorOp::Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep: true };
    let x = net.push(mean, &[x], "mean");
    check(net.classifier(x), 128);
}

/// Four levels and slots up to 4: operands of bootstraps at a quarter of the usual scale.
#[test]
fn residual_block_with_bootstraps() {
    let (mut net, image) = Net::new("bootstraps", [1, 1, 8, 8]);
    let coeffs = [0.25, 0.5, 0.125, 0.0, 1.0];
    let x = net.conv(image, 2, 3, 2, "stem");
    let x = net.poly(x, &coeffs, "act0");
    let a = net.conv(x, 2, 1, 1, "conv1");
    let a = net.poly(a, &coeffs, "act1");
    let a = net.conv(a, 2, 1, 1, "conv2");
    let x = net.push(TensorOp::Add, &[a, x], "add");
    let x = net.poly(x, &coeffs, "act2");
    let mean = TensorOp::Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep: true };
    let x = net.push(mean, &[x], "mean");
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
    config.chain = Box::new(move |top| Ok(common::chain(top, Some((levels, 32)))));
    check_with(graph, config);
}

#[test]
fn branches_and_concat() {
    let (mut net, image) = Net::new("branches", [1, 2, 6, 6]);
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
    let (mut net, image) = Net::new("upsampling", [1, 1, 4, 4]);
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
