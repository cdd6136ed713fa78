//! Random networks of the kinds that went wrong: pools first, in the middle and last, gains from 1e-3 to 1e3, squares, quartics,
//! residual blocks, odd sizes. Compiled by the driver, run encrypted at 128 bits and compared with the network in clear.

use std::sync::Arc;

use fhec::frontend::Import;
use fhec::ir::tensor::random::Rng;
use fhec::ir::tensor::{Basis, Pool, ReduceKind, Tensor, TensorGraph, TensorOp, Window, run};
use fhec::ir::{ConstId, Constant, ValueId, Verified, verify};
use fhec::plan::Plan;
use fhec::{Client, CompileError, Driver, Request, Server};

/// A network in the making, its last value, and a factor that brings this to size 1.
pub(crate) struct Net {
    graph: TensorGraph,
    at: ValueId,
    rng: Rng,
}

impl Net {
    /// Begins with an input of shape [1, channels, height, width].
    pub(crate) fn new(channels: usize, [height, width]: [usize; 2], seed: u64) -> Self {
        let mut graph = TensorGraph::new("net", ());
        let input = TensorOp::Input { name: "x".into(), shape: vec![1, channels, height, width] };
        let at = graph.push_inferred(input, vec![], "x").unwrap();
        Self { graph, at, rng: Rng(seed) }
    }

    fn shape(&self) -> &[usize] {
        self.graph.ty(self.at)
    }

    fn push(&mut self, op: TensorOp, args: Vec<ValueId>, name: &str) {
        self.at = self.graph.push_inferred(op, args, name).unwrap();
    }

    fn then(mut self, op: TensorOp, name: &str) -> Self {
        self.push(op, vec![self.at], name);
        self
    }

    fn weights(&mut self, scale: f64, shape: &[usize]) -> ConstId {
        let numbers = 0..shape.iter().product();
        let data = numbers.map(|_| scale as f32 * self.rng.unit()).collect::<Vec<f32>>();
        self.graph.add_constant(Constant::new(shape.to_vec(), data))
    }

    fn coefficients(&mut self, coefficients: &[f64]) -> ConstId {
        self.graph.add_constant(Constant::from_f64(vec![coefficients.len(), 1], coefficients))
    }

    /// A 3×3 convolution with padding whose weights are of a size.
    pub(crate) fn conv(mut self, channels: usize, stride: usize, scale: f64) -> Self {
        let inputs = self.shape()[1];
        let weight = self.weights(scale, &[channels, inputs, 3, 3]);
        let bias = Some(self.weights(scale, &[channels]));
        let window = Window { kernel: [3; 2], stride: [stride; 2], dilation: [1, 1], pads: [1; 4] };
        self.then(TensorOp::Conv { window, groups: 1, weight, bias }, "conv")
    }

    /// A polynomial of coefficients from the constant one up.
    pub(crate) fn poly(mut self, coefficients: &[f64], name: &str) -> Self {
        let coeffs = self.coefficients(coefficients);
        self.then(TensorOp::Poly { coeffs, basis: Basis::Power }, name)
    }

    pub(crate) fn square(self) -> Self {
        self.poly(&[0.0, 0.0, 1.0], "square")
    }

    /// x·factor + shift.
    pub(crate) fn affine(mut self, factor: Option<f64>, shift: f64, name: &str) -> Self {
        let shape = vec![1; self.shape().len()];
        let mut constant = |x| self.graph.add_constant(Constant::from_f64(shape.clone(), &[x]));
        let (scale, shift) = (factor.map(&mut constant), Some(constant(shift)));
        self.then(TensorOp::Affine { scale, shift }, name)
    }

    pub(crate) fn pool(self, [height, width]: [usize; 2]) -> Self {
        let (kernel, shape) = ([height, width], self.shape());
        let out = [shape[2] / height, shape[3] / width];
        let window = Window { kernel, stride: kernel, dilation: [1, 1], pads: [0; 4] };
        self.then(TensorOp::Pool { kind: Pool::Average, window, out }, "pool")
    }

