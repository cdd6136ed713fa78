//! Plaintexts on demand: recipes evaluated, encoded and kept as far as a budget allows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fhec_ir::schedule::Recipe;
use fhec_ir::schedule::recipes::RecipeVectors;

use crate::engine::{Engine, Place};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    recipe: Recipe,
    level: u32,
    scale_bits: u64,
    extended: bool,
    compact: bool,
}

impl Key {
    fn new(recipe: &Recipe, place: Place) -> Self {
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

/// Encoded plaintexts of one plan, kept between runs.
///
/// What fits the budget stays; when it is full, further plaintexts are encoded anew in each run. Runs visit all
/// plaintexts in the same order again and again, where forgetting the least recently used one would forget each
/// just before it is needed.
pub struct PlaintextStore<E: Engine> {
    budget: usize,
    cached: Mutex<Cached<E::Plain>>,
}

impl<E: Engine> PlaintextStore<E> {
    /// A store that keeps up to `budget` bytes.
    pub fn new(budget: usize) -> Self {
        let cached = Cached { plains: HashMap::new(), bytes: 0, hits: 0, misses: 0 };
        Self { budget, cached: Mutex::new(cached) }
    }

    fn lock(&self) -> MutexGuard<'_, Cached<E::Plain>> {
        // Entries are inserted whole, so a panic elsewhere leaves the cache usable.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// (Plaintexts found, plaintexts encoded) so far.
    pub fn statistics(&self) -> (u64, u64) {
        let cached = self.lock();
        (cached.hits, cached.misses)
    }

    /// The plaintext of a recipe for a place. `vectors` is told that the recipe was used once.
    ///
    /// # Errors
    /// If the recipe cannot be evaluated or encoded.
    pub fn get(
        &self,
        engine: &E,
        vectors: &RecipeVectors<'_>,
        recipe: &Recipe,
        place: Place,
    ) -> Result<Arc<E::Plain>, String> {
        let key = Key::new(recipe, place);
        {
            let mut cached = self.lock();
            if let Some(plain) = cached.plains.get(&key).cloned() {
                cached.hits += 1;
                drop(cached);
                vectors.release(recipe);
                return Ok(plain);
            }
            cached.misses += 1;
        }
        let vector = vectors.get(recipe);
        vectors.release(recipe);
        let plain = Arc::new(engine.encode(&vector?, place).map_err(|e| e.to_string())?);
        let bytes = engine.plain_bytes(&plain);
        let mut cached = self.lock();
        if cached.bytes + bytes <= self.budget && cached.plains.insert(key, plain.clone()).is_none() {
            cached.bytes += bytes;
        }
        Ok(plain)
    }
}
