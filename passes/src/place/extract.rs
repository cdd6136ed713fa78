//! Exact level-aware extraction.
//!
//! Levels are not part of the e-graph but the state of this search. It walks the classes in topological order; the
//! state says of each class that is still *live* (a later class may read it) at which level it is available, or that
//! it was not computed. At each class the search picks an alternative, the level at which it executes and whether the
//! result is bootstrapped, and drops states that another one matches or beats in every level at no higher price. A
//! class read twice is paid once. With bootstraps, states that cannot lead to anything as cheap as what is known are
//! dropped too: see [`bound`](super::bound).
//!
//! Two classes may be bootstrapped together for less than twice the price. It happens at the later one: an earlier
//! class that is live and was not bootstrapped joins in, and is available at the bootstraps' level from then on.
//! Together costs no less than either alone, so that a state in which the earlier one is higher is still no worse.
//!
//! Whoever reads a bootstrapped class may as well read it as it was before, where that level suffices. The state need
//! not say so: levels can always be dropped, so the bootstrapped copy alone decides what is possible.

use std::collections::HashMap;

use super::LevelPrices;
use super::bound::Remaining;

/// One way to compute a class.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Classes read; all smaller than the class itself.
    pub children: Vec<usize>,
    /// Levels consumed.
    pub depth: u32,
    /// With bootstraps it executes at least this far below their level.
    pub headroom: u32,
    /// Price in rotations at the level of execution.
    pub rotations: f64,
}

/// A value and its alternatives; one without children is an input.
#[derive(Clone, Debug)]
pub struct Class {
    /// None if nothing reads the class: another one computes the value.
    pub alternatives: Vec<Alternative>,
}

/// What to extract. Classes are in topological order.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The classes.
    pub classes: Vec<Class>,
    /// Classes that must be computed, at level 0 or above.
    pub outputs: Vec<usize>,
    /// Price of a rotation at a level.
    pub price: LevelPrices,
    /// None: as many levels as it takes, and no bootstraps.
    pub bootstraps: Option<Bootstraps>,
}

/// Bootstraps in a [`Problem`].
#[derive(Clone, Debug)]
pub struct Bootstraps {
    /// Highest level of any class; what a bootstrap gives.
    pub levels: u32,
    /// What [`Problem::price`] calls level 0.
    pub floor: u32,
    /// Price of bootstrapping each class; infinite where it may not be.
    pub prices: Vec<f64>,
    /// What each class pays of a bootstrap together with another one; infinite where that is impossible or no use.
    pub shares: Vec<f64>,
}

impl Bootstraps {
    /// Price of bootstrapping two classes together: their shares, but no less than either alone.
    pub fn together(&self, a: usize, b: usize) -> f64 {
        (self.shares[a] + self.shares[b]).max(self.prices[a]).max(self.prices[b])
    }
}

/// An extraction.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Alternative per class; None where the class is not computed.
    pub chosen: Vec<Option<usize>>,
    /// Level at which each class is available before it is bootstrapped (0 where not computed).
    pub levels: Vec<u32>,
    /// Whether each class is bootstrapped.
    pub bootstrapped: Vec<bool>,
    /// By class, the one that it is bootstrapped together with.
    pub together: Vec<Option<usize>>,
    /// Total price.
    pub price: f64,
    /// True if the beam cut states off, so that a cheaper extraction may exist.
    pub pruned: bool,
}

/// What a bootstrap costs beyond its price: among equals the extraction with the fewest wins.
const TIE: f64 = 1e-9;

impl Problem {
    pub(super) fn price_at(&self, level: u32) -> f64 {
        self.price.at(level + self.bootstraps.as_ref().map_or(0, |b| b.floor))
    }

    /// Price of bootstrapping a class.
    pub(super) fn refresh(&self, class: usize) -> f64 {
        self.bootstraps.as_ref().map_or(f64::INFINITY, |b| b.prices[class])
    }

    /// True if a class may be bootstrapped: an input can come at any level anyway.
    fn is_computed(&self, class: usize) -> bool {
        self.classes[class].alternatives.iter().all(|a| !a.children.is_empty())
    }

