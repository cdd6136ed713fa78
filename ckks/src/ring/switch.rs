//! The ring side of hybrid key switching: decomposition (ModUp), inner product, ModDown and rescale.

use super::packed::PackedPoly;
use super::pool::Buffer;
use super::simd::{Addend, Factor, Image, TILE};
use super::{Limbs, Ring, RnsPoly, par, simd};

/// A key polynomial pair of one digit.
#[derive(PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) b: PackedPoly,
    pub(crate) a: PackedPoly,
}

impl KeyRow {
    /// The row (b, a).
    pub(crate) fn new(ring: &Ring, b: &RnsPoly, a: &RnsPoly) -> Self {
        Self { b: PackedPoly::new(ring, b), a: PackedPoly::new(ring, a) }
    }
}

/// What an inner product with digits consists of.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The key, one row per digit.
    pub(crate) rows: &'a [KeyRow],
    /// Polynomials to be added.
    pub(crate) addend: AddendOver<'a>,
    /// Take the images of digits and addends under X → X^g.
    pub(crate) image: Option<u64>,
}

/// What an inner product adds to its halves.
#[derive(Clone, Copy)]
pub(crate) enum AddendOver<'a> {
    /// P times polynomials over Q, P the product of the digits' special primes, so that ModDown
    /// returns them unscaled.
    Q([Option<&'a RnsPoly>; 2]),
    /// Polynomials over QP.
    QP([Option<&'a RnsPoly>; 2]),
}

impl<'a> AddendOver<'a> {
    /// Limb `i` of polynomials with `q_limbs` ciphertext limbs and `special` special limbs.
    fn limb(self, ring: &Ring, i: usize, q_limbs: usize, special: usize) -> Addend<'a> {
        match self {
            Self::Q(_) if i >= q_limbs => Addend { limbs: [None; 2], factor: 0, outputs: false },
            Self::Q(halves) => {
                let limbs = halves.map(|x| x.map(|x| x.limb(i)));
                Addend { limbs, factor: ring.p_mod(special, i), outputs: false }
            }
            Self::QP(halves) => {
                let limbs = halves.map(|x| x.map(|x| x.limb(i)));
                Addend { limbs, factor: 1, outputs: false }
            }
        }
    }
}

/// The digits of a polynomial over QP. The limbs a digit consists of are those of the decomposed
/// polynomial itself and are not repeated here.
pub(crate) struct Digits {
    q_limbs: usize,
    special: usize,
    digit_limbs: usize,
    /// Per digit, its converted limbs only.
    converted: Vec<RnsPoly>,
}

impl Digits {
    /// One digit made of all `q_limbs` limbs, with `special` its residues modulo the special primes.
    pub(super) fn single(q_limbs: usize, special: RnsPoly) -> Self {
        Self { q_limbs, special: special.special(), digit_limbs: q_limbs, converted: vec![special] }
    }

    /// Limb `i` of digit `j`; `source` is the decomposed polynomial.
    pub(crate) fn limb<'a>(&'a self, source: &'a RnsPoly, j: usize, i: usize) -> &'a [u64] {
        let own = self.own(j);
        match i {
            _ if i < own.start => self.converted[j].limb(i),
            _ if i < own.end => source.limb(i),
            _ => self.converted[j].limb(i - own.len()),
        }
    }

    /// Number of digits.
    pub(crate) fn len(&self) -> usize {
        self.converted.len()
    }

    /// The limbs digit `j` consists of.
    fn own(&self, j: usize) -> std::ops::Range<usize> {
        let start = j * self.digit_limbs;
        start..(start + self.digit_limbs).min(self.q_limbs)
    }

    /// Modulus indices of the converted limbs of digit `j`.
    fn converted_indices(&self, ring: &Ring, j: usize) -> Vec<usize> {
        let limbs = 0..self.q_limbs + self.special;
        limbs.filter(|i| !self.own(j).contains(i)).map(|i| ring.index(self.q_limbs, i)).collect()
    }
}

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
    /// Decomposes `x` (NTT domain, limbs q_0..=q_l) into digits of `digit_limbs` limbs, each lifted
    /// to q_0..=q_l and the first `special` special primes (NTT domain). Digits are centred:
    /// coefficients in [−D/2, D/2).
    pub(crate) fn mod_up(&self, x: &RnsPoly, special: usize, digit_limbs: usize) -> Digits {
        let mut digits = self.lift(x, special, digit_limbs);
        let index: Vec<Vec<usize>> = (0..digits.len()).map(|j| digits.converted_indices(self, j)).collect();
        for (digit, index) in digits.converted.iter_mut().zip(index) {
            par::for_limbs(self.n(), digit.words_mut(), |i, limb| self.ntt(index[i]).forward(limb));
        }
        digits
    }

    /// The digits of [`Ring::mod_up`] with the converted limbs left as coefficients.
    fn lift(&self, x: &RnsPoly, special: usize, digit_limbs: usize) -> Digits {
        let (n, q_limbs) = (self.n(), x.q_limbs());
        let ranges: Vec<Limbs> = (0..q_limbs)
            .step_by(digit_limbs)
            .map(|start| Limbs { start, end: (start + digit_limbs).min(q_limbs), special: 0 })
            .collect();
        let converters: Vec<_> = ranges.iter().map(|r| self.converter(*r)).collect();
        let mut coefficients = self.uninit(q_limbs, 0);
        par::for_limbs(n, coefficients.words_mut(), |i, limb| {
            let (digit, within) = (i / digit_limbs, i % digit_limbs);
            let table = self.ntt(i);
            let factor = table.scaled_by(converters[digit].hat_inv[within]);
            table.inverse_scaled(limb, Some(x.limb(i)), factor);
        });
        let converted = ranges.iter().map(|r| self.uninit(q_limbs - (r.end - r.start), special)).collect();
        let mut digits = Digits { q_limbs, special, digit_limbs, converted };
        for (j, (range, converter)) in ranges.iter().zip(&converters).enumerate() {
            let ys: Vec<_> = (range.start..range.end).map(|i| coefficients.limb(i)).collect();
            let index = digits.converted_indices(self, j);
            let targets = index.into_iter().zip(digits.converted[j].limbs_mut()).collect();
            converter.convert(self, &ys, targets);
        }
        digits
    }

    /// (Σ d_j·b_j + x_0, Σ d_j·a_j + x_1) over the limbs of the digits of `source`; key rows may have
    /// more ciphertext limbs than the digits, addends have theirs.
    pub(crate) fn inner_product(&self, source: &RnsPoly, digits: &Digits, terms: Terms<'_>) -> [RnsPoly; 2] {
        self.products(source, digits, false, terms, None)
    }

    /// [`Ring::inner_product`] of the digits of `x`: a key switch over QP, without ModDown. The digits
    /// exist in the NTT domain one limb at a time only.
    pub(crate) fn switch_key(
        &self,
        x: &RnsPoly,
        digit_limbs: usize,
        special: usize,
        terms: Terms<'_>,
    ) -> [RnsPoly; 2] {
        self.products(x, &self.lift(x, special, digit_limbs), true, terms, None)
    }

    /// [`Ring::switch_key`] added to `sum`.
    pub(crate) fn switch_key_onto(
        &self,
        sum: [RnsPoly; 2],
        x: &RnsPoly,
        digit_limbs: usize,
        terms: Terms<'_>,
    ) -> [RnsPoly; 2] {
        self.products(x, &self.lift(x, sum[0].special(), digit_limbs), true, terms, Some(sum))
    }

    /// Inner products of digits whose converted limbs are coefficients (`transform`) or evaluations; added to `sum` if
    /// there is one.
    fn products(
        &self,
        source: &RnsPoly,
        digits: &Digits,
        transform: bool,
        terms: Terms<'_>,
        sum: Option<[RnsPoly; 2]>,
    ) -> [RnsPoly; 2] {
        let (n, q_limbs, special) = (self.n(), digits.q_limbs, digits.special);
        let outputs = sum.is_some();
        let mut out = sum.unwrap_or_else(|| [(); 2].map(|()| self.uninit(q_limbs, special)));
        assert!(out.iter().all(|x| (x.q_limbs(), x.special()) == (q_limbs, special)));
        let table = terms.image.map(|g| self.permutation(g));
        let [out0, out1] = &mut out;
        par::for_limbs2(n, out0.words_mut(), out1.words_mut(), |i, o0, o1| {
            let index = self.index(q_limbs, i);
            let m = self.modulus(index);
            let mut transformed: Vec<_> = (0..digits.len())
                .map(|j| (transform && !digits.own(j).contains(&i)).then(|| self.pool.take(n)))
                .collect();
            for (j, limb) in transformed.iter_mut().enumerate() {
                if let Some(limb) = limb {
                    self.ntt(index).forward_from(limb, digits.limb(source, j, i));
                }
            }
            let limb = |j: usize| match &transformed[j] {
                Some(limb) => &limb[..],
                None => digits.limb(source, j, i),
            };
            let rows: Vec<_> = (0..digits.len().min(terms.rows.len()))
                .map(|j| {
                    let row = &terms.rows[j];
                    let at = if i < q_limbs { i } else { row.b.q_limbs() + i - q_limbs };
                    (limb(j), row.b.limb(at), row.a.limb(at))
                })
                .collect();
            let addend = Addend { outputs, ..terms.addend.limb(self, i, q_limbs, special) };
            let image = table.as_ref().map(|t| Image { blocks: &t.blocks, lanes: &t.lanes });
            simd::inner_product(m, o0, o1, &rows, addend, image);
        });
        out
    }

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

    /// Product of the first `special` special primes modulo modulus `index`.
    pub(crate) fn p_mod(&self, special: usize, index: usize) -> u64 {
        let primes = Limbs { start: 0, end: 0, special };
        self.modulus(index).product(primes.iter(self).map(|i| self.modulus(i).q))
    }

    /// round(x / D) where D is the product of the last `drop` ciphertext moduli of `x` and of all its
    /// special primes. `drop` = 0: ModDown; `drop` = 1 without special primes: rescale; both: the
    /// merged form. The rounding error per coefficient is at most 1/2.
    pub(crate) fn mod_down(&self, mut x: RnsPoly, drop: usize) -> RnsPoly {
        let kept = x.q_limbs() - drop;
        let sources = Limbs { start: kept, end: x.q_limbs(), special: x.special() };
        let (head, tail) = x.words_mut().split_at_mut(kept * self.n());
        self.divide(head, (tail, None), sources)
    }

    /// [`Ring::mod_down`] of a polynomial that is kept.
    pub(crate) fn mod_down_ref(&self, x: &RnsPoly, drop: usize) -> RnsPoly {
        let kept = x.q_limbs() - drop;
        let sources = Limbs { start: kept, end: x.q_limbs(), special: x.special() };
        let (head, dropped) = x.words().split_at(kept * self.n());
        let mut tail = self.uninit(drop + x.special(), 0);
        self.divide(head, (tail.words_mut(), Some(dropped)), sources)
    }

    /// Divides the polynomial with limbs `head` and `tail`, the latter of moduli `sources`, by their
    /// product. `tail` is overwritten; its input is the second part if given.
    fn divide(&self, head: &[u64], (tail, input): (&mut [u64], Option<&[u64]>), sources: Limbs) -> RnsPoly {
        let n = self.n();
        let indices: Vec<usize> = sources.iter(self).collect();
        let converter = self.converter(sources);
        par::for_limbs(n, tail, |i, limb| {
            let table = self.ntt(indices[i]);
            let input = input.map(|words| &words[i * n..][..n]);
            table.inverse_scaled(limb, input, table.scaled_by(converter.hat_inv[i]));
        });
        let mut out = self.uninit(head.len() / n, 0);
        let ys: Vec<_> = tail.chunks_exact(n).collect();
        converter.convert(self, &ys, out.limbs_mut().into_iter().enumerate().collect());
        par::for_limbs(n, out.words_mut(), |i, limb| {
            self.ntt(i).forward(limb);
            let m = self.modulus(i);
            simd::sub_from_mul_const(m, limb, &head[i * n..][..n], m.shoup(converter.product_inv[i]));
        });
        out
    }
}
