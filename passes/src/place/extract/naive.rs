//! Bootstrapping without foresight: an upper bound, and what a placement is compared with.

use super::levels::{levels_along, shallowest};
use super::problem::Problem;

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
