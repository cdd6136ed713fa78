//! Inner products of digits with packed keys.

use super::{AHEAD, Consts, load, once, prefetch, splat, store};
use crate::ring::Modulus;
use crate::ring::packed::{Packed, packed_bits};
use crate::ring::simd::{Addend, Image};
use std::arch::x86_64::*;

/// Reads eight packed words: the bytes in which each lies go to its lane. Words that are not of whole bytes are shifted
/// down there, and rid of what others left above.
struct Unpack {
    bits: usize,
    /// The bytes of a block.
    block: __mmask64,
    /// The bytes of the lanes that are the word's.
    lanes: __mmask64,
    /// For each byte of each lane the byte of the block.
    order: __m512i,
    shifts: __m512i,
    low: __m512i,
}

impl Unpack {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn new(bits: usize) -> Self {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        let order: [u8; 64] = std::array::from_fn(|byte| (byte / 8 * bits / 8 + byte % 8) as u8);
        let shifts: [u64; 8] = std::array::from_fn(|lane| (lane * bits % 8) as u64);
        // SAFETY: the array has 64 bytes.
        let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
        let lanes = ONES * ((1 << (bits / 8)) - 1);
        Self {
            bits,
            block: u64::MAX >> (64 - bits),
            lanes,
            order,
            shifts: load(&shifts, 0),
            low: splat(u64::MAX >> (64 - bits)),
        }
    }

    /// The block at `block`.
    ///
    /// # Safety
    /// As many bytes as a word has bits must lie there.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    unsafe fn load<const SHIFTED: bool>(&self, block: *const u8) -> __m512i {
        _mm_prefetch::<_MM_HINT_T1>(block.wrapping_add(self.bits * AHEAD / 8).cast());
        // SAFETY: as many bytes are read as the caller says are there.
        let bytes = unsafe { _mm512_maskz_loadu_epi8(self.block, block.cast()) };
        if SHIFTED {
            let windows = _mm512_permutexvar_epi8(self.order, bytes);
            _mm512_and_si512(_mm512_srlv_epi64(windows, self.shifts), self.low)
        } else {
            _mm512_maskz_permutexvar_epi8(self.lanes, self.order, bytes)
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512bw,avx512vbmi")]
pub(crate) fn inner_product(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    rows: &[(&[u64], Packed<'_>, Packed<'_>)],
    addend: Addend<'_>,
    image: Option<Image<'_>>,
) {
    let shifted = !packed_bits(m.q).is_multiple_of(8);
    let none = Image { blocks: &[], lanes: &[[0; 8]; 8] };
    match (image, shifted) {
        (Some(image), true) => inner_product_of::<true, true>(m, out0, out1, rows, addend, image),
        (Some(image), false) => inner_product_of::<true, false>(m, out0, out1, rows, addend, image),
        (None, true) => inner_product_of::<false, true>(m, out0, out1, rows, addend, none),
        (None, false) => inner_product_of::<false, false>(m, out0, out1, rows, addend, none),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512bw,avx512vbmi")]
fn inner_product_of<const IMAGE: bool, const SHIFTED: bool>(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    rows: &[(&[u64], Packed<'_>, Packed<'_>)],
    addend: Addend<'_>,
    image: Image<'_>,
) {
    let (first, rest) = rows.split_at(rows.len().min(MOST_ROWS));
    // With the number of rows known there are no loops within the loop.
    match first.len() {
        0 => few_rows::<IMAGE, SHIFTED, 0>(m, out0, out1, first, addend, image),
        1 => few_rows::<IMAGE, SHIFTED, 1>(m, out0, out1, first, addend, image),
        2 => few_rows::<IMAGE, SHIFTED, 2>(m, out0, out1, first, addend, image),
        _ => few_rows::<IMAGE, SHIFTED, MOST_ROWS>(m, out0, out1, first, addend, image),
    }
    if !rest.is_empty() {
        let addend = Addend { limbs: [None; 2], factor: 0, outputs: true };
        inner_product_of::<IMAGE, SHIFTED>(m, out0, out1, rest, addend, image);
    }
}

/// Where vector `v` of a tile lies in what is read through the image, and the order of its lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn image_of<const IMAGE: bool>(image: &Image<'_>, v: usize) -> (usize, __m512i) {
    if IMAGE {
        let t = image.blocks[v];
        (8 * (t >> 3) as usize, load(&image.lanes[(t & 7) as usize], 0))
    } else {
        (8 * v, _mm512_setzero_si512())
    }
}

/// The vector of `x` at a place from [`image_of`].
#[inline]
#[target_feature(enable = "avx512f")]
fn load_at<const IMAGE: bool>(x: &[u64], (at, order): (usize, __m512i)) -> __m512i {
    if IMAGE {
        _mm512_permutexvar_epi64(order, load(x, at))
    } else {
        prefetch(x, at);
        load(x, at)
    }
}

/// Rows at a time: with an addend the sum of so many products, divided by 2^52, is below q.
const MOST_ROWS: usize = 3;

/// At most [`MOST_ROWS`] rows.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512bw,avx512vbmi")]
fn few_rows<const IMAGE: bool, const SHIFTED: bool, const ROWS: usize>(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    rows: &[(&[u64], Packed<'_>, Packed<'_>)],
    addend: Addend<'_>,
    image: Image<'_>,
) {
    let k = Consts::new(m);
    let unpack = Unpack::new(packed_bits(m.q));
    let c = splat(m.in_form(addend.factor));
    let digits: [&[u64]; ROWS] = std::array::from_fn(|j| rows[j].0);
    let keys: [[*const u8; 2]; ROWS] =
        std::array::from_fn(|j| [&rows[j].1, &rows[j].2].map(|packed| packed.blocks().as_ptr()));
    let blocks = rows.iter().flat_map(|(_, b, a)| [b, a]).map(|packed| packed.blocks().len() / unpack.bits);
    assert!(blocks.min().is_none_or(|blocks| out0.len() / 8 <= blocks));
    let [x0, x1] = addend.limbs;
    let outs = out0.chunks_exact_mut(8).zip(out1.chunks_exact_mut(8));
    for (v, (o0, o1)) in outs.enumerate() {
        let place = image_of::<IMAGE>(&image, v);
        let (mut lo, mut hi) = ([k.zero; 2], [k.zero; 2]);
        if let Some(x) = x0 {
            let x = load_at::<IMAGE>(x, place);
            lo[0] = _mm512_madd52lo_epu64(lo[0], x, c);
            hi[0] = _mm512_madd52hi_epu64(hi[0], x, c);
        }
        if let Some(x) = x1 {
            let x = load_at::<IMAGE>(x, place);
            lo[1] = _mm512_madd52lo_epu64(lo[1], x, c);
            hi[1] = _mm512_madd52hi_epu64(hi[1], x, c);
        }
        for j in 0..ROWS {
            let d = load_at::<IMAGE>(digits[j], place);
            for half in 0..2 {
                // SAFETY: the assertion above says that all of them have block v.
                let y = unsafe { unpack.load::<SHIFTED>(keys[j][half].add(v * unpack.bits)) };
                lo[half] = _mm512_madd52lo_epu64(lo[half], d, y);
                hi[half] = _mm512_madd52hi_epu64(hi[half], d, y);
            }
        }
        for (half, out) in [o0, o1].into_iter().enumerate() {
            let x = k.lifted(k.montgomery(lo[half], hi[half]));
            store(out, 0, if addend.outputs { once(_mm512_add_epi64(load(out, 0), x), k.q) } else { x });
        }
    }
}
