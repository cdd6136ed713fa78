//! Sums, multiples by constants, and residues of numbers.

use super::{STEP, Words, load, once, splat, store};
use crate::ring::Modulus;
use crate::ring::modulus::Shoup;
use crate::ring::simd::ntt_avx2::{Consts, centred, splat as splat_double};
use std::arch::x86_64::*;

/// x if that is not negative, else x + q.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn lifted(x: __m256i, q: __m256i) -> __m256i {
    let [sum, x] = [_mm256_add_epi64(x, q), x].map(|x| _mm256_castsi256_pd(x));
    _mm256_castpd_si256(_mm256_blendv_pd(x, sum, x))
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn add_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    let q = splat(m.q);
    for i in (0..a.len()).step_by(STEP) {
        let ([x0, x1], [y0, y1]) = (load(a, i), load(b, i));
        store(a, i, [once(_mm256_add_epi64(x0, y0), q), once(_mm256_add_epi64(x1, y1), q)]);
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn sub_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    let q = splat(m.q);
    for i in (0..a.len()).step_by(STEP) {
        let ([x0, x1], [y0, y1]) = (load(a, i), load(b, i));
        store(a, i, [lifted(_mm256_sub_epi64(x0, y0), q), lifted(_mm256_sub_epi64(x1, y1), q)]);
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn neg_assign(m: &Modulus, a: &mut [u64]) {
    let (q, zero) = (splat(m.q), _mm256_setzero_si256());
    for i in (0..a.len()).step_by(STEP) {
        let [x0, x1] = load(a, i);
        store(a, i, [lifted(_mm256_sub_epi64(zero, x0), q), lifted(_mm256_sub_epi64(zero, x1), q)]);
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn add_const_assign(m: &Modulus, a: &mut [u64], c: u64) {
    let (q, c) = (splat(m.q), splat(c));
    for i in (0..a.len()).step_by(STEP) {
        let [x0, x1] = load(a, i);
        store(a, i, [once(_mm256_add_epi64(x0, c), q), once(_mm256_add_epi64(x1, c), q)]);
    }
}

/// Words x·w mod q, for integers x below 2^52 in size.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn products(k: &Consts, x: [__m256d; 2], w: __m256d) -> Words {
    let [x, y] = k.mul2(x, [w; 2]);
    [_mm256_castpd_si256(k.words(x)), _mm256_castpd_si256(k.words(y))]
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_doubles(k: &Consts, a: &[u64], i: usize) -> [__m256d; 2] {
    let [x, y] = load(a, i);
    [k.integers(_mm256_castsi256_pd(x)), k.integers(_mm256_castsi256_pd(y))]
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn mul_const_assign(m: &Modulus, a: &mut [u64], c: Shoup) {
    let (k, w) = (Consts::new(m), splat_double(centred(c.w, m.q)));
    for i in (0..a.len()).step_by(STEP) {
        let x = load_doubles(&k, a, i);
        store(a, i, products(&k, x, w));
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn sub_from_mul_const(m: &Modulus, out: &mut [u64], x: &[u64], c: Shoup) {
    let (k, w) = (Consts::new(m), splat_double(centred(c.w, m.q)));
    for i in (0..out.len()).step_by(STEP) {
        let ([x0, x1], [y0, y1]) = (load_doubles(&k, x, i), load_doubles(&k, out, i));
        store(out, i, products(&k, [_mm256_sub_pd(x0, y0), _mm256_sub_pd(x1, y1)], w));
    }
}

/// Magnitudes below 2^51; false if there are others.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn reduce_signed(m: &Modulus, out: &mut [u64], x: &[i64]) -> bool {
    let k = Consts::new(m);
    // The bits of 3·2^51, plus x, are those of 3·2^51 + x.
    let (centre, bits) = (splat_double(1.5 * (1u64 << 52) as f64), splat((1023 + 52) << 52 | 1 << 51));
    let offset = splat(1 << 51);
    let mut all = _mm256_setzero_si256();
    for (out, x) in out.chunks_exact_mut(4).zip(x.chunks_exact(4)) {
        // SAFETY: the chunks have four words.
        let x = unsafe { _mm256_loadu_si256(x.as_ptr().cast()) };
        all = _mm256_or_si256(all, _mm256_add_epi64(x, offset));
        let x = _mm256_sub_pd(_mm256_castsi256_pd(_mm256_add_epi64(x, bits)), centre);
        // SAFETY: as above.
        unsafe { _mm256_storeu_pd(out.as_mut_ptr().cast(), k.words(k.reduce(x))) };
    }
    let high = _mm256_srli_epi64::<52>(all);
    _mm256_testz_si256(high, high) == 1
}

/// The terms are added in the order of the scalar version, with its roundings.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn rounded_quotients(m: &Modulus, v: &mut [u64], ys: &[(&[u64], f64)]) {
    let (k, two_52) = (Consts::new(m), splat_double((1u64 << 52) as f64));
    for i in (0..v.len()).step_by(STEP) {
        let mut sums = [splat_double(0.5); 2];
        for (y, inv) in ys {
            let (y, inv) = (load_doubles(&k, y, i), splat_double(*inv));
            sums = [0, 1].map(|l| _mm256_add_pd(sums[l], _mm256_mul_pd(y[l], inv)));
        }
        let words = sums.map(|x| {
            let below = _mm256_round_pd::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x);
            _mm256_castpd_si256(_mm256_xor_pd(_mm256_add_pd(below, two_52), two_52))
        });
        store(v, i, words);
    }
}
