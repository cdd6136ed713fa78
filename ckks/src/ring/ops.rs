//! Limb-wise operations on polynomials in the NTT domain.

use super::simd::{self, Factor};
use super::{Ring, RnsPoly, par};

impl Ring {
    /// a ← a + b; `b` has at least the limbs of `a`.
    pub(crate) fn add_assign(&self, a: &mut RnsPoly, b: &RnsPoly) {
        self.zip_assign(a, b, simd::add_assign);
    }

    /// a ← a − b; `b` has at least the limbs of `a`.
    pub(crate) fn sub_assign(&self, a: &mut RnsPoly, b: &RnsPoly) {
        self.zip_assign(a, b, simd::sub_assign);
    }

    fn zip_assign(
        &self,
        a: &mut RnsPoly,
        b: &RnsPoly,
        f: impl Fn(&super::Modulus, &mut [u64], &[u64]) + Sync + Send,
    ) {
        let (n, q_limbs) = (a.n(), a.q_limbs());
        let repeat = n / b.n();
        par::for_limbs(n, a.words_mut(), |i, limb| {
            let m = &self.moduli[self.index(q_limbs, i)];
            let source = b.limb(if i < q_limbs { i } else { b.q_limbs() + i - q_limbs });
            if repeat == 1 {
                f(m, limb, source);
            } else {
                let mut full = self.pool.take(n);
                expand(&mut full, source, repeat);
                f(m, limb, &full);
            }
        });
    }

    /// a ← −a.
    pub(crate) fn neg_assign(&self, a: &mut RnsPoly) {
        let (n, q_limbs) = (a.n(), a.q_limbs());
        par::for_limbs(n, a.words_mut(), |i, limb| {
            simd::neg_assign(&self.moduli[self.index(q_limbs, i)], limb);
        });
    }

    /// a·b for `b` full or short; `b` has at least the limbs of `a`.
    pub(crate) fn mul(&self, a: &RnsPoly, b: &RnsPoly) -> RnsPoly {
        self.mul_acc(a.q_limbs(), a.special(), &[(a, b)])
    }

    /// Σ a_t·b_t over the first `q_limbs` and `special` limbs of all operands; each b_t full or short.
    pub(crate) fn mul_acc(&self, q_limbs: usize, special: usize, terms: &[(&RnsPoly, &RnsPoly)]) -> RnsPoly {
        let mut out = self.uninit(q_limbs, special);
        par::for_limbs(self.n(), out.words_mut(), |i, limb| {
            let index = self.index(q_limbs, i);
            let pick = |p: &RnsPoly| if i < q_limbs { i } else { p.q_limbs() + i - q_limbs };
            let rows: Vec<_> = terms
                .iter()
                .map(|(a, b)| (a.limb(pick(a)), Factor::new(b.limb(pick(b)), self.n())))
                .collect();
            match rows[..] {
                [(a, b)] => simd::mul(&self.moduli[index], limb, a, b),
                _ => simd::mul_acc(&self.moduli[index], limb, &rows),
            }
        });
        out
    }

    /// [Σ a0_t·b_t, Σ a1_t·b_t] over the first `q_limbs` and `special` limbs of all operands; each b_t
    /// full or short.
    pub(crate) fn mul_acc_pair(
        &self,
        q_limbs: usize,
        special: usize,
        terms: &[([&RnsPoly; 2], &RnsPoly)],
    ) -> [RnsPoly; 2] {
        let mut out = [(); 2].map(|()| self.uninit(q_limbs, special));
        let [out0, out1] = &mut out;
        par::for_limbs2(self.n(), out0.words_mut(), out1.words_mut(), |i, o0, o1| {
            let pick = |p: &RnsPoly| if i < q_limbs { i } else { p.q_limbs() + i - q_limbs };
            let rows: Vec<_> = terms
                .iter()
                .map(|([x, y], b)| (x.limb(pick(x)), y.limb(pick(y)), Factor::new(b.limb(pick(b)), self.n())))
                .collect();
            simd::mul_acc_pair(&self.moduli[self.index(q_limbs, i)], o0, o1, &rows);
        });
        out
    }

