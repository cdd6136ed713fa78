//! One prime modulus with its reduction constants.

use super::cpu::{avx2_available, ifma_available};
use super::modular::{inv_mod, mul_mod};

/// Largest modulus the vector kernels serve (exclusive).
const VECTOR_LIMIT: u64 = 1 << 50;

/// A prime q < 2^61 with the constants of Barrett and Shoup reduction.
#[derive(Debug, Clone, Copy)]
pub struct Modulus {
    /// The prime.
    pub q: u64,
    /// floor(2^64 / q).
    pub(crate) mu64: u64,
    /// 2^64 mod q as a Shoup constant.
    pub(crate) r64: Shoup,
    /// 2^52 mod q as a Shoup constant (52-bit quotient; only where q < 2^50).
    pub(crate) r52: Shoup,
    /// floor(2^52 / q).
    pub(crate) mu52: u64,
    /// 1/q modulo 2^52.
    pub(crate) inv52: u64,
    /// Whether AVX-512 IFMA kernels serve this modulus on this machine.
    pub(crate) ifma: bool,
    /// Whether AVX2 kernels do, for operations that have one and where IFMA is missing.
    pub(crate) avx2: bool,
}

/// A constant w < q with floor(w·2^64/q) and floor(w·2^52/q), for multiplication by Shoup's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shoup {
    pub(crate) w: u64,
    pub(crate) w64: u64,
    pub(crate) w52: u64,
}

impl Shoup {
    pub(crate) fn new(w: u64, q: u64) -> Self {
        debug_assert!(w < q);
        let quotient = |bits: u32| ((u128::from(w) << bits) / u128::from(q)) as u64;
        Self { w, w64: quotient(64), w52: quotient(52) }
    }

    /// x·w mod q in [0, 2q), for any 64-bit x.
    #[inline(always)]
    pub(crate) fn mul_lazy(self, x: u64, q: u64) -> u64 {
        let quotient = ((u128::from(x) * u128::from(self.w64)) >> 64) as u64;
        x.wrapping_mul(self.w).wrapping_sub(quotient.wrapping_mul(q))
    }

    /// x·w mod q, for any 64-bit x.
    #[inline(always)]
    pub(crate) fn mul(self, x: u64, q: u64) -> u64 {
        reduce_once(self.mul_lazy(x, q), q)
    }
}

/// x - q if x ≥ q, else x; without a branch.
#[inline(always)]
pub(crate) fn reduce_once(x: u64, q: u64) -> u64 {
    x.min(x.wrapping_sub(q))
}

/// 1/q modulo 2^52 for odd q, by Newton's iteration: each step doubles the number of correct bits.
fn inv_2_52(q: u64) -> u64 {
    let newton = |x: u64, _| x.wrapping_mul(2u64.wrapping_sub(q.wrapping_mul(x)));
    (0..6).fold(q, newton) & ((1 << 52) - 1)
}

impl Modulus {
    /// Constants of the prime `q`, using the fastest kernels this machine has.
    pub(crate) fn new(q: u64) -> Self {
        let mut modulus = Self::portable(q);
        modulus.ifma = q < VECTOR_LIMIT && ifma_available();
        modulus.avx2 = q < VECTOR_LIMIT && avx2_available();
        modulus
    }

    /// Constants of the prime `q`, as on a machine without AVX-512.
    #[cfg(test)]
    pub(crate) fn avx2_only(q: u64) -> Self {
        Self { ifma: false, ..Self::new(q) }
    }

    /// Constants of the prime `q`, using portable kernels only.
    pub(crate) fn portable(q: u64) -> Self {
        debug_assert!(q > 2 && q < 1 << 61);
        Self {
            q,
            mu64: ((1u128 << 64) / u128::from(q)) as u64,
            r64: Shoup::new(((1u128 << 64) % u128::from(q)) as u64, q),
            r52: Shoup::new((1 << 52) % q, q),
            mu52: (1 << 52) / q,
            inv52: inv_2_52(q),
            ifma: false,
            avx2: false,
        }
    }

    /// x mod q.
    #[inline(always)]
    pub(crate) fn reduce(&self, x: u64) -> u64 {
        let quotient = ((u128::from(x) * u128::from(self.mu64)) >> 64) as u64;
        reduce_once(x.wrapping_sub(quotient.wrapping_mul(self.q)), self.q)
    }

    /// x mod q for a 128-bit x: the high word is folded with 2^64 mod q.
    #[inline(always)]
    pub(crate) fn reduce_wide(&self, x: u128) -> u64 {
        let (hi, lo) = ((x >> 64) as u64, x as u64);
        let quotient = ((u128::from(lo) * u128::from(self.mu64)) >> 64) as u64;
        let low = lo.wrapping_sub(quotient.wrapping_mul(self.q));
        let sum = low + self.r64.mul_lazy(hi, self.q);
        reduce_once(reduce_once(sum, 2 * self.q), self.q)
    }

    /// a·b mod q.
    #[inline(always)]
    pub(crate) fn mul(&self, a: u64, b: u64) -> u64 {
        self.reduce_wide(u128::from(a) * u128::from(b))
    }

    /// a + b mod q for reduced operands.
    #[inline(always)]
    pub(crate) fn add(&self, a: u64, b: u64) -> u64 {
        reduce_once(a + b, self.q)
    }

    /// a - b mod q for reduced operands.
    #[inline(always)]
    pub(crate) fn sub(&self, a: u64, b: u64) -> u64 {
        reduce_once(a + self.q - b, self.q)
    }

    /// -a mod q.
    #[inline(always)]
    pub(crate) fn neg(&self, a: u64) -> u64 {
        reduce_once(self.q - a, self.q)
    }

    /// Residue of a signed 64-bit integer.
    #[inline(always)]
    pub(crate) fn residue_i64(&self, x: i64) -> u64 {
        let r = self.reduce(x.unsigned_abs());
        if x < 0 { self.neg(r) } else { r }
    }

    /// Residue of a signed 128-bit integer.
    pub(crate) fn residue_i128(&self, x: i128) -> u64 {
        let r = self.reduce_wide(x.unsigned_abs());
        if x < 0 { self.neg(r) } else { r }
    }

    /// x in the form of the factors that the kernels reduce by Montgomery's method: x·2^52 mod q where IFMA kernels
    /// serve, else x itself.
    #[inline(always)]
    pub(crate) fn in_form(&self, x: u64) -> u64 {
        if self.ifma { self.r52.mul(x, self.q) } else { x }
    }

    /// What takes the form of [`Modulus::in_form`] off as a factor.
    pub(crate) fn form_inverse(&self) -> u64 {
        if self.ifma { self.inv(self.r52.w) } else { 1 }
    }

    /// The constant `w` mod q in Shoup form.
    pub(crate) fn shoup(&self, w: u64) -> Shoup {
        Shoup::new(w % self.q, self.q)
    }

    /// Inverse of `a` mod q.
    pub(crate) fn inv(&self, a: u64) -> u64 {
        inv_mod(a % self.q, self.q)
    }

    /// Product of `factors` mod q.
    pub(crate) fn product(&self, factors: impl IntoIterator<Item = u64>) -> u64 {
        factors.into_iter().fold(1, |acc, f| mul_mod(acc, f % self.q, self.q))
    }
}
