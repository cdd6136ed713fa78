//! The ring side of hybrid key switching: decomposition (ModUp), inner product, ModDown and rescale.

use super::automorphism::NttPermutation;
use super::simd::Addend;
use super::{Limbs, Ring, RnsPoly, par, simd};

/// A key polynomial pair of one digit.
pub(crate) struct KeyRow {
    pub(crate) b: RnsPoly,
    pub(crate) a: RnsPoly,
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
        let start = j * self.digit_limbs;
        let end = (start + self.digit_limbs).min(self.q_limbs);
        match i {
            _ if i < start => self.converted[j].limb(i),
            _ if i < end => source.limb(i),
            _ => self.converted[j].limb(i - (end - start)),
        }
    }

    /// Number of digits.
    pub(crate) fn len(&self) -> usize {
        self.converted.len()
    }
}

impl Ring {
    /// Decomposes `x` (NTT domain, limbs q_0..=q_l) into digits of `digit_limbs` limbs, each lifted
    /// to q_0..=q_l and the first `special` special primes (NTT domain). Digits are centred:
    /// coefficients in [−D/2, D/2).
    pub(crate) fn mod_up(&self, x: &RnsPoly, special: usize, digit_limbs: usize) -> Digits {
        let (n, q_limbs) = (self.n(), x.q_limbs());
        let ranges: Vec<Limbs> = (0..q_limbs)
            .step_by(digit_limbs)
            .map(|start| Limbs { start, end: (start + digit_limbs).min(q_limbs), special: 0 })
            .collect();
        let converters: Vec<_> = ranges.iter().map(|r| self.converter(*r)).collect();
        let mut coefficients = self.uninit(q_limbs, 0);
        par::for_limbs(n, coefficients.words_mut(), |i, limb| {
            limb.copy_from_slice(x.limb(i));
            let (digit, within) = (i / digit_limbs, i % digit_limbs);
            let table = self.ntt(i);
            table.inverse_scaled(limb, table.scaled_by(converters[digit].hat_inv[within]));
        });
        let lift = |range: &Limbs, converter: &super::BaseConverter| {
            let own = range.end - range.start;
            let mut digit = self.uninit(q_limbs - own, special);
            let ys: Vec<_> = (range.start..range.end).map(|i| coefficients.limb(i)).collect();
            // Modulus of the digit's limb i, its own limbs being left out.
            let index = |i: usize| self.index(q_limbs, if i < range.start { i } else { i + own });
            let targets = digit.limbs_mut().into_iter().enumerate().map(|(i, limb)| (index(i), limb));
            converter.convert(self, &ys, targets.collect());
            par::for_limbs(n, digit.words_mut(), |i, limb| self.ntt(index(i)).forward(limb));
            digit
        };
        let converted = ranges.iter().zip(&converters).map(|(r, c)| lift(r, c)).collect();
        Digits { q_limbs, special, digit_limbs, converted }
    }

    /// (Σ d_j·b_j + P·x_0, Σ d_j·a_j + P·x_1) over the limbs of the digits of `source`; key rows may
    /// have more ciphertext limbs than the digits. The addends x have the digits' ciphertext limbs
    /// and P is the product of their special primes, so that ModDown returns them unscaled.
    pub(crate) fn inner_product(
        &self,
        source: &RnsPoly,
        digits: &Digits,
        rows: &[KeyRow],
        addend: [Option<&RnsPoly>; 2],
    ) -> (RnsPoly, RnsPoly) {
        let (q_limbs, special) = (digits.q_limbs, digits.special);
        let mut out = (self.uninit(q_limbs, special), self.uninit(q_limbs, special));
        let limb = self.inner_product_limb(source, digits, rows, addend);
        par::for_limbs2(self.n(), out.0.words_mut(), out.1.words_mut(), limb);
        out
    }

