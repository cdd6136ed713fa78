//! Whole transforms: passes over all words, then within blocks, then over runs.

use super::arith::{Consts, centred};
use super::passes::{forward_pass, inverse_pass};
use super::run::{RUN, forward_run, inverse_run};
use super::tables::Tables;
use crate::ring::modulus::Shoup;

/// Words of a block that stays in the first-level cache, with its twiddles (16 KiB).
const BLOCK: usize = 1 << 11;
/// Layers done on runs.
const RUN_LAYERS: u32 = RUN.trailing_zeros();

/// Cuts `layers` into passes of at most three, as even as possible, the shortest first: reading from elsewhere, it
/// meets twice as many strides.
fn split(layers: u32) -> impl DoubleEndedIterator<Item = u32> {
    let passes = layers.div_ceil(3);
    (0..passes).rev().map(move |i| layers / passes + u32::from(i < layers % passes))
}

/// Passes over the whole transform of n words, then those within a block.
fn plan(n: usize) -> (impl DoubleEndedIterator<Item = u32>, usize, impl DoubleEndedIterator<Item = u32>) {
    let block = n.min(BLOCK);
    let outer = (n / block).trailing_zeros();
    (split(outer), block, split(block.trailing_zeros() - RUN_LAYERS))
}

/// Forward transform of `source`, or in place.
#[target_feature(enable = "avx2,fma")]
fn forward<const LAZY: bool>(t: &Tables, data: &mut [u64], source: Option<&[u64]>) {
    let k = Consts::new(&t.modulus);
    let table = &t.twiddles;
    if t.n == RUN {
        return forward_run::<LAZY, true>(&k, t, data, source, 0);
    }
    let (outer, block, _) = plan(t.n);
    let mut m = 1;
    for layers in outer {
        forward_pass::<LAZY>(&k, layers, data, source, t.n / m, table, m);
        m <<= layers;
    }
    for (b, data) in data.chunks_exact_mut(block).enumerate() {
        // Blocks of this block: `inside` at present, `inside·b` before them.
        let mut inside = 1;
        for layers in plan(t.n).2 {
            forward_pass::<LAZY>(&k, layers, data, source, block / inside, table, (m + b) * inside);
            inside <<= layers;
        }
        for (i, run) in data.chunks_exact_mut(RUN).enumerate() {
            forward_run::<LAZY, false>(&k, t, run, None, b * inside + i);
        }
    }
}

/// Inverse transform of `source`, or in place.
#[target_feature(enable = "avx2,fma")]
fn inverse<const LAZY: bool>(t: &Tables, data: &mut [u64], source: Option<&[u64]>, factor: f64) {
    let k = Consts::new(&t.modulus);
    let table = &t.twiddles;
    if t.n == RUN {
        return inverse_run::<LAZY, true>(&k, t, data, source, 0, factor);
    }
    let (outer, block, _) = plan(t.n);
    let mut m = t.n / block;
    for (b, data) in data.chunks_exact_mut(block).enumerate() {
        let mut inside = block / RUN;
        for (i, run) in data.chunks_exact_mut(RUN).enumerate() {
            let at = b * inside + i;
            inverse_run::<LAZY, false>(&k, t, run, source.map(|s| &s[RUN * at..]), at, 0.0);
        }
        for layers in plan(t.n).2.rev() {
            inside >>= layers;
            let scale = (m * inside == 1).then_some(factor);
            let mirrored = (2 * m - b) * inside - 1;
            inverse_pass::<LAZY>(&k, layers, data, block / inside, table, mirrored, scale);
        }
    }
    for layers in outer.rev() {
        m >>= layers;
        let scale = (m == 1).then_some(factor);
        inverse_pass::<LAZY>(&k, layers, data, t.n / m, table, 2 * m - 1, scale);
    }
}

impl Tables {
    /// Coefficients → evaluations; input and output below q. The input is `source` if given, else
    /// `limb` itself.
    pub(crate) fn forward(&self, limb: &mut [u64], source: Option<&[u64]>) {
        assert_eq!(limb.len(), self.n);
        assert!(source.is_none_or(|s| s.len() == self.n));
        // SAFETY: a table exists only where the modulus is marked for AVX2, which `avx2_available` confirmed.
        unsafe {
            if self.lazy {
                forward::<true>(self, limb, source);
            } else {
                forward::<false>(self, limb, source);
            }
        }
    }

    /// Evaluations → coefficients times `factor`; input and output below q. The input is `source` if
    /// given, else `limb` itself.
    pub(crate) fn inverse_scaled(&self, limb: &mut [u64], source: Option<&[u64]>, factor: Shoup) {
        assert_eq!(limb.len(), self.n);
        assert!(source.is_none_or(|s| s.len() == self.n));
        let factor = centred(factor.w, self.modulus.q);
        // SAFETY: as for `forward`.
        unsafe {
            if self.lazy {
                inverse::<true>(self, limb, source, factor);
            } else {
                inverse::<false>(self, limb, source, factor);
            }
        }
    }
}
