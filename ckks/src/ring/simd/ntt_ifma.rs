//! Negacyclic NTT with AVX-512 IFMA for moduli below 2^50 and degrees from 64.
//!
//! Harvey's lazy butterflies on 52-bit words: t = y·w − ⌊y·w'/2^52⌋·p lies in [0, 2p), and both
//! products accumulate straight into x by `madd52lo`, with −p as 2^52 − p. Only the low 52 bits of a
//! word are meaningful; carries into the upper twelve are ignored by the next `madd52`. Where a
//! comparison is needed the word is masked first.
//!
//! * LAZY (34p < 2^52): the forward transform never reduces, since x grows by 2p a layer; the inverse
//!   reduces once per pass, by Barrett.
//! * otherwise (p < 2^50): every layer brings x below 2p, so that words stay below 4p < 2^52.
//!
//! Layers are grouped: passes of two to four layers over strided vectors, then one pass over runs of
//! 64 words that does the last six, the final three of them after an 8×8 transpose.

use crate::ring::modulus::{Modulus, Shoup};
use std::arch::x86_64::*;

/// Smallest degree handled.
const MIN_N: usize = 64;
const MASK: u64 = (1 << 52) - 1;
/// Words of the twiddle table per run of 64.
const RUN_TWIDDLES: usize = 7 * 16;

/// Twiddles of one modulus and degree, both directions.
pub(crate) struct Tables {
    n: usize,
    modulus: Modulus,
    lazy: bool,
    forward: Direction,
    inverse: Direction,
}

/// Twiddles of one direction.
struct Direction {
    /// (w, ⌊w·2^52/p⌋) of block i of the stage with m blocks at 2(m + i), for m < N/8.
    upper: Vec<u64>,
    /// Per run of 64 words, for its eight groups of eight: seven vectors of twiddles (one of the
    /// layer of stride 4, two of stride 2, four of stride 1), each followed by its quotients.
    lower: Vec<u64>,
}

impl Direction {
    fn new(modulus: &Modulus, w: &[u64]) -> Self {
        let n = w.len();
        let pair = |w: u64| [w, Shoup::new(w, modulus.q).w52];
        let upper = w[..n / 8].iter().flat_map(|w| pair(*w)).collect();
        let mut lower = Vec::with_capacity(n / 64 * RUN_TWIDDLES);
        for run in 0..n / 64 {
            for (blocks, j) in [(1, 0), (2, 0), (2, 1), (4, 0), (4, 1), (4, 2), (4, 3)] {
                let twiddle = |group: usize| pair(w[(n / 8 + 8 * run + group) * blocks + j]);
                lower.extend((0..8).map(|g| twiddle(g)[0]));
                lower.extend((0..8).map(|g| twiddle(g)[1]));
            }
        }
        Self { upper, lower }
    }
}

impl Tables {
    /// Tables for the primitive 2n-th root `psi`, or `None` if the kernels do not serve the modulus,
    /// the degree or this machine.
    pub(crate) fn new(modulus: &Modulus, n: usize, psi: u64) -> Option<Self> {
        if !modulus.ifma || n < MIN_N {
            return None;
        }
        let bits = n.trailing_zeros();
        let reversed = |root: u64| {
            let root = modulus.shoup(root);
            let mut w = vec![0; n];
            let mut power = 1;
            for k in 0..n {
                w[k.reverse_bits() >> (usize::BITS - bits)] = power;
                power = root.mul(power, modulus.q);
            }
            w
        };
        Some(Self {
            n,
            modulus: *modulus,
            lazy: 34 * u128::from(modulus.q) < 1 << 52,
            forward: Direction::new(modulus, &reversed(psi)),
            inverse: Direction::new(modulus, &reversed(modulus.inv(psi))),
        })
    }

