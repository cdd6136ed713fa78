//! Sums of products of rotations with plaintexts, tile by tile.

use super::pool::Buffer;
use super::simd::{Addend, Factor, Image, TILE};
use super::switch::{AddendOver, Digits, KeyRow};
use super::{Ring, RnsPoly, par, simd};

/// A plaintext as a factor: short or full.
#[derive(Clone, Copy)]
pub(crate) enum Multiplicand<'a> {
    /// In the NTT domain.
    Evaluations(&'a RnsPoly),
    /// In the NTT domain and in the form of its moduli.
    InForm(&'a RnsPoly),
    /// Of its subring, in number a power of two of at least 2^MIN_LOG_N.
    Coefficients(&'a [i64]),
}

impl<'a> Multiplicand<'a> {
    /// Words of a limb.
    fn words(&self) -> usize {
        match self {
            Self::Evaluations(b) | Self::InForm(b) => b.n(),
            Self::Coefficients(x) => x.len(),
        }
    }

    /// The polynomial whose limbs of so many words are there to be read.
    fn limb(&self, words: usize) -> Option<&'a RnsPoly> {
        match self {
            Self::InForm(b) if b.n() == words => Some(b),
            _ => None,
        }
    }
}

/// Words per limb of the plaintexts of a group: products of a group share their sums, hence a length. At least one
/// for each tile.
fn longest(group: &[(usize, Multiplicand<'_>)], tiles: usize) -> usize {
    group.iter().map(|(_, b)| b.words()).max().unwrap_or(0).max(tiles)
}

/// A limb that is read tile by tile.
struct Tiled<'a> {
    words: &'a [u64],
    /// Words from the beginning of a tile to that of the next.
    stride: usize,
    /// Words of a tile.
    tile: usize,
}

impl<'a> Tiled<'a> {
    /// Tile `k`, for products with `len` words.
    fn tile(&self, k: usize, len: usize) -> Factor<'a> {
        Factor::new(&self.words[k * self.stride..][..self.tile], len)
    }
}

/// The factors of all groups; `lifted` as made by [`Ring::lifted`].
fn tiled<'a>(
    groups: &[Vec<(usize, Multiplicand<'a>)>],
    (lifted, tiles): (&'a [u64], usize),
    pick: &impl Fn(&RnsPoly) -> usize,
) -> Vec<Vec<(usize, Tiled<'a>)>> {
    let mut before = 0;
    let factors = groups.iter().map(|group| {
        let words = longest(group, tiles);
        let tile = words / tiles;
        let factor = |(t, b): &(usize, Multiplicand<'a>)| {
            let factor = match b.limb(words) {
                Some(b) => Tiled { words: b.limb(pick(b)), stride: tile, tile },
                None => {
                    before += tile;
                    Tiled { words: &lifted[before - tile..], stride: lifted.len() / tiles, tile }
                }
            };
            (*t, factor)
        };
        group.iter().map(factor).collect()
    });
    factors.collect()
}

impl Ring {
    /// Sums of products of rotations with plaintexts, over QP: per group Σ R_t·b over its terms (t, b),
    /// R_t the pair (Σ d_j·b_j + P·c_0, Σ d_j·a_j) of the image under the t-th rotation, and (P·c_0, P·c_1)
    /// where there is no rotation. Rotations exist a tile at a time only: keys and plaintexts are read
    /// once, and nothing but the sums is written. Plaintexts given by coefficients are transformed limb by limb.
    pub(crate) fn rotated_sums(
        &self,
        c: [&RnsPoly; 2],
        digits: &Digits,
        rotations: &[Option<(&[KeyRow], u64)>],
        groups: &[Vec<(usize, Multiplicand<'_>)>],
    ) -> Vec<[RnsPoly; 2]> {
        let (n, q_limbs, special) = (self.n(), digits.q_limbs, digits.special);
        let tables: Vec<_> = rotations.iter().map(|r| r.map(|(_, g)| self.permutation(g))).collect();
        let mut out: Vec<_> =
            groups.iter().map(|_| [(); 2].map(|()| self.uninit(q_limbs, special))).collect();
        let mut limbs: Vec<Vec<[&mut [u64]; 2]>> = (0..q_limbs + special).map(|_| Vec::new()).collect();
        for [out0, out1] in &mut out {
            let halves = out0.limbs_mut().into_iter().zip(out1.limbs_mut());
            limbs.iter_mut().zip(halves).for_each(|(limb, (o0, o1))| limb.push([o0, o1]));
        }
        par::for_each(n, limbs, |i, mut outs| {
            let index = self.index(q_limbs, i);
            let m = self.modulus(index);
            let pick = |p: &RnsPoly| if i < q_limbs { i } else { p.q_limbs() + i - q_limbs };
            let lifted = self.lifted((index, &pick), groups);
            let factors = tiled(groups, (&lifted, n.div_ceil(TILE)), &pick);
            let mut sums: Vec<Vec<_>> = groups.iter().map(|group| Vec::with_capacity(group.len())).collect();
            let d: Vec<&[u64]> = (0..digits.len()).map(|j| digits.limb(c[1], j, i)).collect();
            let rotated = AddendOver::Q([Some(c[0]), None]).limb(self, i, q_limbs, special);
            let plain = AddendOver::Q([Some(c[0]), Some(c[1])]).limb(self, i, q_limbs, special);
            let mut tiles = self.pool.take(2 * TILE * rotations.len());
            for (k, start) in (0..n).step_by(TILE).enumerate() {
                let len = TILE.min(n - start);
                let range = start..start + len;
                for ((tile, rotation), table) in tiles.chunks_exact_mut(2 * TILE).zip(rotations).zip(&tables)
                {
                    let (t0, t1) = tile.split_at_mut(TILE);
                    let (t0, t1) = (&mut t0[..len], &mut t1[..len]);
                    let (Some((rows, _)), Some(table)) = (rotation, table) else {
                        let limbs = plain.limbs.map(|x| x.map(|x| &x[range.clone()]));
                        simd::inner_product(m, t0, t1, &[], Addend { limbs, ..plain }, None);
                        continue;
                    };
                    let rows: Vec<_> = d
                        .iter()
                        .zip(*rows)
                        .map(|(d, row)| {
                            let at = if i < q_limbs { i } else { row.b.q_limbs() + i - q_limbs };
                            (*d, row.b.limb(at).part(start, len), row.a.limb(at).part(start, len))
                        })
                        .collect();
                    let blocks = &table.blocks[start / 8..(start + len) / 8];
                    let image = Image { blocks, lanes: &table.lanes };
                    simd::inner_product(m, t0, t1, &rows, rotated, Some(image));
                }
                for (sum, factors) in sums.iter_mut().zip(&factors) {
                    sum.clear();
                    sum.extend(factors.iter().map(|(t, b)| (*t, b.tile(k, len))));
                }
                let mut parts: Vec<_> =
                    outs.iter_mut().map(|out| out.each_mut().map(|half| &mut half[range.clone()])).collect();
                let mut parts = &mut parts[..];
                for run in sums.chunk_by(|a, b| simd::alike(a, b)) {
                    let outs = parts.split_off_mut(..run.len()).expect("a part for each sum");
                    simd::mul_acc_tile(m, outs, run, &tiles);
                }
            }
        });
        out
    }

    /// The limbs modulo modulus `index` of all plaintexts that have none in form, or a shorter one than their group needs: the
    /// first tiles of all of them, then the second ones, and so on, as they are read.
    fn lifted(
        &self,
        (index, pick): (usize, &impl Fn(&RnsPoly) -> usize),
        groups: &[Vec<(usize, Multiplicand<'_>)>],
    ) -> Buffer {
        let tiles = self.n().div_ceil(TILE);
        let terms = groups.iter().flat_map(|group| {
            let words = longest(group, tiles);
            group.iter().map(|(_, b)| *b).filter(move |b| b.limb(words).is_none()).map(move |b| (words, b))
        });
        let all: usize = terms.clone().map(|(words, _)| words).sum();
        let mut lifted = self.pool.take(all);
        let mut scratch = self.pool.take(self.n());
        let (mut before, stride) = (0, all / tiles);
        for (words, b) in terms {
            let limb = &mut scratch[..b.words()];
            match b {
                Multiplicand::Evaluations(b) => {
                    let words = limb.iter_mut().zip(b.limb(pick(b)));
                    words.for_each(|(x, b)| *x = self.modulus(index).in_form(*b));
                }
                Multiplicand::InForm(b) => limb.copy_from_slice(b.limb(pick(b))),
                Multiplicand::Coefficients(x) => {
                    simd::reduce_in_form(self.modulus(index), limb, x);
                    self.short_ntt(index, x.len().trailing_zeros()).forward(limb);
                }
            }
            let (repeat, tile) = (words / limb.len(), words / tiles);
            for (k, out) in lifted.chunks_exact_mut(stride).enumerate() {
                let out = &mut out[before..before + tile];
                if repeat == 1 {
                    out.copy_from_slice(&limb[k * tile..][..tile]);
                } else {
                    out.iter_mut().enumerate().for_each(|(i, x)| *x = limb[(k * tile + i) / repeat]);
                }
            }
            before += tile;
        }
        lifted
    }

    /// Brings the limbs of `x` into the form of their moduli.
    pub(crate) fn bring_in_form(&self, x: &mut RnsPoly) {
        let q_limbs = x.q_limbs();
        for (i, limb) in x.limbs_mut().into_iter().enumerate() {
            let m = self.modulus(self.index(q_limbs, i));
            limb.iter_mut().for_each(|x| *x = m.in_form(*x));
        }
    }
}
