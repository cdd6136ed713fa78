//! Bundles against a walk over all entries.

use std::collections::BTreeMap;

use super::Separable;
use crate::layout::{Axis, Factor, Layout};
use crate::slot::{Stage, Term};
use crate::tensor::random::Rng;
use crate::tensor::{Pool, ReduceKind, TensorOp, Window, infer_shape};
use crate::{ConstId, Constant};

const SLOTS: usize = 256;

fn factors(extent: usize, factors: &[(usize, usize)]) -> Axis {
    Axis { extent, factors: factors.iter().map(|&(extent, stride)| Factor { extent, stride }).collect() }
}

fn packed(axes: Vec<Axis>) -> Layout {
    let reach: usize = axes.iter().map(|axis| axis.table().into_iter().max().unwrap_or(0)).sum();
    let layout = Layout { slots: SLOTS, ciphertexts: reach / SLOTS + 1, axes, replicas: vec![] };
    layout.check().unwrap();
    layout
}

/// A map on a tile of 8×8: as it is, interleaved where it is smaller, dealt out to sub-channels where it is larger.
fn tiled(shape: &[usize]) -> Layout {
    let [n, c, h, w] = shape[..] else {
        let mut stride = 1;
        let mut axes: Vec<Axis> = shape
            .iter()
            .rev()
            .map(|&d| {
                let axis = Axis::strided(d, stride);
                stride *= d.next_power_of_two();
                axis
            })
            .collect();
        axes.reverse();
        return packed(axes);
    };
    let axes = match h.max(w) {
        0..=4 => vec![
            factors(c, &[(2, 1), (2, 8), (c.div_ceil(4), 64)]),
            Axis::strided(h, 16),
            Axis::strided(w, 2),
        ],
        5..=8 => vec![Axis::strided(c, 64), Axis::strided(h, 8), Axis::strided(w, 1)],
        _ => vec![Axis::strided(c, 256), factors(h, &[(2, 128), (8, 8)]), factors(w, &[(2, 64), (8, 1)])],
    };
    let image = (axes[0].table().into_iter().max().unwrap_or(0) + SLOTS) / SLOTS * SLOTS;
    packed([vec![Axis::strided(n, image)], axes].concat())
}

struct Chain {
    constants: Vec<Constant>,
    input: Vec<usize>,
    stages: Vec<Stage>,
    rng: Rng,
}

impl Chain {
    fn new(input: &[usize]) -> Self {
        Self { constants: vec![], input: input.to_vec(), stages: vec![], rng: Rng(5) }
    }

    fn shape(&self) -> Vec<usize> {
        self.stages.last().map_or(&self.input, |stage| &stage.out_shape).clone()
    }

    /// Weights of which a part is 0.
    fn weights(&mut self, shape: &[usize]) -> ConstId {
        let number = |_| if self.rng.range(0, 4) == 0 { 0.0 } else { self.rng.unit() };
        let data: Vec<f32> = (0..shape.iter().product()).map(number).collect();
        self.constants.push(Constant::new(shape.to_vec(), data));
        ConstId(self.constants.len() as u32 - 1)
    }

    fn then(self, op: TensorOp) -> Self {
        let shape = self.shape();
        self.with(op, 0, vec![shape])
    }

    fn with(mut self, op: TensorOp, operand: usize, in_shapes: Vec<Vec<usize>>) -> Self {
        let shapes: Vec<&[usize]> = in_shapes.iter().map(Vec::as_slice).collect();
        let out_shape = infer_shape(&self.constants, &op, &shapes).unwrap();
        self.stages.push(Stage { op, operand, in_shapes, out_shape });
        self
    }

    fn conv(mut self, channels: usize, kernel: usize, stride: usize, groups: usize) -> Self {
        let inputs = self.shape()[1] / groups;
        let weight = self.weights(&[channels, inputs, kernel, kernel]);
        let window =
            Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pads: [kernel / 2; 4] };
        self.then(TensorOp::Conv { window, groups, weight, bias: None })
    }

    fn gemm(mut self, outputs: usize) -> Self {
        let inputs = *self.shape().last().unwrap();
        let weight = self.weights(&[outputs, inputs]);
        self.then(TensorOp::Gemm { weight, bias: None })
    }

    fn mean(self, keep: bool) -> Self {
        self.then(TensorOp::Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep })
    }

    /// Whether the term is separable; its entries are compared then.
    fn check(self) -> bool {
        let (input, output) = (tiled(&self.input), tiled(&self.shape()));
        let term = Term { stages: self.stages };
        let Some(separable) = Separable::new(&term, (&input, &output), &self.constants) else { return false };
        let mut expected: BTreeMap<[usize; 4], f64> = BTreeMap::new();
        let (from, to) = (input.positions(), output.positions());
        term.for_each_entry(from.len(), &self.constants, |o, i, w| {
            let (p, q) = (from[i] as usize, to[o] as usize);
            if w != 0.0 {
                let at = [q / SLOTS, p / SLOTS, p.wrapping_sub(q) % SLOTS, q % SLOTS];
                *expected.entry(at).or_default() += w;
            }
        });
        let mut found: BTreeMap<[usize; 4], f64> = BTreeMap::new();
        separable.for_each_bundle(|bundle| {
            let mut any = false;
            separable.for_each_entry(&bundle, |slot, w| {
                let at = [bundle.out_ct as usize, bundle.in_ct as usize, bundle.offset as usize, slot];
                *found.entry(at).or_default() += w;
                any = true;
            });
            assert!(any, "a bundle without entries");
        });
        assert!(expected.keys().eq(found.keys()), "{:?}", term.stages);
        for (at, w) in &expected {
            assert!((w - found[at]).abs() <= 1e-12 * w.abs().max(1e-3), "{at:?}: {w}, {}", found[at]);
        }
        true
    }
}

