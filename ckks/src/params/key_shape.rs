//! Shapes of key-switching keys: how many limbs, special primes and digits a key of a level has.

use super::ParameterError;

/// Gadget headroom in bits: P must exceed every digit by this factor so that the key switch's noise
/// stays below the rounding noise of ModDown.
pub const GADGET_HEADROOM_BITS: f64 = 3.0;
/// Number of digits the default shape aims at.
pub const TARGET_DIGITS: usize = 2;

/// Cost of a transform and of a product with a limb from memory, over that of a product in the cache
/// (the ratios of [`KernelCosts`](crate::cost::KernelCosts)).
const NTT_COST: usize = 14;
const STREAMED_COST: usize = 5;

/// Shape of one key-switching key.
///
/// A key of level L has limbs q_0..=q_L and the first `special` special primes; its digits are runs of
/// `digit_limbs` consecutive limbs. It serves every ciphertext of level ≤ L with the same `special`
/// (digits beyond the ciphertext's level are not used).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct KeyShape {
    /// Highest ciphertext level the key serves (level 0 has one limb).
    pub level: usize,
    /// Number of special primes k.
    pub special: usize,
    /// Limbs per digit, α ≤ k.
    pub digit_limbs: usize,
}

impl KeyShape {
    /// Number of limbs of the ciphertext modulus at the key's level.
    pub fn q_limbs(&self) -> usize {
        self.level + 1
    }

    /// Limbs of each key polynomial: q_0..=q_level and the special primes.
    pub fn total_limbs(&self) -> usize {
        self.level + 1 + self.special
    }

    /// Bytes of a key of this shape in memory, both halves, in a ring of degree 2^`log_n` where the moduli of its limbs
    /// have so many bits in all.
    pub(crate) fn packed_bytes(&self, log_n: u32, bits: usize) -> usize {
        ((2 * self.digits() * bits) << log_n) / 8
    }

    /// Number of digits of the key.
    pub fn digits(&self) -> usize {
        self.digits_at(self.level)
    }

    /// Number of digits used for a ciphertext of `level` ≤ the key's.
    pub fn digits_at(&self, level: usize) -> usize {
        (level + 1).div_ceil(self.digit_limbs)
    }

    /// Shape of the key to the sparse secret of bootstrapping: modulus q_0·p_0, nothing more.
    pub fn dense_to_sparse() -> Self {
        Self { level: 0, special: 1, digit_limbs: 1 }
    }

    /// Shape of the key back from the sparse secret at `level`: one digit, for polynomials below q_0.
    pub fn sparse_to_dense(level: usize) -> Self {
        Self { level, special: 1, digit_limbs: level + 1 }
    }

    /// Shape of a key of this shape cut down to `level`: the gadget stays, but for the one digit of
    /// [`KeyShape::sparse_to_dense`], which is always the whole ciphertext.
    pub fn truncated(&self, level: usize) -> Self {
        let level = level.min(self.level);
        if *self == Self::sparse_to_dense(self.level) {
            return Self::sparse_to_dense(level);
        }
        Self { level, ..*self }
    }

    /// Modelled time of a key switch of one polynomial of `level` ≤ the key's, in units of a product
    /// of two limbs in the cache: transforms and conversions of ModUp and of two ModDowns, and the
    /// inner product, whose key limbs are streamed from memory.
    pub fn switch_cost(&self, level: usize) -> u64 {
        let digits = self.digits_at(level);
        let (limbs, total) = (level + 1, level + 1 + self.special);
        let converted = digits * total - limbs;
        let transforms = limbs + converted + 2 * total;
        let conversions = converted * limbs.div_ceil(digits) + 2 * self.special * limbs;
        (NTT_COST * transforms + STREAMED_COST * 2 * digits * total + conversions) as u64
    }

    /// Which of several keys serves a ciphertext of `level`: the one with the least of this.
    pub(crate) fn preference(&self, level: usize) -> (u64, usize) {
        (self.switch_cost(level), self.level)
    }

    /// Whether a key of this shape can be applied to digits decomposed for `other`.
    pub fn same_gadget(&self, other: &KeyShape) -> bool {
        self.special == other.special && self.digit_limbs == other.digit_limbs
    }
}

/// Largest α ≤ k such that every run of α limbs (starting at a multiple of α) of `log_q[..=level]` is
/// at least [`GADGET_HEADROOM_BITS`] below the product of the first k special primes.
fn widest_digit(log_q: &[f64], log_p_k: f64, k: usize) -> usize {
    (1..=k)
        .rev()
        .find(|alpha| {
            log_q.chunks(*alpha).all(|d| d.iter().sum::<f64>() + GADGET_HEADROOM_BITS <= log_p_k + 1e-9)
        })
        .unwrap_or(0)
}

/// Default shape at `level`: the fewest special primes that give at most [`TARGET_DIGITS`] digits; if
/// even all of them do not, all of them with the widest admissible digit.
///
/// `log_q` and `log_p` are log2 of the primes of the whole chain.
pub(crate) fn default_shape(log_q: &[f64], log_p: &[f64], level: usize) -> Result<KeyShape, ParameterError> {
    let used = &log_q[..=level];
    let mut fallback = None;
    for special in 1..=log_p.len() {
        let digit_limbs = widest_digit(used, log_p[..special].iter().sum(), special);
        if digit_limbs == 0 {
            continue;
        }
        let shape = KeyShape { level, special, digit_limbs };
        if shape.digits() <= TARGET_DIGITS {
            return Ok(shape);
        }
        fallback = Some(shape);
    }
    fallback.ok_or_else(|| ParameterError::SpecialTooSmall {
        level,
        log_p: log_p.iter().sum(),
        log_digit: used.iter().copied().fold(0.0, f64::max),
    })
}

/// Checks a caller-chosen shape against the chain.
pub(super) fn check_shape(log_q: &[f64], log_p: &[f64], shape: &KeyShape) -> bool {
    shape.level < log_q.len()
        && (1..=log_p.len()).contains(&shape.special)
        && (1..=shape.special).contains(&shape.digit_limbs)
        && log_q[..=shape.level].chunks(shape.digit_limbs).all(|d| {
            d.iter().sum::<f64>() + GADGET_HEADROOM_BITS <= log_p[..shape.special].iter().sum::<f64>() + 1e-9
        })
}
