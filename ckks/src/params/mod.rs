//! Parameter sets: an unchecked [`ParametersLiteral`] and the checked [`Parameters`].
//!
//! [`Parameters::new`] is the only way to a [`Parameters`]; security, prime structure and the gadget
//! condition are checked there and nowhere else has to be.

mod error;
mod key_name;
mod key_shape;
mod primes;
pub mod security_table;

use crate::ring::{Ring, packed_bits};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, OnceLock};

pub use error::ParameterError;
pub use key_name::KeyName;
pub(crate) use key_shape::default_shape;
pub use key_shape::{GADGET_HEADROOM_BITS, KeyShape, TARGET_DIGITS};
use primes::NearPrimes;
pub use primes::{MAX_PRIME_BITS, MIN_PRIME_BITS, is_prime, ntt_primes, ntt_primes_near};

/// Standard deviation of the error the security table is for.
pub const SIGMA: f64 = 3.19;
/// Most primes in the ciphertext modulus.
pub const MAX_Q: usize = 96;
/// Most special primes.
pub const MAX_P: usize = 32;
const LOG_N_MIN_TEST: u32 = 4;
const LOG_N_MIN: u32 = 12;
const LOG_N_MAX: u32 = 17;

/// Distribution of the secret key's coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Secret {
    /// Each coefficient uniform in {-1, 0, 1}: h = 2N/3 on average.
    UniformTernary,
}

/// An unchecked parameter set with explicit primes: what a plan stores and a file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParametersLiteral {
    /// log2 of the ring degree N.
    pub log_n: u32,
    /// Primes of the ciphertext modulus, q_0 first.
    pub q: Vec<u64>,
    /// Special primes of key switching, in the order in which shapes take them.
    pub p: Vec<u64>,
    /// Secret distribution.
    pub secret: Secret,
    /// Standard deviation of the error.
    pub sigma: f64,
}

impl ParametersLiteral {
    /// Generates primes of the given widths with [`ntt_primes`], one at a time: first `q_bits` in
    /// order (q_0 first), then `p_bits`. Uniform ternary secret, σ = [`SIGMA`].
    ///
    /// # Errors
    /// Those of [`ntt_primes`]. Nothing else is checked here.
    pub fn from_bits(log_n: u32, q_bits: &[u32], p_bits: &[u32]) -> Result<Self, ParameterError> {
        let wide = |bits: &[u32]| bits.iter().map(|b| f64::from(*b)).collect::<Vec<_>>();
        Self::from_widths(log_n, &wide(q_bits), &wide(p_bits))
    }

    /// As [`ParametersLiteral::from_bits`], with widths that need not be integers.
    ///
    /// # Errors
    /// Those of [`ntt_primes_near`].
    pub fn from_widths(log_n: u32, q: &[f64], p: &[f64]) -> Result<Self, ParameterError> {
        let mut all: Vec<u64> = Vec::with_capacity(q.len() + p.len());
        // What one width has passed over is used, and stays so.
        let mut sources: HashMap<u64, NearPrimes> = HashMap::new();
        for &width in q.iter().chain(p) {
            let source = match sources.entry(width.to_bits()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(NearPrimes::new(width, log_n)?),
            };
            let prime = source.by_ref().find(|p| !all.contains(p));
            all.push(prime.ok_or_else(|| source.exhausted(1, 0))?);
        }
        let p = all.split_off(q.len());
        Ok(Self { log_n, q: all, p, secret: Secret::UniformTernary, sigma: SIGMA })
    }
}

/// Stable identity of a parameter set: BLAKE3 of everything that affects ciphertexts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParametersId(pub [u8; 32]);

impl fmt::Display for ParametersId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for ParametersId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParametersId({self})")
    }
}

struct Inner {
    literal: ParametersLiteral,
    id: ParametersId,
    log_q: Vec<f64>,
    log_p: Vec<f64>,
    shapes: Vec<KeyShape>,
    /// Whether the security cap was checked: false for parameters of tests.
    secure: bool,
    ring: OnceLock<Arc<Ring>>,
}

/// A checked parameter set. Cloning is cheap (shared).
#[derive(Clone)]
pub struct Parameters(Arc<Inner>);

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("id", &self.0.id)
            .field("log_n", &self.0.literal.log_n)
            .field("q", &self.0.literal.q)
            .field("p", &self.0.literal.p)
            .finish()
    }
}

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Parameters {}

