//! Which channels of which values have to be scaled alike.
//!
//! A value may be multiplied by a number per index of axis 1 if what makes and reads it makes up for that. Layers do so in
//! their weights, polynomials and replaced functions in their coefficients. Additions, pools and what only moves elements
//! pass a factor on: channels that they connect are *tied*. A value that cannot be scaled at all is *fixed*; where it
//! meets scaled ones, an affine map brings it to their scale.

use fhec_ir::ValueId;
use fhec_ir::tensor::{Activation, Basis, Pool, TensorGraph, TensorOp};

/// Length of a value's factor.
pub(super) fn channels(shape: &[usize]) -> usize {
    shape.get(1).copied().unwrap_or(1)
}

/// f of two vectors over channels, either of which may be a single number.
pub(super) fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    (0..a.len().max(b.len())).map(|c| f(a[c % a.len()], b[c % b.len()])).collect()
}

/// How an operator relates the factor of an operand to that of its result.
pub(super) enum Tie {
    /// Either may have any.
    Free,
    /// Channels of operand and result that have the same.
    Pairs(Vec<(usize, usize)>),
    /// The operand would have to have the same, but is brought to it by an affine map where it has another.
    Loose,
    /// All channels of both have the same.
    Uniform,
    /// The operand's channels have the same, the result's have the same.
    Apart,
    /// The operand has none, the result may have any.
    FixedOperand,
    /// Neither has one.
    Fixed,
}

/// What node `id` makes of the factor of operand number `k`.
pub(super) fn tie(graph: &TensorGraph, id: ValueId, k: usize) -> Tie {
    let node = graph.node(id);
    let (x, y) = (graph.ty(node.args[k]), &node.ty);
    let (cx, cy) = (channels(x), channels(y));
    let same = || Tie::Pairs((0..cx).map(|c| (c, c)).collect());
    match &node.op {
        TensorOp::Conv { .. }
        | TensorOp::ConvTranspose { .. }
        | TensorOp::Affine { scale: Some(_), .. }
        | TensorOp::Poly { basis: Basis::Power, .. } => Tie::Free,
        // Linear but for kinks: with one factor on both sides, coefficients are the same for all channels.
        TensorOp::Activation(
            Activation::Relu
            | Activation::LeakyRelu(_)
            | Activation::Abs
            | Activation::Clip(..)
            | Activation::ThresholdedRelu(_)
            | Activation::HardSwish,
        ) => same(),
        TensorOp::Activation(_) => Tie::Free,
        TensorOp::Gemm { .. } if y.len() == 2 => Tie::Free,
        TensorOp::Gemm { .. } => Tie::Apart,
        TensorOp::Poly { basis: Basis::Chebyshev, .. } => Tie::FixedOperand,
        TensorOp::PRelu { .. }
        | TensorOp::Affine { scale: None, .. }
        | TensorOp::Pool { kind: Pool::Average | Pool::AveragePadded | Pool::Max, .. }
        | TensorOp::Max
        | TensorOp::Min => same(),
        // A shortcut has levels to spare, and one scale for all blocks of a network would be that of the largest.
        TensorOp::Add | TensorOp::Sub => {
            let flexible = [0, 1].map(|k| flexible(graph, node.args[k]));
            if flexible[1 - k] && !flexible[k] { Tie::Loose } else { same() }
        }
        // The other operand has none.
        TensorOp::Mul if node.args[0] != node.args[1] && k == scaled_factor(graph, id) => same(),
        TensorOp::Mul if node.args[0] != node.args[1] => Tie::FixedOperand,
        TensorOp::Reduce { axes, .. } if axes[0] > 1 && x.len() > 1 => same(),
        TensorOp::Slice { start, step, .. } if x.len() > 1 => {
            let at = |i: usize| start[1].wrapping_add_signed(i as isize * step[1]);
            Tie::Pairs((0..cy).map(|i| (at(i), i)).collect())
        }
        TensorOp::Pad { before, value, .. } if *value == 0.0 && x.len() > 1 => {
            Tie::Pairs((0..cx).map(|c| (c, before[1] + c)).collect())
        }
        TensorOp::Gather { axis: 1, indices } => {
            Tie::Pairs(indices.iter().enumerate().map(|(to, from)| (*from, to)).collect())
        }
        TensorOp::Gather { .. } => same(),
        TensorOp::Resample { axis, .. } if *axis != 1 => same(),
        TensorOp::Reshape { .. } => match (split(x, y), split(y, x)) {
            (Some(times), _) => Tie::Pairs((0..cy).map(|c| (c / times, c)).collect()),
            (_, Some(times)) => Tie::Pairs((0..cx).map(|c| (c, c / times)).collect()),
            _ => Tie::Uniform,
        },
        TensorOp::Transpose { perm } if perm.get(1) == Some(&1) => same(),
        TensorOp::Expand { .. } if x.len() > 1 => Tie::Pairs((0..cy).map(|c| (c.min(cx - 1), c)).collect()),
        TensorOp::Concat { axis: 1 } => {
            let from: usize = node.args[..k].iter().map(|a| channels(graph.ty(*a))).sum();
            Tie::Pairs((0..cx).map(|c| (c, from + c)).collect())
        }
        TensorOp::Concat { .. } => same(),
        TensorOp::Reduce { .. }
        | TensorOp::Slice { .. }
        | TensorOp::Resample { .. }
        | TensorOp::Transpose { .. }
        | TensorOp::Expand { .. } => Tie::Uniform,
        TensorOp::Input { .. }
        | TensorOp::Constant { .. }
        | TensorOp::Pad { .. }
        | TensorOp::Mul
        | TensorOp::Div
        | TensorOp::Client(_) => Tie::Fixed,
    }
}

