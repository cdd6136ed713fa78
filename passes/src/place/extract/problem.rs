//! What is extracted, from which alternatives, and what a solution says.

use crate::place::prices::LevelPrices;

/// One computation of the value of an e-class.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// E-classes read, by their number; all smaller than that of the e-class itself.
    pub children: Vec<usize>,
    /// Levels consumed.
    pub depth: u32,
    /// With bootstraps it executes at least so many levels below theirs.
    pub headroom: u32,
    /// Price, in rotations at the level of execution.
    pub rotations: f64,
}

/// A value and its alternatives; one without children is an input.
#[derive(Clone, Debug)]
pub struct EClass {
    /// Empty if nothing reads the e-class because another one computes the value.
    pub alternatives: Vec<Alternative>,
}

/// What to extract. E-classes are in topological order.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The e-classes.
    pub classes: Vec<EClass>,
    /// E-classes that must be computed, at level 0 or above.
    pub outputs: Vec<usize>,
    /// Price of a rotation at a level of the schedule, in any unit: that of all prices here.
    pub price: LevelPrices,
    /// None: as many levels as it takes, and no bootstraps.
    pub bootstraps: Option<Bootstraps>,
}

/// Bootstraps in a [`Problem`].
#[derive(Clone, Debug)]
pub struct Bootstraps {
    /// Highest level of any e-class; what a bootstrap gives.
    pub levels: u32,
    /// Level of the schedule, as [`Problem::price`] knows it, that level 0 of the e-classes stands for.
    pub floor: u32,
    /// Price of bootstrapping each e-class; infinite where it may not be.
    pub prices: Vec<f64>,
    /// What each e-class pays of a bootstrap together with another one; infinite where that is impossible or no use.
    pub shares: Vec<f64>,
}

impl Bootstraps {
    /// Price of bootstrapping two e-classes together: their shares, but no less than either alone.
    pub fn together(&self, a: usize, b: usize) -> f64 {
        (self.shares[a] + self.shares[b]).max(self.prices[a]).max(self.prices[b])
    }
}

impl Problem {
    /// Price of a rotation at a level of the e-classes.
    pub(super) fn price_at(&self, level: u32) -> f64 {
        self.price.at(level + self.bootstraps.as_ref().map_or(0, |b| b.floor))
    }

    /// Price of bootstrapping an e-class.
    pub(super) fn refresh(&self, class: usize) -> f64 {
        self.bootstraps.as_ref().map_or(f64::INFINITY, |b| b.prices[class])
    }

    /// True if an e-class may be bootstrapped: an input can come at any level anyway.
    pub(super) fn is_computed(&self, class: usize) -> bool {
        self.classes[class].alternatives.iter().all(|a| !a.children.is_empty())
    }

    /// True if an e-class may be bootstrapped, and gains by it.
    pub(super) fn refreshable(&self, class: usize) -> bool {
        self.refresh(class).is_finite() && self.is_computed(class)
    }

    /// Highest level at which an alternative may execute.
    pub(super) fn highest(&self, alternative: &Alternative) -> u32 {
        self.bootstraps.as_ref().map_or(u32::MAX, |b| b.levels.saturating_sub(alternative.headroom))
    }
}

/// An extraction.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Alternative per e-class; None where the e-class is not computed.
    pub chosen: Vec<Option<usize>>,
    /// Level at which each e-class is available before it is bootstrapped (0 where not computed).
    pub levels: Vec<u32>,
    /// Whether each e-class is bootstrapped.
    pub bootstrapped: Vec<bool>,
    /// By e-class, the one that it is bootstrapped together with.
    pub together: Vec<Option<usize>>,
    /// Total price, in the unit of [`Problem::price`].
    pub price: f64,
    /// True if the beam cut states off, so that a cheaper extraction may exist.
    pub pruned: bool,
}

/// A solution of a problem like this one, which differs in prices only, at this one's; None if it is none.
pub fn repriced(problem: &Problem, solution: &Solution) -> Option<Solution> {
    if solution.chosen.len() != problem.classes.len() {
        return None;
    }
    let mut price = 0.0;
    for (c, class) in problem.classes.iter().enumerate() {
        if let Some(k) = solution.chosen[c] {
            let alternative = class.alternatives.get(k)?;
            let executes = solution.levels[c] + alternative.depth;
            if problem.bootstraps.is_some()
                && !alternative.children.is_empty()
                && executes > problem.highest(alternative)
            {
                return None;
            }
            price += alternative.rotations * problem.price_at(executes);
        }
        price += match (solution.bootstrapped[c], solution.together[c]) {
            (true, Some(with)) if with < c => problem.bootstraps.as_ref()?.together(with, c),
            (true, Some(_)) | (false, _) => 0.0,
            (true, None) => problem.refresh(c),
        };
    }
    price.is_finite().then(|| Solution { price, ..solution.clone() })
}
