//! Bootstrapping without foresight: an upper bound, and what a placement is compared with.

use super::levels::{highest_levels, levels_along, shallowest};
use super::problem::{Problem, Solution};

/// What bootstrapping without foresight costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Naive {
    /// Total price.
    pub price: f64,
    /// Classes bootstrapped.
    pub bootstraps: usize,
}

/// Computes everything as high as possible and by few levels, and bootstraps what is too low to be read.
/// None without bootstraps, or if this meets an e-class that may not be bootstrapped.
pub fn naive(problem: &Problem) -> Option<Naive> {
    let solution = without_foresight(problem)?;
    let bootstraps = solution.bootstrapped.iter().filter(|b| **b).count();
    Some(Naive { price: solution.price, bootstraps })
}

/// The extraction that [`naive`] stands for.
pub(super) fn without_foresight(problem: &Problem) -> Option<Solution> {
    let chosen = shallowest(problem);
    let computed = levels_along(problem, &chosen);
    let chosen = chosen.into_iter().zip(computed).map(|(k, level)| level.and(k)).collect();
    evaluated(problem, chosen, |_, read, depth| read < depth)
}

/// The extraction with the fewest levels, everything as low as possible. None with bootstraps.
pub(super) fn with_fewest_levels(problem: &Problem) -> Option<Solution> {
    if problem.bootstraps.is_some() {
        return None;
    }
    let chosen = shallowest(problem);
    let levels = levels_along(problem, &chosen);
    let chosen: Vec<Option<usize>> = chosen.into_iter().zip(&levels).map(|(k, level)| level.and(k)).collect();
    let price = |(c, k): (usize, &Option<usize>)| {
        let alternative = &problem.classes[c].alternatives[(*k)?];
        Some(alternative.rotations * problem.price_at(levels[c]? + alternative.depth))
    };
    Some(Solution {
        price: chosen.iter().enumerate().filter_map(price).sum(),
        levels: levels.iter().map(|level| level.unwrap_or(0)).collect(),
        bootstrapped: vec![false; chosen.len()],
        together: vec![None; chosen.len()],
        chosen,
        pruned: true,
    })
}

/// Bootstraps whatever may be, and computes everything as high as that allows: if there is any extraction, this is one.
/// None without bootstraps, or if the outputs cannot be reached.
pub(super) fn with_all_bootstraps(problem: &Problem) -> Option<Solution> {
    let highest = highest_levels(problem)?;
    // The alternatives that reach as high, of those that outputs need.
    let mut needed = vec![false; problem.classes.len()];
    problem.outputs.iter().for_each(|o| needed[*o] = true);
    let mut chosen = vec![None; problem.classes.len()];
    for (c, class) in
        problem.classes.iter().enumerate().rev().filter(|(_, class)| !class.alternatives.is_empty())
    {
        if needed[c] {
            let (_, best) = highest[c]?;
            chosen[c] = Some(best);
            class.alternatives[best].children.iter().for_each(|child| needed[*child] = true);
        }
    }
    evaluated(problem, chosen, |child, _, _| problem.refreshable(child))
}

/// An extraction of chosen alternatives, each computed as high as possible; `refreshes` says of an e-class, the level it is
/// available at, and the depth of what reads it, whether it is bootstrapped before that.
fn evaluated(
    problem: &Problem,
    chosen: Vec<Option<usize>>,
    refreshes: impl Fn(usize, u32, u32) -> bool,
) -> Option<Solution> {
    let bootstraps = problem.bootstraps.as_ref()?;
    let count = chosen.len();
    let mut available = vec![bootstraps.levels; count];
    let mut solution = Solution {
        chosen: vec![None; count],
        levels: vec![0; count],
        bootstrapped: vec![false; count],
        together: vec![None; count],
        price: 0.0,
        pruned: true,
    };
    for (c, k) in chosen.iter().enumerate().filter_map(|(c, k)| Some((c, (*k)?))) {
        let alternative = &problem.classes[c].alternatives[k];
        let highest = problem.highest(alternative);
        if alternative.depth > highest {
            return None;
        }
        for child in alternative.children.iter().copied() {
            if refreshes(child, available[child], alternative.depth) && !solution.bootstrapped[child] {
                available[child] = bootstraps.levels;
                solution.bootstrapped[child] = true;
                solution.price += bootstraps.prices[child];
            }
        }
        let read = alternative.children.iter().map(|child| available[*child]).min();
        let from = read.unwrap_or(bootstraps.levels).min(highest);
        available[c] = from.checked_sub(alternative.depth)?;
        solution.chosen[c] = Some(k);
        solution.levels[c] = available[c];
        solution.price += alternative.rotations * problem.price_at(from);
    }
    solution.price.is_finite().then_some(solution)
}