    /// Highest level at which an alternative may execute.
    pub(super) fn highest(&self, alternative: &Alternative) -> u32 {
        self.bootstraps.as_ref().map_or(u32::MAX, |b| b.levels.saturating_sub(alternative.headroom))
    }
}

/// For each class a level below which it is of no use without bootstraps; for inputs the level that the extraction with
/// the fewest levels needs, at which they arrive. With bootstraps any level will do.
pub fn needed_levels(problem: &Problem) -> Vec<u32> {
    if problem.bootstraps.is_some() {
        return vec![0; problem.classes.len()];
    }
    let mut levels = least_levels(problem);
    let exact = levels_along(problem, &shallowest(problem));
    for (c, class) in problem.classes.iter().enumerate() {
        if class.alternatives.iter().all(|a| a.children.is_empty()) {
            levels[c] = exact[c].unwrap_or(levels[c]);
        }
    }
    levels
}

/// For each class a bound on its levels: what all its readers need that cannot do without it, or else one of the others.
fn least_levels(problem: &Problem) -> Vec<u32> {
    let required = required(problem);
    let count = problem.classes.len();
    let (mut forced, mut asked): (Vec<Option<u32>>, Vec<Option<u32>>) =
        (vec![None; count], vec![None; count]);
    problem.outputs.iter().for_each(|o| forced[*o] = Some(0));
    let mut levels = vec![0; count];
    for (c, class) in problem.classes.iter().enumerate().rev() {
        levels[c] = forced[c].or(asked[c]).unwrap_or(0);
        let depth = class.alternatives.iter().map(|a| a.depth).min().unwrap_or(0);
        for a in &class.alternatives {
            for child in &a.children {
                if required[c] && class.alternatives.iter().all(|other| other.children.contains(child)) {
                    forced[*child] = forced[*child].max(Some(levels[c] + depth));
                } else {
                    let level = levels[c] + a.depth;
                    asked[*child] = Some(asked[*child].map_or(level, |known| known.min(level)));
                }
            }
        }
    }
    levels
}

