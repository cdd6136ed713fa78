//! What the passes make of three small networks, pass after pass.

#[path = "common/net.rs"]
mod net;

use fhec_ir::tensor::{Basis, Pool, TensorGraph, TensorOp, Window};
use fhec_ir::{Constant, ValueId, text, verify};
use fhec_passes::{absorb, approximate, canonicalize};
use net::Net;

impl Net {
    /// Batch normalisation.
    fn norm(&mut self, x: ValueId, name: &str) -> ValueId {
        let c = self.graph.ty(x)[1];
        let (scale, shift) = (self.weights(&[1, c, 1, 1]), self.weights(&[1, c, 1, 1]));
        self.push(TensorOp::Affine { scale: Some(scale), shift: Some(shift) }, &[x], name)
    }

    /// x/2 plus an even polynomial whose scale differs between channels, as fine-tuning makes them.
    fn act(&mut self, x: ValueId, degree: usize, name: &str) -> ValueId {
        let c = self.graph.ty(x)[1];
        let form: &[f32] = if degree == 2 { &[0.2, 0.5, 0.2] } else { &[0.15, 0.5, 0.3, 0.0, -0.0166] };
        let scale = |i: usize| 1.0 + i as f32 / 4.0;
        let power = |k: usize| (0..c).map(move |i| form[k] / scale(i).powi(k as i32 - 1));
        let data: Vec<f32> = (0..=degree).flat_map(power).collect();
        let coeffs = self.graph.add_constant(Constant::new(vec![degree + 1, c], data));
        self.push(TensorOp::Poly { coeffs, basis: Basis::Power }, &[x], name)
    }
}

/// Means of all channels, and a dense layer.
fn classified(mut net: Net, x: ValueId) -> TensorGraph {
    let x = net.mean(x, true, "mean");
    net.classifier(x)
}

fn lenet() -> TensorGraph {
    let (mut net, x) = Net::new("lenet", 1, [1, 1, 8, 8]);
    let x = net.conv(x, 2, 3, 1, "conv1");
    let x = net.norm(x, "bn1");
    let x = net.act(x, 2, "act1");
    let x = net.pool(x, Pool::AveragePadded, "pool1");
    let x = net.conv(x, 4, 3, 1, "conv2");
    let x = net.norm(x, "bn2");
    let x = net.push(TensorOp::Mul, &[x, x], "square2");
    classified(net, x)
}

fn residual() -> TensorGraph {
    let (mut net, x) = Net::new("residual", 1, [1, 2, 8, 8]);
    let x = net.conv(x, 2, 3, 1, "stem");
    let x = net.norm(x, "stem/bn");
    let mut x = net.act(x, 4, "stem/act");
    for (block, stride) in [("block1", 1), ("block2", 2)] {
        let channels = 2 * stride;
        let y = net.conv(x, channels, 3, stride, &format!("{block}/conv1"));
        let y = net.norm(y, &format!("{block}/bn1"));
        let y = net.act(y, 4, &format!("{block}/act1"));
        let y = net.conv(y, channels, 3, 1, &format!("{block}/conv2"));
        let y = net.norm(y, &format!("{block}/bn2"));
        let shortcut =
            if stride == 1 { x } else { net.conv(x, channels, 1, 2, &format!("{block}/shortcut")) };
        let sum = net.push(TensorOp::Add, &[y, shortcut], &format!("{block}/add"));
        x = net.act(sum, 4, &format!("{block}/act2"));
    }
    classified(net, x)
}

fn branches() -> TensorGraph {
    let (mut net, x) = Net::new("branches", 1, [1, 2, 6, 6]);
    let a = net.conv(x, 2, 1, 1, "a/conv");
    let a = net.norm(a, "a/bn");
    let a = net.act(a, 2, "a/act");
    let b = net.conv(x, 2, 3, 1, "b/conv");
    let b = net.act(b, 4, "b/act");
    let window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [1; 4] };
    let c = net.push(TensorOp::Pool { kind: Pool::Average, window, out: [6, 6] }, &[x], "c/pool");
    let c = net.conv(c, 1, 1, 1, "c/conv");
    let joined = net.push(TensorOp::Concat { axis: 1 }, &[a, b, c], "concat");
    let shuffle = TensorOp::Gather { axis: 1, indices: vec![0, 2, 4, 1, 3] };
    let joined = net.push(shuffle, &[joined], "shuffle");
    let y = net.norm(joined, "bn");
    let y = net.conv(y, 3, 3, 2, "conv");
    let y = net.act(y, 2, "act");
    classified(net, y)
}

fn check(graph: TensorGraph) {
    let name = graph.name.clone();
    let graph = verify(graph).unwrap();
    let graph = verify(canonicalize::run(&graph, &canonicalize::Config::default()).unwrap()).unwrap();
    insta::assert_snapshot!(format!("{name}_canonicalize"), text::print(&*graph));
    let graph = verify(approximate::run(&graph, &approximate::Config::default()).unwrap()).unwrap();
    let graph = verify(absorb::run(&graph, &absorb::Config::default()).unwrap()).unwrap();
    insta::assert_snapshot!(format!("{name}_absorb"), text::print(&*graph));
}

#[test]
fn lenet_like() {
    check(lenet());
}

#[test]
fn residual_net() {
    check(residual());
}

#[test]
fn branching_net() {
    check(branches());
}
