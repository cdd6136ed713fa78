//! AVX2 and FMA kernels for moduli below 2^50, on machines without AVX-512 IFMA: products, their
//! sums and base conversion. The 52-bit multiply-add is made of double-precision ones.
//!
//! **Sums.** A sum X of products of integers a, b < 2^50, held exactly as doubles, is kept as h + l − 2^103, all rounding
//! to nearest. A product is added by h' = fma(a, b, h), l' = l + fma(a, b, h − h'). From 2^103 to 2^104 doubles are 2^51
//! apart. There h stays: it begins with 2^103, products are not negative, and X ≤ 8·(2^50 − 1)^2. So h and h' are
//! multiples of 2^51, their difference is exact, a·b + h − h' is an integer of size up to 2^50, hence exact too, and l
//! is a sum of up to eight integers of that size, one of which may be a residue carried in: exact, being up to 2^53.
//! A sum thus consists of [`FOLD_TERMS`] = 7 products and a residue, or of one product more.

mod inner_product;
mod linear;

use super::{Factor, Modulus, TILE, Target};
pub(crate) use inner_product::inner_product;
pub(crate) use linear::*;
use std::arch::x86_64::*;

/// Products accumulated between folds, beside a residue or one product more.
const FOLD_TERMS: usize = 7;

/// Bits of 2^52.
const BITS_52: u64 = (1023 + 52) << 52;
const TWO_52: f64 = (1u64 << 52) as f64;
const TWO_103: f64 = (1u128 << 103) as f64;

/// Words handled per step: two vectors.
const STEP: usize = 8;

/// Words read ahead, as in the IFMA version.
const AHEAD: usize = 512;

