//! What can be said about levels without a search.

use super::problem::{Alternative, Problem};

/// For each e-class a level below which it is of no use; for inputs without bootstraps the level that the extraction with
/// the fewest levels needs, at which they arrive.
pub fn needed_levels(problem: &Problem) -> Vec<u32> {
    let mut levels = least_levels(problem);
    if problem.bootstraps.is_some() {
        return levels;
    }
    let exact = levels_along(problem, &shallowest(problem));
    for (c, class) in problem.classes.iter().enumerate() {
        if class.alternatives.iter().all(|a| a.children.is_empty()) {
            levels[c] = exact[c].unwrap_or(levels[c]);
        }
    }
    levels
}

/// For each e-class a bound on its levels: what all its readers need that cannot do without it, or else one of the others;
/// none if it may be bootstrapped.
fn least_levels(problem: &Problem) -> Vec<u32> {
    let required = required(problem);
    let count = problem.classes.len();
    let (mut forced, mut asked): (Vec<Option<u32>>, Vec<Option<u32>>) =
        (vec![None; count], vec![None; count]);
    problem.outputs.iter().for_each(|o| forced[*o] = Some(0));
    let mut levels = vec![0; count];
    for (c, class) in problem.classes.iter().enumerate().rev() {
        levels[c] = if problem.refreshable(c) { 0 } else { forced[c].or(asked[c]).unwrap_or(0) };
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

/// For each e-class the alternative that is fewest levels away from the inputs, of these the cheapest; None for an e-class
/// without any.
pub(super) fn shallowest(problem: &Problem) -> Vec<Option<usize>> {
    let mut heights: Vec<u32> = Vec::with_capacity(problem.classes.len());
    let mut chosen = Vec::with_capacity(problem.classes.len());
    for class in &problem.classes {
        let height = |a: &Alternative| a.depth + a.children.iter().map(|x| heights[*x]).max().unwrap_or(0);
        let measured = class.alternatives.iter().map(|a| (height(a), a.rotations)).enumerate();
        let best = measured.min_by(|(_, a), (_, b)| a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
        chosen.push(best.map(|(k, _)| k));
        heights.push(best.map_or(0, |(_, (height, _))| height));
    }
    chosen
}

/// The lowest levels of the e-classes that an extraction computes; None for the others.
pub(super) fn levels_along(problem: &Problem, chosen: &[Option<usize>]) -> Vec<Option<u32>> {
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

/// For each e-class a level above which nothing after it gets any better: that of the deepest alternatives.
pub(super) fn useful_levels(problem: &Problem) -> Vec<u32> {
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

/// E-classes that every extraction computes: outputs, and what all alternatives of such an e-class read.
pub(super) fn required(problem: &Problem) -> Vec<bool> {
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
    let highest = highest_levels(problem);
    problem.bootstraps.is_none()
        || highest.is_some_and(|levels| problem.outputs.iter().all(|o| levels[*o].is_some()))
}

/// For each e-class the highest level at which it can be available, if everything that may be bootstrapped is, and the
/// alternative that leads there; None for one that cannot be computed. None without bootstraps.
pub(super) fn highest_levels(problem: &Problem) -> Option<Vec<Option<(u32, usize)>>> {
    let bootstraps = problem.bootstraps.as_ref()?;
    let mut levels: Vec<Option<(u32, usize)>> = Vec::with_capacity(problem.classes.len());
    for (c, class) in problem.classes.iter().enumerate() {
        let level = |a: &Alternative| {
            let read: Option<Vec<u32>> = a.children.iter().map(|child| levels[*child].map(|l| l.0)).collect();
            let from = read?.into_iter().min().unwrap_or(bootstraps.levels).min(problem.highest(a));
            from.checked_sub(a.depth)
        };
        let reached = class.alternatives.iter().enumerate().filter_map(|(k, a)| Some((level(a)?, k)));
        let best = reached.max_by_key(|(level, k)| (*level, std::cmp::Reverse(*k)));
        levels.push(if problem.refreshable(c) { best.map(|(_, k)| (bootstraps.levels, k)) } else { best });
    }
    Some(levels)
}