    pub(crate) fn mean(self) -> Self {
        self.then(TensorOp::Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep: true }, "mean")
    }

    /// A dense layer on everything.
    fn dense(mut self, classes: usize, scale: f64) -> Self {
        let elements = self.shape().iter().product();
        let mut net = self;
        net = net.then(TensorOp::Reshape { out: vec![1, elements] }, "flatten");
        self = net;
        let weight = self.weights(scale, &[classes, elements]);
        let bias = Some(self.weights(scale, &[classes]));
        self.then(TensorOp::Gemm { weight, bias }, "dense")
    }

    /// A 3×3 convolution of every channel by itself.
    pub(crate) fn depthwise(mut self, stride: usize, scale: f64) -> Self {
        let groups = self.shape()[1];
        let weight = self.weights(scale, &[groups, 1, 3, 3]);
        let window = Window { kernel: [3; 2], stride: [stride; 2], dilation: [1, 1], pads: [1; 4] };
        self.then(TensorOp::Conv { window, groups, weight, bias: None }, "depthwise")
    }

    /// Every pixel four times.
    pub(crate) fn upsample(mut self) -> Self {
        for axis in [2, 3] {
            let indices = (0..2 * self.shape()[axis]).map(|k| k / 2).collect();
            self = self.then(TensorOp::Gather { axis, indices }, "upsample");
        }
        self
    }

    /// The channels of the value from `from`, then those of the last one.
    pub(crate) fn concat(mut self, from: ValueId) -> Self {
        self.push(TensorOp::Concat { axis: 1 }, vec![from, self.at], "concat");
        self
    }

    /// Goes on from another value.
    pub(crate) fn from(mut self, value: ValueId) -> Self {
        self.at = value;
        self
    }

    /// The last value is a result.
    pub(crate) fn output(mut self, name: &str) -> Self {
        self.graph.add_output(name, self.at);
        self
    }

    /// The network of these results.
    pub(crate) fn verified(self) -> Verified<TensorGraph> {
        verify(self.graph).unwrap()
    }

    /// The last value.
    pub(crate) fn last(&self) -> ValueId {
        self.at
    }

    /// Adds the value from `from`, of the same shape.
    pub(crate) fn add(mut self, from: ValueId) -> Self {
        self.push(TensorOp::Add, vec![self.at, from], "sum");
        self
    }

    /// Ends here.
    pub(crate) fn network(mut self) -> Verified<TensorGraph> {
        self.graph.add_output("y", self.at);
        verify(self.graph).unwrap()
    }

    /// The largest magnitude of the last value on an input of ones and one of noise.
    fn size(&self) -> f64 {
        let mut graph = self.graph.clone();
        graph.add_output("y", self.at);
        let graph = verify(graph).unwrap();
        let mut largest = 0.0f64;
        for full in [false, true] {
            let x = input(&graph, full, &mut Rng(7));
            let y = run(&graph, &[x]).unwrap().remove(0);
            largest = y.data.iter().fold(largest, |most, y| most.max(y.abs()));
        }
        largest
    }
}

/// An input of ones, or of noise within 0..1.
pub(crate) fn input(graph: &TensorGraph, full: bool, rng: &mut Rng) -> Tensor<f64> {
    let shape = graph.ty(ValueId(0)).clone();
    let number = |_| if full { 1.0 } else { f64::from(rng.unit().abs()) };
    let data = (0..shape.iter().product()).map(number).collect();
    Tensor::new(shape, data)
}

