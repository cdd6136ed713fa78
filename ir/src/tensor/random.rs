//! Random valid networks, for tests of this crate and of those that build on it.

use super::{Activation, Basis, Pool, ReduceKind, Shape, Tensor, TensorGraph, TensorOp, Window};
use crate::{ConstId, Constant, ValueId, Verified, verify};

/// What [`graph`] may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes after the input, roughly.
    pub nodes: usize,
    /// Largest number of channels.
    pub channels: usize,
    /// Largest height and width of the input.
    pub extent: usize,
    /// Polynomials.
    pub poly: bool,
    /// Non-polynomial activations and max-pools.
    pub exact: bool,
    /// Products, maxima, minima of two values.
    pub products: bool,
    /// Slices, pads, gathers, resamplings, transposed convolutions, channel permutations, general reshapes.
    pub exotic: bool,
    /// End in pooling, flattening and a dense layer.
    pub classifier: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 12,
            channels: 6,
            extent: 10,
            poly: true,
            exact: true,
            products: true,
            exotic: true,
            classifier: true,
        }
    }
}

/// SplitMix64: small, seedable, the same everywhere.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in lo..=hi.
    pub fn range(&mut self, lo: usize, hi: usize) -> usize {
        lo + (self.bits() % (hi - lo + 1) as u64) as usize
    }

    /// True once in `n`.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.range(1, n) == 1
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.range(0, items.len() - 1)]
    }

    /// Uniform in [-1, 1).
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

/// A tensor of numbers in [-1, 1).
pub fn tensor(rng: &mut Rng, shape: &[usize]) -> Tensor<f64> {
    let len = shape.iter().product();
    Tensor::new(shape.to_vec(), (0..len).map(|_| f64::from(rng.unit())).collect())
}

/// Random inputs for a graph.
pub fn inputs(graph: &TensorGraph, seed: u64) -> Vec<Tensor<f64>> {
    let mut rng = Rng(seed ^ 0x5eed);
    graph.inputs().map(|(id, _)| tensor(&mut rng, graph.ty(id))).collect()
}

/// A network from a seed. Weights are conditioned so that values stay of order 1.
pub fn graph(seed: u64, options: &Options) -> Verified<TensorGraph> {
    let mut rng = Rng(seed);
    let shape =
        vec![1, rng.range(1, options.channels), rng.range(3, options.extent), rng.range(3, options.extent)];
    let mut graph = TensorGraph::new(format!("random{seed}"), ());
    let input = TensorOp::Input { name: "x".into(), shape: shape.clone() };
    let input = graph.push(input, vec![], shape, "x");
    let mut b = Builder { graph, rng, options, live: vec![input] };
    while b.graph.len() <= options.nodes {
        b.grow();
    }
    b.finish()
}

struct Builder<'o> {
    graph: TensorGraph,
    rng: Rng,
    options: &'o Options,
    live: Vec<ValueId>,
}

