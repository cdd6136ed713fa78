//! Words in as many bits as their modulus needs. Keys take most of a server's memory and are read from there, so a third
//! less of them is also a third less to wait for.

/// Bits of a packed word modulo q: those of q, rounded up to half bytes, and to whole ones from where eight
/// bytes might not hold a word that begins within the first. Words of whole bytes are the fastest to unpack.
pub(crate) fn packed_bits(q: u64) -> usize {
    match (u64::BITS - q.leading_zeros()) as usize {
        bits @ ..=60 => bits.next_multiple_of(4),
        _ => 64,
    }
}

/// Writes `words` with `bits` bits each, lowest first.
pub(super) fn pack(mut words: impl Iterator<Item = u64>, bits: usize, out: &mut [u8]) {
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
    /// `len` words in the first bytes of `bytes`, which holds eight bytes more.
    pub(super) fn new(bytes: &'a [u8], bits: usize, len: usize) -> Self {
        Self { bytes: &bytes[..len / 8 * bits + 8], bits, len }
    }

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