    /// Coefficients → evaluations; input and output below p.
    pub(crate) fn forward(&self, limb: &mut [u64]) {
        assert_eq!(limb.len(), self.n);
        // SAFETY: a table exists only where the modulus is marked for IFMA, which
        // `ifma_available` confirmed; the length is the table's.
        unsafe {
            if self.lazy {
                forward::<true>(self, limb);
            } else {
                forward::<false>(self, limb);
            }
        }
    }

    /// Evaluations → coefficients times `factor`; input and output below p.
    pub(crate) fn inverse_scaled(&self, limb: &mut [u64], factor: Shoup) {
        assert_eq!(limb.len(), self.n);
        // SAFETY: as for `forward`.
        unsafe {
            if self.lazy {
                inverse::<true>(self, limb, factor);
            } else {
                inverse::<false>(self, limb, factor);
            }
        }
    }
}

/// Layers of each strided pass, outermost first: all but the six of the last pass.
fn split(log_n: u32) -> impl DoubleEndedIterator<Item = u32> {
    let layers = log_n - 6;
    // At most four layers a pass, as even as possible.
    let passes = layers.div_ceil(4);
    (0..passes).map(move |i| layers / passes + u32::from(i < layers % passes))
}

/// Broadcast constants.
#[derive(Clone, Copy)]
struct Consts {
    p: __m512i,
    neg_p: __m512i,
    two_p: __m512i,
    mu: __m512i,
    mask: __m512i,
    zero: __m512i,
}

type V = __m512i;

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(x: u64) -> V {
    _mm512_set1_epi64(x as i64)
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(p: *const u64) -> V {
    // SAFETY: the caller vouches for eight readable words.
    unsafe { _mm512_loadu_si512(p.cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store(p: *mut u64, x: V) {
    // SAFETY: the caller vouches for eight writable words.
    unsafe { _mm512_storeu_si512(p.cast(), x) }
}

impl Consts {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(m: &Modulus) -> Self {
        Self {
            p: splat(m.q),
            neg_p: splat((1 << 52) - m.q),
            two_p: splat(2 * m.q),
            mu: splat(m.mu52),
            mask: splat(MASK),
            zero: _mm512_setzero_si512(),
        }
    }

    /// Below 2p from a word below 4p.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn below_two_p(&self, x: V) -> V {
        let x = _mm512_and_si512(x, self.mask);
        _mm512_min_epu64(x, _mm512_sub_epi64(x, self.two_p))
    }

    /// Below 2p from any 52-bit word, by Barrett.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn barrett(&self, x: V) -> V {
        let quotient = _mm512_madd52hi_epu64(self.zero, x, self.mu);
        _mm512_madd52lo_epu64(_mm512_and_si512(x, self.mask), quotient, self.neg_p)
    }

    /// Canonical from a word below 2p.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn canonical(&self, x: V) -> V {
        let x = _mm512_and_si512(x, self.mask);
        _mm512_min_epu64(x, _mm512_sub_epi64(x, self.p))
    }

    /// acc + y·w mod p, the product lazily below 2p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn mul_add(&self, acc: V, y: V, (w, quotient): (V, V)) -> V {
        let q = _mm512_madd52hi_epu64(self.zero, y, quotient);
        _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(acc, y, w), q, self.neg_p)
    }

    /// Forward butterfly: (x + y·w, x − y·w).
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn forward<const LAZY: bool>(&self, x: V, y: V, w: (V, V)) -> (V, V) {
        let x = if LAZY { x } else { self.below_two_p(x) };
        let sum = self.mul_add(x, y, w);
        let doubled = _mm512_add_epi64(_mm512_add_epi64(x, x), self.two_p);
        (sum, _mm512_sub_epi64(doubled, sum))
    }

    /// Inverse butterfly: (x + y, (x − y)·w); `offset` is a multiple of p not below y.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn inverse<const LAZY: bool>(&self, x: V, y: V, w: (V, V), offset: V) -> (V, V) {
        let sum = _mm512_add_epi64(x, y);
        let difference = _mm512_add_epi64(_mm512_sub_epi64(x, y), offset);
        let sum = if LAZY { sum } else { self.below_two_p(sum) };
        (sum, self.mul_add(self.zero, difference, w))
    }
}

