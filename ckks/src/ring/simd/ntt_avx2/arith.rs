//! Vector arithmetic modulo q on integers held as doubles, and the butterflies.

use crate::ring::modulus::Modulus;
use std::arch::x86_64::*;

const TWO_52: f64 = (1u64 << 52) as f64;

pub(super) type V = __m256d;

/// Broadcast constants.
#[derive(Clone, Copy)]
pub(crate) struct Consts {
    pub(super) q: V,
    inv: V,
    /// 3·2^51: added and subtracted, it rounds to integers.
    round: V,
    two_52: V,
}

/// x as a centred residue.
pub(crate) fn centred(x: u64, q: u64) -> f64 {
    if x > q / 2 { -((q - x) as f64) } else { x as f64 }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(crate) fn splat(x: f64) -> V {
    _mm256_set1_pd(x)
}

/// Four integers held as doubles.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn load(p: *const u64) -> V {
    // SAFETY: the caller vouches for four readable words.
    unsafe { _mm256_loadu_pd(p.cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn store(p: *mut u64, x: V) {
    // SAFETY: the caller vouches for four writable words.
    unsafe { _mm256_storeu_pd(p.cast(), x) }
}

impl Consts {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn new(m: &Modulus) -> Self {
        Self {
            q: splat(m.q as f64),
            inv: splat(1.0 / m.q as f64),
            round: splat(1.5 * TWO_52),
            two_52: splat(TWO_52),
        }
    }

    /// Words below 2^52, loaded as if they were doubles, as integers held as doubles: they are put under the exponent
    /// of 2^52, which is then subtracted.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn integers(&self, x: V) -> V {
        _mm256_sub_pd(_mm256_or_pd(x, self.two_52), self.two_52)
    }

    /// Words below q, as if they were doubles, from integers above −q and below q.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn words(&self, x: V) -> V {
        let negative = _mm256_cmp_pd::<_CMP_LT_OQ>(x, _mm256_setzero_pd());
        let x = _mm256_add_pd(x, _mm256_and_pd(negative, self.q));
        _mm256_xor_pd(_mm256_add_pd(x, self.two_52), self.two_52)
    }

    /// x mod q, at most q/2 + 1 in size, for |x| < 2^53.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn reduce(&self, x: V) -> V {
        let k = _mm256_sub_pd(_mm256_fmadd_pd(x, self.inv, self.round), self.round);
        _mm256_fnmadd_pd(k, self.q, x)
    }

    /// x·w mod q, below q in size, for |x| < 2^52 and a centred w.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn mul(&self, x: V, w: V) -> V {
        let h = _mm256_mul_pd(x, w);
        let l = _mm256_fmsub_pd(x, w, h);
        let k = _mm256_sub_pd(_mm256_fmadd_pd(h, self.inv, self.round), self.round);
        _mm256_add_pd(_mm256_fnmadd_pd(k, self.q, h), l)
    }

    /// [`Self::mul`] of two, step by step: so ordered, more of them fit the processor's window.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn mul2(&self, [x0, x1]: [V; 2], [w0, w1]: [V; 2]) -> [V; 2] {
        let h0 = _mm256_mul_pd(x0, w0);
        let h1 = _mm256_mul_pd(x1, w1);
        let k0 = _mm256_fmadd_pd(h0, self.inv, self.round);
        let k1 = _mm256_fmadd_pd(h1, self.inv, self.round);
        let l0 = _mm256_fmsub_pd(x0, w0, h0);
        let l1 = _mm256_fmsub_pd(x1, w1, h1);
        let k0 = _mm256_sub_pd(k0, self.round);
        let k1 = _mm256_sub_pd(k1, self.round);
        let r0 = _mm256_fnmadd_pd(k0, self.q, h0);
        let r1 = _mm256_fnmadd_pd(k1, self.q, h1);
        [_mm256_add_pd(r0, l0), _mm256_add_pd(r1, l1)]
    }

    /// Forward butterflies: (x + y·w, x − y·w), x reduced first if so wanted.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn forward(&self, x: [V; 2], y: [V; 2], w: [V; 2], reduce: bool) -> ([V; 2], [V; 2]) {
        let x = if reduce { [self.reduce(x[0]), self.reduce(x[1])] } else { x };
        let p = self.mul2(y, w);
        let sums = [_mm256_add_pd(x[0], p[0]), _mm256_add_pd(x[1], p[1])];
        (sums, [_mm256_sub_pd(x[0], p[0]), _mm256_sub_pd(x[1], p[1])])
    }

    /// Inverse butterflies: (x + y, (y − x)·w), the sum reduced if so wanted; w is minus the inverse twiddle.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn inverse(&self, x: [V; 2], y: [V; 2], w: [V; 2], reduce: bool) -> ([V; 2], [V; 2]) {
        let differences = [_mm256_sub_pd(y[0], x[0]), _mm256_sub_pd(y[1], x[1])];
        let sums = [_mm256_add_pd(x[0], y[0]), _mm256_add_pd(x[1], y[1])];
        let sums = if reduce { [self.reduce(sums[0]), self.reduce(sums[1])] } else { sums };
        (sums, self.mul2(differences, w))
    }
}
