//! What the rest of an extraction costs at least.
//!
//! Along one chain of classes, each read by the next, levels and bootstraps are accounted for exactly; everything
//! else is taken to run as cheaply as it ever can, and to be available. Without joins that is the true price, so
//! what a search keeps beyond it is what joins cost.
//!
//! Of two classes that are bootstrapped together only one can matter to the chain: when the later one is computed the
//! chain has passed the earlier one, if it is on the chain. Together costs no less than either alone, so the price of one
//! alone is a bound for that too. What is new is that a class may be bootstrapped after it was computed, with
//! one before its reader on the chain.

use super::extract::Problem;

/// Lower bounds on the price of the classes that are still to come.
pub(super) struct Remaining {
    /// The chain, ascending.
    chain: Vec<usize>,
    /// By position in the chain and level of the class there: price of the chain's classes after it.
    after: Vec<Vec<f64>>,
    /// By position in the chain: price of the chain's classes after it if the class there is bootstrapped.
    refreshed: Vec<f64>,
    /// From every class on, the least price of the required classes outside the chain.
    others: Vec<f64>,
    /// From every class on, the least price of the chain's classes at their cheapest levels.
    chained: Vec<f64>,
}

impl Remaining {
    /// Bounds for a problem with bootstraps that give `levels`; `required` are the classes that every extraction computes.
    pub(super) fn new(problem: &Problem, required: &[bool], levels: u32) -> Self {
        let count = problem.classes.len();
        let chain = longest_chain(problem, required);
        let mut others = vec![0.0; count + 1];
        let mut chained = vec![0.0; count + 1];
        for (c, class) in problem.classes.iter().enumerate().rev() {
            let prices = class.alternatives.iter().map(|a| a.rotations * problem.price_at(a.depth));
            let least = if required[c] { prices.fold(f64::INFINITY, f64::min) } else { 0.0 };
            let on_chain = chain.binary_search(&c).is_ok();
            others[c] = others[c + 1] + if on_chain { 0.0 } else { least };
            chained[c] = chained[c + 1] + if on_chain { least } else { 0.0 };
        }
        let width = levels as usize + 1;
        let mut after = vec![vec![0.0; width]; chain.len()];
        for at in (1..chain.len()).rev() {
            let c = chain[at];
            let refreshed = problem.refresh(c) + after[at][levels as usize];
            let mut least = vec![f64::INFINITY; width];
            for a in &problem.classes[c].alternatives {
                for executes in a.depth..=problem.highest(a).min(levels) {
                    let then = after[at][(executes - a.depth) as usize].min(refreshed);
                    let known = &mut least[executes as usize];
                    *known = known.min(a.rotations * problem.price_at(executes) + then);
                }
            }
            (1..width).for_each(|level| least[level] = least[level].min(least[level - 1]));
            after[at - 1] = least;
        }
        let refreshed =
            chain.iter().zip(&after).map(|(c, after)| problem.refresh(*c) + after[levels as usize]).collect();
        Self { chain, after, refreshed, others, chained }
    }

    /// The class of the chain whose level decides what comes behind class `c`, and its position.
    pub(super) fn decisive(&self, c: usize) -> Option<(usize, usize)> {
        let at = self.chain.partition_point(|x| *x <= c).checked_sub(1)?;
        (at + 1 < self.chain.len()).then(|| (at, self.chain[at]))
    }

    /// Least price of the classes behind `c` when the decisive class is available at a level.
    pub(super) fn behind(&self, c: usize, decisive: Option<(usize, u32)>) -> f64 {
        let chain = decisive.map_or(self.chained[c + 1], |(at, level)| {
            let after = self.after[at][level as usize];
            let may_wait = c + 1 < self.chain[at + 1];
            if may_wait { after.min(self.refreshed[at]) } else { after }
        });
        self.others[c + 1] + chain
    }
}

/// The deepest chain of required classes in which each is read by every alternative of the next, up to an output.
fn longest_chain(problem: &Problem, required: &[bool]) -> Vec<usize> {
    let count = problem.classes.len();
    let mut depth = vec![0u32; count];
    let mut previous = vec![None; count];
    for (c, class) in problem.classes.iter().enumerate() {
        let Some((first, others)) = class.alternatives.split_first() else { continue };
        let shared = first.children.iter().filter(|x| others.iter().all(|a| a.children.contains(x)));
        previous[c] = shared.copied().filter(|x| required[*x]).max_by_key(|x| depth[*x]);
        let own = class.alternatives.iter().map(|a| a.depth).min().unwrap_or(0);
        depth[c] = own + previous[c].map_or(0, |x| depth[x]);
    }
    let end = problem.outputs.iter().copied().max_by_key(|o| depth[*o]);
    let mut chain: Vec<usize> = std::iter::successors(end, |c| previous[*c]).collect();
    chain.reverse();
    chain
}