/// True for what a layer makes, or what only moves the elements of that: its factor costs nothing.
fn flexible(graph: &TensorGraph, value: ValueId) -> bool {
    let node = graph.node(value);
    match &node.op {
        TensorOp::Conv { .. } | TensorOp::ConvTranspose { .. } | TensorOp::Affine { scale: Some(_), .. } => {
            true
        }
        TensorOp::Gemm { .. } => node.ty.len() == 2,
        TensorOp::Affine { scale: None, .. }
        | TensorOp::Pool { kind: Pool::Average | Pool::AveragePadded, .. }
        | TensorOp::Reshape { .. }
        | TensorOp::Transpose { .. }
        | TensorOp::Resample { .. }
        | TensorOp::Gather { .. } => flexible(graph, node.args[0]),
        _ => false,
    }
}

/// The operand of a product that has the product's factor: not what is repeated over space, as gates of channels are.
fn scaled_factor(graph: &TensorGraph, id: ValueId) -> usize {
    let repeated = |v: ValueId| matches!(graph.node(v).op, TensorOp::Expand { .. });
    usize::from(repeated(graph.node(id).args[0]))
}

/// Indices of axis 1 of `y` for each of `x`, if `y` = [N, C·k, …] divides channels up.
fn split(x: &[usize], y: &[usize]) -> Option<usize> {
    let per_channel: usize = x.get(2..)?.iter().product();
    let rest: usize = y.get(2..)?.iter().product();
    (x[0] == y[0] && per_channel.is_multiple_of(rest) && y[1] == x[1] * (per_channel / rest))
        .then_some(per_channel / rest)
}

/// Classes of tied channels.
pub(super) struct Ties {
    /// By value, the number of its first channel.
    first: Vec<usize>,
    /// Union-find over channels.
    parent: Vec<usize>,
    fixed: Vec<bool>,
}

impl Ties {
    pub(super) fn new(graph: &TensorGraph) -> Self {
        let mut first = Vec::with_capacity(graph.len());
        let mut total = 0;
        for id in graph.ids() {
            first.push(total);
            total += channels(graph.ty(id));
        }
        let mut ties = Self { first, parent: (0..total).collect(), fixed: vec![false; graph.len()] };
        let ends = |f: &mut dyn FnMut(ValueId, ValueId, Tie)| {
            for (id, node) in graph.iter() {
                (0..node.args.len()).for_each(|k| f(id, node.args[k], tie(graph, id, k)));
            }
        };
        for (id, node) in graph.iter() {
            ties.fixed[id.index()] = matches!(node.op, TensorOp::Input { .. });
        }
        ends(&mut |id, arg, tie| match tie {
            Tie::Fixed => {
                ties.fixed[id.index()] = true;
                ties.fixed[arg.index()] = true;
            }
            Tie::FixedOperand => ties.fixed[arg.index()] = true,
            _ => {}
        });
        ends(&mut |id, arg, tie| ties.join(id, arg, &tie));
        ties
    }

    fn join(&mut self, id: ValueId, arg: ValueId, tie: &Tie) {
        let (x, y) = (self.channels(arg), self.channels(id));
        let both = !self.fixed[id.index()] && !self.fixed[arg.index()];
        match tie {
            Tie::Pairs(pairs) if both => {
                pairs.iter().for_each(|(from, to)| self.union(x.start + from, y.start + to));
            }
            Tie::Uniform if both => {
                x.chain(y.clone()).for_each(|c| self.union(c, y.start));
            }
            Tie::Apart | Tie::Uniform => {
                x.clone().for_each(|c| self.union(c, x.start));
                y.clone().for_each(|c| self.union(c, y.start));
            }
            _ => {}
        }
    }

    /// Numbers of a value's channels.
    fn channels(&self, id: ValueId) -> std::ops::Range<usize> {
        let end = self.first.get(id.index() + 1).copied().unwrap_or(self.parent.len());
        self.first[id.index()]..end
    }

    fn find(&mut self, mut c: usize) -> usize {
        while self.parent[c] != c {
            self.parent[c] = self.parent[self.parent[c]];
            c = self.parent[c];
        }
        c
    }

    fn union(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b)] = a.min(b);
    }

    /// By value and channel the factor 1/r, where r is the largest of what is required of the channels tied to it; 1 where
    /// nothing is, and for fixed values.
    pub(super) fn factors(&mut self, required: &[Option<Vec<f64>>]) -> Vec<Vec<f64>> {
        let mut largest = vec![0.0f64; self.parent.len()];
        for (k, required) in required.iter().enumerate() {
            let all = self.channels(ValueId(k as u32));
            for (c, r) in all.zip(required.iter().flatten()) {
                let class = self.find(c);
                largest[class] = largest[class].max(*r);
            }
        }
        let values = 0..self.first.len();
        let factor = |k: usize| -> Vec<f64> {
            let all = self.channels(ValueId(k as u32));
            let fixed = self.fixed[k];
            all.map(|c| {
                let class = self.find(c);
                if fixed || largest[class] == 0.0 { 1.0 } else { 1.0 / largest[class] }
            })
            .collect()
        };
        values.map(factor).collect()
    }
}
