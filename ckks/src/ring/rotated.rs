//! Sums of products of rotations with plaintexts, tile by tile.

use super::automorphism::NttPermutation;
use super::pool::Buffer;
use super::simd::{Addend, Factor, Image, TILE};
use super::switch::{AddendOver, Digits, KeyRow};
use super::{Modulus, Ring, RnsPoly, par, simd};

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

/// What rotations of a limb are made of.
struct Limb<'a, F> {
    m: &'a Modulus,
    /// The limb of a polynomial over QP of any level.
    row: F,
    digits: Vec<&'a [u64]>,
    /// What is added to rotations, and what stands for step 0.
    rotated: Addend<'a>,
    plain: Addend<'a>,
}

impl<F: Fn(usize) -> usize> Limb<'_, F> {
    /// The words of a rotation from `start` on; no rotation is step 0.
    fn rotate(
        &self,
        [t0, t1]: [&mut [u64]; 2],
        start: usize,
        rotation: Option<(&[KeyRow], u64)>,
        table: Option<&NttPermutation>,
    ) {
        let len = t0.len();
        let (Some((rows, _)), Some(table)) = (rotation, table) else {
            let limbs = self.plain.limbs.map(|x| x.map(|x| &x[start..start + len]));
            return simd::inner_product(self.m, t0, t1, &[], Addend { limbs, ..self.plain }, None);
        };
        let rows = self.digits.iter().zip(rows).map(|(d, row)| {
            let at = (self.row)(row.b.q_limbs());
            (*d, row.b.limb(at).part(start, len), row.a.limb(at).part(start, len))
        });
        let rows: Vec<_> = rows.collect();
        let blocks = &table.blocks[start / 8..(start + len) / 8];
        let image = Image { blocks, lanes: &table.lanes };
        simd::inner_product(self.m, t0, t1, &rows, self.rotated, Some(image));
    }
}

impl Ring {
    /// Sums of products of rotations with plaintexts, over QP: per group Σ R_t·b over its terms (t, b),
    /// R_t the pair (Σ d_j·b_j + P·c_0, Σ d_j·a_j) of the image under the t-th rotation, and (P·c_0, P·c_1)
    /// where there is no rotation, as `addend` says: P·c_0 and P·c_1, or what stands for them over QP. The digits are
    /// those of c_1. Rotations exist a tile at a time only: keys and plaintexts are read
    /// once, and nothing but the sums is written. Plaintexts given by coefficients are transformed limb by limb.
    pub(crate) fn rotated_sums(
        &self,
        (c1, digits): (&RnsPoly, &Digits),
        addend: AddendOver<'_>,
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
        par::for_each(n, limbs, |i, outs| {
            let index = self.index(q_limbs, i);
            let row = |limbs: usize| if i < q_limbs { i } else { limbs + i - q_limbs };
            let pick = |p: &RnsPoly| row(p.q_limbs());
            let lifted = self.lifted((index, &pick), groups);
            let factors = tiled(groups, (&lifted, n.div_ceil(TILE)), &pick);
            let limb = Limb {
                m: self.modulus(index),
                row,
                digits: (0..digits.len()).map(|j| digits.limb(c1, j, i)).collect(),
                rotated: addend.first().limb(self, i, q_limbs, special),
                plain: addend.limb(self, i, q_limbs, special),
            };
            // A thread without a limb of its own helps with those of others.
            let width = n.div_ceil(par::pieces(n)).next_multiple_of(TILE);
            par::for_each(n, columns(outs, width), |part, mut outs| {
                let mut sums: Vec<Vec<_>> =
                    groups.iter().map(|group| Vec::with_capacity(group.len())).collect();
                let mut tiles = self.pool.take(2 * TILE * rotations.len());
                let (first, end) = (part * width, ((part + 1) * width).min(n));
                for start in (first..end).step_by(TILE) {
                    let len = TILE.min(end - start);
                    let tile = tiles.chunks_exact_mut(2 * TILE);
                    for ((tile, rotation), table) in tile.zip(rotations).zip(&tables) {
                        let (t0, t1) = tile.split_at_mut(TILE);
                        limb.rotate([&mut t0[..len], &mut t1[..len]], start, *rotation, table.as_deref());
                    }
                    for (sum, factors) in sums.iter_mut().zip(&factors) {
                        sum.clear();
                        sum.extend(factors.iter().map(|(t, b)| (*t, b.tile(start / TILE, len))));
                    }
                    let range = start - first..start - first + len;
                    let mut parts: Vec<_> = outs
                        .iter_mut()
                        .map(|out| out.each_mut().map(|half| &mut half[range.clone()]))
                        .collect();
                    let mut parts = &mut parts[..];
                    for run in sums.chunk_by(|a, b| simd::alike(a, b)) {
                        let outs = parts.split_off_mut(..run.len()).expect("a part for each sum");
                        simd::mul_acc_tile(limb.m, outs, run, &tiles);
                    }
                }
            });
        });
        out
    }

    /// The limbs modulo modulus `index` of all plaintexts that have none in form, or a shorter one than their group needs: the
    /// first tiles of all of them, then the second ones, and so on, as they are read.
    fn lifted(
        &self,
        (index, pick): (usize, &(impl Fn(&RnsPoly) -> usize + Sync)),
        groups: &[Vec<(usize, Multiplicand<'_>)>],
    ) -> Buffer {
        let tiles = self.n().div_ceil(TILE);
        let terms = groups.iter().flat_map(|group| {
            let words = longest(group, tiles);
            group.iter().map(|(_, b)| *b).filter(move |b| b.limb(words).is_none()).map(move |b| (words, b))
        });
        let mut terms: Vec<_> = terms.map(|term| (term, Vec::with_capacity(tiles))).collect();
        let all: usize = terms.iter().map(|((words, _), _)| words).sum();
        let mut lifted = self.pool.take(all);
        for mut tile in lifted.chunks_exact_mut((all / tiles).max(1)) {
            for ((words, _), outs) in &mut terms {
                outs.extend(tile.split_off_mut(..*words / tiles));
            }
        }
        par::for_each(self.n(), terms, |_, ((words, b), outs)| {
            let mut scratch = self.pool.take(b.words());
            let limb = &mut scratch[..];
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
            for (k, out) in outs.into_iter().enumerate() {
                if repeat == 1 {
                    out.copy_from_slice(&limb[k * tile..][..tile]);
                } else {
                    out.iter_mut().enumerate().for_each(|(i, x)| *x = limb[(k * tile + i) / repeat]);
                }
            }
        });
        lifted
    }
}

/// Cuts pairs of limbs into runs of `width` words: for each run its part of all pairs.
fn columns(limbs: Vec<[&mut [u64]; 2]>, width: usize) -> Vec<Vec<[&mut [u64]; 2]>> {
    let mut columns: Vec<Vec<_>> = Vec::new();
    for [a, b] in limbs {
        for (part, (a, b)) in a.chunks_mut(width).zip(b.chunks_mut(width)).enumerate() {
            if columns.len() <= part {
                columns.push(Vec::new());
            }
            columns[part].push([a, b]);
        }
    }
    columns
}