/// For each class the alternative that is fewest levels away from the inputs, of these the cheapest; None for a class
/// without any.
fn shallowest(problem: &Problem) -> Vec<Option<usize>> {
    let mut heights: Vec<u32> = Vec::with_capacity(problem.classes.len());
    let mut chosen = Vec::with_capacity(problem.classes.len());
    for class in &problem.classes {
        let height = |a: &Alternative| a.depth + a.children.iter().map(|x| heights[*x]).max().unwrap_or(0);
        let ways = class.alternatives.iter().map(|a| (height(a), a.rotations)).enumerate();
        let best = ways.min_by(|(_, a), (_, b)| a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
        chosen.push(best.map(|(k, _)| k));
        heights.push(best.map_or(0, |(_, (height, _))| height));
    }
    chosen
}

/// The lowest levels of the classes that an extraction computes; None for the others.
fn levels_along(problem: &Problem, chosen: &[Option<usize>]) -> Vec<Option<u32>> {
    let mut levels: Vec<Option<u32>> = vec![None; problem.classes.len()];
    problem.outputs.iter().for_each(|o| levels[*o] = Some(0));
    for (c, class) in problem.classes.iter().enumerate().rev() {
        if let (Some(level), Some(k)) = (levels[c], chosen[c]) {
            let a = &class.alternatives[k];
            a.children.iter().for_each(|child| levels[*child] = levels[*child].max(Some(level + a.depth)));
        }
    }
    levels
}

/// For each class a level above which nothing after it gets any better: that of the deepest alternatives.
fn useful_levels(problem: &Problem) -> Vec<u32> {
    let mut levels: Vec<Option<u32>> = vec![None; problem.classes.len()];
    problem.outputs.iter().for_each(|o| levels[*o] = Some(0));
    for (c, class) in problem.classes.iter().enumerate().rev() {
        let Some(level) = levels[c] else { continue };
        let depth = class.alternatives.iter().map(|a| a.depth).max().unwrap_or(0);
        for child in class.alternatives.iter().flat_map(|a| &a.children) {
            let known = &mut levels[*child];
            *known = Some(known.unwrap_or(0).max(level + depth));
        }
    }
    levels.into_iter().map(|n| n.unwrap_or(0)).collect()
}

/// Classes that every extraction computes: outputs, and what all alternatives of such a class read.
fn required(problem: &Problem) -> Vec<bool> {
    let mut required = vec![false; problem.classes.len()];
    problem.outputs.iter().for_each(|o| required[*o] = true);
    for (c, class) in
        problem.classes.iter().enumerate().rev().filter(|(_, class)| !class.alternatives.is_empty())
    {
        if required[c] {
            let (first, others) = class.alternatives.split_first().expect("not empty");
            let shared = |child: &&usize| others.iter().all(|a| a.children.contains(child));
            first.children.iter().filter(shared).for_each(|child| required[*child] = true);
        }
    }
    required
}

/// Whether the outputs can be computed at all: if everything that may be bootstrapped is.
pub fn reaches(problem: &Problem) -> bool {
    let Some(bootstraps) = &problem.bootstraps else { return true };
    let mut levels: Vec<Option<u32>> = Vec::with_capacity(problem.classes.len());
    for (c, class) in problem.classes.iter().enumerate() {
        let level = |a: &Alternative| {
            let read: Option<Vec<u32>> = a.children.iter().map(|child| levels[*child]).collect();
            let from = read?.into_iter().min().unwrap_or(bootstraps.levels).min(problem.highest(a));
            from.checked_sub(a.depth)
        };
        let level = class.alternatives.iter().filter_map(level).max();
        let fresh = problem.refresh(c).is_finite() && problem.is_computed(c);
        levels.push(if fresh { level.map(|_| bootstraps.levels) } else { level });
    }
    problem.outputs.iter().all(|o| levels[*o].is_some())
}

/// Finds the cheapest extraction, exactly unless more than `beam` states are undominated at once. None if no extraction
/// stays within the levels.
///
/// # Panics
/// If a class reads itself or a later one, or an output has no alternative.
pub fn solve(problem: &Problem, beam: usize) -> Option<Solution> {
    if !reaches(problem) {
        return None;
    }
    let mut bound = naive(problem).map_or(f64::INFINITY, |n| n.price);
    let mut best: Option<Solution> = None;
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
        vec![State { levels: Box::default(), price: 0.0, behind: 0.0, bootstraps: 0, step: None }];
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

/// A way to get here.
struct State {
    /// For every live class, in order, one more than its level; 0 if it was not computed.
    levels: Box<[u16]>,
    price: f64,
    /// The rest costs at least that.
    behind: f64,
    bootstraps: u32,
    step: Option<usize>,
}

impl State {
    fn key(&self) -> f64 {
        self.price + TIE * f64::from(self.bootstraps)
    }

    /// Cheapest first; among equals a fixed order keeps compilation deterministic, and puts those first that dominate.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.key().total_cmp(&other.key()).then_with(|| other.levels.cmp(&self.levels))
    }
}

/// What was decided about a class that is computed.
#[derive(Clone, Copy)]
struct Outcome {
    alternative: usize,
    level: u32,
    bootstrapped: bool,
    /// The earlier class that is bootstrapped with it.
    with: Option<usize>,
}

impl Outcome {
    /// Classes that are bootstrapped.
    fn bootstraps(self) -> u32 {
        u32::from(self.bootstrapped) + u32::from(self.with.is_some())
    }
}

/// The decision at one class; steps form a tree with the states as leaves.
struct Step {
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
    /// Live classes, ascending.
    live: Vec<usize>,
    steps: Vec<Step>,
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
            steps: vec![],
        }
    }

    /// The states after class `c`.
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
                let step = Some(self.steps.len());
                let reached = State { levels, price, behind, bootstraps, step };
                if next.get(&reached.levels).is_none_or(|known| reached.key() < known.key()) {
                    self.steps.push(Step { before: state.step, class: c, outcome });
                    next.insert(reached.levels.clone(), reached);
                }
            }
        }
        self.live = after;
        next.into_values().collect()
    }

    /// What may be done about class `c`, and its price.
    fn outcomes(&self, c: usize, state: &State) -> Vec<(Option<Outcome>, f64)> {
        let mut outcomes = Vec::new();
        let level_of = |child: &usize| {
            let at = self.live.binary_search(child).ok()?;
            u32::from(state.levels[at]).checked_sub(1)
        };
        // A class that nobody reads later has no use for a higher level.
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

    /// Bootstraps of class `c` that are possible and of use, alone or with a live class, and their prices.
    fn refreshes(&self, c: usize, state: &State) -> Vec<(Option<usize>, f64)> {
        let of_use = |class: usize| self.last_read[class] > c && self.problem.is_computed(class);
        let Some(rules) = self.problem.bootstraps.as_ref().filter(|_| of_use(c)) else { return vec![] };
        let fresh = rules.levels as u16 + 1;
        let stale = self.live.iter().zip(&state.levels).filter(|(_, level)| (1..fresh).contains(*level));
        let with = stale.map(|(class, _)| *class).filter(|class| of_use(*class));
        let together = with.map(|class| (Some(class), rules.together(class, c)));
        [(None, rules.prices[c])].into_iter().chain(together).filter(|(_, price)| price.is_finite()).collect()
    }

    /// Level at which a class can be read at most.
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
        let mut at = best.step;
        while let Some(step) = at.map(|s| &self.steps[s]) {
            if let Some(outcome) = step.outcome {
                solution.chosen[step.class] = Some(outcome.alternative);
                solution.levels[step.class] = outcome.level;
                solution.bootstrapped[step.class] |= outcome.bootstrapped;
                if let Some(with) = outcome.with {
                    solution.bootstrapped[with] = true;
                    solution.together[with] = Some(step.class);
                    solution.together[step.class] = Some(with);
                }
            }
            at = step.before;
        }
        solution
    }
}

