//! Inner products of digits with packed keys.

use super::{AHEAD, Consts, Doubles, FOLD_TERMS, STEP, Sum, Words, doubles, load, once, splat, store};
use crate::ring::Modulus;
use crate::ring::packed::{Packed, packed_bits};
use crate::ring::simd::{Addend, Image};
use std::arch::x86_64::*;

/// Fewest bits of words of which sixteen bytes can be read from every second on: eight bytes lie behind the last.
const WIDE: usize = 32;

/// Reads eight packed words. Every second begins with a byte, the next within 16 bytes from there.
struct Unpack {
    bits: usize,
    /// For each byte of each lane the byte of those that were read for two lanes.
    order: __m256i,
    shifts: __m256i,
    low: __m256i,
}

impl Unpack {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(bits: usize) -> Self {
        let second = bits as i64 / 8 * 0x0101_0101_0101_0101;
        let bytes = i64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7]);
        let shift = bits as i64 % 8;
        Self {
            bits,
            order: _mm256_setr_epi64x(bytes, bytes + second, bytes, bytes + second),
            shifts: _mm256_setr_epi64x(0, shift, 0, shift),
            low: splat(u64::MAX >> (64 - bits)),
        }
    }

    /// The block at `block`.
    ///
    /// # Safety
    /// As many bytes as a word has bits must lie there, and eight more.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load(&self, block: *const u8) -> Doubles {
        _mm_prefetch::<_MM_HINT_T0>(block.wrapping_add(self.bits * AHEAD / 8).cast());
        if self.bits < WIDE {
            // SAFETY: as the caller says.
            return unsafe { self.load_narrow(block) };
        }
        let pair = self.bits / 4;
        // SAFETY: sixteen bytes from the last pair of words on, `bits` / 4 ≥ 8 bytes, are within what the caller says.
        let [a, b, c, d] = unsafe {
            [
                _mm_loadu_si128(block.cast()),
                _mm_loadu_si128(block.add(pair).cast()),
                _mm_loadu_si128(block.add(2 * pair).cast()),
                _mm_loadu_si128(block.add(3 * pair).cast()),
            ]
        };
        doubles([self.words(_mm256_set_m128i(b, a)), self.words(_mm256_set_m128i(d, c))])
    }

    /// The words from the bytes at the beginning of each pair.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn words(&self, pairs: __m256i) -> __m256i {
        let windows = _mm256_shuffle_epi8(pairs, self.order);
        _mm256_and_si256(_mm256_srlv_epi64(windows, self.shifts), self.low)
    }

    /// [`Unpack::load`] of words of any width.
    ///
    /// # Safety
    /// As there.
    #[cold]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load_narrow(&self, block: *const u8) -> Doubles {
        let mut words = [0; STEP];
        for (k, word) in words.iter_mut().enumerate() {
            let bit = k * self.bits;
            // SAFETY: eight bytes from the beginning of a word on are within what the caller says.
            let window = unsafe { block.add(bit / 8).cast::<u64>().read_unaligned() };
            *word = window >> (bit % 8) & (u64::MAX >> (64 - self.bits));
        }
        doubles(load(&words, 0))
    }
}

/// Where the words of one block of the output come from.
#[derive(Clone, Copy)]
struct Place {
    /// The first words of pairs.
    pairs: [usize; 4],
    /// Whether pairs are to be swapped, in the form of [`_mm256_permutevar_pd`].
    swaps: Words,
}

/// How one class of blocks is permuted: pairs of words as such, and within.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn places(lanes: &[[u64; 8]; 8]) -> [Place; 8] {
    let mut places = [Place { pairs: [0; 4], swaps: [_mm256_setzero_si256(); 2] }; 8];
    for (place, order) in places.iter_mut().zip(lanes) {
        place.pairs = [0, 2, 4, 6].map(|l| order[l] as usize & 6);
        let bits = order.map(|l| (l & 1) << 1);
        place.swaps = load(&bits, 0);
    }
    places
}

