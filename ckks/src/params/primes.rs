//! NTT-friendly primes: a deterministic choice shared by the engine and the planner.

use super::ParameterError;
use crate::ring::{mul_mod, pow_mod};

/// Widest prime the engine accepts today, in bits: below 2^50 the AVX-512 IFMA kernels serve.
pub const MAX_PRIME_BITS: u32 = 50;
/// Narrowest prime accepted, in bits.
pub const MIN_PRIME_BITS: u32 = 20;

/// Whether `n` is prime. Miller–Rabin with the first twelve primes as bases, which is exact below
/// 3.3·10^24 (Sorenson and Webster, 2015).
pub fn is_prime(n: u64) -> bool {
    const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if n < 2 {
        return false;
    }
    for p in BASES {
        if n.is_multiple_of(p) {
            return n == p;
        }
    }
    let s = (n - 1).trailing_zeros();
    let d = (n - 1) >> s;
    'base: for a in BASES {
        let mut x = pow_mod(a, d, n);
        if x == 1 || x == n - 1 {
            continue;
        }
        for _ in 1..s {
            x = mul_mod(x, x, n);
            if x == n - 1 {
                continue 'base;
            }
        }
        return false;
    }
    true
}

/// The `count` primes congruent to 1 modulo 2N (N = 2^`log_n`) closest to 2^`bits`, skipping those in
/// `already_used`.
///
/// Candidates are visited in the order above, below, next above, next below, … so that products of
/// several stay close to powers of two and scales drift little. At [`MAX_PRIME_BITS`] only primes
/// below 2^bits are taken. The order is part of the contract: planner and engine call this function
/// and must agree on every prime.
///
/// # Errors
/// [`ParameterError::PrimeBits`] if `bits` is out of range or too small for the ring, and
/// [`ParameterError::NotEnoughPrimes`] if the band within a factor of two of 2^`bits` is used up.
pub fn ntt_primes(
    bits: u32,
    log_n: u32,
    count: usize,
    already_used: &[u64],
) -> Result<Vec<u64>, ParameterError> {
    ntt_primes_near(f64::from(bits), log_n, count, already_used)
}

/// As [`ntt_primes`], around 2^`log2` for any real `log2` up to [`MAX_PRIME_BITS`].
///
/// # Errors
/// As [`ntt_primes`].
pub fn ntt_primes_near(
    log2: f64,
    log_n: u32,
    count: usize,
    already_used: &[u64],
) -> Result<Vec<u64>, ParameterError> {
    let mut primes = NearPrimes::new(log2, log_n)?;
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        let next = primes.by_ref().find(|p| !already_used.contains(p));
        found.push(next.ok_or_else(|| primes.exhausted(count, found.len()))?);
    }
    Ok(found)
}

/// The primes of [`ntt_primes_near`] in its order, one after another.
pub(super) struct NearPrimes {
    bits: u32,
    log_n: u32,
    centre: u64,
    /// Candidates visited: the centre, then one above and one below at each distance.
    visited: u64,
}

impl NearPrimes {
    pub(super) fn new(log2: f64, log_n: u32) -> Result<Self, ParameterError> {
        let bits = log2.round() as u32;
        if !(MIN_PRIME_BITS..=MAX_PRIME_BITS).contains(&bits) || bits < log_n + 2 {
            return Err(ParameterError::PrimeBits {
                bits,
                min: MIN_PRIME_BITS.max(log_n + 2),
                max: MAX_PRIME_BITS,
            });
        }
        let step = 2u64 << log_n;
        let centre = (log2.exp2() as u64).min(1 << MAX_PRIME_BITS);
        Ok(Self { bits, log_n, centre: centre / step * step, visited: 0 })
    }

    pub(super) fn exhausted(&self, wanted: usize, found: usize) -> ParameterError {
        ParameterError::NotEnoughPrimes { bits: self.bits, log_n: self.log_n, wanted, found }
    }
}

impl Iterator for NearPrimes {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let step = 2u64 << self.log_n;
        loop {
            let (k, below) = (self.visited.div_ceil(2), self.visited > 0 && self.visited.is_multiple_of(2));
            // Stay within a factor of two: beyond that the name "bits" would be a lie.
            if k * step >= self.centre / 2 {
                return None;
            }
            self.visited += 1;
            let candidate = if below { self.centre + 1 - k * step } else { self.centre + 1 + k * step };
            if candidate < 1 << MAX_PRIME_BITS && is_prime(candidate) {
                return Some(candidate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn miller_rabin_agrees_with_trial_division() {
        let trial = |n: u64| n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
        for n in 0..5000 {
            assert_eq!(is_prime(n), trial(n), "{n}");
        }
        assert!(is_prime((1 << 61) - 1));
        assert!(!is_prime(((1u64 << 31) - 1) * ((1 << 31) - 1)));
    }

    #[test]
    fn primes_are_ntt_friendly_distinct_and_balanced() {
        let primes = ntt_primes(40, 16, 12, &[]).unwrap();
        let mut log_product = 0.0;
        for (i, &p) in primes.iter().enumerate() {
            assert!(is_prime(p) && p % (1 << 17) == 1);
            assert!(!primes[..i].contains(&p));
            log_product += (p as f64).log2();
        }
        assert!((log_product - 480.0).abs() < 1e-2, "{log_product}");
        let one_by_one =
            primes.iter().enumerate().all(|(i, p)| ntt_primes(40, 16, 1, &primes[..i]).unwrap() == [*p]);
        assert!(one_by_one, "asking one at a time gives the same chain");
        assert!(ntt_primes(50, 16, 8, &[]).unwrap().iter().all(|p| *p < 1 << 50));
        assert!(ntt_primes(51, 16, 1, &[]).is_err());
        assert!(ntt_primes(20, 17, 3, &[]).is_err());
    }
}
