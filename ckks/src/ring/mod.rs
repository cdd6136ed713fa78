//! Arithmetic in `Z[X]/(X^N+1)` modulo products of NTT primes.
//!
//! [`Ring`] owns the moduli (q_0..q_L, then the special primes), their NTT tables, the base
//! converters, the Galois permutations and the buffer pool; tables are built on first use.
//! Nothing here knows of scales, slots, keys or ciphertexts.

mod automorphism;
mod base_conversion;
mod cpu;
mod mod_down;
mod modular;
mod modulus;
mod ntt;
mod ops;
pub(crate) mod packed;
mod packed_poly;
pub(crate) mod par;
mod poly;
mod pool;
mod raise;
mod root;
mod rotated;
pub(crate) mod simd;
mod switch;
#[cfg(test)]
mod tests;

use automorphism::NttPermutation;
use base_conversion::BaseConverter;
use pool::Pool;
use std::collections::{HashMap, TryReserveError};
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

#[cfg(any(feature = "client", test))]
pub(crate) use automorphism::for_coefficients;
#[cfg(test)]
pub(crate) use automorphism::inverse_element;
pub(crate) use automorphism::rotation_element;
pub(crate) use modular::{mul_mod, pow_mod};
pub use modulus::Modulus;
pub(crate) use ntt::MIN_LOG_N;
pub use ntt::NttTable;
pub(crate) use packed::packed_bits;
pub(crate) use packed_poly::PackedPoly;
pub use poly::RnsPoly;
pub(crate) use pool::probe;
pub(crate) use rotated::Multiplicand;
pub(crate) use switch::{AddendOver, Digits, GiantStep, KeyRow, Terms};

/// A set of moduli of a ring: q_start..q_end and the first `special` special primes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Limbs {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) special: usize,
}

impl Limbs {
    /// Modulus indices of the set, in limb order.
    pub(crate) fn iter(self, ring: &Ring) -> impl Iterator<Item = usize> {
        (self.start..self.end).chain(ring.q_count..ring.q_count + self.special)
    }
}

type Cache<K, V> = Mutex<HashMap<K, Arc<V>>>;

/// The ring of one parameter set.
pub struct Ring {
    log_n: u32,
    q_count: usize,
    moduli: Vec<Modulus>,
    /// Per modulus, tables of degree 2^MIN_LOG_N, …, 2^log_n.
    tables: Vec<Vec<OnceLock<NttTable>>>,
    converters: Cache<Limbs, BaseConverter>,
    permutations: Cache<u64, NttPermutation>,
    pool: Arc<Pool>,
}

fn cached<K: Hash + Eq, V>(cache: &Cache<K, V>, key: K, build: impl FnOnce() -> V) -> Arc<V> {
    let mut map = cache.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(map.entry(key).or_insert_with(|| Arc::new(build())))
}

impl Ring {
    /// The ring of degree 2^`log_n` ≥ 16 over primes that are 1 modulo 2N (checked by
    /// [`Parameters`](crate::params::Parameters)).
    pub(crate) fn new(log_n: u32, q: &[u64], p: &[u64]) -> Self {
        Self::with_moduli(log_n, q.len(), q.iter().chain(p).map(|q| Modulus::new(*q)).collect())
    }

    /// The same ring on the portable kernels only.
    #[cfg(test)]
    pub(crate) fn portable(log_n: u32, q: &[u64], p: &[u64]) -> Self {
        Self::with_moduli(log_n, q.len(), q.iter().chain(p).map(|q| Modulus::portable(*q)).collect())
    }

    fn with_moduli(log_n: u32, q_count: usize, moduli: Vec<Modulus>) -> Self {
        let tables = moduli.iter().map(|_| (MIN_LOG_N..=log_n).map(|_| OnceLock::new()).collect()).collect();
        Self {
            log_n,
            q_count,
            moduli,
            tables,
            converters: Mutex::default(),
            permutations: Mutex::default(),
            pool: Arc::default(),
        }
    }

    /// Ring degree N.
    pub fn n(&self) -> usize {
        1 << self.log_n
    }

    /// Number of moduli, special primes included.
    pub fn moduli(&self) -> usize {
        self.moduli.len()
    }

    /// Number of ciphertext moduli q_i.
    pub fn q_count(&self) -> usize {
        self.q_count
    }

    /// Modulus `index`: q_0, …, q_L, then the special primes.
    pub fn modulus(&self, index: usize) -> &Modulus {
        &self.moduli[index]
    }

    /// All moduli in the order of [`Ring::modulus`].
    pub(crate) fn all_moduli(&self) -> &[Modulus] {
        &self.moduli
    }

    /// NTT tables of modulus `index` at full degree.
    pub fn ntt(&self, index: usize) -> &NttTable {
        self.short_ntt(index, self.log_n)
    }

    /// NTT tables of modulus `index` at degree 2^`log_n`, 16 ≤ 2^`log_n` ≤ N.
    pub(crate) fn short_ntt(&self, index: usize, log_n: u32) -> &NttTable {
        self.tables[index][(log_n - MIN_LOG_N) as usize].get_or_init(|| {
            NttTable::new(self.moduli[index], log_n).expect("parameters admit only NTT primes")
        })
    }

    /// Modulus index of limb `i` of a polynomial with `q_limbs` ciphertext limbs.
    pub(crate) fn index(&self, q_limbs: usize, i: usize) -> usize {
        if i < q_limbs { i } else { self.q_count + i - q_limbs }
    }

    /// Modulus of limb `i` of `poly`.
    pub(crate) fn modulus_of(&self, poly: &RnsPoly, i: usize) -> &Modulus {
        &self.moduli[self.index(poly.q_limbs(), i)]
    }

    pub(crate) fn converter(&self, sources: Limbs) -> Arc<BaseConverter> {
        let new = || BaseConverter::new(&self.moduli, &sources.iter(self).collect::<Vec<_>>());
        cached(&self.converters, sources, new)
    }

    fn permutation(&self, g: u64) -> Arc<NttPermutation> {
        cached(&self.permutations, g, || NttPermutation::new(self.log_n, g))
    }

    /// A polynomial of full degree with unspecified contents.
    pub(crate) fn uninit(&self, q_limbs: usize, special: usize) -> RnsPoly {
        RnsPoly::uninit(&self.pool, self.n(), q_limbs, special)
    }

    /// As [`Ring::uninit`], for what a file asks for.
    ///
    /// # Errors
    /// If the system has no memory for it.
    pub(crate) fn try_uninit(&self, q_limbs: usize, special: usize) -> Result<RnsPoly, TryReserveError> {
        RnsPoly::try_uninit(&self.pool, self.n(), q_limbs, special)
    }

    /// The zero polynomial of full degree.
    #[cfg(any(feature = "client", test))]
    pub(crate) fn zero(&self, q_limbs: usize, special: usize) -> RnsPoly {
        RnsPoly::zero(&self.pool, self.n(), q_limbs, special)
    }

    /// A polynomial with limbs of `n` words (a subring element) and unspecified contents.
    pub(crate) fn uninit_short(&self, n: usize, q_limbs: usize, special: usize) -> RnsPoly {
        RnsPoly::uninit(&self.pool, n, q_limbs, special)
    }
}
