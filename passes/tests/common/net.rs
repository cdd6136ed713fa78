//! Builds networks op by op. Weights come from a seeded generator. Test files add the layers that only they need.
#![allow(dead_code, reason = "every test binary uses a part")]

use fhec_ir::tensor::random::Rng;
use fhec_ir::tensor::{Basis, Pool, ReduceKind, TensorGraph, TensorOp, Window};
use fhec_ir::{ConstId, Constant, ValueId};

/// A network in the making.
pub(crate) struct Net {
    pub(crate) graph: TensorGraph,
    rng: Rng,
    /// Scale of a convolution's weights, by the number of products in a sum.
    pub(crate) scale: fn(f32) -> f32,
    /// Whether convolutions have a bias.
    pub(crate) bias: bool,
}

/// A convolution: operand, channels, side of the kernel, stride, name.
pub(crate) type Conv = fn(&mut Net, ValueId, usize, usize, usize, &str) -> ValueId;

/// An activation: operand, name.
pub(crate) type Act = fn(&mut Net, ValueId, &str) -> ValueId;

impl Net {
    /// A network with one input, and that input.
    pub(crate) fn new(name: &str, seed: u64, shape: [usize; 4]) -> (Self, ValueId) {
        let mut graph = TensorGraph::new(name, ());
        let input = TensorOp::Input { name: "image".into(), shape: shape.to_vec() };
        let image = graph.push_inferred(input, vec![], "image").unwrap();
        (Self { graph, rng: Rng(seed), scale: |_| 1.0, bias: false }, image)
    }

    pub(crate) fn push(&mut self, op: TensorOp, args: &[ValueId], name: &str) -> ValueId {
        self.graph.push_inferred(op, args.to_vec(), name).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Numbers in mean ± scale.
    pub(crate) fn around(&mut self, mean: f32, scale: f32, shape: &[usize]) -> ConstId {
        let size = shape.iter().product();
        let data: Vec<f32> = (0..size).map(|_| mean + scale * self.rng.unit()).collect();
        self.graph.add_constant(Constant::new(shape.to_vec(), data))
    }

    /// Numbers in ±1.
    pub(crate) fn weights(&mut self, shape: &[usize]) -> ConstId {
        self.around(0.0, 1.0, shape)
    }

    /// A convolution that keeps rows and columns but for the stride.
    pub(crate) fn conv(
        &mut self,
        x: ValueId,
        channels: usize,
        kernel: usize,
        stride: usize,
        name: &str,
    ) -> ValueId {
        let inputs = self.graph.ty(x)[1];
        let scale = (self.scale)((inputs * kernel * kernel) as f32);
        let weight = self.around(0.0, scale, &[channels, inputs, kernel, kernel]);
        let bias = self.bias.then(|| self.weights(&[channels]));
        let window =
            Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1, 1], pads: [kernel / 2; 4] };
        self.push(TensorOp::Conv { window, groups: 1, weight, bias }, &[x], name)
    }

    /// A polynomial, the same for all channels.
    pub(crate) fn poly(&mut self, x: ValueId, coeffs: &[f32], name: &str) -> ValueId {
        let coeffs = self.graph.add_constant(Constant::new(vec![coeffs.len(), 1], coeffs.to_vec()));
        self.push(TensorOp::Poly { coeffs, basis: Basis::Power }, &[x], name)
    }

    /// A monic quartic that draws small numbers to 0.25.
    pub(crate) fn quartic(&mut self, x: ValueId, name: &str) -> ValueId {
        self.poly(x, &[0.1, 0.5, 0.25, 0.0, 1.0], name)
    }

    /// Averages of two by two pixels.
    pub(crate) fn pool(&mut self, x: ValueId, kind: Pool, name: &str) -> ValueId {
        let window = Window { kernel: [2, 2], stride: [2, 2], dilation: [1, 1], pads: [0; 4] };
        let out = [self.graph.ty(x)[2] / 2, self.graph.ty(x)[3] / 2];
        self.push(TensorOp::Pool { kind, window, out }, &[x], name)
    }

    /// The mean over all pixels; `keep` leaves the axes, of extent 1.
    pub(crate) fn mean(&mut self, x: ValueId, keep: bool, name: &str) -> ValueId {
        self.push(TensorOp::Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep }, &[x], name)
    }

    /// A dense layer on all elements, to three logits.
    pub(crate) fn classifier(mut self, x: ValueId) -> TensorGraph {
        let elements = self.graph.ty(x).iter().product();
        let x = self.push(TensorOp::Reshape { out: vec![1, elements] }, &[x], "flatten");
        let (weight, bias) = (self.weights(&[3, elements]), Some(self.weights(&[3])));
        let y = self.push(TensorOp::Gemm { weight, bias }, &[x], "fc");
        self.graph.add_output("logits", y);
        self.graph
    }

    /// A residual block: two convolutions, and a sum with what it began with, that goes through a convolution of its own
    /// where there is a stride.
    pub(crate) fn block(
        &mut self,
        x: ValueId,
        [channels, stride]: [usize; 2],
        (conv, act): (Conv, Act),
        name: &str,
    ) -> ValueId {
        let a = conv(self, x, channels, 3, stride, &format!("{name}/conv1"));
        let a = act(self, a, &format!("{name}/act1"));
        let a = conv(self, a, channels, 3, 1, &format!("{name}/conv2"));
        let short = match stride {
            1 => x,
            _ => conv(self, x, channels, 1, stride, &format!("{name}/short")),
        };
        let sum = self.push(TensorOp::Add, &[a, short], &format!("{name}/add"));
        act(self, sum, &format!("{name}/act2"))
    }
}
