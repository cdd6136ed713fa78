//! Which rotation keys are given up.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use fhec_ir::plan::Gadget;

use super::chains::{Composition, KeptSteps};
use super::config::{Config, Report};
use super::uses::Use;

/// How rotations are composed, by use.
pub(super) type Compositions = BTreeMap<Use, Composition>;

/// A rotation key: a rotation step in a decomposition.
type Key = (Gadget, u32);

/// Shortest time that counts as lost, in seconds: keys that cost nothing are given up by size.
const LEAST_SECONDS: f64 = 1e-9;

/// What giving up a key is worth, as of some time.
struct Candidate {
    /// Bytes saved per second lost.
    worth: f64,
    key: Key,
    /// Keys that had been given up when it was computed.
    age: usize,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.worth.total_cmp(&other.worth).then(other.key.cmp(&self.key))
    }
}

/// The state of the search.
struct Search<'c> {
    uses: &'c BTreeMap<Use, usize>,
    config: &'c Config,
    slots: u32,
    kept: BTreeMap<Gadget, BTreeSet<u32>>,
    compositions: Compositions,
    bytes: u64,
}

/// What would become of the uses of a key.
struct Without {
    compositions: Compositions,
    bytes: u64,
    /// Seconds more than now.
    seconds: f64,
}

impl Search<'_> {
    /// Keys in use, with the highest level of each: `changed` compositions take the place of others.
    fn keys(&self, changed: &Compositions) -> BTreeMap<Key, u32> {
        let mut keys: BTreeMap<Key, u32> = BTreeMap::new();
        for (rotations, now) in &self.compositions {
            for step in changed.get(rotations).unwrap_or(now).keys() {
                let level = keys.entry((rotations.gadget, step)).or_default();
                *level = rotations.level.max(*level);
            }
        }
        keys
    }

    fn bytes_of(&self, keys: &BTreeMap<Key, u32>) -> u64 {
        keys.values().map(|level| self.config.parameters.key_bytes(*level)).sum()
    }

    fn without(&self, (gadget, step): Key) -> Option<Without> {
        let mut kept = self.kept.get(&gadget)?.clone();
        kept.remove(&step);
        let steps = KeptSteps { slots: self.slots, kept: &kept };
        let (mut compositions, mut seconds) = (Compositions::new(), 0.0);
        let affected = self.compositions.iter().filter(|(rotations, _)| rotations.gadget == gadget);
        for (rotations, now) in affected.filter(|(_, now)| now.keys().any(|k| k == step)) {
            let new = steps.composition(rotations, &self.config.prices[rotations.level as usize])?;
            seconds += (new.seconds - now.seconds) * self.uses[rotations] as f64;
            compositions.insert(rotations.clone(), new);
        }
        let bytes = self.bytes_of(&self.keys(&compositions));
        (bytes < self.bytes).then_some(Without { compositions, bytes, seconds })
    }

    fn worth(&self, without: &Without) -> f64 {
        (self.bytes - without.bytes) as f64 / without.seconds.max(LEAST_SECONDS)
    }

    fn give_up(&mut self, (gadget, step): Key, without: Without) {
        if let Some(kept) = self.kept.get_mut(&gadget) {
            kept.remove(&step);
        }
        self.bytes = without.bytes;
        self.compositions.extend(without.compositions);
    }
}

/// Gives up keys, or the spare where that is worth more, until the rest fits.
pub(super) fn choose(uses: &BTreeMap<Use, usize>, config: &Config, slots: usize) -> (Compositions, Report) {
    let mut kept: BTreeMap<Gadget, BTreeSet<u32>> = BTreeMap::new();
    uses.keys().for_each(|rotations| kept.entry(rotations.gadget).or_default().extend(&rotations.steps));
    let own = |rotations: &Use| {
        let chains = rotations.steps.iter().map(|step| (*step, (vec![], *step))).collect();
        (rotations.clone(), Composition { chains, seconds: 0.0 })
    };
    let compositions = uses.keys().map(own).collect();
    let mut search = Search { uses, config, slots: slots as u32, kept, compositions, bytes: 0 };
    let all = search.keys(&Compositions::new());
    search.bytes = search.bytes_of(&all);
    let mut report = Report { keys_before: all.len(), bytes_before: search.bytes, ..Report::default() };
    let spare_worth = config.spare.bytes as f64 / config.spare.seconds.max(LEAST_SECONDS);
    let over = |bytes: u64, spared: u64| (bytes + config.spare.bytes - spared).saturating_sub(config.bytes);
    let mut candidates = BinaryHeap::new();
    if over(search.bytes, 0) > 0 {
        candidates.extend(all.keys().map(|key| Candidate {
            worth: f64::INFINITY,
            key: *key,
            age: usize::MAX,
        }));
    }
    let mut given_up = 0;
    while over(search.bytes, report.spared) > 0 {
        let spare_left = config.spare.bytes - report.spared;
        let best = candidates.pop();
        if spare_left > 0 && best.as_ref().is_none_or(|c| c.worth < spare_worth) {
            report.spared += over(search.bytes, report.spared).min(spare_left);
            candidates.extend(best);
            continue;
        }
        let Some(best) = best else { break };
        let Some(without) = search.without(best.key) else { continue };
        // Worths fall as keys go: who is still ahead of all others is best.
        let worth = search.worth(&without);
        if best.age != given_up && candidates.peek().is_some_and(|next| next.worth > worth) {
            candidates.push(Candidate { worth, key: best.key, age: given_up });
            continue;
        }
        if spare_left > 0 && worth < spare_worth {
            candidates.push(Candidate { worth, key: best.key, age: given_up });
            report.spared += over(search.bytes, report.spared).min(spare_left);
            continue;
        }
        report.seconds += without.seconds;
        search.give_up(best.key, without);
        given_up += 1;
    }
    report.spare_seconds = config.spare.seconds * report.spared as f64 / config.spare.bytes.max(1) as f64;
    report.seconds += report.spare_seconds;
    report.keys = search.keys(&Compositions::new()).len();
    report.bytes = search.bytes;
    report.fits = over(search.bytes, report.spared) == 0;
    (search.compositions, report)
}
