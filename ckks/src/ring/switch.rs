//! The ring side of hybrid key switching: decomposition (ModUp), inner product, ModDown and rescale.

use super::automorphism::NttPermutation;
use super::simd::Addend;
use super::{Limbs, Ring, RnsPoly, par, simd};

/// A key polynomial pair of one digit.
pub(crate) struct KeyRow {
    pub(crate) b: RnsPoly,
    pub(crate) a: RnsPoly,
}

/// What an inner product with digits consists of.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The key, one row per digit.
    pub(crate) rows: &'a [KeyRow],
    /// Polynomials over Q, to be added P times.
    pub(crate) addend: [Option<&'a RnsPoly>; 2],
    /// Take the image of the result under X → X^g; the polynomial over QP is added to the first half
    /// before.
    pub(crate) image: Option<(u64, Option<&'a RnsPoly>)>,
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

    /// (Σ d_j·b_j + P·x_0, Σ d_j·a_j + P·x_1) over the limbs of the digits of `source`; key rows may
    /// have more ciphertext limbs than the digits. The addends x have the digits' ciphertext limbs
    /// and P is the product of their special primes, so that ModDown returns them unscaled.
    pub(crate) fn inner_product(
        &self,
        source: &RnsPoly,
        digits: &Digits,
        rows: &[KeyRow],
        addend: [Option<&RnsPoly>; 2],
    ) -> [RnsPoly; 2] {
        self.products(source, digits, false, Terms { rows, addend, image: None })
    }

    /// The image under X → X^g of [`Ring::inner_product`].
    pub(crate) fn inner_product_image(
        &self,
        source: &RnsPoly,
        digits: &Digits,
        rows: &[KeyRow],
        addend: [Option<&RnsPoly>; 2],
        g: u64,
    ) -> [RnsPoly; 2] {
        self.products(source, digits, false, Terms { rows, addend, image: Some((g, None)) })
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
        self.products(x, &self.lift(x, special, digit_limbs), true, terms)
    }

    /// Inner products of digits whose converted limbs are coefficients (`transform`) or evaluations.
    fn products(&self, source: &RnsPoly, digits: &Digits, transform: bool, terms: Terms<'_>) -> [RnsPoly; 2] {
        let (n, q_limbs, special) = (self.n(), digits.q_limbs, digits.special);
        let mut out = [(); 2].map(|()| self.uninit(q_limbs, special));
        let image = terms.image.map(|(g, extra)| (self.permutation(g), extra));
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
            let addend = if i < q_limbs {
                let limbs = terms.addend.map(|x| x.map(|x| x.limb(i)));
                Addend { limbs, factor: self.p_mod(special, i) }
            } else {
                Addend { limbs: [None; 2], factor: 0 }
            };
            let Some((table, extra)) = &image else {
                return simd::inner_product(m, o0, o1, &rows, addend);
            };
            let (mut s0, mut s1) = (self.pool.take(n), self.pool.take(n));
            simd::inner_product(m, &mut s0, &mut s1, &rows, addend);
            if let Some(extra) = extra {
                simd::add_assign(m, &mut s0, extra.limb(i));
            }
            simd::permute_blocks(m, o0, &s0, &table.blocks, &table.lanes);
            simd::permute_blocks(m, o1, &s1, &table.blocks, &table.lanes);
        });
        out
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
        self.divide(head, (tail, None), sources, None)
    }

    /// The image under X → X^g of [`Ring::mod_down`] without dropping.
    pub(crate) fn mod_down_image(&self, mut x: RnsPoly, g: u64) -> RnsPoly {
        let kept = x.q_limbs();
        let sources = Limbs { start: kept, end: kept, special: x.special() };
        let (head, tail) = x.words_mut().split_at_mut(kept * self.n());
        self.divide(head, (tail, None), sources, Some(&self.permutation(g)))
    }

    /// [`Ring::mod_down`] of a polynomial that is kept.
    pub(crate) fn mod_down_ref(&self, x: &RnsPoly, drop: usize) -> RnsPoly {
        let kept = x.q_limbs() - drop;
        let sources = Limbs { start: kept, end: x.q_limbs(), special: x.special() };
        let (head, dropped) = x.words().split_at(kept * self.n());
        let mut tail = self.uninit(drop + x.special(), 0);
        self.divide(head, (tail.words_mut(), Some(dropped)), sources, None)
    }

    /// Divides the polynomial with limbs `head` and `tail`, the latter of moduli `sources`, by their
    /// product, and permutes the result. `tail` is overwritten; its input is the second part if given.
    fn divide(
        &self,
        head: &[u64],
        (tail, input): (&mut [u64], Option<&[u64]>),
        sources: Limbs,
        image: Option<&NttPermutation>,
    ) -> RnsPoly {
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
            if let Some(table) = image {
                let mut permuted = self.pool.take(n);
                simd::permute_blocks(m, &mut permuted, limb, &table.blocks, &table.lanes);
                limb.copy_from_slice(&permuted);
            }
        });
        out
    }
}
