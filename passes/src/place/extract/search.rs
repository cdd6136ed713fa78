//! The search for the cheapest extraction.
//!
//! It walks the e-classes in topological order. The state says of each e-class that is still *live* (a later one may read
//! it) at which level it is available, or that it was not computed. At each e-class the search picks an alternative, the
//! level at which it executes and whether the result is bootstrapped, and drops states that another one matches or beats
//! in every level at no higher price. An e-class read twice is paid once. With bootstraps, states that cannot lead to
//! anything as cheap as what is known are dropped too: see [`bound`](super::bound).
//!
//! Two e-classes may be bootstrapped together for less than twice the price. It happens at the later one: an earlier
//! e-class that is live and was not bootstrapped joins in, and is available at the bootstraps' level from then on.
//! Together costs no less than either alone, so that a state in which the earlier one is higher is still no worse.
//!
//! Whoever reads a bootstrapped e-class may as well read it as it was before, where that level suffices. The state need
//! not say so: levels can always be dropped, so the bootstrapped value alone decides what is possible.

use std::collections::HashMap;

use super::bound::Remaining;
use super::levels::{needed_levels, reaches, required, useful_levels};
use super::naive::{with_all_bootstraps, with_fewest_levels, without_foresight};
use super::problem::{Problem, Solution};
use super::state::{State, keep_best, undominated};

/// Finds the cheapest extraction, exactly unless more than `beam` states are undominated at once. None if no extraction
/// stays within the levels: where the search loses all that does, an extraction without foresight is the answer.
///
/// # Panics
/// If an e-class reads itself or a later one, or an output has no alternative.
pub fn solve(problem: &Problem, beam: usize) -> Option<Solution> {
    if !reaches(problem) {
        return None;
    }
    let known = [with_fewest_levels(problem), without_foresight(problem), with_all_bootstraps(problem)];
    let mut best = known.into_iter().flatten().min_by(|a, b| a.price.total_cmp(&b.price));
    let mut bound = best.as_ref().map_or(f64::INFINITY, |s| s.price);
    // Narrow searches find bounds that keep wide ones narrow.
    let narrow = [NARROW, 8 * NARROW].into_iter().filter(|n| problem.bootstraps.is_some() && *n < beam);
    for beam in narrow.chain([beam]) {
        let found = search(problem, beam, bound * (1.0 + 1e-9));
        let is_better = |s: &Solution| best.as_ref().is_none_or(|b| !s.pruned || s.price < b.price);
        if let Some(found) = found.filter(is_better) {
            bound = bound.min(found.price);
            let exact = !found.pruned;
            best = Some(found);
            if exact {
                break;
            }
        }
    }
    best
}

/// Width of the first search.
const NARROW: usize = 16;

/// Finds the cheapest extraction of at most a price, exactly unless more than `beam` states are left at once.
fn search(problem: &Problem, beam: usize, bound: f64) -> Option<Solution> {
    let mut search = Search::new(problem, bound);
    let mut states =
        vec![State { levels: Box::default(), price: 0.0, behind: 0.0, bootstraps: 0, decision: None }];
    let mut pruned = false;
    for c in 0..problem.classes.len() {
        let mut reached = search.advance(c, &states);
        // Comparing all pairs is quadratic: what is far dearer than the rest goes unseen.
        let widest = beam.saturating_mul(8);
        if reached.len() > widest {
            keep_best(&mut reached, widest);
            pruned = true;
        }
        states = undominated(reached);
        if states.len() > beam {
            keep_best(&mut states, beam);
            pruned = true;
        }
    }
    let best = states.into_iter().min_by(|a, b| a.key().total_cmp(&b.key()))?;
    Some(search.solution(&best, pruned))
}

/// What was decided about an e-class that is computed.
#[derive(Clone, Copy)]
struct Outcome {
    alternative: usize,
    level: u32,
    bootstrapped: bool,
    /// The earlier e-class that is bootstrapped with it.
    with: Option<usize>,
}

impl Outcome {
    /// Classes that are bootstrapped.
    fn bootstraps(self) -> u32 {
        u32::from(self.bootstrapped) + u32::from(self.with.is_some())
    }
}

/// The decision at one e-class; decisions form a tree with the states as leaves.
struct Decision {
    before: Option<usize>,
    class: usize,
    outcome: Option<Outcome>,
}

struct Search<'p> {
    problem: &'p Problem,
    need: Vec<u32>,
    useful: Vec<u32>,
    last_read: Vec<usize>,
    required: Vec<bool>,
    /// What is to come costs at least.
    remaining: Option<Remaining>,
    /// Nothing dearer is of interest.
    bound: f64,
    /// Live e-classes, ascending.
    live: Vec<usize>,
    decisions: Vec<Decision>,
}

impl<'p> Search<'p> {
    fn new(problem: &'p Problem, bound: f64) -> Self {
        let count = problem.classes.len();
        let mut last_read = vec![0; count];
        for (c, class) in problem.classes.iter().enumerate() {
            class.alternatives.iter().flat_map(|a| &a.children).for_each(|child| last_read[*child] = c);
        }
        let required = required(problem);
        Self {
            problem,
            need: needed_levels(problem),
            useful: useful_levels(problem),
            last_read,
            remaining: problem.bootstraps.as_ref().map(|b| Remaining::new(problem, &required, b.levels)),
            required,
            bound,
            live: vec![],
            decisions: vec![],
        }
    }