impl Parameters {
    /// Checks `literal` and builds the parameter set.
    ///
    /// # Errors
    /// A [`ParameterError`] with the numbers, if: the ring degree has no row in the security table;
    /// log2(QP), special primes included, exceeds its cap; σ is not the table's; a modulus is not
    /// prime, not 1 modulo 2N, repeated, or of unsupported width; or some level has no key shape
    /// whose special primes exceed each digit by [`GADGET_HEADROOM_BITS`].
    pub fn new(literal: &ParametersLiteral) -> Result<Self, ParameterError> {
        let log_n = literal.log_n;
        let Some(cap) = security_table::max_log_qp(log_n) else {
            return Err(ParameterError::RingDegree { log_n, min: LOG_N_MIN, max: LOG_N_MAX });
        };
        if literal.sigma.to_bits() != SIGMA.to_bits() {
            return Err(ParameterError::Sigma { sigma: literal.sigma, expected: SIGMA });
        }
        let log_qp: f64 = literal.q.iter().chain(&literal.p).map(|q| (*q as f64).log2()).sum();
        if log_qp > f64::from(cap) {
            return Err(ParameterError::Insecure { log_n, log_qp, cap });
        }
        Self::check_structure(literal, true)
    }

    /// All checks but that of the modulus; `secure` says whether that one was done.
    fn check_structure(literal: &ParametersLiteral, secure: bool) -> Result<Self, ParameterError> {
        let log_n = literal.log_n;
        if !(LOG_N_MIN_TEST..=LOG_N_MAX).contains(&log_n) {
            return Err(ParameterError::RingDegree { log_n, min: LOG_N_MIN_TEST, max: LOG_N_MAX });
        }
        for (what, primes, max) in [("q", &literal.q, MAX_Q), ("p", &literal.p, MAX_P)] {
            if primes.is_empty() || primes.len() > max {
                return Err(ParameterError::PrimeCount { what, count: primes.len(), min: 1, max });
            }
        }
        let all: Vec<u64> = literal.q.iter().chain(&literal.p).copied().collect();
        let two_n = 2u64 << log_n;
        for (i, &value) in all.iter().enumerate() {
            if !((1 << (MIN_PRIME_BITS - 1))..(1 << MAX_PRIME_BITS)).contains(&value) {
                return Err(ParameterError::PrimeBits {
                    bits: u64::BITS - value.leading_zeros(),
                    min: MIN_PRIME_BITS,
                    max: MAX_PRIME_BITS,
                });
            }
            if value % two_n != 1 {
                return Err(ParameterError::NotNttFriendly { value, two_n });
            }
            if !is_prime(value) {
                return Err(ParameterError::NotPrime { value });
            }
            if all[..i].contains(&value) {
                return Err(ParameterError::Duplicate { value });
            }
        }
        let log = |v: &[u64]| v.iter().map(|q| (*q as f64).log2()).collect::<Vec<_>>();
        let (log_q, log_p) = (log(&literal.q), log(&literal.p));
        let shapes = (0..literal.q.len())
            .map(|level| default_shape(&log_q, &log_p, level))
            .collect::<Result<_, _>>()?;
        let id = identify(literal);
        let literal = literal.clone();
        Ok(Self(Arc::new(Inner { literal, id, log_q, log_p, shapes, secure, ring: OnceLock::new() })))
    }

    /// The literal this set was built from.
    pub fn literal(&self) -> &ParametersLiteral {
        &self.0.literal
    }

    /// Identity of this set; objects of different sets never mix.
    pub fn id(&self) -> ParametersId {
        self.0.id
    }

    /// log2 of the ring degree N.
    pub fn log_n(&self) -> u32 {
        self.0.literal.log_n
    }

    /// Ring degree N.
    pub fn n(&self) -> usize {
        1 << self.0.literal.log_n
    }

    /// Number of slots N/2.
    pub fn slots(&self) -> usize {
        self.n() / 2
    }

    /// Primes of the ciphertext modulus, q_0 first.
    pub fn q(&self) -> &[u64] {
        &self.0.literal.q
    }

    /// Special primes.
    pub fn p(&self) -> &[u64] {
        &self.0.literal.p
    }

    /// Highest level: a fresh ciphertext at level L has limbs q_0..=q_L.
    pub fn max_level(&self) -> usize {
        self.0.literal.q.len() - 1
    }

    /// Standard deviation of the error.
    pub fn sigma(&self) -> f64 {
        self.0.literal.sigma
    }

    /// log2(QP), special primes included.
    pub fn log_qp(&self) -> f64 {
        self.0.log_q.iter().chain(&self.0.log_p).sum()
    }

