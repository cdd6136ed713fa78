//! Layouts: positions, packing, periods, and what the check refuses.

use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::tensor::random::Rng;
use proptest::prelude::*;

fn axis(extent: usize, factors: &[(usize, usize)]) -> Axis {
    Axis { extent, factors: factors.iter().map(|&(extent, stride)| Factor { extent, stride }).collect() }
}

fn layout(slots: usize, ciphertexts: usize, axes: Vec<Axis>, replicas: &[(usize, usize)]) -> Layout {
    let replicas = replicas.iter().map(|&(extent, stride)| Factor { extent, stride }).collect();
    Layout { slots, ciphertexts, axes, replicas }
}

/// A well-formed layout: digits of all axes, dealt out to strides in random order with random gaps.
fn random_layout(seed: u64) -> Layout {
    let mut rng = Rng(seed);
    let mut axes: Vec<Axis> = (0..rng.range(1, 4)).map(|_| axis(rng.range(1, 6), &[])).collect();
    let mut digits = Vec::new();
    for (k, a) in axes.iter_mut().enumerate() {
        let mut left = a.extent;
        while left > 1 || a.factors.is_empty() {
            let extent = rng.range(1, left);
            digits.push((k, a.factors.len()));
            a.factors.push(Factor { extent, stride: 0 });
            left = left.div_ceil(extent);
        }
    }
    let mut stride = 1;
    while !digits.is_empty() {
        let (k, f) = digits.swap_remove(rng.range(0, digits.len() - 1));
        let factor = &mut axes[k].factors[f];
        factor.stride = stride;
        stride *= factor.extent + if rng.once_in(4) { rng.range(0, 2) } else { 0 };
    }
    let mut replicas = Vec::new();
    for _ in 0..rng.range(0, 2) {
        let extent = rng.range(1, 3);
        replicas.push((extent, stride));
        stride *= extent;
    }
    let slots = 1usize << rng.range(0, 12);
    layout(slots, stride.div_ceil(slots), axes, &replicas)
}

/// Position of an element, digit by digit.
fn position(layout: &Layout, mut element: usize) -> usize {
    let mut position = 0;
    for a in layout.axes.iter().rev() {
        let mut index = element % a.extent;
        element /= a.extent;
        for f in &a.factors {
            position += index % f.extent * f.stride;
            index /= f.extent;
        }
    }
    position
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unpack_inverts_pack(seed: u64) {
        let layout = random_layout(seed);
        prop_assert_eq!(layout.check(), Ok(()));
        let data: Vec<f64> = (0..layout.elements()).map(|i| 1.0 + i as f64).collect();
        let packed = layout.pack(&data);
        prop_assert_eq!(layout.unpack(&packed), &data[..]);
        let filled = packed.iter().flatten().filter(|x| **x != 0.0).count();
        prop_assert_eq!(filled, data.len() * layout.replica_offsets().len());
    }

    #[test]
    fn positions_are_sums_of_digits(seed: u64) {
        let layout = random_layout(seed);
        let positions = layout.positions();
        prop_assert_eq!(positions.len(), layout.elements());
        for (i, p) in positions.into_iter().enumerate() {
            prop_assert_eq!(p as usize, position(&layout, i));
        }
    }

    /// Elements and their replicas are where a vector of the layout's period says.
    #[test]
    fn packed_vectors_are_periodic(seed: u64) {
        let layout = random_layout(seed);
        let period = layout.period();
        prop_assert!(layout.slots.is_multiple_of(period));
        let packed = layout.pack(&vec![1.0; layout.elements()]);
        for v in &packed {
            prop_assert!((0..layout.slots).all(|s| v[s] == v[s % period]));
        }
    }
}

#[test]
fn uniform_strides() {
    assert_eq!(Axis::strided(5, 3).uniform_stride(), Some(3));
    assert_eq!(axis(4, &[(2, 1), (2, 2)]).uniform_stride(), Some(1));
    assert_eq!(axis(4, &[(2, 2), (2, 1)]).uniform_stride(), None);
    assert_eq!(axis(3, &[(2, 1), (2, 4)]).uniform_stride(), None);
    assert_eq!(axis(1, &[]).uniform_stride(), Some(0));
}

#[test]
fn periods() {
    let period = |replicas: &[(usize, usize)]| layout(16, 1, vec![Axis::strided(2, 1)], replicas).period();
    assert_eq!(period(&[]), 16);
    assert_eq!(period(&[(2, 8)]), 8);
    assert_eq!(period(&[(2, 4), (2, 8)]), 4);
    assert_eq!(period(&[(8, 2)]), 2);
    // Replicas that leave a half of the ciphertext out, or are no doublings, make no period.
    assert_eq!(period(&[(2, 4)]), 16);
    assert_eq!(period(&[(3, 4)]), 16);
}

#[test]
fn malformed_layouts_are_refused() {
    let refused = |l: Layout, why: &str| {
        let error = l.check().expect_err(why);
        assert!(error.contains(why), "{error}");
    };
    let two = || vec![Axis::strided(2, 1)];
    refused(layout(12, 1, two(), &[]), "no power of two");
    refused(layout(0, 1, two(), &[]), "no power of two");
    refused(layout(1 << 20, 1 << 50, two(), &[]), "too many");
    refused(layout(16, 1, vec![Axis::strided(1, 1); 17], &[]), "axes");
    refused(layout(16, 1, vec![axis(1, &[(1, 1); 33])], &[]), "33 factors");
    refused(layout(16, 1, vec![axis(5, &[(2, 1), (2, 2)])], &[]), "do not cover");
    refused(layout(16, 1, vec![axis(0, &[(2, 1)])], &[]), "do not cover");
    refused(layout(16, 1, vec![axis(2, &[(usize::MAX, 1), (2, 1)])], &[]), "do not cover");
    refused(layout(16, 1, vec![Axis::strided(17, 1)], &[]), "do not fit");
    refused(layout(16, 1, two(), &[(0, 1)]), "do not fit");
    refused(layout(16, 1, vec![Axis::strided(2, usize::MAX)], &[]), "strides reach");
    refused(layout(16, 1, vec![Axis::strided(2, 16)], &[]), "lies outside");
    refused(layout(16, 1, two(), &[(2, 16)]), "lies outside");
    refused(layout(16, 1, vec![Axis::strided(2, 0)], &[]), "two elements");
    refused(layout(16, 1, two(), &[(2, 1)]), "two elements");
    assert_eq!(layout(16, 2, vec![Axis::strided(2, 16)], &[]).check(), Ok(()));
}
