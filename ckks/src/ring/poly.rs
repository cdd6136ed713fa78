//! Polynomials in residue number system form.

use super::par;
use super::pool::{Buffer, Pool};
use std::collections::TryReserveError;
use std::fmt;
use std::sync::Arc;

/// A polynomial as residues modulo q_0..q_{l-1} and the first k special primes.
///
/// Limbs are contiguous runs of `n` words in one 64-byte aligned buffer: the `q_limbs` first, then the
/// `special` ones. Whether words are coefficients or evaluations is the holder's convention; all
/// polynomials of ciphertexts, plaintexts and keys are evaluations (NTT domain).
pub struct RnsPoly {
    words: Buffer,
    n: usize,
    q_limbs: usize,
    special: usize,
}

impl RnsPoly {
    /// A polynomial with unspecified contents; the caller writes every limb.
    pub(crate) fn uninit(pool: &Arc<Pool>, n: usize, q_limbs: usize, special: usize) -> Self {
        Self { words: pool.take(n * (q_limbs + special)), n, q_limbs, special }
    }

    /// As [`RnsPoly::uninit`].
    ///
    /// # Errors
    /// If the system has no memory for it.
    pub(crate) fn try_uninit(
        pool: &Arc<Pool>,
        n: usize,
        q_limbs: usize,
        special: usize,
    ) -> Result<Self, TryReserveError> {
        Ok(Self { words: pool.try_take(n * (q_limbs + special))?, n, q_limbs, special })
    }

    /// The zero polynomial.
    #[cfg(any(feature = "client", test))]
    pub(crate) fn zero(pool: &Arc<Pool>, n: usize, q_limbs: usize, special: usize) -> Self {
        let mut poly = Self::uninit(pool, n, q_limbs, special);
        poly.words.fill(0);
        poly
    }

    /// Words per limb.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of ciphertext-modulus limbs.
    pub fn q_limbs(&self) -> usize {
        self.q_limbs
    }

    /// Number of special-prime limbs.
    pub fn special(&self) -> usize {
        self.special
    }

    /// Number of limbs in all.
    pub fn limbs(&self) -> usize {
        self.q_limbs + self.special
    }

    /// Limb i: i < `q_limbs` is modulo q_i, the rest modulo the special primes.
    pub fn limb(&self, i: usize) -> &[u64] {
        &self.words[i * self.n..][..self.n]
    }

    pub(crate) fn limb_mut(&mut self, i: usize) -> &mut [u64] {
        &mut self.words[i * self.n..][..self.n]
    }

    /// All words, limb after limb.
    pub fn words(&self) -> &[u64] {
        &self.words[..self.n * self.limbs()]
    }

    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        let len = self.n * self.limbs();
        &mut self.words[..len]
    }

    /// All limbs, mutably.
    pub(crate) fn limbs_mut(&mut self) -> Vec<&mut [u64]> {
        let n = self.n;
        self.words_mut().chunks_exact_mut(n).collect()
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        self.words.pool()
    }

    #[cfg(feature = "client")]
    pub(crate) fn detach(&mut self) {
        self.words.detach();
    }

    /// A copy of the first `q_limbs` limbs and the first `special` special limbs.
    pub(crate) fn truncated(&self, q_limbs: usize, special: usize) -> Self {
        debug_assert!(q_limbs <= self.q_limbs && special <= self.special);
        let mut out = Self::uninit(&self.pool(), self.n, q_limbs, special);
        let n = self.n;
        par::for_limbs(n, out.words_mut(), |i, limb| {
            let source = if i < q_limbs { i } else { self.q_limbs + i - q_limbs };
            limb.copy_from_slice(self.limb(source));
        });
        out
    }
}

impl Clone for RnsPoly {
    fn clone(&self) -> Self {
        self.truncated(self.q_limbs, self.special)
    }
}

impl PartialEq for RnsPoly {
    fn eq(&self, other: &Self) -> bool {
        (self.n, self.q_limbs, self.special) == (other.n, other.q_limbs, other.special)
            && self.words() == other.words()
    }
}

impl Eq for RnsPoly {}

impl fmt::Debug for RnsPoly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RnsPoly")
            .field("n", &self.n)
            .field("q_limbs", &self.q_limbs)
            .field("special", &self.special)
            .finish_non_exhaustive()
    }
}
