//! The layouts that `assign-layout` makes: GIP layouts are well formed, and a layout read another way addresses the same
//! elements.

mod common;

use std::collections::HashSet;

use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::tensor::Window;
use fhec_ir::tensor::random::Rng;
use fhec_passes::assign_layout::gip::{Base, Grid, Step};
use fhec_passes::assign_layout::views::{reshaped, summed, transposed, windowed};
use proptest::prelude::*;

fn base(rng: &mut Rng) -> Base {
    let tile = [1 << rng.range(0, 4), 1 << rng.range(0, 4)];
    Base { slots: (tile[0] * tile[1]) << rng.range(0, 4), tile }
}

fn step(rng: &mut Rng) -> Step {
    let steps = [0.125, 0.25, 0.5, 1.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0];
    [*rng.pick(&steps), *rng.pick(&steps)]
}

fn shape(rng: &mut Rng) -> Vec<usize> {
    match rng.range(0, 4) {
        0 => vec![1, rng.range(1, 40)],
        1 => vec![rng.range(1, 3), rng.range(1, 5), rng.range(1, 9)],
        _ => vec![rng.range(1, 2), rng.range(1, 20), rng.range(1, 20), rng.range(1, 20)],
    }
}

/// A GIP layout, or one with digits in any order.
fn layout(rng: &mut Rng) -> Layout {
    let (base, step, shape) = (base(rng), step(rng), shape(rng));
    if rng.once_in(2) {
        return base.layout(&shape, step);
    }
    let mut axes: Vec<Axis> = shape.iter().map(|&extent| Axis { extent, factors: vec![] }).collect();
    let mut digits = Vec::new();
    for (k, axis) in axes.iter_mut().enumerate() {
        let mut left = axis.extent;
        while left > 1 || axis.factors.is_empty() {
            let extent = *rng.pick(&[1, 2, 2, 3, 4, left]);
            let extent = extent.min(left);
            digits.push((k, axis.factors.len()));
            axis.factors.push(Factor { extent, stride: 0 });
            left = left.div_ceil(extent);
        }
    }
    let mut stride = 1;
    // In order, the least significant of the last axis first, half of the time.
    let ordered = rng.once_in(2);
    digits.sort_by_key(|&(k, f)| (std::cmp::Reverse(k), f));
    while !digits.is_empty() {
        let at = if ordered { 0 } else { rng.range(0, digits.len() - 1) };
        let (k, f) = digits.remove(at);
        let factor = &mut axes[k].factors[f];
        factor.stride = stride;
        stride *= factor.extent + usize::from(rng.once_in(8));
    }
    Layout { slots: 64, ciphertexts: stride.div_ceil(64), axes, replicas: vec![] }
}

