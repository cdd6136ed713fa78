//! Polynomials of keys: as many bits per word as the modulus needs. Keys take most of a server's memory and are read
//! from there, so a third less of them is also a third less to wait for.

use super::{Ring, RnsPoly, par};

/// Bits of a word modulo q in a [`PackedPoly`]: those of q, rounded up to half bytes, and to whole ones from where eight
/// bytes might not hold a word that begins within the first. Words of whole bytes are the fastest to unpack.
pub(crate) fn packed_bits(q: u64) -> usize {
    match (u64::BITS - q.leading_zeros()) as usize {
        bits @ ..=60 => bits.next_multiple_of(4),
        _ => 64,
    }
}

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
        Packed { bytes: &self.bytes[start..start + self.n / 8 * bits + 8], bits, len: self.n }
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

/// Writes `words` with `bits` bits each, lowest first.
fn pack(mut words: impl Iterator<Item = u64>, bits: usize, out: &mut [u8]) {
    for out in out.chunks_exact_mut(bits) {
        let (mut buffer, mut filled, mut at) = (0u128, 0, 0);
        for word in words.by_ref().take(8) {
            buffer |= u128::from(word) << filled;
            filled += bits;
            while filled >= 8 {
                out[at] = buffer as u8;
                (buffer, filled, at) = (buffer >> 8, filled - 8, at + 1);
            }
        }
    }
}

/// Words packed in `bits` bits each, in number a multiple of eight.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    /// The words and eight bytes more.
    bytes: &'a [u8],
    bits: usize,
    len: usize,
}

impl<'a> Packed<'a> {
    /// Number of words.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bits of a word.
    pub(crate) fn bits(&self) -> usize {
        self.bits
    }

    /// Words `start`, …, `start` + `len` − 1; both are multiples of eight.
    pub(crate) fn part(&self, start: usize, len: usize) -> Self {
        let first = start / 8 * self.bits;
        Self { bytes: &self.bytes[first..first + len / 8 * self.bits + 8], len, ..*self }
    }

    /// The bytes: to eight words as many as a word has bits.
    pub(crate) fn blocks(&self) -> &'a [u8] {
        &self.bytes[..self.len / 8 * self.bits]
    }

    /// Word i.
    pub(crate) fn word(&self, i: usize) -> u64 {
        let bit = i % 8 * self.bits;
        let from = i / 8 * self.bits + bit / 8;
        let window: [u8; 8] = self.bytes[from..from + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(window) >> (bit % 8) & (u64::MAX >> (64 - self.bits))
    }
}

/// A limb, packed, for tests of kernels.
#[cfg(test)]
pub(crate) struct PackedLimb(Vec<u8>, usize);

#[cfg(test)]
impl PackedLimb {
    pub(crate) fn new(limb: &[u64], m: &super::Modulus) -> Self {
        let bits = packed_bits(m.q);
        let mut bytes = vec![0; limb.len() / 8 * bits + 8];
        let length = bytes.len() - 8;
        pack(limb.iter().map(|x| m.in_form(*x)), bits, &mut bytes[..length]);
        Self(bytes, bits)
    }

    pub(crate) fn get(&self) -> Packed<'_> {
        Packed { bytes: &self.0, bits: self.1, len: (self.0.len() - 8) / self.1 * 8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ntt_primes;
    use crate::ring::Modulus;

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