    /// The states after e-class `c`.
    fn advance(&mut self, c: usize, states: &[State]) -> Vec<State> {
        let stays: Vec<usize> = (0..self.live.len()).filter(|k| self.last_read[self.live[*k]] > c).collect();
        let is_read = self.last_read[c] > c;
        let decisive = self.remaining.as_ref().and_then(|r| r.decisive(c));
        let after: Vec<usize> = stays.iter().map(|k| self.live[*k]).chain(is_read.then_some(c)).collect();
        let decisive = decisive.and_then(|(at, class)| Some((at, after.binary_search(&class).ok()?)));
        let mut next: HashMap<Box<[u16]>, State> = HashMap::new();
        for state in states {
            for (outcome, price) in self.outcomes(c, state) {
                let price = state.price + price;
                let last = outcome.map_or(0, |o| self.available(o) as u16 + 1);
                let with = outcome.and_then(|o| o.with);
                let level = |k: &usize| if with == Some(self.live[*k]) { last } else { state.levels[*k] };
                let levels: Box<[u16]> = stays.iter().map(level).chain(is_read.then_some(last)).collect();
                let known = decisive.map(|(at, k)| (at, u32::from(levels[k]).saturating_sub(1)));
                let behind = self.remaining.as_ref().map_or(0.0, |r| r.behind(c, known));
                if price + behind > self.bound {
                    continue;
                }
                let bootstraps = state.bootstraps + outcome.map_or(0, Outcome::bootstraps);
                let decision = Some(self.decisions.len());
                let reached = State { levels, price, behind, bootstraps, decision };
                if next.get(&reached.levels).is_none_or(|known| reached.key() < known.key()) {
                    self.decisions.push(Decision { before: state.decision, class: c, outcome });
                    next.insert(reached.levels.clone(), reached);
                }
            }
        }
        self.live = after;
        next.into_values().collect()
    }

    /// What may be done about e-class `c`, and its price.
    fn outcomes(&self, c: usize, state: &State) -> Vec<(Option<Outcome>, f64)> {
        let mut outcomes = Vec::new();
        let level_of = |child: &usize| {
            let at = self.live.binary_search(child).ok()?;
            u32::from(state.levels[at]).checked_sub(1)
        };
        // An e-class that nobody reads later has no use for a higher level.
        let useful = if self.last_read[c] > c { self.useful[c] } else { self.need[c] };
        let refreshes = self.refreshes(c, state);
        for (k, alternative) in self.problem.classes[c].alternatives.iter().enumerate() {
            let available: Option<Vec<u32>> = alternative.children.iter().map(level_of).collect();
            let Some(available) = available else { continue };
            let from =
                available.into_iter().min().unwrap_or_else(|| self.highest_input(c) + alternative.depth);
            let from = from.min(self.problem.highest(alternative));
            let Some(highest) = from.checked_sub(alternative.depth) else { continue };
            for level in self.need[c]..=highest.min(useful) {
                let price = alternative.rotations * self.problem.price_at(level + alternative.depth);
                let outcome = Outcome { alternative: k, level, bootstrapped: false, with: None };
                outcomes.push((Some(outcome), price));
                // What is bootstrapped at once is computed as low, hence as cheaply, as possible.
                if level == self.need[c] {
                    let fresh = |with| Some(Outcome { bootstrapped: true, with, ..outcome });
                    outcomes.extend(refreshes.iter().map(|(with, refresh)| (fresh(*with), price + refresh)));
                }
            }
        }
        if !self.required[c] {
            outcomes.push((None, 0.0));
        }
        outcomes
    }

    /// Without bootstraps an input arrives at the level that is needed: higher only costs.
    fn highest_input(&self, c: usize) -> u32 {
        self.problem.bootstraps.as_ref().map_or(self.need[c], |b| b.levels)
    }

    /// Bootstraps of e-class `c` that are possible and of use, alone or with a live e-class, and their prices.
    fn refreshes(&self, c: usize, state: &State) -> Vec<(Option<usize>, f64)> {
        let of_use = |class: usize| self.last_read[class] > c && self.problem.is_computed(class);
        let Some(rules) = self.problem.bootstraps.as_ref().filter(|_| of_use(c)) else { return vec![] };
        let fresh = rules.levels as u16 + 1;
        let stale = self.live.iter().zip(&state.levels).filter(|(_, level)| (1..fresh).contains(*level));
        let with = stale.map(|(class, _)| *class).filter(|class| of_use(*class));
        let together = with.map(|class| (Some(class), rules.together(class, c)));
        [(None, rules.prices[c])].into_iter().chain(together).filter(|(_, price)| price.is_finite()).collect()
    }

    /// Level at which an e-class can be read at most.
    fn available(&self, outcome: Outcome) -> u32 {
        match &self.problem.bootstraps {
            Some(b) if outcome.bootstrapped => b.levels,
            _ => outcome.level,
        }
    }

    fn solution(&self, best: &State, pruned: bool) -> Solution {
        let count = self.problem.classes.len();
        let mut solution = Solution {
            chosen: vec![None; count],
            levels: vec![0; count],
            bootstrapped: vec![false; count],
            together: vec![None; count],
            price: best.price,
            pruned,
        };
        let mut at = best.decision;
        while let Some(decision) = at.map(|k| &self.decisions[k]) {
            if let Some(outcome) = decision.outcome {
                solution.chosen[decision.class] = Some(outcome.alternative);
                solution.levels[decision.class] = outcome.level;
                solution.bootstrapped[decision.class] |= outcome.bootstrapped;
                if let Some(with) = outcome.with {
                    solution.bootstrapped[with] = true;
                    solution.together[with] = Some(decision.class);
                    solution.together[decision.class] = Some(with);
                }
            }
            at = decision.before;
        }
        solution
    }
}
