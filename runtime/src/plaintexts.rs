//! Encoded plaintexts kept between runs, as far as a budget allows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fhec_ir::schedule::Recipe;

use crate::engine::{Engine, Place};

/// Which plaintext: a recipe at a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    recipe: Recipe,
    level: u32,
    scale_bits: u64,
    extended: bool,
    compact: bool,
}

impl Key {
    pub(crate) fn new(recipe: &Recipe, place: Place) -> Self {
        Self {
            recipe: *recipe,
            level: place.level,
            scale_bits: place.scale.to_bits(),
            extended: place.extended,
            compact: place.compact,
        }
    }
}

struct Cached<P> {
    plains: HashMap<Key, Arc<P>>,
    bytes: usize,
    hits: u64,
    misses: u64,
}

/// Part of a budget that is for plaintexts encoded ahead of their use, as a divisor.
const AHEAD: usize = 8;

/// Encoded plaintexts of one plan, kept between runs.
///
/// What fits seven eighths of the budget stays; when these are full, further plaintexts are encoded anew in each run, as
/// many of them ahead of their use as the last eighth holds. Runs visit all plaintexts in the same order again and
/// again, where forgetting the least recently used one would forget each just before it is needed.
pub struct PlaintextStore<E: Engine> {
    /// Bytes to keep.
    kept: usize,
    /// Bytes that a run may encode ahead beside those.
    ahead: usize,
    cached: Mutex<Cached<E::Plain>>,
}

impl<E: Engine> PlaintextStore<E> {
    /// A store of `budget` bytes.
    pub fn new(budget: usize) -> Self {
        let ahead = budget / AHEAD;
        Self::with(budget - ahead, ahead)
    }

    /// A store for a single run: it keeps nothing, and all its bytes are for plaintexts encoded ahead.
    pub fn for_one_run(budget: usize) -> Self {
        Self::with(0, budget)
    }

    fn with(kept: usize, ahead: usize) -> Self {
        let cached = Cached { plains: HashMap::new(), bytes: 0, hits: 0, misses: 0 };
        Self { kept, ahead, cached: Mutex::new(cached) }
    }

    /// The smallest budget with which `bytes` are kept.
    pub fn budget_for(bytes: usize) -> usize {
        // One more for what the divisions lose.
        bytes.saturating_add(bytes / (AHEAD - 1)).saturating_add(1)
    }

    fn lock(&self) -> MutexGuard<'_, Cached<E::Plain>> {
        // Entries are inserted whole, so a panic elsewhere leaves the cache usable.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Bytes that a run may encode ahead beside those held.
    pub(crate) fn ahead_bytes(&self) -> usize {
        self.ahead
    }

    /// (Plaintexts found, plaintexts not found and so encoded) so far; each once in a run.
    pub fn statistics(&self) -> (u64, u64) {
        let cached = self.lock();
        (cached.hits, cached.misses)
    }

    /// The plaintext, if it is held.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<E::Plain>> {
        let mut cached = self.lock();
        let found = cached.plains.get(key).cloned();
        match found {
            Some(_) => cached.hits += 1,
            None => cached.misses += 1,
        }
        found
    }

    /// Holds a plaintext of so many bytes from now on if there is room. True if it is held.
    pub(crate) fn keep(&self, key: Key, plain: &Arc<E::Plain>, bytes: usize) -> bool {
        let mut cached = self.lock();
        if cached.plains.contains_key(&key) {
            return true;
        }
        let fits = cached.bytes.saturating_add(bytes) <= self.kept;
        if fits {
            cached.plains.insert(key, plain.clone());
            cached.bytes += bytes;
        }
        fits
    }
}
