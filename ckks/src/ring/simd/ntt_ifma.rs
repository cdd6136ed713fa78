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
//! Twiddle tables, not arithmetic, bound an engine that cycles over dozens of primes. For lazy moduli
//! four of the seven twiddle vectors of a run are therefore derived from the other three: block
//! twiddles of a layer differ by constants, w[2b+1] = w[2b]·ι, and Shoup's quotient of a product
//! w·κ is the fraction of w·(κ/p), with κ/p to 104 bits. It is short by less than 1.25, so that the
//! lazy product stays below 2p for words below 34/48·2^52.

use crate::ring::modulus::{Modulus, Shoup};
use std::arch::x86_64::*;

/// Smallest degree handled.
const MIN_N: usize = 64;
const MASK: u64 = (1 << 52) - 1;
/// Words of a block that stays in the first-level cache (32 KiB).
const BLOCK: usize = 1 << 12;
/// Layers done on runs of 64 words.
const RUN_LAYERS: u32 = 6;
/// Twiddles stored per run of 64: (blocks of the layer per group of eight words, block).
const FULL: [(usize, usize); 7] = [(1, 0), (2, 0), (4, 0), (2, 1), (4, 1), (4, 2), (4, 3)];
/// Those a lazy table stores.
const STORED: usize = 3;

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
    /// Per run of 64 words, for its eight groups of eight: the vectors of [`FULL`] (the first
    /// [`STORED`] if lazy), each followed by its quotients.
    lower: Vec<u64>,
    /// ι, κ, κι with κ² = ι = w[1].
    derived: [Factor; 3],
}

/// A constant c with c/p to 104 bits.
#[derive(Clone, Copy)]
struct Factor {
    c: u64,
    high: u64,
    low: u64,
}

impl Factor {
    fn new(c: u64, p: u64) -> Self {
        let shifted = u128::from(c) << 52;
        let rest = (shifted % u128::from(p)) << 52;
        Self { c, high: (shifted / u128::from(p)) as u64, low: (rest / u128::from(p)) as u64 }
    }
}

