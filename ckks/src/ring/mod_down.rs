//! ModDown and rescaling: division by some of the moduli, with rounding.

use super::{Limbs, Ring, RnsPoly, par, simd};

impl Ring {
    /// round(x / D) where D is the product of the last `drop` ciphertext moduli of `x` and of all its
    /// special primes. `drop` = 0: ModDown; `drop` = 1 without special primes: rescale; both: the
    /// merged form. The rounding error per coefficient is at most 1/2.
    pub(crate) fn mod_down(&self, mut x: RnsPoly, drop: usize) -> RnsPoly {
        let kept = x.q_limbs() - drop;
        let sources = Limbs { start: kept, end: x.q_limbs(), special: x.special() };
        let (head, tail) = x.words_mut().split_at_mut(kept * self.n());
        self.divide(head, (tail, None), sources)
    }

    /// [`Ring::mod_down`] of polynomials that are kept.
    pub(crate) fn mod_down_each(&self, parts: &[RnsPoly], drop: usize) -> Vec<RnsPoly> {
        par::map(self.n(), parts.iter().collect(), |x| self.mod_down_ref(x, drop))
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
        self.quotient(head, tail, sources)
    }

    /// Both polynomials divided by the product of `divisor`, the moduli of their last limbs, which are coefficients
    /// already multiplied by its converter's `hat_inv`.
    pub(super) fn quotients(&self, [a, b]: [RnsPoly; 2], divisor: Limbs) -> [RnsPoly; 2] {
        let quotient = |x: RnsPoly| {
            let (head, tail) = x.words().split_at(divisor.start * self.n());
            self.quotient(head, tail, divisor)
        };
        par::join(self.n(), || quotient(a), || quotient(b)).into()
    }

    /// (`head` − `tail`) over the product of the moduli `sources` of `tail`, which is as in [`Ring::quotients`].
    fn quotient(&self, head: &[u64], tail: &[u64], sources: Limbs) -> RnsPoly {
        let n = self.n();
        let converter = self.converter(sources);
        let mut out = self.uninit(head.len() / n, 0);
        let ys: Vec<_> = tail.chunks_exact(n).collect();
        converter.convert(self.all_moduli(), &ys, out.limbs_mut().into_iter().enumerate().collect());
        par::for_limbs(n, out.words_mut(), |i, limb| {
            self.ntt(i).forward(limb);
            let m = self.modulus(i);
            simd::sub_from_mul_const(m, limb, &head[i * n..][..n], m.shoup(converter.product_inv[i]));
        });
        out
    }
}
