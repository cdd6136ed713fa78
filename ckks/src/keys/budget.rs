//! Which evaluation keys to hold: one per use, or fewer that fit a memory budget.
//!
//! A key serves every ciphertext of its level or below, with its own gadget. A high key is
//! larger than what a low ciphertext needs in time only: it brings more special primes. So a key may
//! be left out where a higher one of the same name is held; under a budget, those go first that
//! save the most bytes for the time added.

use crate::error::{CkksError, KeyName, Result};
use crate::params::{KeyShape, Parameters};
use std::collections::BTreeMap;

/// A key switch a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyUse {
    /// With which key. Rotation steps may be any; step 0 needs no key.
    pub key: KeyName,
    /// The ciphertext's level.
    pub level: usize,
    /// How often.
    pub count: usize,
}

/// Keys to generate and hold, with their sizes.
///
/// Every use is served; whoever hoists must see to it that the rotations of one ciphertext share a
/// gadget. Without a budget they do, all keys made for one level having one; with a budget,
/// rotations of one level may differ in it, and are grouped by the gadget of
/// [`KeyPlan::shape_for`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlan {
    keys: Vec<(KeyName, KeyShape)>,
    bytes: usize,
    stored_bytes: usize,
    cost: u64,
}

impl KeyPlan {
    /// The keys, in ascending order.
    pub fn keys(&self) -> &[(KeyName, KeyShape)] {
        &self.keys
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes when stored, but for a few tens of each key's name.
    pub fn stored_bytes(&self) -> usize {
        self.stored_bytes
    }

    /// Modelled time of all uses in units of [`KeyShape::switch_cost`].
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Shape of the key that [`EvaluationKeySet::find`](super::EvaluationKeySet::find) would take for
    /// `name` (a rotation's step in 1..N/2) at `level`.
    pub fn shape_for(&self, name: KeyName, level: usize) -> Option<KeyShape> {
        let shapes = self.keys.iter().filter(|(n, _)| *n == name).map(|(_, shape)| shape);
        serving(shapes, level).copied()
    }
}

/// The shape among `shapes` that serves `level`.
fn serving<'a>(shapes: impl Iterator<Item = &'a KeyShape>, level: usize) -> Option<&'a KeyShape> {
    shapes.filter(|shape| shape.level >= level).min_by_key(|shape| shape.preference(level))
}

/// What leaving out a key saves in bytes and adds in time.
#[derive(Debug, Clone, Copy)]
struct Saving {
    shape: KeyShape,
    bytes: u64,
    added: u64,
}

impl Saving {
    /// Orders by bytes over time added, then by bytes.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let ratio = |a: &Self, b: &Self| u128::from(a.bytes) * u128::from(b.added);
        ratio(self, other).cmp(&ratio(other, self)).then(self.bytes.cmp(&other.bytes))
    }
}

/// The keys of one name.
struct Group {
    /// Uses by level.
    uses: BTreeMap<usize, usize>,
    /// Shapes held, by ascending level.
    shapes: Vec<KeyShape>,
}

impl Group {
    fn cost(&self, without: Option<&KeyShape>) -> u64 {
        let cost = |(level, count): (&usize, &usize)| {
            let shapes = self.shapes.iter().filter(|shape| Some(*shape) != without);
            let each = serving(shapes, *level).map_or(0, |shape| shape.switch_cost(*level));
            each.saturating_mul(*count as u64)
        };
        self.uses.iter().map(cost).fold(0, u64::saturating_add)
    }

    /// The best key to leave out; the highest stays.
    fn saving(&self, params: &Parameters) -> Option<Saving> {
        let (_, lower) = self.shapes.split_last()?;
        let now = self.cost(None);
        let saving = |shape: &KeyShape| Saving {
            shape: *shape,
            bytes: params.key_bytes(shape) as u64,
            added: self.cost(Some(shape)).saturating_sub(now),
        };
        lower.iter().map(saving).max_by(Saving::order)
    }

    /// Drops keys of which a higher one with the same gadget is held: that one does the same work.
    fn drop_duplicates(&mut self) {
        let shapes = std::mem::take(&mut self.shapes);
        let repeated = |i: usize, shape: &KeyShape| shapes[i + 1..].iter().any(|s| s.same_gadget(shape));
        self.shapes =
            shapes.iter().enumerate().filter(|(i, shape)| !repeated(*i, shape)).map(|(_, s)| *s).collect();
    }
}

