//! Vector arithmetic modulo p on 52-bit words, and the butterflies.

use crate::ring::modulus::Modulus;
use std::arch::x86_64::*;

/// The meaningful bits of a word.
const MASK: u64 = (1 << 52) - 1;

/// Broadcast constants.
#[derive(Clone, Copy)]
pub(super) struct Consts {
    pub(super) p: __m512i,
    pub(super) neg_p: __m512i,
    pub(super) two_p: __m512i,
    pub(super) mu: __m512i,
    pub(super) mask: __m512i,
    pub(super) zero: __m512i,
    pub(super) modulus: u64,
}

pub(super) type V = __m512i;

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn splat(x: u64) -> V {
    _mm512_set1_epi64(x as i64)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn load(p: *const u64) -> V {
    // SAFETY: the caller vouches for eight readable words.
    unsafe { _mm512_loadu_si512(p.cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn store(p: *mut u64, x: V) {
    // SAFETY: the caller vouches for eight writable words.
    unsafe { _mm512_storeu_si512(p.cast(), x) }
}

impl Consts {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(m: &Modulus) -> Self {
        Self {
            p: splat(m.q),
            neg_p: splat((1 << 52) - m.q),
            two_p: splat(2 * m.q),
            mu: splat(m.mu52),
            mask: splat(MASK),
            zero: _mm512_setzero_si512(),
            modulus: m.q,
        }
    }

    /// Below 2p from a word below 4p.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn below_two_p(&self, x: V) -> V {
        let x = _mm512_and_si512(x, self.mask);
        _mm512_min_epu64(x, _mm512_sub_epi64(x, self.two_p))
    }

    /// Below 2p from any 52-bit word, by Barrett.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn barrett(&self, x: V) -> V {
        let quotient = _mm512_madd52hi_epu64(self.zero, x, self.mu);
        _mm512_madd52lo_epu64(x, quotient, self.neg_p)
    }

    /// Canonical from a word below 2p.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn canonical(&self, x: V) -> V {
        let x = _mm512_and_si512(x, self.mask);
        _mm512_min_epu64(x, _mm512_sub_epi64(x, self.p))
    }

    /// acc + y·w mod p, the product lazily below 2p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn mul_add(&self, acc: V, y: V, (w, quotient): (V, V)) -> V {
        let q = _mm512_madd52hi_epu64(self.zero, y, quotient);
        _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(acc, y, w), q, self.neg_p)
    }

    /// Forward butterfly: (x + y·w, x − y·w).
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn forward<const LAZY: bool>(&self, x: V, y: V, w: (V, V)) -> (V, V) {
        let x = if LAZY { x } else { self.below_two_p(x) };
        let sum = self.mul_add(x, y, w);
        let doubled = _mm512_add_epi64(_mm512_add_epi64(x, x), self.two_p);
        (sum, _mm512_sub_epi64(doubled, sum))
    }

    /// Inverse butterfly: (x + y, (x − y)·w); `offset` is a multiple of p not below y.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn inverse<const LAZY: bool>(&self, x: V, y: V, w: (V, V), offset: V) -> (V, V) {
        let sum = _mm512_add_epi64(x, y);
        let difference = _mm512_add_epi64(_mm512_sub_epi64(x, y), offset);
        let sum = if LAZY { sum } else { self.below_two_p(sum) };
        (sum, self.mul_add(self.zero, difference, w))
    }
}

/// The pair at index `i` of a table of interleaved pairs, broadcast.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn pair(table: &[u64], i: usize) -> (V, V) {
    (splat(table[2 * i]), splat(table[2 * i + 1]))
}

/// Transposes an 8×8 matrix of words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(x: &mut [V; 8]) {
    for i in (0..8).step_by(2) {
        let (a, b) = (x[i], x[i + 1]);
        x[i] = _mm512_unpacklo_epi64(a, b);
        x[i + 1] = _mm512_unpackhi_epi64(a, b);
    }
    // Now 2×2 blocks are transposed; exchange 128-bit lanes within and across.
    let even = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    let odd = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    for i in [0, 1, 4, 5] {
        let (a, b) = (x[i], x[i + 2]);
        x[i] = _mm512_permutex2var_epi64(a, even, b);
        x[i + 2] = _mm512_permutex2var_epi64(a, odd, b);
    }
    for i in 0..4 {
        let (a, b) = (x[i], x[i + 4]);
        x[i] = _mm512_shuffle_i64x2::<0b01_00_01_00>(a, b);
        x[i + 4] = _mm512_shuffle_i64x2::<0b11_10_11_10>(a, b);
    }
}