/// Eight words, or eight integers as doubles.
type Words = [__m256i; 2];
type Doubles = [__m256d; 2];

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(a: &[u64], i: usize) -> Words {
    let a = &a[i..i + STEP];
    // SAFETY: the slice has eight words.
    unsafe { [_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(a.as_ptr().add(4).cast())] }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store(a: &mut [u64], i: usize, x: Words) {
    let a = &mut a[i..i + STEP];
    // SAFETY: the slice has eight words.
    unsafe {
        _mm256_storeu_si256(a.as_mut_ptr().cast(), x[0]);
        _mm256_storeu_si256(a.as_mut_ptr().add(4).cast(), x[1]);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn splat(x: u64) -> __m256i {
    _mm256_set1_epi64x(x as i64)
}

/// x − q for words x from q to below 2q, else x.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn once(x: __m256i, q: __m256i) -> __m256i {
    let less = _mm256_castsi256_pd(_mm256_sub_epi64(x, q));
    _mm256_castpd_si256(_mm256_blendv_pd(less, _mm256_castsi256_pd(x), less))
}

/// Integers below 2^52 as doubles: put under the exponent of 2^52, which is then subtracted.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn doubles(x: Words) -> Doubles {
    x.map(|x| {
        let offset = _mm256_castsi256_pd(_mm256_or_si256(x, splat(BITS_52)));
        _mm256_sub_pd(offset, _mm256_set1_pd(TWO_52))
    })
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_doubles(a: &[u64], i: usize) -> Doubles {
    doubles(load(a, i))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_factor(f: &Factor<'_>, i: usize) -> Doubles {
    match f {
        Factor::Full(limb) => load_doubles(limb, i),
        Factor::Repeated { short, log_repeat: 1 } => load_repeated::<1>(short, i, 1),
        Factor::Repeated { short, log_repeat: 2 } => load_repeated::<2>(short, i, 2),
        Factor::Repeated { short, log_repeat } => load_repeated::<3>(short, i, *log_repeat),
    }
}

/// Words i, …, i + 7 of a factor of which each word repeats 2^`log_repeat` times; LOG is min(`log_repeat`, 3).
#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_repeated<const LOG: u32>(short: &[u64], i: usize, log_repeat: u32) -> Doubles {
    match LOG {
        0 => load_doubles(short, i),
        1 => {
            let [a, b, c, d] = short[i >> 1..].first_chunk().expect("four words").map(|x| x as f64);
            [_mm256_setr_pd(a, a, b, b), _mm256_setr_pd(c, c, d, d)]
        }
        2 => {
            let [a, b] = short[i >> 2..].first_chunk().expect("two words").map(|x| x as f64);
            [_mm256_set1_pd(a), _mm256_set1_pd(b)]
        }
        _ => [_mm256_set1_pd(short[i >> log_repeat] as f64); 2],
    }
}

/// A sum of products in the making; see the module's header.
#[derive(Clone, Copy)]
struct Sum {
    h: Doubles,
    l: Doubles,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new() -> Self {
        Self { h: [_mm256_set1_pd(TWO_103); 2], l: [_mm256_setzero_pd(); 2] }
    }

    /// The sum to begin with residues below q.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn from(carry: Words) -> Self {
        Self { l: doubles(carry), ..Self::new() }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add(&mut self, a: Doubles, b: Doubles) {
        for v in 0..2 {
            let h = _mm256_fmadd_pd(a[v], b[v], self.h[v]);
            let rest = _mm256_fmadd_pd(a[v], b[v], _mm256_sub_pd(self.h[v], h));
            self.h[v] = h;
            self.l[v] = _mm256_add_pd(self.l[v], rest);
        }
    }
}

/// Broadcast constants of one modulus.
struct Consts {
    q: __m256d,
    inv: __m256d,
}

impl Consts {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(m: &Modulus) -> Self {
        Self { q: _mm256_set1_pd(m.q as f64), inv: _mm256_set1_pd(1.0 / m.q as f64) }
    }

    /// The finished sum X mod q, where one factor of each product is below q, and so X/q < 2^53.
    ///
    /// First l is brought to 2^50 at most, again exactly: h' = h + l, rounded to a multiple of 2^51, and l' = l − (h' − h).
    /// The quotient k is made with three relative errors of 2^-53 and one rounding to an integer, so that
    /// |X/q − k| < 3.51. Hence (h' − 2^103) − k·q = (X − k·q) − l' is an integer below 3.51·2^50 + 2^50 < 2^53
    /// in size, so the fma and the addition of l' are exact: r = X − k·q, |r| < 3.51·q. The quotient of
    /// r by q is then rounded rightly but for a hair, which leaves |r| < 0.51·q, again exactly.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn fold(&self, sum: Sum) -> Words {
        let [x, y] = sum.h;
        [self.fold_vector(x, sum.l[0]), self.fold_vector(y, sum.l[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn fold_vector(&self, before: __m256d, l: __m256d) -> __m256i {
        let two_52 = _mm256_set1_pd(TWO_52);
        let centre = _mm256_set1_pd(1.5 * TWO_52);
        let h = _mm256_add_pd(before, l);
        let low = _mm256_sub_pd(l, _mm256_sub_pd(h, before));
        let high = _mm256_sub_pd(h, _mm256_set1_pd(TWO_103));
        let k = _mm256_mul_pd(_mm256_add_pd(high, low), self.inv);
        let k = _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(k);
        let r = _mm256_add_pd(_mm256_fnmadd_pd(k, self.q, high), low);
        let k = _mm256_sub_pd(_mm256_fmadd_pd(r, self.inv, centre), centre);
        let r = _mm256_fnmadd_pd(k, self.q, r);
        let negative = _mm256_cmp_pd::<_CMP_LT_OQ>(r, _mm256_setzero_pd());
        let r = _mm256_add_pd(r, _mm256_and_pd(negative, self.q));
        _mm256_xor_si256(_mm256_castpd_si256(_mm256_add_pd(r, two_52)), splat(BITS_52))
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn mul(m: &Modulus, out: &mut [u64], a: &[u64], b: Factor<'_>) {
    let k = Consts::new(m);
    for i in (0..out.len()).step_by(STEP) {
        let mut sum = Sum::new();
        sum.add(load_doubles(a, i), load_factor(&b, i));
        store(out, i, k.fold(sum));
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn mul_acc(m: &Modulus, out: &mut [u64], terms: &[(&[u64], Factor<'_>)]) {
    let k = Consts::new(m);
    for start in (0..out.len()).step_by(TILE) {
        let end = out.len().min(start + TILE);
        for (sweep, chunk) in terms.chunks(FOLD_TERMS).enumerate() {
            for i in (start..end).step_by(STEP) {
                let mut sum = if sweep == 0 { Sum::new() } else { Sum::from(load(out, i)) };
                for (a, b) in chunk {
                    sum.add(load_doubles(a, i), load_factor(b, i));
                }
                store(out, i, k.fold(sum));
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn mul_acc_pair(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    terms: &[(&[u64], &[u64], Factor<'_>)],
) {
    let k = Consts::new(m);
    for start in (0..out0.len()).step_by(TILE) {
        let end = out0.len().min(start + TILE);
        for (sweep, chunk) in terms.chunks(FOLD_TERMS).enumerate() {
            for i in (start..end).step_by(STEP) {
                let [mut sum0, mut sum1] = match sweep {
                    0 => [Sum::new(); 2],
                    _ => [Sum::from(load(out0, i)), Sum::from(load(out1, i))],
                };
                for (a0, a1, b) in chunk {
                    let b = load_factor(b, i);
                    sum0.add(load_doubles(a0, i), b);
                    sum1.add(load_doubles(a1, i), b);
                }
                store(out0, i, k.fold(sum0));
                store(out1, i, k.fold(sum1));
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn mul_acc_tile(
    m: &Modulus,
    outs: &mut [[&mut [u64]; 2]],
    groups: &[Vec<(usize, Factor<'_>)>],
    tiles: &[u64],
) {
    let k = Consts::new(m);
    let log_repeat = groups[0].first().map_or(0, |(_, b)| b.log_repeat());
    for (out, group) in outs.iter_mut().zip(groups) {
        match log_repeat {
            0 => sum_of_tile::<0>(&k, out, group, tiles, 0),
            1 => sum_of_tile::<1>(&k, out, group, tiles, 1),
            2 => sum_of_tile::<2>(&k, out, group, tiles, 2),
            log => sum_of_tile::<3>(&k, out, group, tiles, log),
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn sum_of_tile<const LOG: u32>(
    k: &Consts,
    [out0, out1]: &mut [&mut [u64]; 2],
    group: &[(usize, Factor<'_>)],
    tiles: &[u64],
    log_repeat: u32,
) {
    if group.is_empty() {
        out0.fill(0);
        out1.fill(0);
    }
    for (sweep, chunk) in group.chunks(FOLD_TERMS).enumerate() {
        for i in (0..out0.len()).step_by(STEP) {
            let [mut sum0, mut sum1] = match sweep {
                0 => [Sum::new(); 2],
                _ => [Sum::from(load(out0, i)), Sum::from(load(out1, i))],
            };
            for (t, b) in chunk {
                let x = 2 * TILE * t + i;
                let b = load_repeated::<LOG>(b.words(), i, log_repeat);
                sum0.add(load_doubles(tiles, x), b);
                sum1.add(load_doubles(tiles, x + TILE), b);
            }
            store(out0, i, k.fold(sum0));
            store(out1, i, k.fold(sum1));
        }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn convert(target: &mut Target<'_>, ys: &[&[u64]], v: &[u64]) {
    let k = Consts::new(target.m);
    let out = &mut *target.out;
    let ys: Vec<_> = ys.iter().copied().zip(target.hats.iter().copied()).collect();
    let (first, rest) = ys.split_at(ys.len().min(FOLD_TERMS));
    for start in (0..out.len()).step_by(TILE) {
        let end = out.len().min(start + TILE);
        for (sweep, chunk) in std::iter::once(first).chain(rest.chunks(FOLD_TERMS)).enumerate() {
            let mut constants = [_mm256_setzero_pd(); FOLD_TERMS];
            for (constant, (_, c)) in constants.iter_mut().zip(chunk) {
                *constant = _mm256_set1_pd(*c as f64);
            }
            let c_v = [_mm256_set1_pd(target.minus as f64); 2];
            for i in (start..end).step_by(STEP) {
                let mut sum = Sum::new();
                if sweep == 0 {
                    sum.add(load_doubles(v, i), c_v);
                } else {
                    sum = Sum::from(load(out, i));
                }
                for ((y, _), c) in chunk.iter().zip(&constants) {
                    sum.add(load_doubles(y, i), [*c; 2]);
                }
                store(out, i, k.fold(sum));
            }
        }
    }
}
