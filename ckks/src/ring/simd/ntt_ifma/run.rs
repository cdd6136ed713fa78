//! The last six forward layers (first six inverse ones) on runs of 64 words.

use super::arith::{Consts, V, load, pair, splat, store, transpose};
use super::passes::{forward_layers, inverse_layers, layer};
use super::tables::{Direction, Factor, STORED, Tables};
use crate::ring::modulus::Shoup;
use std::arch::x86_64::*;

/// ⌊w·2^52/p⌋ from a value short of w·2^52/p by less than 1.25. Lazy words are small enough to do
/// without: their products stay below 2p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn settle<const LAZY: bool>(k: &Consts, quotient: V) -> V {
    if LAZY {
        return quotient;
    }
    let rest = _mm512_madd52lo_epu64(k.zero, quotient, k.neg_p);
    let short = _mm512_cmpge_epu64_mask(rest, k.p);
    _mm512_mask_add_epi64(quotient, short, quotient, splat(1))
}

/// The quotient of a vector of twiddles w; `one` stands for the factor 1.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn quotient<const LAZY: bool>(k: &Consts, w: V, one: &Factor) -> V {
    let low = _mm512_madd52hi_epu64(k.zero, w, splat(one.low));
    settle::<LAZY>(k, _mm512_madd52lo_epu64(low, w, splat(one.high)))
}

/// w·c for a vector of twiddles w, with its quotient.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn derive<const LAZY: bool>(k: &Consts, w: V, factor: &Factor) -> (V, V) {
    let (c, high, low) = (splat(factor.c), splat(factor.high), splat(factor.low));
    let fraction = _mm512_madd52lo_epu64(_mm512_madd52hi_epu64(k.zero, w, low), w, high);
    let carry = _mm512_srli_epi64::<52>(fraction);
    let quotient = _mm512_add_epi64(_mm512_madd52hi_epu64(k.zero, w, high), carry);
    let product = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(k.zero, w, c), quotient, k.neg_p);
    (product, settle::<LAZY>(k, fraction))
}

/// Stored twiddle vector `i` of a run.
#[inline]
#[target_feature(enable = "avx512f")]
fn stored(lower: &[u64], i: usize) -> V {
    let words = &lower[8 * i..8 * i + 8];
    // SAFETY: the slice has eight words.
    unsafe { load(words.as_ptr()) }
}

/// Twiddles of one run; vectors are loaded or derived where they are used, to spare registers.
struct RunTwiddles<'a, const LAZY: bool> {
    lower: &'a [u64],
    derived: &'a [Factor; 3],
    one: &'a Factor,
}

impl<'a, const LAZY: bool> RunTwiddles<'a, LAZY> {
    #[inline]
    fn new(direction: &'a Direction, i: usize) -> Self {
        let lower = &direction.lower[8 * STORED * i..][..8 * STORED];
        Self { lower, derived: &direction.derived, one: &direction.one }
    }

    /// Vector `i` of the run: vector `base` times constant `factor` if it is not stored.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn get(&self, k: &Consts, i: usize, base: usize, factor: usize) -> (V, V) {
        if i >= STORED {
            derive::<LAZY>(k, stored(self.lower, base), &self.derived[factor])
        } else {
            let w = stored(self.lower, i);
            (w, quotient::<LAZY>(k, w, self.one))
        }
    }
}

/// The layers of strides 4, 2 and 1: per twiddle vector its index, what it derives from, and the
/// index pairs it serves.
type GroupLayer = (usize, usize, usize, &'static [(usize, usize)]);
const IN_GROUP: [GroupLayer; 7] = [
    (0, 0, 0, &[(0, 4), (1, 5), (2, 6), (3, 7)]),
    (1, 0, 0, &[(0, 2), (1, 3)]),
    (3, 1, 0, &[(4, 6), (5, 7)]),
    (2, 0, 0, &[(0, 1)]),
    (4, 2, 0, &[(2, 3)]),
    (5, 2, 1, &[(4, 5)]),
    (6, 2, 2, &[(6, 7)]),
];

#[inline]
#[target_feature(enable = "avx512f")]
fn load_run(run: &[u64]) -> [V; 8] {
    let mut x = [_mm512_setzero_si512(); 8];
    for (i, x) in x.iter_mut().enumerate() {
        // SAFETY: indexing checks that eight words follow.
        *x = unsafe { load(run[8 * i..8 * i + 8].as_ptr()) };
    }
    x
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_run(run: &mut [u64], x: &[V; 8]) {
    for (i, x) in x.iter().enumerate() {
        // SAFETY: indexing checks that eight words follow.
        unsafe { store(run[8 * i..8 * i + 8].as_mut_ptr(), *x) };
    }
}

/// The last six layers on run `i` of the transform.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn forward_run<const LAZY: bool>(k: &Consts, t: &Tables, run: &mut [u64], i: usize) {
    let mut x = load_run(run);
    let first = t.n / 64 + i;
    forward_layers!(k, x, 8, [4, 2, 1], &t.forward.upper, first);
    transpose(&mut x);
    let twiddles = RunTwiddles::<LAZY>::new(&t.forward, i);
    for (i, base, factor, pairs) in IN_GROUP {
        let w = twiddles.get(k, i, base, factor);
        for &(lo, hi) in pairs {
            (x[lo], x[hi]) = k.forward::<LAZY>(x[lo], x[hi], w);
        }
    }
    for x in &mut x {
        *x = k.canonical(if LAZY { k.barrett(*x) } else { k.below_two_p(*x) });
    }
    transpose(&mut x);
    store_run(run, &x);
}

/// The first six inverse layers on run `i` of the transform.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn inverse_run<const LAZY: bool>(
    k: &Consts,
    t: &Tables,
    run: &mut [u64],
    i: usize,
    scale: Option<Shoup>,
) {
    let mut x = load_run(run);
    transpose(&mut x);
    let twiddles = RunTwiddles::<LAZY>::new(&t.inverse, i);
    // Sums of three layers reach 8p; the offset covers every stage's y.
    let offset = if LAZY { _mm512_slli_epi64::<3>(k.two_p) } else { k.two_p };
    for (i, base, factor, pairs) in IN_GROUP.into_iter().rev() {
        let w = twiddles.get(k, i, base, factor);
        for &(lo, hi) in pairs {
            (x[lo], x[hi]) = k.inverse::<LAZY>(x[lo], x[hi], w, offset);
        }
    }
    if LAZY {
        for x in &mut x[..4] {
            *x = k.barrett(*x);
        }
    }
    transpose(&mut x);
    let first = t.n / 64 + i;
    inverse_layers!(k, x, 8, [1, 2, 4], &t.inverse.upper, first);
    if let Some(scale) = scale {
        for x in &mut x {
            *x = k.canonical(k.mul_add(k.zero, *x, (splat(scale.w), splat(scale.w52))));
        }
    }
    store_run(run, &x);
}
