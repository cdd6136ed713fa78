//! Why a parameter set is refused.

use thiserror::Error;

/// A refusal by [`Parameters::new`](super::Parameters::new) or by prime generation.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The ring degree has no row in the security table or is outside what the engine handles.
    #[error("log2 N = {log_n} is not supported (supported: {min}..={max})")]
    RingDegree {
        /// Requested log2 N.
        log_n: u32,
        /// Smallest accepted.
        min: u32,
        /// Largest accepted.
        max: u32,
    },
    /// A prime width is outside the supported band.
    #[error("a prime of {bits} bits is outside {min}..={max} bits")]
    PrimeBits {
        /// Requested width in bits.
        bits: u32,
        /// Narrowest accepted.
        min: u32,
        /// Widest accepted.
        max: u32,
    },
    /// There are not enough NTT primes near the requested power of two.
    #[error("only {found} of {wanted} NTT primes found near 2^{bits} for log2 N = {log_n}")]
    NotEnoughPrimes {
        /// Requested width in bits.
        bits: u32,
        /// log2 N.
        log_n: u32,
        /// Number asked for.
        wanted: usize,
        /// Number found.
        found: usize,
    },
    /// The chain is empty or longer than the engine's bound.
    #[error("{what}: {count} primes, expected {min}..={max}")]
    PrimeCount {
        /// `"q"` or `"p"`.
        what: &'static str,
        /// Number given.
        count: usize,
        /// Fewest accepted.
        min: usize,
        /// Most accepted.
        max: usize,
    },
    /// A modulus is not prime.
    #[error("modulus {value} is not prime")]
    NotPrime {
        /// The modulus.
        value: u64,
    },
    /// A modulus is not 1 modulo 2N.
    #[error("modulus {value} is not 1 modulo 2N = {two_n}")]
    NotNttFriendly {
        /// The modulus.
        value: u64,
        /// 2N.
        two_n: u64,
    },
    /// The same modulus occurs twice in QP.
    #[error("modulus {value} occurs twice")]
    Duplicate {
        /// The modulus.
        value: u64,
    },
    /// log2(QP) exceeds the 128-bit cap.
    #[error("log2(QP) = {log_qp:.2} exceeds {cap}, the 128-bit cap at log2 N = {log_n}")]
    Insecure {
        /// log2 N.
        log_n: u32,
        /// log2(QP), special primes included.
        log_qp: f64,
        /// Cap of the table.
        cap: u32,
    },
    /// The error's standard deviation differs from the one the security table is for.
    #[error("sigma = {sigma}: the security table is for {expected}")]
    Sigma {
        /// Requested σ.
        sigma: f64,
        /// σ of the table.
        expected: f64,
    },
    /// No admissible key shape exists at a level: the special primes are too small.
    #[error(
        "key switching at level {level}: the special primes ({log_p:.2} bits) must exceed a digit \
         ({log_digit:.2} bits) by 3 bits"
    )]
    SpecialTooSmall {
        /// Level without a shape.
        level: usize,
        /// log2 of the product of all special primes.
        log_p: f64,
        /// log2 of the largest single-limb digit.
        log_digit: f64,
    },
    /// A serialised parameter set does not have the expected structure.
    #[error("malformed parameter bytes: {0}")]
    Malformed(&'static str),
}
