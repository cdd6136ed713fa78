//! Sets of evaluation keys and their lookup.

use super::SwitchingKey;
use crate::error::{CkksError, Result};
use crate::params::{KeyName, KeyShape, Parameters, ParametersId};
use crate::ring::rotation_element;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Indices of keys that are not Galois keys: even, hence no Galois element.
const RELINEARIZATION: u64 = 0;
const DENSE_TO_SPARSE: u64 = 2;
const SPARSE_TO_DENSE: u64 = 4;

impl Parameters {
    /// Galois element of a key: 5^step for rotations, 2N−1 for conjugation, their product for both; an even number
    /// for keys that are not Galois keys.
    pub fn galois_element(&self, key: KeyName) -> u64 {
        let conjugation = 2 * self.n() as u64 - 1;
        match key {
            KeyName::Relinearization => RELINEARIZATION,
            KeyName::Rotation(step) => rotation_element(self.n(), step),
            KeyName::Conjugation => conjugation,
            // g·(2N − 1) = −g modulo 2N.
            KeyName::ConjugateRotation(step) => conjugation + 1 - rotation_element(self.n(), step),
            KeyName::DenseToSparse => DENSE_TO_SPARSE,
            KeyName::SparseToDense => SPARSE_TO_DENSE,
        }
    }

    /// `step` reduced to 0..N/2, as keys are named.
    pub fn normalized_step(&self, step: i64) -> i64 {
        step.rem_euclid(self.slots() as i64)
    }
}

/// Evaluation keys of one parameter set, by Galois element and shape. Keys are shared, so cloning a
/// set is cheap.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationKeySet {
    params: Parameters,
    /// Name kept for files and messages; rotations normalised to 1..N/2.
    keys: BTreeMap<(u64, KeyShape), (KeyName, Arc<SwitchingKey>)>,
}

impl EvaluationKeySet {
    /// The empty set.
    pub fn new(params: &Parameters) -> Self {
        Self { params: params.clone(), keys: BTreeMap::new() }
    }

    /// Adds (or replaces) a key. A rotation by 0 is not stored: it needs no key.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn insert(&mut self, name: KeyName, key: SwitchingKey) -> Result<()> {
        self.insert_shared(name, Arc::new(key))
    }

    /// As [`EvaluationKeySet::insert`], for a key that other sets hold as well.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub(crate) fn insert_shared(&mut self, name: KeyName, key: Arc<SwitchingKey>) -> Result<()> {
        if key.id != self.params.id() {
            return Err(CkksError::ParametersMismatch { expected: self.params.id(), found: key.id });
        }
        let name = match name {
            KeyName::Rotation(step) => KeyName::Rotation(self.params.normalized_step(step)),
            KeyName::ConjugateRotation(step) => match self.params.normalized_step(step) {
                0 => KeyName::Conjugation,
                step => KeyName::ConjugateRotation(step),
            },
            other => other,
        };
        if name != KeyName::Rotation(0) {
            let element = self.params.galois_element(name);
            self.keys.insert((element, key.shape), (name, key));
        }
        Ok(())
    }

    /// Parameter set of the keys.
    pub fn parameters(&self) -> &Parameters {
        &self.params
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.params.id()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes held in memory.
    pub fn bytes(&self) -> usize {
        self.keys.values().map(|(_, key)| key.bytes()).sum()
    }

    /// All keys with their names, in a fixed order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (KeyName, &Arc<SwitchingKey>)> {
        self.keys.values().map(|(name, key)| (*name, key))
    }

    /// The cheapest key for `name` that serves `level` and, if given, decompositions of `gadget`.
    ///
    /// # Errors
    /// `MissingKey`, naming step and level.
    pub fn find(&self, name: KeyName, level: usize, gadget: Option<&KeyShape>) -> Result<&Arc<SwitchingKey>> {
        let element = self.params.galois_element(name);
        let lowest = KeyShape { level, special: 0, digit_limbs: 0 };
        let highest = KeyShape { level: usize::MAX, special: usize::MAX, digit_limbs: usize::MAX };
        self.keys
            .range((element, lowest)..=(element, highest))
            .map(|((_, shape), (_, key))| (shape, key))
            .filter(|(shape, _)| gadget.is_none_or(|g| g.same_gadget(shape)))
            .min_by_key(|(shape, _)| shape.preference(level))
            .map(|(_, key)| key)
            .ok_or(CkksError::MissingKey { key: name, level, special: gadget.map_or(0, |g| g.special) })
    }

    /// The gadget to hoist a ciphertext of `level` for: the one that most Galois keys serving the
    /// level share; among equals, the one with fewer special primes.
    ///
    /// # Errors
    /// `MissingKey` if no Galois key serves the level.
    pub fn hoisting_shape(&self, level: usize) -> Result<KeyShape> {
        let mut counts: BTreeMap<(usize, usize), (usize, KeyShape)> = BTreeMap::new();
        for (element, shape) in self.keys.keys() {
            if element % 2 == 1 && shape.level >= level {
                counts.entry((shape.special, shape.digit_limbs)).or_insert((0, *shape)).0 += 1;
            }
        }
        // Maps iterate in ascending order and `max_by_key` keeps the last maximum, hence `rev`.
        counts
            .into_values()
            .rev()
            .max_by_key(|(count, _)| *count)
            .map(|(_, shape)| shape)
            .ok_or(CkksError::MissingKey { key: KeyName::Rotation(0), level, special: 0 })
    }
}