/// The network of a number: whatever it is, values stay within a few orders of magnitude, but for a gain.
pub(crate) fn network(seed: u64) -> Verified<TensorGraph> {
    let mut rng = Rng(seed);
    let size = [rng.range(3, 20), rng.range(3, 20)];
    let mut net = Net::new(rng.range(1, 3), size, seed);
    let layers = rng.range(2, 5);
    let gain_at = rng.range(0, layers);
    for layer in 0..layers {
        if layer == gain_at {
            let gain = 10f64.powf(6.0 * f64::from(rng.unit().abs()) - 3.0);
            net = net.affine(Some(gain), 0.0, "gain");
        }
        let [_, channels, height, width] = net.shape()[..] else { break };
        net = match rng.range(0, 6) {
            0 if height > 1 && width > 1 => {
                net.pool([rng.range(1, height.min(5)), rng.range(1, width.min(5))])
            }
            1 | 2 => {
                let (channels, stride) = (rng.range(1, 5), rng.range(1, 2));
                net.conv(channels, stride, 0.5)
            }
            3 => net.square(),
            4 => {
                let coefficients: Vec<f64> = (0..5).map(|_| f64::from(rng.unit())).collect();
                net.poly(&coefficients, "quartic")
            }
            5 => {
                let from = net.at;
                net.conv(channels, 1, 0.5).square().conv(channels, 1, 0.5).add(from)
            }
            _ => net.affine(None, f64::from(rng.unit()), "shift"),
        };
        // Nobody trains a network whose values leave all bounds.
        let size = net.size();
        if !(1e-4..=1e4).contains(&size) && size > 0.0 {
            net = net.affine(Some(1.0 / size), 0.0, "rescale");
        }
    }
    net = match rng.range(0, 3) {
        0 => net.mean(),
        1 => net.dense(rng.range(1, 10), 0.5),
        2 => net.mean().affine(None, 0.5, "bias").square(),
        _ => net,
    };
    net.network()
}

/// What became of a network.
pub(crate) enum Outcome {
    /// Right: of all outputs and inputs the error closest to what was promised, over that.
    Right(f64),
    /// No plan.
    Refused(CompileError),
    /// An error beyond what was promised, and what.
    Wrong(f64, f64),
}

/// Compiles a network without bootstraps, runs it encrypted on inputs within 0..1 and compares with the network in clear.
pub(crate) fn check(graph: Verified<TensorGraph>, request: &Request) -> Outcome {
    let import = Import::new(graph);
    let compiled = match Driver::new(&import, request).run() {
        Ok(compiled) => compiled,
        Err(why) => return Outcome::Refused(why),
    };
    let plan = compiled.plan.unwrap();
    let run_encrypted = encrypted(&plan);
    let mut closest = 0.0f64;
    // Also what the domain allows at most.
    for full in [false, true] {
        let x = input(&import.graph, full, &mut Rng(99));
        let want = run(&import.graph, std::slice::from_ref(&x)).unwrap();
        match compare(&plan, &want, &run_encrypted(x.data)) {
            Outcome::Right(ratio) => closest = closest.max(ratio),
            other => return other,
        }
    }
    Outcome::Right(closest)
}

/// Results against those in clear, and against what the plan promises.
pub(crate) fn compare(plan: &Plan, want: &[Tensor<f64>], got: &[Vec<f64>]) -> Outcome {
    let mut closest = 0.0f64;
    for ((want, got), output) in want.iter().zip(got).zip(&plan.client.outputs) {
        let error = worst(&want.data, got);
        let largest = want.data.iter().fold(output.range, |most, y| most.max(y.abs()));
        let promised = output.error * largest / output.range;
        if error.is_nan() || error > promised {
            return Outcome::Wrong(error, promised);
        }
        closest = closest.max(error / promised);
    }
    Outcome::Right(closest)
}

/// Largest difference.
pub(crate) fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Runs a plan with fresh keys.
pub(crate) fn encrypted(plan: &Plan) -> impl Fn(Vec<f64>) -> Vec<Vec<f64>> {
    let client = Client::new(plan.client_spec().unwrap()).unwrap();
    let keys = client.generate_keys(None).unwrap();
    let (id, parameters) = (plan.id().unwrap(), Server::parameters(plan).unwrap());
    let evaluation = (keys.evaluation.clone(), keys.id);
    let server = Server::new((Arc::new(plan.clone()), id), &parameters, evaluation, 1 << 30).unwrap();
    move |input| {
        let bundle = client.encrypt((&keys.secret, keys.id), &[input]).unwrap();
        let result = server.run(bundle, &Default::default()).unwrap().outputs;
        client.decrypt((&keys.secret, keys.id), &result).unwrap()
    }
}
