//! Negacyclic NTT with AVX-512 IFMA for moduli below 2^50 and degrees from 64.
//!
//! Harvey's lazy butterflies on 52-bit words: t = y·w − ⌊y·w'/2^52⌋·p lies in [0, 2p), and both
//! products accumulate straight into x by `madd52lo`, with −p as 2^52 − p. Only the low 52 bits of a
//! word are meaningful; carries into the upper twelve are ignored by the next `madd52`. Where a
//! comparison is needed the word is masked first.
//!
//! * LAZY (48p < 2^52): the forward transform never reduces, since x grows by 2p a layer (35p after
//!   17); the inverse reduces once per pass, by Barrett.
//! * otherwise (p < 2^50): every layer brings x below 2p, so that words stay below 4p < 2^52.
//!
//! Layers are grouped: passes of one to three layers (four spill registers and thrash the cache's sets) over strided vectors until blocks of
//! [`BLOCK`] words fit the first-level cache; each block is then finished by itself, its last six
//! layers in one pass over runs of 64 words, the final three of them after an 8×8 transpose.
//!
//! Twiddle tables, not arithmetic, bound an engine that cycles over dozens of primes. Only three of the
//! seven twiddle vectors of a run are therefore stored, and no quotients: block twiddles of a layer
//! differ by constants, w[2b+1] = w[2b]·ι, and Shoup's quotient of a product w·κ is the fraction of
//! w·(κ/p), with κ/p to 104 bits. It is short by less than 1.25: a lazy product stays below 2p for
//! words below 34/48·2^52; otherwise the quotient is corrected.

mod arith;
mod passes;
mod run;
mod tables;

pub(crate) use tables::Tables;

use crate::ring::modulus::Shoup;
use arith::Consts;
use passes::{forward_pass, inverse_pass};
use run::{forward_run, inverse_run};

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