impl Direction {
    fn new(modulus: &Modulus, w: &[u64], lazy: bool) -> Self {
        let n = w.len();
        let pair = |w: u64| [w, Shoup::new(w, modulus.q).w52];
        let upper = w[..n / 8].iter().flat_map(|w| pair(*w)).collect();
        let stored = if lazy { STORED } else { FULL.len() };
        let mut lower = Vec::with_capacity(n / 4 * stored);
        for run in 0..n / 64 {
            for (blocks, j) in &FULL[..stored] {
                let twiddle = |group: usize| pair(w[(n / 8 + 8 * run + group) * blocks + j]);
                lower.extend((0..8).map(|g| twiddle(g)[0]));
                lower.extend((0..8).map(|g| twiddle(g)[1]));
            }
        }
        Self { upper, lower, derived: [w[1], w[2], w[3]].map(|c| Factor::new(c, modulus.q)) }
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
        let lazy = modulus.q < (1 << 52) / 48;
        Some(Self {
            n,
            modulus: *modulus,
            lazy,
            forward: Direction::new(modulus, &reversed(psi), lazy),
            inverse: Direction::new(modulus, &reversed(modulus.inv(psi)), lazy),
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

/// Broadcast constants.
#[derive(Clone, Copy)]
struct Consts {
    p: __m512i,
    neg_p: __m512i,
    two_p: __m512i,
    mu: __m512i,
    mask: __m512i,
    zero: __m512i,
    modulus: u64,
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
            modulus: m.q,
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
        _mm512_madd52lo_epu64(x, quotient, self.neg_p)
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

// The layers are macros, not functions: called, they would pass their vectors through memory.

/// The butterflies of one layer on R vectors at distance `half`.
macro_rules! layer {
    ($x:ident, $r:expr, $half:expr, $table:expr, $first:expr, |$a:ident, $b:ident, $w:ident| $butterfly:expr) => {{
        const BLOCKS: usize = $r / (2 * $half);
        for block in 0..BLOCKS {
            let $w = pair($table, ($first) * BLOCKS + block);
            for j in 0..$half {
                let (lo, hi) = (2 * block * $half + j, (2 * block + 1) * $half + j);
                let ($a, $b) = ($x[lo], $x[hi]);
                ($x[lo], $x[hi]) = $butterfly;
            }
        }
    }};
}

/// The forward layers of the given distances.
macro_rules! forward_layers {
    ($k:expr, $x:ident, $r:expr, [$($half:expr),*], $table:expr, $first:expr) => {
        $(layer!($x, $r, $half, $table, $first, |a, b, w| $k.forward::<LAZY>(a, b, w));)*
    };
}

/// The inverse layers of the given distances on words below 2p, which they are again afterwards.
macro_rules! inverse_layers {
    ($k:expr, $x:ident, $r:expr, [$($half:expr),*], $table:expr, $first:expr) => {
        $(
            // Sums double a layer; words that came out of a product are below 2p anyway.
            let offset = if LAZY { splat(2 * $half * $k.modulus) } else { $k.two_p };
            layer!($x, $r, $half, $table, $first, |a, b, w| $k.inverse::<LAZY>(a, b, w, offset));
        )*
        if LAZY {
            // The second half of the vectors are products of the last layer.
            for x in &mut $x[..$r / 2] {
                *x = $k.barrett(*x);
            }
        }
    };
}

/// Defines a strided pass of log2(R) layers over `data`: the blocks `first`.. of a stage with as many
/// blocks, as numbered in `table`, each cut into R strides.
macro_rules! strided {
    ($forward_pass:ident, $inverse_pass:ident, $r:expr, [$($down:expr),*], [$($up:expr),*]) => {
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn $forward_pass<const LAZY: bool>(
            k: &Consts,
            data: &mut [u64],
            block: usize,
            table: &[u64],
            first: usize,
        ) {
            let stride = block / $r;
            for (i, data) in data.chunks_exact_mut(block).enumerate() {
                for j in (0..stride).step_by(8) {
                    let base = data[j..].as_mut_ptr();
                    let mut x = [k.zero; $r];
                    for r in 0..$r {
                        // SAFETY: r·stride + j + 8 ≤ R·stride, the block's length.
                        x[r] = unsafe { load(base.add(r * stride)) };
                    }
                    forward_layers!(k, x, $r, [$($down),*], table, first + i);
                    for r in 0..$r {
                        // SAFETY: as above.
                        unsafe { store(base.add(r * stride), x[r]) };
                    }
                }
            }
        }

        #[target_feature(enable = "avx512f,avx512ifma")]
        fn $inverse_pass<const LAZY: bool>(
            k: &Consts,
            data: &mut [u64],
            block: usize,
            table: &[u64],
            first: usize,
            scale: Option<Shoup>,
        ) {
            let stride = block / $r;
            let scale = scale.map(|s| (splat(s.w), splat(s.w52)));
            for (i, data) in data.chunks_exact_mut(block).enumerate() {
                for j in (0..stride).step_by(8) {
                    let base = data[j..].as_mut_ptr();
                    let mut x = [k.zero; $r];
                    for r in 0..$r {
                        // SAFETY: r·stride + j + 8 ≤ R·stride, the block's length.
                        x[r] = unsafe { load(base.add(r * stride)) };
                    }
                    inverse_layers!(k, x, $r, [$($up),*], table, first + i);
                    if let Some(scale) = scale {
                        for x in &mut x {
                            *x = k.canonical(k.mul_add(k.zero, *x, scale));
                        }
                    }
                    for r in 0..$r {
                        // SAFETY: as above.
                        unsafe { store(base.add(r * stride), x[r]) };
                    }
                }
            }
        }
    };
}

strided!(forward_pass_2, inverse_pass_2, 2, [1], [1]);
strided!(forward_pass_4, inverse_pass_4, 4, [2, 1], [1, 2]);
strided!(forward_pass_8, inverse_pass_8, 8, [4, 2, 1], [1, 2, 4]);

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn forward_pass<const LAZY: bool>(
    k: &Consts,
    layers: u32,
    data: &mut [u64],
    block: usize,
    table: &[u64],
    first: usize,
) {
    match layers {
        1 => forward_pass_2::<LAZY>(k, data, block, table, first),
        2 => forward_pass_4::<LAZY>(k, data, block, table, first),
        _ => forward_pass_8::<LAZY>(k, data, block, table, first),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse_pass<const LAZY: bool>(
    k: &Consts,
    layers: u32,
    data: &mut [u64],
    block: usize,
    table: &[u64],
    first: usize,
    scale: Option<Shoup>,
) {
    match layers {
        1 => inverse_pass_2::<LAZY>(k, data, block, table, first, scale),
        2 => inverse_pass_4::<LAZY>(k, data, block, table, first, scale),
        _ => inverse_pass_8::<LAZY>(k, data, block, table, first, scale),
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

/// w·c for a vector of twiddles w (only the words are needed), with its quotient.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn derive(k: &Consts, w: V, factor: &Factor) -> (V, V) {
    let (c, high, low) = (splat(factor.c), splat(factor.high), splat(factor.low));
    let fraction = _mm512_madd52lo_epu64(_mm512_madd52hi_epu64(k.zero, w, low), w, high);
    let carry = _mm512_srli_epi64::<52>(fraction);
    let quotient = _mm512_add_epi64(_mm512_madd52hi_epu64(k.zero, w, high), carry);
    (_mm512_madd52lo_epu64(_mm512_madd52lo_epu64(k.zero, w, c), quotient, k.neg_p), fraction)
}

/// Twiddle vector `i` of a run, as stored.
#[inline]
#[target_feature(enable = "avx512f")]
fn stored(lower: &[u64], i: usize) -> (V, V) {
    let words = &lower[16 * i..16 * i + 16];
    // SAFETY: the slice has sixteen words.
    unsafe { (load(words.as_ptr()), load(words[8..].as_ptr())) }
}

/// Twiddles of one run; vectors are loaded or derived where they are used, to spare registers.
struct RunTwiddles<'a, const LAZY: bool> {
    lower: &'a [u64],
    derived: &'a [Factor; 3],
}

impl<'a, const LAZY: bool> RunTwiddles<'a, LAZY> {
    #[inline]
    fn new(direction: &'a Direction, i: usize) -> Self {
        let words = 16 * if LAZY { STORED } else { FULL.len() };
        Self { lower: &direction.lower[words * i..][..words], derived: &direction.derived }
    }

    /// Vector `i` of [`FULL`]: vector `base` times constant `factor` if it is not stored.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn get(&self, k: &Consts, i: usize, base: usize, factor: usize) -> (V, V) {
        if LAZY && i >= STORED {
            derive(k, stored(self.lower, base).0, &self.derived[factor])
        } else {
            stored(self.lower, i)
        }
    }
}

/// The layers of strides 4, 2 and 1: per twiddle its index in [`FULL`], what it derives from, and the
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

#[target_feature(enable = "avx512f,avx512ifma")]
fn forward<const LAZY: bool>(t: &Tables, data: &mut [u64]) {
    let k = Consts::new(&t.modulus);
    let table = &t.forward.upper;
    let (outer, block, _) = plan(t.n);
    let mut m = 1;
    for layers in outer {
        forward_pass::<LAZY>(&k, layers, data, t.n / m, table, m);
        m <<= layers;
    }
    for (b, data) in data.chunks_exact_mut(block).enumerate() {
        // Blocks of this block: `inside` at present, `inside·b` before them.
        let mut inside = 1;
        for layers in plan(t.n).2 {
            forward_pass::<LAZY>(&k, layers, data, block / inside, table, (m + b) * inside);
            inside <<= layers;
        }
        for (i, run) in data.chunks_exact_mut(64).enumerate() {
            forward_run::<LAZY>(&k, t, run, b * inside + i);
        }
    }
}

/// The last six layers on run `i` of the transform.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn forward_run<const LAZY: bool>(k: &Consts, t: &Tables, run: &mut [u64], i: usize) {
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

#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse<const LAZY: bool>(t: &Tables, data: &mut [u64], factor: Shoup) {
    let k = Consts::new(&t.modulus);
    let table = &t.inverse.upper;
    let (outer, block, _) = plan(t.n);
    let mut m = t.n / block;
    for (b, data) in data.chunks_exact_mut(block).enumerate() {
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

/// The first six inverse layers on run `i` of the transform.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse_run<const LAZY: bool>(k: &Consts, t: &Tables, run: &mut [u64], i: usize, scale: Option<Shoup>) {
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