impl Builder<'_> {
    fn weights(&mut self, shape: &[usize], scale: f32) -> ConstId {
        let len = shape.iter().product();
        let data: Vec<f32> = (0..len).map(|_| self.rng.unit() * scale).collect();
        self.graph.add_constant(Constant::new(shape.to_vec(), data))
    }

    /// Numbers of either sign, away from 0.
    fn factors(&mut self, shape: &[usize]) -> ConstId {
        let len = shape.iter().product();
        let factor = |rng: &mut Rng| {
            let x = 0.5 + rng.unit().abs();
            if rng.once_in(3) { -x } else { x }
        };
        let data: Vec<f32> = (0..len).map(|_| factor(&mut self.rng)).collect();
        self.graph.add_constant(Constant::new(shape.to_vec(), data))
    }

    /// Appends the node if it is valid and not too large.
    fn push(&mut self, op: TensorOp, args: Vec<ValueId>) -> Option<ValueId> {
        let name = format!("n{}", self.graph.len());
        let shapes: Vec<&[usize]> = args.iter().map(|&a| &self.graph.ty(a)[..]).collect();
        let shape = super::infer_shape(&self.graph.constants, &op, &shapes).ok()?;
        let limit = 4 * self.options.channels * self.options.extent * self.options.extent;
        if shape.iter().product::<usize>() > limit {
            return None;
        }
        let id = self.graph.push(op, args, shape, name);
        self.live.push(id);
        Some(id)
    }

    fn window(&mut self, x: &Shape) -> Window {
        let rng = &mut self.rng;
        let kernel = [rng.range(1, 3.min(x[2])), rng.range(1, 3.min(x[3]))];
        let dilation = [if rng.once_in(4) { 2 } else { 1 }, if rng.once_in(4) { 2 } else { 1 }];
        let stride = [rng.range(1, 2), rng.range(1, 2)];
        let pads = std::array::from_fn(|k| rng.range(0, kernel[k % 2] - 1));
        Window { kernel, stride, dilation, pads }
    }

    fn grow(&mut self) {
        let recent = self.live.len().saturating_sub(4);
        let &x = self.rng.pick(&self.live[recent..]);
        let shape = self.graph.ty(x).clone();
        let o = self.options.clone();
        match self.rng.range(0, 13) {
            0..=3 => self.conv(x, &shape),
            4 => self.affine(x, &shape),
            5 => self.pool(x, &shape),
            6 | 7 if o.poly => self.poly(x, &shape),
            8 if o.exact => self.activation(x, &shape),
            9 => self.join(x, &shape),
            10 | 11 if o.exotic => self.exotic(x, &shape),
            12 => self.residual(x, &shape),
            _ => {}
        }
    }

    fn conv(&mut self, x: ValueId, s: &Shape) {
        let mut window = self.window(s);
        let groups = *self.rng.pick(&(1..=s[1]).filter(|&g| s[1].is_multiple_of(g)).collect::<Vec<_>>());
        let per_group = self.rng.range(1, (self.options.channels / groups).max(1));
        let taps = window.kernel[0] * window.kernel[1] * s[1] / groups;
        let scale = 1.7 / (taps as f32).sqrt();
        let transposed = self.options.exotic && self.rng.once_in(5);
        let bias = self.rng.once_in(2).then(|| self.weights(&[groups * per_group], 0.3));
        let op = if transposed {
            window.pads = [0; 4];
            let weight = self.weights(&[s[1], per_group, window.kernel[0], window.kernel[1]], scale);
            let extra = [self.rng.range(0, 1), self.rng.range(0, 1)];
            TensorOp::ConvTranspose { window, extra, groups, weight, bias }
        } else {
            let shape = [groups * per_group, s[1] / groups, window.kernel[0], window.kernel[1]];
            TensorOp::Conv { window, groups, weight: self.weights(&shape, scale), bias }
        };
        self.push(op, vec![x]);
    }

    fn affine(&mut self, x: ValueId, s: &Shape) {
        let kind = self.rng.range(0, 5);
        let shape: Shape = match kind {
            0 => vec![1; 4],
            1 => s.clone(),
            _ => vec![1, s[1], 1, 1],
        };
        let scale = (!self.rng.once_in(4)).then(|| self.factors(&shape));
        let shift = (scale.is_none() || !self.rng.once_in(3)).then(|| self.weights(&shape, 0.5));
        self.push(TensorOp::Affine { scale, shift }, vec![x]);
    }

    fn pool(&mut self, x: ValueId, s: &Shape) {
        let mut window = self.window(s);
        window.dilation = [1, 1];
        let kind = match self.rng.range(0, 2) {
            0 if self.options.exact => Pool::Max,
            1 => Pool::AveragePadded,
            _ => Pool::Average,
        };
        let beyond = usize::from(self.rng.once_in(4));
        let out = std::array::from_fn(|k| {
            let extent = s[2 + k] + window.pads[k] + window.pads[k + 2];
            extent.saturating_sub(window.kernel[k]) / window.stride[k] + 1 + beyond
        });
        self.push(TensorOp::Pool { kind, window, out }, vec![x]);
    }

    fn poly(&mut self, x: ValueId, s: &Shape) {
        let degree = self.rng.range(1, 4);
        let channels = if self.rng.once_in(4) { 1 } else { s[1] };
        let mut data: Vec<f32> =
            (0..(degree + 1) * channels).map(|i| self.rng.unit() * 0.5 / (1 + i / channels) as f32).collect();
        // Leading coefficients stay away from 0, as those of trained polynomials do.
        data[degree * channels..].iter_mut().for_each(|c| *c += if *c < 0.0 { -0.05 } else { 0.05 });
        let coeffs = self.graph.add_constant(Constant::new(vec![degree + 1, channels], data));
        let basis = if self.rng.once_in(4) { Basis::Chebyshev } else { Basis::Power };
        self.push(TensorOp::Poly { coeffs, basis }, vec![x]);
    }

    fn activation(&mut self, x: ValueId, s: &Shape) {
        let all = [
            Activation::Relu,
            Activation::LeakyRelu(0.1),
            Activation::Clip(-0.5, 0.75),
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Swish(1.0),
            Activation::Gelu,
            Activation::HardSwish,
        ];
        let op = if self.rng.once_in(8) {
            TensorOp::PRelu { slope: self.factors(&[1, s[1], 1, 1]) }
        } else {
            TensorOp::Activation(*self.rng.pick(&all))
        };
        self.push(op, vec![x]);
    }

    fn partner(&mut self, x: ValueId, fits: impl Fn(&Shape) -> bool) -> ValueId {
        let all: Vec<ValueId> = self.live.iter().copied().filter(|&v| fits(self.graph.ty(v))).collect();
        if all.is_empty() { x } else { *self.rng.pick(&all) }
    }

    fn join(&mut self, x: ValueId, s: &Shape) {
        if self.rng.once_in(2) {
            let y = self.partner(x, |t| t[0] == s[0] && t[2..] == s[2..] && t[1] + s[1] <= 12);
            self.push(TensorOp::Concat { axis: 1 }, vec![x, y]);
        } else {
            let y = self.partner(x, |t| t == s);
            let op = match self.rng.range(0, if self.options.products { 4 } else { 1 }) {
                0 => TensorOp::Add,
                1 => TensorOp::Sub,
                2 => TensorOp::Mul,
                _ if !self.options.exact => TensorOp::Mul,
                3 => TensorOp::Max,
                _ => TensorOp::Min,
            };
            self.push(op, vec![x, y]);
        }
    }

    fn residual(&mut self, x: ValueId, s: &Shape) {
        let c = s[1];
        let weight = self.weights(&[c, c, 3, 3], 0.6 / (c as f32).sqrt());
        let window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [1; 4] };
        let Some(y) = self.push(TensorOp::Conv { window, groups: 1, weight, bias: None }, vec![x]) else {
            return;
        };
        self.push(TensorOp::Add, vec![y, x]);
    }

    fn exotic(&mut self, x: ValueId, s: &Shape) {
        let axis = self.rng.range(1, 3);
        let op = match self.rng.range(0, 7) {
            0 => {
                let mut slice = (vec![0; 4], vec![1isize; 4], s.clone());
                let room = s[axis];
                slice.0[axis] = self.rng.range(0, room - 1);
                let step = *self.rng.pick(&[1isize, 2, -1, -2]);
                let steps = if step > 0 { room - 1 - slice.0[axis] } else { slice.0[axis] };
                slice.1[axis] = step;
                slice.2[axis] = self.rng.range(1, steps / step.unsigned_abs() + 1);
                TensorOp::Slice { start: slice.0, step: slice.1, out: slice.2 }
            }
            1 => {
                let (mut before, mut after) = (vec![0; 4], vec![0; 4]);
                before[axis] = self.rng.range(0, 2);
                after[axis] = self.rng.range(0, 2);
                TensorOp::Pad { before, after, value: if self.rng.once_in(3) { 0.5 } else { 0.0 } }
            }
            2 => {
                let indices = (0..self.rng.range(1, 2 * s[axis])).map(|_| self.rng.range(0, s[axis] - 1));
                TensorOp::Gather { axis, indices: indices.collect() }
            }
            3 => {
                let matrix = self.weights(&[self.rng.clone().range(1, 6), s[axis]], 1.0);
                TensorOp::Resample { axis, matrix }
            }
            4 => TensorOp::Transpose { perm: vec![0, 1, 3, 2] },
            5 => TensorOp::Reshape { out: vec![1, s[1], s[3], s[2]] },
            6 => {
                let indices = (0..2 * s[axis]).map(|i| i / 2).collect();
                TensorOp::Gather { axis, indices }
            }
            _ => {
                let kind = if self.rng.once_in(2) { ReduceKind::Mean } else { ReduceKind::Sum };
                let Some(y) = self.push(TensorOp::Reduce { kind, axes: vec![axis], keep: true }, vec![x])
                else {
                    return;
                };
                self.push(TensorOp::Expand { out: s.clone() }, vec![y]);
                return;
            }
        };
        self.push(op, vec![x]);
    }

    fn finish(mut self) -> Verified<TensorGraph> {
        let mut x = *self.live.last().expect("the input");
        if self.options.classifier {
            let s = self.graph.ty(x).clone();
            let out = TensorOp::Reshape { out: vec![1, s[1] * s[2] * s[3]] };
            x = self.graph.push_inferred(out, vec![x], "flatten").expect("same elements");
            let inputs = self.graph.ty(x)[1];
            let weight = self.weights(&[4, inputs], 1.7 / (inputs as f32).sqrt());
            let bias = Some(self.weights(&[4], 0.3));
            x = self.graph.push_inferred(TensorOp::Gemm { weight, bias }, vec![x], "fc").expect("fits");
        }
        self.graph.add_output("y", x);
        if self.rng.once_in(3) {
            let &side = self.rng.pick(&self.live);
            self.graph.add_output("side", side);
        }
        match verify(self.graph.compacted()) {
            Ok(graph) => graph,
            Err(e) => panic!("generator made an invalid graph: {e}"),
        }
    }
}
