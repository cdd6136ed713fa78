//! Lifting a polynomial modulo q_0 to the whole chain: the ring side of ModRaise.

use super::switch::Digits;
use super::{Limbs, Ring, RnsPoly, par};

impl Ring {
    /// The centred lift of `x` (one limb, NTT domain) to q_0..q_{q_limbs−1}: coefficients in
    /// [−q_0/2, q_0/2).
    pub(crate) fn raise(&self, x: &RnsPoly, q_limbs: usize) -> RnsPoly {
        self.lift_limb(x, q_limbs, 0)
    }

    /// [`Ring::raise`] as the only digit of a gadget with the first special prime: what a key
    /// switch of a polynomial smaller than q_0 multiplies its key by.
    pub(crate) fn raise_as_digit(&self, x: &RnsPoly, q_limbs: usize) -> (RnsPoly, Digits) {
        let lifted = self.lift_limb(x, q_limbs, 1);
        let mut special = self.uninit(0, 1);
        special.limb_mut(0).copy_from_slice(lifted.limb(q_limbs));
        (lifted.truncated(q_limbs, 0), Digits::single(q_limbs, special))
    }

    fn lift_limb(&self, x: &RnsPoly, q_limbs: usize, special: usize) -> RnsPoly {
        let n = self.n();
        let mut coefficients = self.uninit(1, 0);
        coefficients.limb_mut(0).copy_from_slice(x.limb(0));
        self.ntt(0).inverse(coefficients.limb_mut(0));
        let mut out = self.uninit(q_limbs, special);
        let converter = self.converter(Limbs { start: 0, end: 1, special: 0 });
        let (own, others) = out.words_mut().split_at_mut(n);
        own.copy_from_slice(x.limb(0));
        let index = |i: usize| self.index(q_limbs, i + 1);
        let targets = others.chunks_exact_mut(n).enumerate().map(|(i, limb)| (index(i), limb)).collect();
        converter.convert(self.all_moduli(), &[coefficients.limb(0)], targets);
        par::for_limbs(n, others, |i, limb| self.ntt(index(i)).forward(limb));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ntt_primes;

    #[test]
    fn the_lift_is_centred_in_every_limb() {
        let primes = ntt_primes(45, 6, 4, &[]).unwrap();
        let ring = Ring::new(6, &primes[..3], &primes[3..]);
        let q0 = primes[0];
        let values: Vec<u64> = (0..64).map(|i| (i * i * 0x1234_5678_9abc + i) % q0).collect();
        let mut x = ring.zero(1, 0);
        x.limb_mut(0).copy_from_slice(&values);
        ring.forward(&mut x);
        let (mut lifted, digits) = ring.raise_as_digit(&x, 3);
        assert_eq!(lifted, ring.raise(&x, 3));
        let mut special = digits.limb(&lifted, 0, 3).to_vec();
        ring.ntt(3).inverse(&mut special);
        ring.inverse(&mut lifted);
        for (i, v) in values.iter().enumerate() {
            let centred = if *v > q0 / 2 { *v as i64 - q0 as i64 } else { *v as i64 };
            for j in 0..3 {
                assert_eq!(lifted.limb(j)[i], ring.modulus(j).residue_i64(centred));
            }
            assert_eq!(special[i], ring.modulus(3).residue_i64(centred));
        }
    }
}
