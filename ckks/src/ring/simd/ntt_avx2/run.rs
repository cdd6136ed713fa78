//! The last five forward layers (first five inverse ones) on runs of 32 words.
//!
//! The layers of strides 2 and 1 work on two vectors a and b, groups of four words with a twiddle each in the first of
//! them. Forward: [a0 a1 b0 b1] and [a2 a3 b2 b3], then [a0 a2 b0 b2] and [a1 a3 b1 b3], whose twiddles follow each
//! other in the table. Inverse: the same with the lanes from right to left, as the table is mirrored.

use super::arith::{Consts, V, load, splat, store};
use super::passes::{forward_layers, inverse_layers, layer};
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

    /// Those of pairs `p` and `p` + 1 of vectors for stride 2, each twice.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn two(&self, p: usize) -> [V; 2] {
        let [a, b, c, d] = self.two[2 * p..].first_chunk().expect("a run's");
        [_mm256_setr_pd(*a, *a, *b, *b), _mm256_setr_pd(*c, *c, *d, *d)]
    }

    /// Those for stride 1.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn one(&self, p: usize) -> [V; 2] {
        let words = &self.one[4 * p..4 * p + 8];
        // SAFETY: the slice has eight words.
        unsafe { [_mm256_loadu_pd(words.as_ptr()), _mm256_loadu_pd(words.as_ptr().add(4))] }
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

/// [a's lower half, b's lower half] of both, and the same of the upper halves.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn halves([a, c]: [V; 2], [b, d]: [V; 2]) -> ([V; 2], [V; 2]) {
    (
        [_mm256_permute2f128_pd::<0x20>(a, b), _mm256_permute2f128_pd::<0x20>(c, d)],
        [_mm256_permute2f128_pd::<0x31>(a, b), _mm256_permute2f128_pd::<0x31>(c, d)],
    )
}

/// The even words of both, and the odd ones, by halves of vectors.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn unpack([a, c]: [V; 2], [b, d]: [V; 2]) -> ([V; 2], [V; 2]) {
    (
        [_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d)],
        [_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d)],
    )
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
    for j in 0..8 {
        // SAFETY: a run has eight vectors.
        x[j] = unsafe { load(from.add(4 * j)) };
        if FIRST {
            x[j] = k.integers(x[j]);
        }
    }
    forward_layers!(k, x, 8, t.twiddles, (t.n / RUN + i));
    let twiddles = RunTwiddles::new(t, i);
    for p in [0, 2] {
        let (a, b) = ([x[2 * p], x[2 * p + 2]], [x[2 * p + 1], x[2 * p + 3]]);
        let (lo, hi) = halves(a, b);
        let (lo, hi) = k.forward(lo, hi, twiddles.two(p), false);
        let (lo, hi) = unpack(lo, hi);
        let (lo, hi) = k.forward(lo, hi, twiddles.one(p), false);
        let lo = [k.words(k.reduce(lo[0])), k.words(k.reduce(lo[1]))];
        let hi = [k.words(k.reduce(hi[0])), k.words(k.reduce(hi[1]))];
        let (lo, hi) = unpack(lo, hi);
        let (a, b) = halves(lo, hi);
        // SAFETY: the run has eight vectors.
        unsafe {
            let to = run.as_mut_ptr().add(8 * p);
            store(to, a[0]);
            store(to.add(4), b[0]);
            store(to.add(8), a[1]);
            store(to.add(12), b[1]);
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
    for p in [0, 2] {
        // SAFETY: a run has eight vectors.
        let (a, b) = unsafe {
            let from = from.add(8 * p);
            ([load(from), load(from.add(8))], [load(from.add(4)), load(from.add(12))])
        };
        let a = [k.integers(a[0]), k.integers(a[1])];
        let b = [k.integers(b[0]), k.integers(b[1])];
        let (lo, hi) = halves(b, a);
        let (lo, hi) = unpack(hi, lo);
        let ([w0, w1], [v0, v1]) = (twiddles.one(2 - p), twiddles.two(2 - p));
        let (lo, hi) = k.inverse(lo, hi, [w1, w0], false);
        let (hi, lo) = unpack(lo, hi);
        let (lo, hi) = k.inverse(lo, hi, [v1, v0], true);
        ([x[2 * p + 1], x[2 * p + 3]], [x[2 * p], x[2 * p + 2]]) = halves(lo, hi);
    }
    inverse_layers!(k, x, 8, t.twiddles, (t.n / RUN + mirrored));
    let scale = splat(scale);
    for j in 0..8 {
        let x = if LAST { k.words(k.mul(x[j], scale)) } else { x[j] };
        // SAFETY: the run has eight vectors.
        unsafe { store(run.as_mut_ptr().add(4 * j), x) };
    }
}
