//! How rotations are composed of those that have keys.

use std::collections::{BTreeMap, BTreeSet};

use super::config::SwitchPrices;
use super::uses::{Form, Use};

/// Most rotation steps that one is composed of.
const LONGEST: usize = 3;

/// The rotation steps with keys, of one gadget.
pub(super) struct KeptSteps<'k> {
    /// Slots of a ciphertext, a power of two.
    pub slots: u32,
    pub kept: &'k BTreeSet<u32>,
}

/// How a set of rotations is composed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Composition {
    /// By rotation step: of a `Rotate` or `Giant` the chain but for its last step, of a hoisted rotation the steps before
    /// the hoist, if any; and the last step.
    pub chains: BTreeMap<u32, (Vec<u32>, u32)>,
    /// Seconds more than with a key for each rotation step.
    pub seconds: f64,
}

impl Composition {
    /// The rotation steps whose keys it uses.
    pub(super) fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        let steps = self.chains.values().flat_map(|(before, step)| before.iter().chain([step]));
        steps.copied().filter(|step| *step != 0)
    }
}

impl KeptSteps<'_> {
    fn minus(&self, a: u32, b: u32) -> u32 {
        a.wrapping_sub(b) & (self.slots - 1)
    }

    /// The shortest chain of kept steps that makes `step`, which is not 0, of at most `longest`.
    fn chain(&self, step: u32, longest: usize) -> Option<Vec<u32>> {
        if self.kept.contains(&step) {
            return Some(vec![step]);
        }
        (2..=longest).find_map(|length| {
            self.kept.iter().find_map(|first| {
                let rest = self.minus(step, *first);
                let mut chain = self.chain(rest, length - 1).filter(|_| rest != 0)?;
                chain.push(*first);
                Some(chain)
            })
        })
    }

    /// How the rotations of a use are composed; None if one of them cannot be.
    pub(super) fn composition(&self, rotations: &Use, prices: &SwitchPrices) -> Option<Composition> {
        match rotations.form {
            Form::Rotate => self.single(rotations, prices.rotation),
            Form::Giant => self.single(rotations, prices.giant),
            Form::Fold if !self.kept.is_superset(&rotations.steps) => None,
            Form::Fold => self.single(rotations, 0.0),
            Form::Hoisted => self.hoisted(rotations, prices),
        }
    }

    fn single(&self, rotations: &Use, price: f64) -> Option<Composition> {
        let mut composition = Composition::default();
        for step in &rotations.steps {
            let mut chain = self.chain(*step, LONGEST)?;
            composition.seconds += price * (chain.len() - 1) as f64;
            let last = chain.pop()?;
            composition.chains.insert(*step, (chain, last));
        }
        Some(composition)
    }

    /// Rotations before the hoist are shared: the one that serves the most steps is taken first.
    fn hoisted(&self, rotations: &Use, prices: &SwitchPrices) -> Option<Composition> {
        let mut composition = Composition::default();
        let mut missing = BTreeSet::new();
        for step in &rotations.steps {
            if self.kept.contains(step) {
                composition.chains.insert(*step, (vec![], *step));
            } else {
                missing.insert(*step);
            }
        }
        let after = |step: u32, before: u32| {
            let rest = self.minus(step, before);
            (rest == 0 || self.kept.contains(&rest)).then_some(rest)
        };
        while let Some(hardest) = missing.first().copied() {
            let served =
                |before: &u32| missing.iter().filter(|step| after(**step, *before).is_some()).count();
            let best = self.kept.iter().map(|before| (served(before), before));
            let best = best.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(a.1))).filter(|best| best.0 > 0);
            let before = match best {
                Some((_, before)) => vec![*before],
                None => {
                    let mut chain = self.chain(hardest, LONGEST)?;
                    chain.pop();
                    chain
                }
            };
            let sum = before.iter().fold(0, |sum: u32, step| sum.wrapping_add(*step) & (self.slots - 1));
            composition.seconds += prices.rotation * before.len() as f64 + prices.hoist;
            missing.retain(|step| match after(*step, sum) {
                Some(rest) => {
                    composition.chains.insert(*step, (before.clone(), rest));
                    false
                }
                None => true,
            });
        }
        Some(composition)
    }
}
