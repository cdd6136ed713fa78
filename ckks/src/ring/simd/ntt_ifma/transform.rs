//! Whole transforms: passes over all words, then within blocks, then over runs.

use super::arith::Consts;
use super::passes::{forward_pass, inverse_pass};
use super::run::{forward_run, inverse_run};
use super::tables::Tables;
use crate::ring::modulus::Shoup;

/// Words of a block that stays in the first-level cache (32 KiB).
const BLOCK: usize = 1 << 12;
/// Layers done on runs of 64 words.
const RUN_LAYERS: u32 = 6;

/// Cuts `layers` into passes of at most three, as even as possible.
fn split(layers: u32) -> impl DoubleEndedIterator<Item = u32> {
    let passes = layers.div_ceil(3);
    (0..passes).map(move |i| layers / passes + u32::from(i < layers % passes))
}

/// Passes over the whole transform of n words, then those within a block.
fn plan(n: usize) -> (impl DoubleEndedIterator<Item = u32>, usize, impl DoubleEndedIterator<Item = u32>) {
    let block = n.min(BLOCK);
    let outer = (n / block).trailing_zeros();
    (split(outer), block, split(block.trailing_zeros() - RUN_LAYERS))
}

/// Forward transform of `source`, or in place.
#[target_feature(enable = "avx512f,avx512ifma")]
fn forward<const LAZY: bool>(t: &Tables, data: &mut [u64], mut source: Option<&[u64]>) {
    let k = Consts::new(&t.modulus);
    let table = &t.forward.upper;
    let (outer, block, _) = plan(t.n);
    let mut m = 1;
    for layers in outer {
        forward_pass::<LAZY>(&k, layers, data, source.take(), t.n / m, table, m);
        m <<= layers;
    }
    if let Some(source) = source {
        data.copy_from_slice(source);
    }
    for (b, data) in data.chunks_exact_mut(block).enumerate() {
        // Blocks of this block: `inside` at present, `inside·b` before them.
        let mut inside = 1;
        for layers in plan(t.n).2 {
            forward_pass::<LAZY>(&k, layers, data, None, block / inside, table, (m + b) * inside);
            inside <<= layers;
        }
        for (i, run) in data.chunks_exact_mut(64).enumerate() {
            forward_run::<LAZY>(&k, t, run, b * inside + i);
        }
    }
}

/// Inverse transform of `source`, or in place.
#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse<const LAZY: bool>(t: &Tables, data: &mut [u64], source: Option<&[u64]>, factor: Shoup) {
    let k = Consts::new(&t.modulus);
    let table = &t.inverse.upper;
    let (outer, block, _) = plan(t.n);
    let mut m = t.n / block;
    for (b, data) in data.chunks_exact_mut(block).enumerate() {
        if let Some(source) = source {
            data.copy_from_slice(&source[b * block..][..block]);
        }
        let mut inside = block / 64;
        for (i, run) in data.chunks_exact_mut(64).enumerate() {
            inverse_run::<LAZY>(&k, t, run, b * inside + i, (t.n == 64).then_some(factor));
        }
        for layers in plan(t.n).2.rev() {
            inside >>= layers;
            let scale = (m * inside == 1).then_some(factor);
            inverse_pass::<LAZY>(&k, layers, data, block / inside, table, (m + b) * inside, scale);
        }
    }
    for layers in outer.rev() {
        m >>= layers;
        let scale = (m == 1).then_some(factor);
        inverse_pass::<LAZY>(&k, layers, data, t.n / m, table, m, scale);
    }
}

impl Tables {
    /// Coefficients → evaluations; input and output below p. The input is `source` if given, else
    /// `limb` itself.
    pub(crate) fn forward(&self, limb: &mut [u64], source: Option<&[u64]>) {
        assert_eq!(limb.len(), self.n);
        assert!(source.is_none_or(|s| s.len() == self.n));
        // SAFETY: a table exists only where the modulus is marked for IFMA, which
        // `ifma_available` confirmed; the lengths are the table's.
        unsafe {
            if self.lazy {
                forward::<true>(self, limb, source);
            } else {
                forward::<false>(self, limb, source);
            }
        }
    }

    /// Evaluations → coefficients times `factor`; input and output below p. The input is `source` if
    /// given, else `limb` itself.
    pub(crate) fn inverse_scaled(&self, limb: &mut [u64], source: Option<&[u64]>, factor: Shoup) {
        assert_eq!(limb.len(), self.n);
        assert!(source.is_none_or(|s| s.len() == self.n));
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