/// The pair at index `i` of a table of interleaved pairs, broadcast.
#[inline]
#[target_feature(enable = "avx512f")]
fn pair(table: &[u64], i: usize) -> (V, V) {
    (splat(table[2 * i]), splat(table[2 * i + 1]))
}

/// log2(R) forward layers on R vectors; `first` is the table index of the outermost twiddle.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn forward_layers<const R: usize, const LAZY: bool>(k: &Consts, x: &mut [V; R], table: &[u64], first: usize) {
    let mut half = R / 2;
    let mut blocks = 1;
    while half >= 1 {
        for b in 0..blocks {
            let w = pair(table, first * blocks + b);
            for j in 0..half {
                let (lo, hi) = (2 * b * half + j, (2 * b + 1) * half + j);
                (x[lo], x[hi]) = k.forward::<LAZY>(x[lo], x[hi], w);
            }
        }
        half /= 2;
        blocks *= 2;
    }
}

/// log2(R) inverse layers on R vectors below 2p, leaving them below 2p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse_layers<const R: usize, const LAZY: bool>(k: &Consts, x: &mut [V; R], table: &[u64], first: usize) {
    let mut half = 1;
    let mut blocks = R / 2;
    let mut offset = k.two_p;
    while blocks >= 1 {
        for b in 0..blocks {
            let w = pair(table, first * blocks + b);
            for j in 0..half {
                let (lo, hi) = (2 * b * half + j, (2 * b + 1) * half + j);
                (x[lo], x[hi]) = k.inverse::<LAZY>(x[lo], x[hi], w, offset);
            }
        }
        half *= 2;
        blocks /= 2;
        if LAZY {
            // Sums double a layer; words that came out of a product are below 2p anyway.
            offset = _mm512_add_epi64(offset, offset);
        }
    }
    if LAZY {
        // The second half of the vectors are products of the last layer.
        for x in &mut x[..R / 2] {
            *x = k.barrett(*x);
        }
    }
}

/// One strided pass of log2(R) layers; before it there are `m` blocks.
#[target_feature(enable = "avx512f,avx512ifma")]
fn strided<const R: usize, const LAZY: bool, const FORWARD: bool>(
    k: &Consts,
    data: &mut [u64],
    table: &[u64],
    m: usize,
    scale: Option<Shoup>,
) {
    let block = data.len() / m;
    let stride = block / R;
    let scale = scale.map(|s| (splat(s.w), splat(s.w52)));
    for (i, block) in data.chunks_exact_mut(block).enumerate() {
        for j in (0..stride).step_by(8) {
            let base = block[j..].as_mut_ptr();
            let mut x = [k.zero; R];
            for (r, x) in x.iter_mut().enumerate() {
                // SAFETY: r·stride + j + 8 ≤ R·stride, the block's length.
                *x = unsafe { load(base.add(r * stride)) };
            }
            if FORWARD {
                forward_layers::<R, LAZY>(k, &mut x, table, m + i);
            } else {
                inverse_layers::<R, LAZY>(k, &mut x, table, m + i);
            }
            if let Some(scale) = scale {
                for x in &mut x {
                    *x = k.canonical(k.mul_add(k.zero, *x, scale));
                }
            }
            for (r, x) in x.iter().enumerate() {
                // SAFETY: as above.
                unsafe { store(base.add(r * stride), *x) };
            }
        }
    }
}

/// Transposes an 8×8 matrix of words.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(x: &mut [V; 8]) {
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