/// The shape of a key made for `level`.
fn shape(params: &Parameters, key: KeyName, level: usize) -> Result<KeyShape> {
    let max = if key == KeyName::DenseToSparse { 0 } else { params.max_level() };
    if level > max {
        return Err(CkksError::LevelTooHigh { what: "evaluation key", level, max });
    }
    let shape = match key {
        KeyName::DenseToSparse => KeyShape::dense_to_sparse(),
        KeyName::SparseToDense => KeyShape::sparse_to_dense(level),
        KeyName::Relinearization | KeyName::Rotation(_) | KeyName::Conjugation => params.key_shape(level),
    };
    if !params.admits_key(key, &shape) {
        let KeyShape { level, special, digit_limbs } = shape;
        return Err(CkksError::BadKeyShape { level, special, digit_limbs });
    }
    Ok(shape)
}

/// Chooses keys that serve `uses`. Without a budget every name has, for every level it is used at, the
/// default shape ([`Parameters::key_shape`]), duplicates merged. With a budget in bytes of memory,
/// keys are left out, greedily by bytes saved per modelled time added, until the rest fits.
///
/// # Errors
/// `KeyBudget` if not even the highest key of every name fits; `LevelTooHigh`; `BadKeyShape` for keys
/// of encapsulation where the parameters do not admit them.
pub fn plan_keys(params: &Parameters, uses: &[KeyUse], budget_bytes: Option<usize>) -> Result<KeyPlan> {
    let mut groups: BTreeMap<KeyName, Group> = BTreeMap::new();
    for KeyUse { key, level, count } in uses.iter().copied() {
        let key = match key {
            KeyName::Rotation(step) => KeyName::Rotation(params.normalized_step(step)),
            other => other,
        };
        if key == KeyName::Rotation(0) {
            continue;
        }
        let shape = shape(params, key, level)?;
        let group = groups.entry(key).or_insert(Group { uses: BTreeMap::new(), shapes: Vec::new() });
        let total = group.uses.entry(level).or_insert(0);
        *total = total.saturating_add(count);
        if let Err(place) = group.shapes.binary_search(&shape) {
            group.shapes.insert(place, shape);
        }
    }
    groups.values_mut().for_each(Group::drop_duplicates);
    if let Some(budget) = budget_bytes {
        fit(params, &mut groups, budget)?;
    }
    let keys: Vec<_> =
        groups.iter().flat_map(|(name, group)| group.shapes.iter().map(|shape| (*name, *shape))).collect();
    Ok(KeyPlan {
        bytes: keys.iter().map(|(_, shape)| params.key_bytes(shape)).sum(),
        stored_bytes: keys.iter().map(|(_, shape)| params.stored_key_bytes(shape)).sum(),
        cost: groups.values().map(|group| group.cost(None)).fold(0, u64::saturating_add),
        keys,
    })
}

/// Leaves out keys until `budget` bytes hold the rest.
fn fit(params: &Parameters, groups: &mut BTreeMap<KeyName, Group>, budget: usize) -> Result<()> {
    let bytes = |shape: &KeyShape| params.key_bytes(shape);
    let needed: usize = groups.values().filter_map(|group| group.shapes.last()).map(bytes).sum();
    if needed > budget {
        return Err(CkksError::KeyBudget { needed, budget });
    }
    let mut total: usize = groups.values().flat_map(|group| &group.shapes).map(bytes).sum();
    let mut savings: BTreeMap<KeyName, Saving> =
        groups.iter().filter_map(|(name, group)| Some((*name, group.saving(params)?))).collect();
    while total > budget {
        let best = savings.iter().max_by(|a, b| a.1.order(b.1)).map(|(name, saving)| (*name, *saving));
        // Above `needed` some name has two keys.
        let Some((name, saving)) = best else { break };
        let Some(group) = groups.get_mut(&name) else { break };
        group.shapes.retain(|shape| *shape != saving.shape);
        total -= bytes(&saving.shape);
        match group.saving(params) {
            Some(next) => savings.insert(name, next),
            None => savings.remove(&name),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests;