/// Keeps the states from which the best may be hoped.
fn keep_best(states: &mut Vec<State>, count: usize) {
    let hope = |s: &State| s.key() + s.behind;
    states.sort_by(|a, b| hope(a).total_cmp(&hope(b)).then_with(|| a.order(b)));
    states.truncate(count);
}

/// Drops every state that another one beats: the same classes computed, nowhere lower, no dearer. Cheapest first.
fn undominated(mut states: Vec<State>) -> Vec<State> {
    // Dearer states cannot dominate cheaper ones.
    states.sort_by(State::order);
    let mut kept: Vec<State> = Vec::new();
    for state in states {
        let beats = |k: &State| k.levels.iter().zip(&state.levels).all(|(a, b)| a >= b);
        if !kept.iter().any(beats) {
            kept.push(state);
        }
    }
    kept
}

/// What bootstrapping without foresight costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Naive {
    /// Total price.
    pub price: f64,
    /// Classes bootstrapped.
    pub bootstraps: usize,
}

/// Computes everything as high as possible and by few levels, and bootstraps what is too low to be read.
/// None without bootstraps, or if this meets a class that may not be bootstrapped.
pub fn naive(problem: &Problem) -> Option<Naive> {
    let bootstraps = problem.bootstraps.as_ref()?;
    let chosen = shallowest(problem);
    let computed = levels_along(problem, &chosen);
    let mut levels = vec![bootstraps.levels; chosen.len()];
    let mut total = Naive { price: 0.0, bootstraps: 0 };
    for (c, class) in problem.classes.iter().enumerate().filter(|(c, _)| computed[*c].is_some()) {
        let alternative = &class.alternatives[chosen[c]?];
        let highest = problem.highest(alternative);
        if alternative.depth > highest {
            return None;
        }
        for child in alternative.children.iter().copied() {
            if levels[child] < alternative.depth {
                levels[child] = bootstraps.levels;
                total.price += bootstraps.prices[child];
                total.bootstraps += 1;
            }
        }
        let from = alternative.children.iter().map(|child| levels[*child]).min().unwrap_or(bootstraps.levels);
        let from = from.min(highest);
        levels[c] = from - alternative.depth;
        total.price += alternative.rotations * problem.price_at(from);
    }
    total.price.is_finite().then_some(total)
}
