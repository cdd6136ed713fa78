//! The ring side of hybrid key switching: decomposition (ModUp), inner product, ModDown and rescale.

use super::{Limbs, Ring, RnsPoly, par, simd};

/// A key polynomial pair of one digit.
pub(crate) struct KeyRow {
    pub(crate) b: RnsPoly,
    pub(crate) a: RnsPoly,
}

impl Ring {
    /// Decomposes `x` (NTT domain, limbs q_0..=q_l) into digits of `digit_limbs` limbs, each lifted
    /// to q_0..=q_l and the first `special` special primes (NTT domain). Digits are centred:
    /// coefficients in [−D/2, D/2).
    pub(crate) fn mod_up(&self, x: &RnsPoly, special: usize, digit_limbs: usize) -> Vec<RnsPoly> {
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
            let mut digit = self.uninit(q_limbs, special);
            let ys: Vec<_> = (range.start..range.end).map(|i| coefficients.limb(i)).collect();
            let targets = Self::outside(&mut digit, range, |i| self.index(q_limbs, i));
            converter.convert(self, &ys, targets);
            par::for_limbs(n, digit.words_mut(), |i, limb| {
                if (range.start..range.end).contains(&i) {
                    limb.copy_from_slice(x.limb(i));
                } else {
                    self.ntt(self.index(q_limbs, i)).forward(limb);
                }
            });
            digit
        };
        ranges.iter().zip(&converters).map(|(r, c)| lift(r, c)).collect()
    }

    /// The limbs of `poly` outside `range`, with their modulus indices.
    fn outside<'a>(
        poly: &'a mut RnsPoly,
        range: &Limbs,
        index: impl Fn(usize) -> usize,
    ) -> Vec<(usize, &'a mut [u64])> {
        poly.limbs_mut()
            .into_iter()
            .enumerate()
            .filter(|(i, _)| !(range.start..range.end).contains(i))
            .map(|(i, limb)| (index(i), limb))
            .collect()
    }

    /// (Σ d_j·b_j + P·addend, Σ d_j·a_j) over the limbs of the digits; key rows may have more
    /// ciphertext limbs than the digits. `addend` has the digits' ciphertext limbs and P is the
    /// product of their special primes, so that ModDown returns it unscaled.
    pub(crate) fn inner_product(
        &self,
        digits: &[RnsPoly],
        rows: &[KeyRow],
        addend: Option<&RnsPoly>,
    ) -> (RnsPoly, RnsPoly) {
        let (q_limbs, special) = (digits[0].q_limbs(), digits[0].special());
        let mut out = (self.uninit(q_limbs, special), self.uninit(q_limbs, special));
        par::for_limbs2(self.n(), out.0.words_mut(), out.1.words_mut(), |i, o0, o1| {
            let m = self.modulus_of(&digits[0], i);
            let terms: Vec<_> = digits
                .iter()
                .zip(rows)
                .map(|(d, row)| {
                    let at = if i < q_limbs { i } else { row.b.q_limbs() + i - q_limbs };
                    (d.limb(i), row.b.limb(at), row.a.limb(at))
                })
                .collect();
            let addend = addend.filter(|_| i < q_limbs).map(|x| (x.limb(i), self.p_mod(special, i)));
            simd::inner_product(m, o0, o1, &terms, addend);
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
    pub(crate) fn mod_down(&self, x: &RnsPoly, drop: usize) -> RnsPoly {
        let (n, kept) = (self.n(), x.q_limbs() - drop);
        let sources = Limbs { start: kept, end: x.q_limbs(), special: x.special() };
        let indices: Vec<usize> = sources.iter(self).collect();
        let converter = self.converter(sources);
        let mut tail = self.uninit(indices.len(), 0);
        par::for_limbs(n, tail.words_mut(), |i, limb| {
            limb.copy_from_slice(x.limb(kept + i));
            let table = self.ntt(indices[i]);
            table.inverse_scaled(limb, table.scaled_by(converter.hat_inv[i]));
        });
        let mut out = self.uninit(kept, 0);
        let ys: Vec<_> = (0..indices.len()).map(|i| tail.limb(i)).collect();
        converter.convert(self, &ys, out.limbs_mut().into_iter().enumerate().collect());
        par::for_limbs(n, out.words_mut(), |i, limb| {
            self.ntt(i).forward(limb);
            let m = self.modulus(i);
            simd::sub_from_mul_const(m, limb, x.limb(i), m.shoup(converter.product_inv[i]));
        });
        out
    }
}
