//! Polynomials of keys, packed.

use super::packed::{Packed, pack, packed_bits};
use super::{Ring, RnsPoly, par};

/// A polynomial of full degree whose limbs are packed, in the form of their moduli ([`Modulus::in_form`]).
///
/// [`Modulus::in_form`]: super::Modulus::in_form
#[derive(PartialEq, Eq)]
pub(crate) struct PackedPoly {
    /// All limbs, and eight bytes more, so that any word can be read by eight bytes.
    bytes: Box<[u8]>,
    /// First byte and bits of each limb.
    limbs: Vec<(usize, usize)>,
    n: usize,
    q_limbs: usize,
}

impl PackedPoly {
    /// Packs `poly`, of full degree.
    pub(crate) fn new(ring: &Ring, poly: &RnsPoly) -> Self {
        let (n, q_limbs) = (poly.n(), poly.q_limbs());
        let mut limbs = Vec::with_capacity(poly.limbs());
        let mut length = 0;
        for i in 0..poly.limbs() {
            let bits = packed_bits(ring.modulus(ring.index(q_limbs, i)).q);
            limbs.push((length, bits));
            length += n / 8 * bits;
        }
        let mut bytes = vec![0; length + 8].into_boxed_slice();
        let mut rest = &mut bytes[..length];
        let outs =
            limbs.iter().map(|(_, bits)| rest.split_off_mut(..n / 8 * bits).expect("as long as all limbs"));
        par::for_each(n, outs.collect(), |i, out| {
            let m = ring.modulus(ring.index(q_limbs, i));
            pack(poly.limb(i).iter().map(|x| m.in_form(*x)), limbs[i].1, out);
        });
        Self { bytes, limbs, n, q_limbs }
    }

    /// Number of ciphertext-modulus limbs.
    pub(crate) fn q_limbs(&self) -> usize {
        self.q_limbs
    }

    /// Number of special-prime limbs.
    pub(crate) fn special(&self) -> usize {
        self.limbs.len() - self.q_limbs
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() - 8
    }

    /// Limb i, numbered as those of an [`RnsPoly`].
    pub(crate) fn limb(&self, i: usize) -> Packed<'_> {
        let (start, bits) = self.limbs[i];
        Packed::new(&self.bytes[start..], bits, self.n)
    }

    /// The polynomial.
    pub(crate) fn unpack(&self, ring: &Ring) -> RnsPoly {
        let mut poly = ring.uninit(self.q_limbs, self.special());
        par::for_limbs(self.n, poly.words_mut(), |i, limb| {
            let (packed, m) = (self.limb(i), ring.modulus(ring.index(self.q_limbs, i)));
            let back = m.form_inverse();
            limb.iter_mut().enumerate().for_each(|(k, x)| *x = m.mul(packed.word(k), back));
        });
        poly
    }

    /// A copy of the first `q_limbs` limbs and the first `special` special limbs.
    pub(crate) fn truncated(&self, q_limbs: usize, special: usize) -> Self {
        let mut bytes = Vec::new();
        let mut limbs = Vec::with_capacity(q_limbs + special);
        for i in (0..q_limbs).chain(self.q_limbs..self.q_limbs + special) {
            let (start, bits) = self.limbs[i];
            limbs.push((bytes.len(), bits));
            bytes.extend_from_slice(&self.bytes[start..start + self.n / 8 * bits]);
        }
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes: bytes.into_boxed_slice(), limbs, n: self.n, q_limbs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ntt_primes;
    use crate::ring::Modulus;
    use crate::ring::packed::PackedLimb;

    #[test]
    fn packing_keeps_all_words() {
        let log_n = 6;
        let q = [20, 35, 41, 50].map(|bits| ntt_primes(bits, log_n, 1, &[]).unwrap()[0]);
        let p = ntt_primes(49, log_n, 2, &q).unwrap();
        let ring = Ring::new(log_n, &q, &p);
        let mut poly = ring.uninit(4, 2);
        for (i, limb) in poly.limbs_mut().into_iter().enumerate() {
            let q = ring.modulus(ring.index(4, i)).q;
            limb.iter_mut().enumerate().for_each(|(k, x)| *x = q - 1 - (k * k * k) as u64 % q);
        }
        let packed = PackedPoly::new(&ring, &poly);
        assert!(packed.unpack(&ring) == poly);
        let bits = q.iter().chain(&p).map(|q| packed_bits(*q)).sum::<usize>();
        assert_eq!(packed.bytes(), bits * 8);
        assert!(packed.truncated(3, 1) == PackedPoly::new(&ring, &poly.truncated(3, 1)));
        let part = packed.limb(2).part(16, 24);
        let m = ring.modulus(2);
        assert!((0..part.len()).all(|i| part.word(i) == m.in_form(poly.limb(2)[16 + i])));
        for bits in [40, 41, 48, 49, 52, 53, 56, 57, 60, 61] {
            let q = (1 << bits) - 1;
            let words: Vec<u64> = (0..16).map(|i| q - 1 - i).collect();
            let packed = PackedLimb::new(&words, &Modulus::portable(q));
            assert!(words.iter().enumerate().all(|(i, x)| packed.get().word(i) == *x), "{bits}");
        }
    }
}