    /// a ← a·c_i on every limb, c_i = `c(modulus index)`.
    pub(crate) fn mul_scalar_assign(&self, a: &mut RnsPoly, c: impl Fn(usize) -> u64 + Sync + Send) {
        let (n, q_limbs) = (a.n(), a.q_limbs());
        par::for_limbs(n, a.words_mut(), |i, limb| {
            let index = self.index(q_limbs, i);
            let m = &self.moduli[index];
            simd::mul_const_assign(m, limb, m.shoup(c(index)));
        });
    }

    /// a ← a + c_i on every word (adds the constant polynomial c).
    pub(crate) fn add_scalar_assign(&self, a: &mut RnsPoly, c: impl Fn(usize) -> u64 + Sync + Send) {
        let (n, q_limbs) = (a.n(), a.q_limbs());
        par::for_limbs(n, a.words_mut(), |i, limb| {
            let index = self.index(q_limbs, i);
            simd::add_const_assign(&self.moduli[index], limb, c(index));
        });
    }

    /// a ← a·X^(N/2): in the slots, multiplication by the imaginary unit. The evaluation points of
    /// the first half of the words have X^(N/2) = ι, those of the second half −ι.
    pub(crate) fn mul_by_i_assign(&self, a: &mut RnsPoly) {
        let (n, q_limbs) = (a.n(), a.q_limbs());
        par::for_limbs(n, a.words_mut(), |i, limb| {
            let index = self.index(q_limbs, i);
            let m = &self.moduli[index];
            let iota = self.imaginary_unit(index);
            let (low, high) = limb.split_at_mut(n / 2);
            simd::mul_const_assign(m, low, m.shoup(iota));
            simd::mul_const_assign(m, high, m.shoup(m.neg(iota)));
        });
    }

    /// ι = ψ^(N/2) modulo `index`: word 0 of the transform of X^(N/2). The shortest ring suffices,
    /// since its root is a power of ψ.
    fn imaginary_unit(&self, index: usize) -> u64 {
        let mut monomial = [0u64; 1 << super::MIN_LOG_N];
        monomial[monomial.len() / 2] = 1;
        self.short_ntt(index, super::MIN_LOG_N).forward(&mut monomial);
        monomial[0]
    }

    /// The image of `a` under X → X^g: the definition the fused forms are tested against.
    #[cfg(test)]
    pub(crate) fn automorphism(&self, a: &RnsPoly, g: u64) -> RnsPoly {
        let table = self.permutation(g);
        let mut out = self.uninit(a.q_limbs(), a.special());
        par::for_limbs(a.n(), out.words_mut(), |i, limb| {
            for (out, t) in limb.chunks_exact_mut(8).zip(&table.blocks) {
                let source = &a.limb(i)[8 * (t >> 3) as usize..][..8];
                out.iter_mut()
                    .zip(&table.lanes[(t & 7) as usize])
                    .for_each(|(x, l)| *x = source[*l as usize]);
            }
        });
        out
    }

    /// Coefficients → evaluations on every limb; short polynomials use the short transform.
    #[cfg(test)]
    pub(crate) fn forward(&self, a: &mut RnsPoly) {
        let (n, q_limbs) = (a.n(), a.q_limbs());
        let log_n = n.trailing_zeros();
        par::for_limbs(n, a.words_mut(), |i, limb| {
            self.short_ntt(self.index(q_limbs, i), log_n).forward(limb);
        });
    }

    /// Evaluations → coefficients on every limb.
    pub(crate) fn inverse(&self, a: &mut RnsPoly) {
        let (n, q_limbs) = (a.n(), a.q_limbs());
        let log_n = n.trailing_zeros();
        par::for_limbs(n, a.words_mut(), |i, limb| {
            self.short_ntt(self.index(q_limbs, i), log_n).inverse(limb);
        });
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

/// Writes each word of `short` `repeat` times.
pub(crate) fn expand(full: &mut [u64], short: &[u64], repeat: usize) {
    full.chunks_exact_mut(repeat).zip(short).for_each(|(run, x)| run.fill(*x));
}