    /// The image under X → X^g of [`Ring::inner_product`] plus `extra` (over QP, to the first half):
    /// each limb is permuted while it is in the cache.
    pub(crate) fn inner_product_image(
        &self,
        source: &RnsPoly,
        digits: &Digits,
        rows: &[KeyRow],
        addend: [Option<&RnsPoly>; 2],
        extra: Option<&RnsPoly>,
        g: u64,
    ) -> [RnsPoly; 2] {
        let (n, q_limbs, special) = (self.n(), digits.q_limbs, digits.special);
        let mut out = [(); 2].map(|()| self.uninit(q_limbs, special));
        let table = self.permutation(g);
        let limb = self.inner_product_limb(source, digits, rows, addend);
        let [out0, out1] = &mut out;
        par::for_limbs2(n, out0.words_mut(), out1.words_mut(), |i, o0, o1| {
            let m = self.modulus(self.index(q_limbs, i));
            let (mut s0, mut s1) = (self.pool.take(n), self.pool.take(n));
            limb(i, &mut s0, &mut s1);
            if let Some(extra) = extra {
                simd::add_assign(m, &mut s0, extra.limb(i));
            }
            simd::permute_blocks(m, o0, &s0, &table.blocks, &table.lanes);
            simd::permute_blocks(m, o1, &s1, &table.blocks, &table.lanes);
        });
        out
    }

    /// The inner product of one limb, as a function of its index.
    fn inner_product_limb(
        &self,
        source: &RnsPoly,
        digits: &Digits,
        rows: &[KeyRow],
        addend: [Option<&RnsPoly>; 2],
    ) -> impl Fn(usize, &mut [u64], &mut [u64]) + Sync + Send {
        let (q_limbs, special) = (digits.q_limbs, digits.special);
        move |i, o0, o1| {
            let m = self.modulus(self.index(q_limbs, i));
            let terms: Vec<_> = rows
                .iter()
                .take(digits.len())
                .enumerate()
                .map(|(j, row)| {
                    let at = if i < q_limbs { i } else { row.b.q_limbs() + i - q_limbs };
                    (digits.limb(source, j, i), row.b.limb(at), row.a.limb(at))
                })
                .collect();
            let addend = if i < q_limbs {
                let limbs = addend.map(|x| x.map(|x| x.limb(i)));
                Addend { limbs, factor: self.p_mod(special, i) }
            } else {
                Addend { limbs: [None; 2], factor: 0 }
            };
            simd::inner_product(m, o0, o1, &terms, addend);
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
        self.divide(head, tail, sources, None)
    }

    /// The image under X → X^g of [`Ring::mod_down`] without dropping.
    pub(crate) fn mod_down_image(&self, mut x: RnsPoly, g: u64) -> RnsPoly {
        let kept = x.q_limbs();
        let sources = Limbs { start: kept, end: kept, special: x.special() };
        let (head, tail) = x.words_mut().split_at_mut(kept * self.n());
        self.divide(head, tail, sources, Some(&self.permutation(g)))
    }

    /// [`Ring::mod_down`] of a polynomial that is kept: its dropped limbs are copied.
    pub(crate) fn mod_down_ref(&self, x: &RnsPoly, drop: usize) -> RnsPoly {
        let kept = x.q_limbs() - drop;
        let sources = Limbs { start: kept, end: x.q_limbs(), special: x.special() };
        let (head, dropped) = x.words().split_at(kept * self.n());
        let mut tail = self.uninit(drop + x.special(), 0);
        tail.words_mut().copy_from_slice(dropped);
        self.divide(head, tail.words_mut(), sources, None)
    }

    /// Divides the polynomial with limbs `head` and `tail`, the latter of moduli `sources`, by their
    /// product, and permutes the result. `tail` is overwritten.
    fn divide(
        &self,
        head: &[u64],
        tail: &mut [u64],
        sources: Limbs,
        image: Option<&NttPermutation>,
    ) -> RnsPoly {
        let n = self.n();
        let indices: Vec<usize> = sources.iter(self).collect();
        let converter = self.converter(sources);
        par::for_limbs(n, tail, |i, limb| {
            let table = self.ntt(indices[i]);
            table.inverse_scaled(limb, table.scaled_by(converter.hat_inv[i]));
        });
        let mut out = self.uninit(head.len() / n, 0);
        let ys: Vec<_> = tail.chunks_exact(n).collect();
        converter.convert(self, &ys, out.limbs_mut().into_iter().enumerate().collect());
        par::for_limbs(n, out.words_mut(), |i, limb| {
            self.ntt(i).forward(limb);
            let m = self.modulus(i);
            simd::sub_from_mul_const(m, limb, &head[i * n..][..n], m.shoup(converter.product_inv[i]));
            if let Some(table) = image {
                let mut permuted = self.pool.take(n);
                simd::permute_blocks(m, &mut permuted, limb, &table.blocks, &table.lanes);
                limb.copy_from_slice(&permuted);
            }
        });
        out
    }
}
