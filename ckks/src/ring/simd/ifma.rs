//! AVX-512 IFMA kernels for moduli below 2^50.
//!
//! A product of two residues is kept as (lo, hi) with value lo + hi·2^52; both words accumulate in
//! 64-bit lanes. With q < 2^50 each term adds less than 2^52 to lo and 2^48 to hi, so
//! [`FOLD_TERMS`] = 15 terms plus the carry keep hi below 2^52, which the fold needs.
//!
//! Where one factor of every product is there long before, as keys and the constants of conversions are, it is kept
//! times 2^52 modulo q ([`Modulus::in_form`]), and a sum is reduced by Montgomery's method, at half the price.

mod conversion;
mod inner_product;

use super::{Factor, Modulus, Shoup, TILE};
pub(crate) use conversion::{convert, rounded_quotients};
pub(crate) use inner_product::inner_product;
use std::arch::x86_64::*;

/// Terms accumulated between folds.
const FOLD_TERMS: usize = 15;

#[inline]
#[target_feature(enable = "avx512f")]
fn load(a: &[u64], i: usize) -> __m512i {
    let a = &a[i..i + 8];
    // SAFETY: the slice has eight words.
    unsafe { _mm512_loadu_si512(a.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(a: &mut [u64], i: usize, x: __m512i) {
    let a = &mut a[i..i + 8];
    // SAFETY: the slice has eight words.
    unsafe { _mm512_storeu_si512(a.as_mut_ptr().cast(), x) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(x: u64) -> __m512i {
    _mm512_set1_epi64(x as i64)
}

/// x − q if x ≥ q.
#[inline]
#[target_feature(enable = "avx512f")]
fn once(x: __m512i, q: __m512i) -> __m512i {
    _mm512_min_epu64(x, _mm512_sub_epi64(x, q))
}

/// Broadcast constants of one modulus.
#[derive(Clone, Copy)]
struct Consts {
    q: __m512i,
    two_q: __m512i,
    r52: __m512i,
    r52_shoup: __m512i,
    mu52: __m512i,
    inv52: __m512i,
    mask: __m512i,
    zero: __m512i,
}

impl Consts {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(m: &Modulus) -> Self {
        Self {
            q: splat(m.q),
            two_q: splat(2 * m.q),
            r52: splat(m.r52.w),
            r52_shoup: splat(m.r52.w52),
            mu52: splat(m.mu52),
            inv52: splat(m.inv52),
            mask: splat((1 << 52) - 1),
            zero: _mm512_setzero_si512(),
        }
    }

    /// lo + hi·2^52 → value below 4q; needs lo < 2^63 and hi + lo/2^52 < 2^52.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn fold(&self, lo: __m512i, hi: __m512i) -> __m512i {
        let hi = _mm512_add_epi64(hi, _mm512_srli_epi64::<52>(lo));
        let lo = _mm512_and_si512(lo, self.mask);
        // hi·2^52 by Shoup, lo by Barrett; both remainders are in [0, 2q) and below 2^52.
        let qh = _mm512_madd52hi_epu64(self.zero, hi, self.r52_shoup);
        let ql = _mm512_madd52hi_epu64(self.zero, lo, self.mu52);
        let product = _mm512_madd52lo_epu64(self.zero, hi, self.r52);
        let rh = _mm512_sub_epi64(product, _mm512_madd52lo_epu64(self.zero, qh, self.q));
        let rh = _mm512_and_si512(rh, self.mask);
        let rl = _mm512_sub_epi64(lo, _mm512_madd52lo_epu64(self.zero, ql, self.q));
        _mm512_add_epi64(rh, rl)
    }

    /// (lo + hi·2^52)/2^52 modulo q by Montgomery's method, for a sum of at most 15 products of a factor below 2^50
    /// with one below q: above −q (as a wrapped word) and below 15/4·q.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn montgomery(&self, lo: __m512i, hi: __m512i) -> __m512i {
        // The low words of lo and of quotient·q are equal, so that the difference of the high ones is exact.
        let quotient = _mm512_madd52lo_epu64(self.zero, lo, self.inv52);
        let hi = _mm512_add_epi64(hi, _mm512_srli_epi64::<52>(lo));
        _mm512_sub_epi64(hi, _mm512_madd52hi_epu64(self.zero, quotient, self.q))
    }

    /// Adds q to what is negative.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn lifted(&self, x: __m512i) -> __m512i {
        _mm512_min_epu64(x, _mm512_add_epi64(x, self.q))
    }

    /// Value below 4q → below q.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn finish(&self, x: __m512i) -> __m512i {
        once(once(x, self.two_q), self.q)
    }

    /// x·w mod q below 2q by Shoup, for x < 2^52.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn shoup(&self, x: __m512i, w: __m512i, w52: __m512i) -> __m512i {
        let quotient = _mm512_madd52hi_epu64(self.zero, x, w52);
        let product = _mm512_madd52lo_epu64(self.zero, x, w);
        let r = _mm512_sub_epi64(product, _mm512_madd52lo_epu64(self.zero, quotient, self.q));
        _mm512_and_si512(r, self.mask)
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn add_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    let q = splat(m.q);
    for i in (0..a.len()).step_by(8) {
        let sum = _mm512_add_epi64(load(a, i), load(b, i));
        store(a, i, once(sum, q));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn sub_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    let q = splat(m.q);
    for i in (0..a.len()).step_by(8) {
        let difference = _mm512_sub_epi64(load(a, i), load(b, i));
        store(a, i, _mm512_min_epu64(difference, _mm512_add_epi64(difference, q)));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn neg_assign(m: &Modulus, a: &mut [u64]) {
    let q = splat(m.q);
    for i in (0..a.len()).step_by(8) {
        store(a, i, once(_mm512_sub_epi64(q, load(a, i)), q));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn add_const_assign(m: &Modulus, a: &mut [u64], c: u64) {
    let (q, c) = (splat(m.q), splat(c));
    for i in (0..a.len()).step_by(8) {
        store(a, i, once(_mm512_add_epi64(load(a, i), c), q));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn mul_const_assign(m: &Modulus, a: &mut [u64], c: Shoup) {
    let k = Consts::new(m);
    let (w, w52) = (splat(c.w), splat(c.w52));
    for i in (0..a.len()).step_by(8) {
        let r = k.shoup(load(a, i), w, w52);
        store(a, i, once(r, k.q));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_factor(f: &Factor<'_>, i: usize) -> __m512i {
    match f {
        Factor::Full(limb) => load(limb, i),
        Factor::Repeated { short, log_repeat: 1 } => load_repeated::<1>(short, i, 1),
        Factor::Repeated { short, log_repeat: 2 } => load_repeated::<2>(short, i, 2),
        Factor::Repeated { short, log_repeat } => splat(short[i >> log_repeat]),
    }
}

/// Words i, …, i + 7 of a factor of which each word repeats 2^`log_repeat` times; LOG is min(`log_repeat`, 3).
#[inline]
#[target_feature(enable = "avx512f")]
fn load_repeated<const LOG: u32>(short: &[u64], i: usize, log_repeat: u32) -> __m512i {
    match LOG {
        0 => load(short, i),
        1 => {
            let words = &short[i >> 1..][..4];
            // SAFETY: the slice has four words.
            let words = unsafe { _mm256_loadu_si256(words.as_ptr().cast()) };
            let order = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
            _mm512_permutexvar_epi64(order, _mm512_castsi256_si512(words))
        }
        2 => {
            let words = &short[i >> 2..][..2];
            // SAFETY: the slice has two words.
            let words = unsafe { _mm_loadu_si128(words.as_ptr().cast()) };
            let order = _mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1);
            _mm512_permutexvar_epi64(order, _mm512_castsi128_si512(words))
        }
        _ => splat(short[i >> log_repeat]),
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn mul(m: &Modulus, out: &mut [u64], a: &[u64], b: Factor<'_>) {
    let k = Consts::new(m);
    for i in (0..out.len()).step_by(8) {
        let (x, y) = (load(a, i), load_factor(&b, i));
        let lo = _mm512_madd52lo_epu64(k.zero, x, y);
        let hi = _mm512_madd52hi_epu64(k.zero, x, y);
        store(out, i, k.finish(k.fold(lo, hi)));
    }
}

/// Terms per sweep over a tile: limbs of a polynomial lie at equal offsets modulo the page, so more
/// streams at once would evict each other from the cache's sets.
const SWEEP: usize = 4;

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn mul_acc(m: &Modulus, out: &mut [u64], terms: &[(&[u64], Factor<'_>)]) {
    let k = Consts::new(m);
    for start in (0..out.len()).step_by(TILE) {
        let end = out.len().min(start + TILE);
        for (sweep, chunk) in terms.chunks(SWEEP).enumerate() {
            for i in (start..end).step_by(8) {
                let mut lo = if sweep == 0 { k.zero } else { load(out, i) };
                let mut hi = k.zero;
                for (a, b) in chunk {
                    let (x, y) = (load(a, i), load_factor(b, i));
                    lo = _mm512_madd52lo_epu64(lo, x, y);
                    hi = _mm512_madd52hi_epu64(hi, x, y);
                }
                store(out, i, k.fold(lo, hi));
            }
        }
        for i in (start..end).step_by(8) {
            store(out, i, k.finish(load(out, i)));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn mul_acc_pair(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    terms: &[(&[u64], &[u64], Factor<'_>)],
) {
    let k = Consts::new(m);
    for start in (0..out0.len()).step_by(TILE) {
        let end = out0.len().min(start + TILE);
        for (sweep, chunk) in terms.chunks(SWEEP).enumerate() {
            for i in (start..end).step_by(8) {
                let (mut lo0, mut lo1) =
                    if sweep == 0 { (k.zero, k.zero) } else { (load(out0, i), load(out1, i)) };
                let (mut hi0, mut hi1) = (k.zero, k.zero);
                for (a0, a1, b) in chunk {
                    let (x0, x1, y) = (load(a0, i), load(a1, i), load_factor(b, i));
                    lo0 = _mm512_madd52lo_epu64(lo0, x0, y);
                    hi0 = _mm512_madd52hi_epu64(hi0, x0, y);
                    lo1 = _mm512_madd52lo_epu64(lo1, x1, y);
                    hi1 = _mm512_madd52hi_epu64(hi1, x1, y);
                }
                store(out0, i, k.fold(lo0, hi0));
                store(out1, i, k.fold(lo1, hi1));
            }
        }
        for i in (start..end).step_by(8) {
            store(out0, i, k.finish(load(out0, i)));
            store(out1, i, k.finish(load(out1, i)));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn mul_acc_tile(
    m: &Modulus,
    outs: &mut [[&mut [u64]; 2]],
    groups: &[Vec<(usize, Factor<'_>)>],
    tiles: &[u64],
) {
    let log_repeat = groups[0].first().map_or(0, |(_, b)| b.log_repeat());
    match log_repeat {
        0 => sums_of_repeated::<0>(m, outs, groups, tiles, 0),
        1 => sums_of_repeated::<1>(m, outs, groups, tiles, 1),
        2 => sums_of_repeated::<2>(m, outs, groups, tiles, 2),
        log => sums_of_repeated::<3>(m, outs, groups, tiles, log),
    }
}

/// Four groups at a time read each operand once for all of them.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn sums_of_repeated<const LOG: u32>(
    m: &Modulus,
    mut outs: &mut [[&mut [u64]; 2]],
    mut groups: &[Vec<(usize, Factor<'_>)>],
    tiles: &[u64],
    log_repeat: u32,
) {
    while let Some(four) = outs.split_off_mut(..4) {
        sums::<4, LOG>(m, four, &groups[..4], tiles, log_repeat);
        groups = &groups[4..];
    }
    for (out, group) in outs.chunks_mut(1).zip(groups.chunks(1)) {
        sums::<1, LOG>(m, out, group, tiles, log_repeat);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn sums<const G: usize, const LOG: u32>(
    m: &Modulus,
    outs: &mut [[&mut [u64]; 2]],
    groups: &[Vec<(usize, Factor<'_>)>],
    tiles: &[u64],
    log_repeat: u32,
) {
    let k = Consts::new(m);
    let (len, terms) = (outs[0][0].len(), groups[0].len());
    if terms == 0 {
        outs.iter_mut().flatten().for_each(|out| out.fill(0));
    }
    for first in (0..terms).step_by(FOLD_TERMS) {
        let count = FOLD_TERMS.min(terms - first);
        let mut operands = [0; FOLD_TERMS];
        let mut factors: [[&[u64]; G]; FOLD_TERMS] = [[&[]; G]; FOLD_TERMS];
        for (j, (operand, factors)) in operands.iter_mut().zip(&mut factors).take(count).enumerate() {
            *operand = 2 * TILE * groups[0][first + j].0;
            factors.iter_mut().zip(groups).for_each(|(f, group)| *f = group[first + j].1.words());
        }
        // Below q once what is negative is lifted: a sum of products below q², divided by 2^52.
        let small = count as u64 * m.q <= 1 << 52;
        for i in (0..len).step_by(8) {
            let (mut lo, mut hi) = ([[k.zero; 2]; G], [[k.zero; 2]; G]);
            for (operand, factors) in operands.iter().zip(&factors).take(count) {
                let x = [load(tiles, operand + i), load(tiles, operand + TILE + i)];
                for g in 0..G {
                    let y = load_repeated::<LOG>(factors[g], i, log_repeat);
                    for half in 0..2 {
                        lo[g][half] = _mm512_madd52lo_epu64(lo[g][half], x[half], y);
                        hi[g][half] = _mm512_madd52hi_epu64(hi[g][half], x[half], y);
                    }
                }
            }
            for (g, out) in outs.iter_mut().enumerate() {
                for (half, out) in out.iter_mut().enumerate() {
                    let sum = k.lifted(k.montgomery(lo[g][half], hi[g][half]));
                    let sum = if small { sum } else { k.finish(sum) };
                    let before = if first > 0 { load(out, i) } else { k.zero };
                    store(out, i, once(_mm512_add_epi64(before, sum), k.q));
                }
            }
        }
    }
}

/// Words read ahead: the hardware's prefetchers stop at every page, and the streams of an inner
/// product reach the ends of their pages at the same time.
const AHEAD: usize = 512;

#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch(a: &[u64], i: usize) {
    _mm_prefetch::<_MM_HINT_T0>(a.as_ptr().wrapping_add(i + AHEAD).cast());
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn sub_from_mul_const(m: &Modulus, out: &mut [u64], x: &[u64], c: Shoup) {
    let k = Consts::new(m);
    let (w, w52) = (splat(c.w), splat(c.w52));
    for i in (0..out.len()).step_by(8) {
        prefetch(x, i);
        let difference = _mm512_sub_epi64(_mm512_add_epi64(load(x, i), k.q), load(out, i));
        store(out, i, once(k.shoup(difference, w, w52), k.q));
    }
}

/// Magnitudes below 2^52; false if there are others. Times 2^52 if FORM.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn reduce_signed<const FORM: bool>(m: &Modulus, out: &mut [u64], x: &[i64]) -> bool {
    let k = Consts::new(m);
    let mut all = k.zero;
    for i in (0..out.len()).step_by(8) {
        let x = &x[i..i + 8];
        // SAFETY: the slice has eight words.
        let x = unsafe { _mm512_loadu_si512(x.as_ptr().cast()) };
        let magnitude = _mm512_abs_epi64(x);
        all = _mm512_or_si512(all, magnitude);
        let r = if FORM {
            k.shoup(magnitude, k.r52, k.r52_shoup)
        } else {
            let quotient = _mm512_madd52hi_epu64(k.zero, magnitude, k.mu52);
            _mm512_sub_epi64(magnitude, _mm512_madd52lo_epu64(k.zero, quotient, k.q))
        };
        let r = once(r, k.q);
        let negated = once(_mm512_sub_epi64(k.q, r), k.q);
        let negative = _mm512_cmplt_epi64_mask(x, k.zero);
        store(out, i, _mm512_mask_mov_epi64(r, negative, negated));
    }
    _mm512_cmpgt_epu64_mask(all, k.mask) == 0
}