/// The seven twiddle vectors of a run.
#[inline]
#[target_feature(enable = "avx512f")]
fn run_twiddles(lower: &[u64]) -> [(V, V); 7] {
    let lower = &lower[..RUN_TWIDDLES];
    let zero = _mm512_setzero_si512();
    let mut twiddles = [(zero, zero); 7];
    for (i, t) in twiddles.iter_mut().enumerate() {
        // SAFETY: 16·i + 16 ≤ RUN_TWIDDLES, the slice's length.
        *t = unsafe { (load(lower[16 * i..].as_ptr()), load(lower[16 * i + 8..].as_ptr())) };
    }
    twiddles
}

/// The butterflies of strides 4, 2 and 1: (low index, high index, twiddle).
const IN_GROUP: [(usize, usize, usize); 12] = [
    (0, 4, 0),
    (1, 5, 0),
    (2, 6, 0),
    (3, 7, 0),
    (0, 2, 1),
    (1, 3, 1),
    (4, 6, 2),
    (5, 7, 2),
    (0, 1, 3),
    (2, 3, 4),
    (4, 5, 5),
    (6, 7, 6),
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

#[target_feature(enable = "avx512f,avx512ifma")]
fn forward<const LAZY: bool>(t: &Tables, data: &mut [u64]) {
    let k = Consts::new(&t.modulus);
    let table = &t.forward.upper;
    let mut m = 1;
    for layers in split(t.n.trailing_zeros()) {
        match layers {
            1 => strided::<2, LAZY, true>(&k, data, table, m, None),
            2 => strided::<4, LAZY, true>(&k, data, table, m, None),
            3 => strided::<8, LAZY, true>(&k, data, table, m, None),
            _ => strided::<16, LAZY, true>(&k, data, table, m, None),
        }
        m <<= layers;
    }
    for (i, run) in data.chunks_exact_mut(64).enumerate() {
        let mut x = load_run(run);
        forward_layers::<8, LAZY>(&k, &mut x, table, m + i);
        transpose(&mut x);
        let w = run_twiddles(&t.forward.lower[i * RUN_TWIDDLES..]);
        for (lo, hi, twiddle) in IN_GROUP {
            (x[lo], x[hi]) = k.forward::<LAZY>(x[lo], x[hi], w[twiddle]);
        }
        for x in &mut x {
            *x = k.canonical(if LAZY { k.barrett(*x) } else { k.below_two_p(*x) });
        }
        transpose(&mut x);
        store_run(run, &x);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse<const LAZY: bool>(t: &Tables, data: &mut [u64], factor: Shoup) {
    let k = Consts::new(&t.modulus);
    let table = &t.inverse.upper;
    let mut m = t.n / 64;
    let alone = m == 1;
    for (i, run) in data.chunks_exact_mut(64).enumerate() {
        let mut x = load_run(run);
        transpose(&mut x);
        let w = run_twiddles(&t.inverse.lower[i * RUN_TWIDDLES..]);
        // Sums of three layers reach 16p; the offset covers every stage's y.
        let offset = if LAZY { _mm512_slli_epi64::<3>(k.two_p) } else { k.two_p };
        for (lo, hi, twiddle) in IN_GROUP.iter().rev() {
            (x[*lo], x[*hi]) = k.inverse::<LAZY>(x[*lo], x[*hi], w[*twiddle], offset);
        }
        if LAZY {
            for x in &mut x[..4] {
                *x = k.barrett(*x);
            }
        }
        transpose(&mut x);
        inverse_layers::<8, LAZY>(&k, &mut x, table, m + i);
        if alone {
            for x in &mut x {
                *x = k.canonical(k.mul_add(k.zero, *x, (splat(factor.w), splat(factor.w52))));
            }
        }
        store_run(run, &x);
    }
    for layers in split(t.n.trailing_zeros()).rev() {
        m >>= layers;
        let scale = (m == 1).then_some(factor);
        match layers {
            1 => strided::<2, LAZY, false>(&k, data, table, m, scale),
            2 => strided::<4, LAZY, false>(&k, data, table, m, scale),
            3 => strided::<8, LAZY, false>(&k, data, table, m, scale),
            _ => strided::<16, LAZY, false>(&k, data, table, m, scale),
        }
    }
}