/// Some shape with as many elements.
fn another_shape(rng: &mut Rng, shape: &[usize]) -> Vec<usize> {
    // Prime factors in order, dealt out to axes: neighbouring axes merge and split.
    let mut primes = Vec::new();
    for &d in shape {
        let mut left = d;
        for p in 2..=d {
            while left.is_multiple_of(p) {
                primes.push(p);
                left /= p;
            }
        }
    }
    let mut axes = vec![1];
    for p in primes {
        if rng.once_in(2) {
            axes.push(1);
        }
        *axes.last_mut().expect("an axis") *= p;
    }
    axes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gip_layouts_are_well_formed(seed: u64) {
        let mut rng = Rng(seed);
        let (base, step, shape) = (base(&mut rng), step(&mut rng), shape(&mut rng));
        let layout = base.layout(&shape, step);
        prop_assert_eq!(layout.check(), Ok(()), "{:?} {:?} {:?}: {:?}", base, step, shape, layout);
        prop_assert_eq!(layout.shape(), shape);
        // What fits into one ciphertext fills it with replicas; what does not has none.
        prop_assert!(layout.ciphertexts == 1 || layout.replicas.is_empty());
        let replicas = layout.replica_offsets().len();
        prop_assert_eq!(layout.period() * replicas, layout.slots);
    }

    /// Neighbouring pixels are as far apart as the step says, wherever the map fits the tile at that step.
    #[test]
    fn gip_keeps_the_step(seed: u64) {
        let mut rng = Rng(seed);
        let base = base(&mut rng);
        let step = *rng.pick(&[1usize, 2, 4]);
        let extents = base.tile.map(|side| rng.range(1, side.div_ceil(step)));
        if extents.iter().zip(base.tile).any(|(e, side)| e * step > side) || extents == [1, 1] {
            return Ok(());
        }
        let layout = base.layout(&[1, rng.range(1, 9), extents[0], extents[1]], [step as f64; 2]);
        for (k, row) in [base.tile[1], 1].into_iter().enumerate() {
            let expected = if extents[k] > 1 { step * row } else { 0 };
            prop_assert_eq!(layout.axes[2 + k].uniform_stride(), Some(expected));
        }
    }

    /// Compaction leads through well-formed layouts to one without interleaved channels, by few offsets at a time.
    #[test]
    fn compacted_layouts_are_well_formed(seed: u64) {
        let mut rng = Rng(seed);
        let base = base(&mut rng);
        let t = [1usize << rng.range(0, 3), 1 << rng.range(0, 3)];
        let [height, width] = [0, 1].map(|k| rng.range(1, (base.tile[k] / t[k]).max(1)));
        let shape = [1, rng.range(1, 20), height, width];
        let grid = Grid { base, step: t.map(|t| t as f64) };
        let layout = grid.layout(&shape);
        let Some((steps, compact)) = grid.compacted(&layout) else { return Ok(()) };
        prop_assert!(!steps.is_empty() && steps.len() <= 2);
        prop_assert_eq!(steps.last().unwrap(), &compact.layout(&shape));
        prop_assert!(compact.compacted(&compact.layout(&shape)).is_none());
        let channels = &compact.layout(&shape).axes[1];
        prop_assert_eq!(channels.uniform_stride(), Some(if shape[1] > 1 { compact.base.tile.iter().product() } else { 0 }));
        let mut from = layout;
        for to in steps {
            prop_assert_eq!(to.check(), Ok(()));
            prop_assert_eq!(to.shape(), &shape);
            let (p, q) = (from.positions(), to.positions());
            let offsets: HashSet<i64> = p.iter().zip(&q).map(|(p, q)| i64::from(*p) - i64::from(*q)).collect();
            let rooms = t[0] * t[1];
            prop_assert!(offsets.len() <= height.max(width) * rooms, "{} offsets from {from:?} to {to:?}", offsets.len());
            from = to;
        }
    }

    #[test]
    fn reshaped_layouts_address_the_same_elements(seed: u64) {
        let mut rng = Rng(seed);
        let layout = layout(&mut rng);
        let shape = another_shape(&mut rng, &layout.shape());
        if let Some(view) = reshaped(&layout, &shape) {
            prop_assert_eq!(view.shape(), &shape[..]);
            prop_assert_eq!(view.positions(), layout.positions(), "{:?} as {:?}", layout, shape);
        }
    }

    #[test]
    fn transposed_layouts_address_the_same_elements(seed: u64) {
        let mut rng = Rng(seed);
        let layout = layout(&mut rng);
        let mut perm: Vec<usize> = (0..layout.axes.len()).collect();
        perm.reverse();
        perm.swap(0, 1);
        let view = transposed(&layout, &perm);
        let tables: Vec<Vec<usize>> = layout.axes.iter().map(Axis::table).collect();
        let shape = view.shape();
        for (i, p) in view.positions().into_iter().enumerate() {
            let mut left = i;
            let mut position = 0;
            for k in (0..shape.len()).rev() {
                position += tables[perm[k]][left % shape[k]];
                left /= shape[k];
            }
            prop_assert_eq!(p as usize, position);
        }
    }

    #[test]
    fn windowed_axes_reach_their_taps(seed: u64) {
        let mut rng = Rng(seed);
        let layout = layout(&mut rng);
        let axis = rng.pick(&layout.axes).clone();
        let window = Window {
            kernel: [rng.range(1, 4); 2],
            stride: [rng.range(1, 4); 2],
            dilation: [rng.range(1, 2); 2],
            pads: [0; 4],
        };
        let Some(room) = axis.extent.checked_sub((window.kernel[0] - 1) * window.dilation[0] + 1) else {
            return Ok(());
        };
        let out = room / window.stride[0] + 1;
        if let Some((shift, sums)) = windowed(&axis, out, &window, 0) {
            let (from, to) = (axis.table(), sums.table());
            prop_assert_eq!((to.len(), shift.extent), (out, window.kernel[0]));
            for (o, tap) in (0..out).flat_map(|o| (0..shift.extent).map(move |t| (o, t))) {
                let index = o * window.stride[0] + tap * window.dilation[0];
                prop_assert_eq!(to[o] + tap * shift.stride, from[index], "{:?} {:?}", axis, window);
            }
        }
    }

    #[test]
    fn summed_axes_reach_every_index_once(seed: u64) {
        let mut rng = Rng(seed);
        let layout = layout(&mut rng);
        let axis = rng.pick(&layout.axes);
        if let Some(shifts) = summed(axis) {
            let mut sums = vec![0];
            for f in &shifts {
                sums = (0..f.extent).flat_map(|k| sums.iter().map(move |s| s + k * f.stride)).collect();
            }
            let mut table = axis.table();
            sums.sort_unstable();
            table.sort_unstable();
            prop_assert_eq!(sums, table, "{:?}", axis);
        }
    }
}

/// Reshapes that real networks have are views.
#[test]
fn flattening_is_a_view() {
    let base = Base { slots: 1024, tile: [8, 8] };
    for (shape, step, out) in [
        (vec![1, 16, 8, 8], [1.0; 2], vec![1, 1024]),
        (vec![1, 16, 4, 4], [1.0; 2], vec![1, 256]),
        (vec![1, 6, 5, 5], [1.0; 2], vec![1, 150]),
        (vec![1, 64, 1, 1], [8.0; 2], vec![1, 64]),
        (vec![1, 8, 4, 4], [2.0; 2], vec![1, 8, 16]),
    ] {
        let layout = base.layout(&shape, step);
        assert!(reshaped(&layout, &out).is_some(), "{shape:?} as {out:?}: {layout:?}");
    }
}

/// The properties above are about something.
#[test]
fn views_are_found_often() {
    let (mut reshapes, mut windows, mut sums) = (0, 0, 0);
    for seed in 0..1000 {
        let mut rng = Rng(seed);
        let layout = layout(&mut rng);
        let shape = another_shape(&mut rng, &layout.shape());
        reshapes += u32::from(shape != layout.shape() && reshaped(&layout, &shape).is_some());
        let axis = rng.pick(&layout.axes);
        let digits = axis.uniform_stride().is_none();
        sums += u32::from(digits && summed(axis).is_some());
        let window = Window { kernel: [2; 2], stride: [2; 2], dilation: [1; 2], pads: [0; 4] };
        windows += u32::from(digits && windowed(axis, axis.extent / 2, &window, 0).is_some());
    }
    assert!(reshapes > 100 && windows > 20 && sums > 50, "{reshapes} {windows} {sums}");
}
