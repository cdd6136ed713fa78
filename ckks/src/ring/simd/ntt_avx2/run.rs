//! The last five forward layers (first five inverse ones) on runs of 32 words.
//!
//! The layers of strides 2 and 1 work on two vectors a and b, groups of four words with a twiddle each in the first of
//! them. Forward: [a0 a1 b0 b1] and [a2 a3 b2 b3], then [a0 a2 b0 b2] and [a1 a3 b1 b3], whose twiddles follow each
//! other in the table. Inverse: the same with the lanes from right to left, as the table is mirrored.

use super::arith::{Consts, V, load, splat, store};
use super::passes::{forward_layer, forward_layers, inverse_layer, inverse_layers};
use super::tables::Tables;
use std::arch::x86_64::*;

/// Words of a run.
pub(super) const RUN: usize = 32;

/// Twiddles of a run in the layers of strides 2 and 1.
struct RunTwiddles<'a> {
    two: &'a [f64; RUN / 4],
    one: &'a [f64; RUN / 2],
}

impl<'a> RunTwiddles<'a> {
    #[inline]
    fn new(t: &'a Tables, i: usize) -> Self {
        let (two, one) = (&t.twiddles[(t.n + RUN * i) / 4..], &t.twiddles[(t.n + RUN * i) / 2..]);
        Self { two: two.first_chunk().expect("a run's"), one: one.first_chunk().expect("a run's") }
    }

    /// Those of pair `p` of vectors for stride 2, each twice.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn two(&self, p: usize) -> V {
        let (a, b) = (self.two[2 * p], self.two[2 * p + 1]);
        _mm256_setr_pd(a, a, b, b)
    }

    /// Those for stride 1.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn one(&self, p: usize) -> V {
        let words = &self.one[4 * p..4 * p + 4];
        // SAFETY: the slice has four words.
        unsafe { _mm256_loadu_pd(words.as_ptr()) }
    }
}

/// Where the words of a run are to be read.
#[inline]
fn from(run: &[u64; RUN], source: Option<&[u64]>) -> *const u64 {
    match source {
        Some(source) => source[..RUN].as_ptr(),
        None => run.as_ptr(),
    }
}

/// [a's lower half, b's lower half] and the same of the upper halves.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn halves(a: V, b: V) -> (V, V) {
    (_mm256_permute2f128_pd::<0x20>(a, b), _mm256_permute2f128_pd::<0x31>(a, b))
}

/// The last five layers on run `i` of the transform; if they are all, words are read, from `source` if that is given.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn forward_run<const LAZY: bool, const FIRST: bool>(
    k: &Consts,
    t: &Tables,
    run: &mut [u64],
    source: Option<&[u64]>,
    i: usize,
) {
    let run: &mut [u64; RUN] = run.try_into().expect("a run");
    let from = from(run, source);
    let mut x = [k.q; 8];
    for (j, x) in x.iter_mut().enumerate() {
        // SAFETY: a run has eight vectors.
        *x = unsafe { load(from.add(4 * j)) };
        if FIRST {
            *x = k.from_words(*x);
        }
    }
    forward_layers!(k, x, 8, t.twiddles, (t.n / RUN + i));
    let twiddles = RunTwiddles::new(t, i);
    for p in 0..4 {
        let (lo, hi) = halves(x[2 * p], x[2 * p + 1]);
        let (lo, hi) = k.forward(lo, hi, twiddles.two(p), false);
        let (lo, hi) = (_mm256_unpacklo_pd(lo, hi), _mm256_unpackhi_pd(lo, hi));
        let (lo, hi) = k.forward(lo, hi, twiddles.one(p), false);
        let (lo, hi) = (k.to_words(k.reduce(lo)), k.to_words(k.reduce(hi)));
        let (lo, hi) = (_mm256_unpacklo_pd(lo, hi), _mm256_unpackhi_pd(lo, hi));
        let (a, b) = halves(lo, hi);
        // SAFETY: the run has eight vectors.
        unsafe {
            store(run.as_mut_ptr().add(8 * p), a);
            store(run.as_mut_ptr().add(8 * p + 4), b);
        }
    }
}

/// The first five inverse layers on run `i` of the transform, which are all if `LAST`, of words in `source` or in place.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn inverse_run<const LAZY: bool, const LAST: bool>(
    k: &Consts,
    t: &Tables,
    run: &mut [u64],
    source: Option<&[u64]>,
    i: usize,
    scale: f64,
) {
    let run: &mut [u64; RUN] = run.try_into().expect("a run");
    let from = from(run, source);
    let mirrored = t.n / RUN - 1 - i;
    let twiddles = RunTwiddles::new(t, mirrored);
    let mut x = [k.q; 8];
    for p in 0..4 {
        // SAFETY: a run has eight vectors.
        let (a, b) = unsafe { (load(from.add(8 * p)), load(from.add(8 * p + 4))) };
        let (lo, hi) = halves(k.from_words(b), k.from_words(a));
        let (lo, hi) = (_mm256_unpacklo_pd(hi, lo), _mm256_unpackhi_pd(hi, lo));
        let (lo, hi) = k.inverse(lo, hi, twiddles.one(3 - p), false);
        let (lo, hi) = (_mm256_unpackhi_pd(lo, hi), _mm256_unpacklo_pd(lo, hi));
        let (lo, hi) = k.inverse(lo, hi, twiddles.two(3 - p), true);
        (x[2 * p + 1], x[2 * p]) = halves(lo, hi);
    }
    inverse_layers!(k, x, 8, t.twiddles, (t.n / RUN + mirrored));
    let scale = splat(scale);
    for (j, x) in x.into_iter().enumerate() {
        let x = if LAST { k.to_words(k.mul(x, scale)) } else { x };
        // SAFETY: the run has eight vectors.
        unsafe { store(run.as_mut_ptr().add(4 * j), x) };
    }
}
