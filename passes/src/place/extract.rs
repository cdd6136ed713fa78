//! Exact level-aware extraction.
//!
//! Levels are not part of the e-graph but the state of this search. It walks the classes in topological order; the
//! state says of each class that is still *live* (a later class may read it) at which level it is available, or that
//! it was not computed. At each class the search picks an alternative and the level at which it executes, and drops
//! states that another one matches or beats in every level at no higher price. A class read twice is paid once.

use std::collections::HashMap;

/// One way to compute a class.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Classes read; all smaller than the class itself.
    pub children: Vec<usize>,
    /// Levels consumed.
    pub depth: u32,
    /// Price in rotations at the level of execution.
    pub rotations: f64,
}

/// A value and its alternatives; one without children is an input.
#[derive(Clone, Debug)]
pub struct Class {
    /// At least one.
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
    pub price: fn(u32) -> f64,
}

/// An extraction.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Alternative per class; None where the class is not computed.
    pub chosen: Vec<Option<usize>>,
    /// Level at which each class is available (0 where not computed).
    pub levels: Vec<u32>,
    /// Total price.
    pub price: f64,
    /// True if the beam cut states off, so that a cheaper extraction may exist.
    pub pruned: bool,
}

/// For each class the lowest level at which it may become available, so that everything after it still works with
/// the shallowest alternatives. The inputs' levels follow from it.
pub fn needed_levels(problem: &Problem) -> Vec<u32> {
    // Depth from a class to an output counts the shallowest alternative of each class on the way.
    let mut need: Vec<Option<u32>> = vec![None; problem.classes.len()];
    problem.outputs.iter().for_each(|o| need[*o] = Some(0));
    for (c, class) in problem.classes.iter().enumerate().rev() {
        let Some(level) = need[c] else { continue };
        let depth = class.alternatives.iter().map(|a| a.depth).min().unwrap_or(0);
        for child in class.alternatives.iter().flat_map(|a| &a.children) {
            let need = &mut need[*child];
            *need = Some(need.unwrap_or(0).max(level + depth));
        }
    }
    need.into_iter().map(|n| n.unwrap_or(0)).collect()
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

/// Finds the cheapest extraction, exactly unless more than `beam` states are undominated at once.
///
/// # Panics
/// If a class reads itself or a later one, or an output has no alternative.
pub fn solve(problem: &Problem, beam: usize) -> Solution {
    let need = needed_levels(problem);
    let count = problem.classes.len();
    let mut last_read = vec![0; count];
    for (c, class) in problem.classes.iter().enumerate() {
        class.alternatives.iter().flat_map(|a| &a.children).for_each(|child| last_read[*child] = c);
    }
    let required = required(problem);

    let mut steps: Vec<Step> = Vec::new();
    let mut states = vec![State { live: vec![], price: 0.0, step: None }];
    let mut pruned = false;
    for (c, class) in problem.classes.iter().enumerate() {
        let mut next: HashMap<Vec<(usize, u32)>, State> = HashMap::new();
        let mut consider = |state: &State, outcome: Option<(usize, u32)>, price: f64| {
            let mut live: Vec<_> = state.live.iter().copied().filter(|(l, _)| last_read[*l] > c).collect();
            if let Some((_, level)) = outcome.filter(|_| last_read[c] > c) {
                live.push((c, level));
            }
            let price = state.price + price;
            if next.get(&live).is_none_or(|s| price < s.price) {
                steps.push(Step { before: state.step, class: c, outcome });
                next.insert(live.clone(), State { live, price, step: Some(steps.len() - 1) });
            }
        };
        for state in &states {
            let level_of =
                |child: usize| state.live.iter().find(|(l, _)| *l == child).map(|(_, level)| *level);
            for (k, alternative) in class.alternatives.iter().enumerate() {
                let available = alternative.children.iter().map(|child| level_of(*child));
                let Some(available) = available.collect::<Option<Vec<_>>>() else { continue };
                // An input arrives at the level that is needed: higher only costs.
                let from = available.into_iter().min().unwrap_or(need[c] + alternative.depth);
                // A class that nobody reads later has no use for a higher level.
                let highest = if last_read[c] > c { from.saturating_sub(alternative.depth) } else { need[c] };
                for level in need[c]..=highest {
                    if level + alternative.depth > from {
                        continue;
                    }
                    let price = alternative.rotations * (problem.price)(level + alternative.depth);
                    consider(state, Some((k, level)), price);
                }
            }
            if !required[c] {
                consider(state, None, 0.0);
            }
        }
        let mut reached: Vec<State> = next.into_values().collect();
        // Comparing all pairs is quadratic: what is far dearer than the rest goes unseen.
        let widest = beam.saturating_mul(8);
        if reached.len() > widest {
            reached.sort_by(|a, b| a.price.total_cmp(&b.price).then_with(|| a.live.cmp(&b.live)));
            reached.truncate(widest);
            pruned = true;
        }
        states = undominated(reached);
        if states.len() > beam {
            states.sort_by(|a, b| a.price.total_cmp(&b.price));
            states.truncate(beam);
            pruned = true;
        }
    }
    let best =
        states.into_iter().min_by(|a, b| a.price.total_cmp(&b.price)).expect("outputs can be computed");
    let mut solution =
        Solution { chosen: vec![None; count], levels: vec![0; count], price: best.price, pruned };
    let mut at = best.step;
    while let Some(step) = at.map(|s| &steps[s]) {
        if let Some((alternative, level)) = step.outcome {
            solution.chosen[step.class] = Some(alternative);
            solution.levels[step.class] = level;
        }
        at = step.before;
    }
    solution
}

/// A way to get here: levels of the live classes, ascending by class, and what it cost.
struct State {
    live: Vec<(usize, u32)>,
    price: f64,
    step: Option<usize>,
}

/// The decision at one class; steps form a tree with the states as leaves.
struct Step {
    before: Option<usize>,
    class: usize,
    outcome: Option<(usize, u32)>,
}

/// Drops every state that another one beats: the same classes computed, nowhere lower, no dearer.
fn undominated(mut states: Vec<State>) -> Vec<State> {
    // Dearer states cannot dominate cheaper ones; among equals a fixed order keeps compilation deterministic.
    states.sort_by(|a, b| a.price.total_cmp(&b.price).then_with(|| b.live.cmp(&a.live)));
    let mut kept: Vec<State> = Vec::new();
    for state in states {
        let beats = |k: &State| {
            k.live.len() >= state.live.len()
                && state.live.iter().all(|(c, level)| k.live.iter().any(|(d, l)| d == c && l >= level))
        };
        if !kept.iter().any(beats) {
            kept.push(state);
        }
    }
    kept
}