#[test]
fn bundles_are_the_entries() {
    let pool = |kind, kernel, stride, out: [usize; 2]| TensorOp::Pool {
        kind,
        window: Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pads: [1; 4] },
        out,
    };
    for side in [4, 8, 16] {
        let net = || Chain::new(&[1, 4, side, side]);
        assert!(net().conv(5, 3, 1, 1).check());
        assert!(net().conv(8, 3, 2, 1).check());
        assert!(net().conv(4, 3, 1, 4).check(), "depthwise");
        assert!(net().conv(6, 1, 1, 2).check());
        assert!(net().then(pool(Pool::Average, 3, 2, [side / 2; 2])).check());
        assert!(net().then(pool(Pool::AveragePadded, 3, 1, [side; 2])).conv(3, 3, 1, 1).check());
        let doubled = |axis| TensorOp::Gather { axis, indices: (0..2 * side).map(|k| k / 2).collect() };
        assert!(side == 16 || net().then(doubled(2)).then(doubled(3)).conv(3, 3, 1, 1).check(), "upsampling");
        let concat = |operand: usize| {
            let shapes = vec![vec![1, 4, side, side], vec![1, 2, side, side]];
            Chain::new(&shapes[operand]).with(TensorOp::Concat { axis: 1 }, operand, shapes.clone())
        };
        assert!(concat(0).conv(3, 1, 1, 1).check() && concat(1).conv(3, 3, 1, 1).check());
        let slice =
            TensorOp::Slice { start: vec![0, 3, 0, 0], step: vec![1, -1, 1, 1], out: vec![1, 2, side, side] };
        assert!(net().then(slice).conv(3, 3, 1, 1).check());
        let pad = TensorOp::Pad { before: vec![0, 0, 1, 0], after: vec![0, 0, 0, 1], value: 0.0 };
        assert!(net().then(pad).conv(2, 3, 2, 1).check());
        assert!(net().mean(false).gemm(7).check());
        assert!(net().mean(true).then(TensorOp::Reshape { out: vec![1, 4] }).gemm(7).check());
    }
    let mut up = Chain::new(&[1, 3, 4, 4]);
    let weight = up.weights(&[3, 2, 2, 2]);
    let window = Window { kernel: [2; 2], stride: [2; 2], dilation: [1; 2], pads: [0; 4] };
    assert!(
        up.then(TensorOp::ConvTranspose { window, extra: [0; 2], groups: 1, weight, bias: None }).check()
    );
    let flat = TensorOp::Reshape { out: vec![1, 64] };
    assert!(Chain::new(&[1, 4, 4, 4]).then(flat).gemm(10).check(), "flattened");
    assert!(Chain::new(&[1, 6]).gemm(9).then(TensorOp::Transpose { perm: vec![1, 0] }).check());
}

#[test]
fn what_is_no_product_over_axes_is_left_alone() {
    let net = || Chain::new(&[1, 4, 4, 4]);
    assert!(!net().conv(3, 1, 1, 1).conv(2, 3, 1, 1).check(), "two dense stages");
    let crossed = TensorOp::Reshape { out: vec![1, 16, 2, 2] };
    assert!(!net().conv(4, 1, 1, 1).then(crossed).check(), "channels and rows mixed under weights");
    let mut wide = Chain::new(&[1, 512]);
    for _ in 0..3 {
        let matrix = wide.weights(&[512, 512]);
        wide = wide.then(TensorOp::Resample { axis: 1, matrix });
    }
    let term = Term { stages: wide.stages };
    let layout = packed(vec![Axis::strided(1, 1), Axis::strided(512, 1)]);
    assert!(Separable::new(&term, (&layout, &layout), &wide.constants).is_none(), "512^3 summands");
}