    /// The scale after a rescale at `level`: `scale` / q_level. `None` at level 0 or above the chain.
    /// Planner, simulator and engine all use this.
    pub fn rescaled(&self, scale: f64, level: usize) -> Option<f64> {
        let q = self.q().get(level).filter(|_| level > 0)?;
        Some(scale / *q as f64)
    }

    /// log2 of q_0·…·q_level.
    pub fn log_q_at(&self, level: usize) -> f64 {
        self.0.log_q.iter().take(level + 1).sum()
    }

    /// Estimated security in bits ([`security_table::estimate_bits`]); 0 for rings without a row.
    pub fn security_bits(&self) -> f64 {
        security_table::estimate_bits(self.log_n(), self.log_qp()).unwrap_or(0.0)
    }

    /// Default shape of a key of `level`: the fewest special primes giving at most two digits.
    /// Levels above [`Parameters::max_level`] are clamped to it.
    pub fn key_shape(&self, level: usize) -> KeyShape {
        self.0.shapes[level.min(self.max_level())]
    }

    /// Whether a caller-chosen `shape` fits this chain and satisfies the gadget condition.
    pub fn admits(&self, shape: &KeyShape) -> bool {
        key_shape::check_shape(&self.0.log_q, &self.0.log_p, shape)
    }

    /// Whether a key `name` may have `shape`: [`Parameters::admits`] for ordinary keys; the two keys of
    /// encapsulation have one shape each, and q_0·p_0 is at most
    /// [`security_table::MAX_LOG_ENCAPSULATION`] bits with p_0 not below q_0/2. The sparse secret needs a
    /// ring of at least [`security_table::MIN_LOG_N_ENCAPSULATION`].
    pub fn admits_key(&self, name: KeyName, shape: &KeyShape) -> bool {
        let expected = match name {
            KeyName::DenseToSparse => KeyShape::dense_to_sparse(),
            KeyName::SparseToDense => KeyShape::sparse_to_dense(shape.level),
            _ => return self.admits(shape),
        };
        let (q, p) = (self.0.log_q[0], self.0.log_p[0]);
        *shape == expected
            && (!self.0.secure || self.log_n() >= security_table::MIN_LOG_N_ENCAPSULATION)
            && shape.level <= self.max_level()
            && q + p <= f64::from(security_table::MAX_LOG_ENCAPSULATION)
            && p >= q - 1.0
    }

    /// Bytes of a key-switching key of `shape` in memory, both halves: 2·β·N words of each of the ℓ+1+k moduli, packed.
    pub fn key_bytes(&self, shape: &KeyShape) -> usize {
        let moduli = self.q()[..shape.q_limbs()].iter().chain(&self.p()[..shape.special]);
        shape.packed_bytes(self.log_n(), moduli.map(|q| packed_bits(*q)).sum())
    }

    /// The ring with its tables, built on first use.
    pub fn ring(&self) -> &Arc<Ring> {
        self.0.ring.get_or_init(|| Arc::new(Ring::new(self.log_n(), self.q(), self.p())))
    }
}

/// Builds parameters for tests: every check of [`Parameters::new`] but the security cap.
///
/// # Errors
/// As [`Parameters::new`], without `Insecure`.
#[doc(hidden)]
pub fn insecure_test_params(
    log_n: u32,
    q_bits: &[u32],
    p_bits: &[u32],
) -> Result<Parameters, ParameterError> {
    insecure_test_literal(&ParametersLiteral::from_bits(log_n, q_bits, p_bits)?)
}

/// As [`insecure_test_params`], from a literal.
///
/// # Errors
/// As [`Parameters::new`], without `Insecure`.
#[doc(hidden)]
pub fn insecure_test_literal(literal: &ParametersLiteral) -> Result<Parameters, ParameterError> {
    Parameters::check_structure(literal, false)
}

/// BLAKE3 over a fixed little-endian layout, independent of serde.
fn identify(literal: &ParametersLiteral) -> ParametersId {
    // "ntt1": NTT-domain order and choice of root, see `ring::ntt`.
    // v2: Galois keys lead from the secret's image to the secret.
    let mut hash = blake3::Hasher::new_derive_key("fhec-ckks parameters v2 ntt1");
    hash.update(&literal.log_n.to_le_bytes());
    for primes in [&literal.q, &literal.p] {
        hash.update(&(primes.len() as u64).to_le_bytes());
        primes.iter().for_each(|q| {
            hash.update(&q.to_le_bytes());
        });
    }
    match literal.secret {
        Secret::UniformTernary => hash.update(&[0]),
    };
    hash.update(&literal.sigma.to_bits().to_le_bytes());
    ParametersId(*hash.finalize().as_bytes())
}

#[cfg(test)]
mod tests;