/// The words of an input for block `v` of the output: those at a place, or just its own.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_at<const IMAGE: bool>(x: &[u64], (at, place): (usize, &Place)) -> Doubles {
    if !IMAGE {
        _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(at + AHEAD).cast());
        return doubles(load(x, at));
    }
    let x = x[at..at + STEP].as_ptr();
    let [a, b, c, d] = place.pairs;
    // SAFETY: pairs begin at even places below eight.
    let (x0, x1) = unsafe {
        let pair = |at: usize| _mm_loadu_pd(x.add(at).cast());
        (_mm256_set_m128d(pair(b), pair(a)), _mm256_set_m128d(pair(d), pair(c)))
    };
    let (x0, x1) = (_mm256_permutevar_pd(x0, place.swaps[0]), _mm256_permutevar_pd(x1, place.swaps[1]));
    doubles([_mm256_castpd_si256(x0), _mm256_castpd_si256(x1)])
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn inner_product(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    rows: &[(&[u64], Packed<'_>, Packed<'_>)],
    addend: Addend<'_>,
    image: Option<Image<'_>>,
) {
    match image {
        Some(image) => inner_product_of::<true>(m, out0, out1, rows, addend, image),
        None => {
            let image = Image { blocks: &[], lanes: &[[0; 8]; 8] };
            inner_product_of::<false>(m, out0, out1, rows, addend, image);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn inner_product_of<const IMAGE: bool>(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    rows: &[(&[u64], Packed<'_>, Packed<'_>)],
    addend: Addend<'_>,
    image: Image<'_>,
) {
    let k = Consts::new(m);
    let q = splat(m.q);
    let unpack = Unpack::new(packed_bits(m.q));
    let places = places(image.lanes);
    let blocks = rows.iter().flat_map(|(_, b, a)| [b, a]).map(|packed| packed.blocks().len() / unpack.bits);
    assert!(blocks.min().is_none_or(|blocks| out0.len() / STEP <= blocks));
    let c = [_mm256_set1_pd(addend.factor as f64); 2];
    let (first, rest) = rows.split_at(rows.len().min(FOLD_TERMS));
    for v in 0..out0.len() / STEP {
        let place = if IMAGE {
            let t = image.blocks[v];
            (STEP * (t >> 3) as usize, &places[(t & 7) as usize])
        } else {
            (STEP * v, &places[0])
        };
        let [mut sum0, mut sum1] = [Sum::new(); 2];
        if let Some(x) = addend.limbs[0] {
            sum0.add(load_at::<IMAGE>(x, place), c);
        }
        if let Some(x) = addend.limbs[1] {
            sum1.add(load_at::<IMAGE>(x, place), c);
        }
        for (j, chunk) in std::iter::once(first).chain(rest.chunks(FOLD_TERMS)).enumerate() {
            if j > 0 {
                sum0 = Sum::from(k.fold(sum0));
                sum1 = Sum::from(k.fold(sum1));
            }
            for (d, b, a) in chunk {
                let d = load_at::<IMAGE>(d, place);
                let [b, a] = [b, a].map(|x| x.blocks().as_ptr().wrapping_add(v * unpack.bits));
                // SAFETY: the assertion above says that both have block v, and eight bytes lie behind every packed limb.
                let (b, a) = unsafe { (unpack.load(b), unpack.load(a)) };
                sum0.add(d, b);
                sum1.add(d, a);
            }
        }
        for (out, sum) in [(&mut *out0, sum0), (&mut *out1, sum1)] {
            let [mut x, mut y] = k.fold(sum);
            if addend.outputs {
                let before = load(out, STEP * v);
                x = once(_mm256_add_epi64(x, before[0]), q);
                y = once(_mm256_add_epi64(y, before[1]), q);
            }
            store(out, STEP * v, [x, y]);
        }
    }
}
