//! What the rest of an extraction costs at least.
//!
//! Along one chain of e-classes, each read by the next, levels and bootstraps are accounted for exactly; everything
//! else is taken to run as cheaply as it ever can, and to be available. Without joins that is the true price, so
//! what a search keeps beyond it is what joins cost.
//!
//! Of two e-classes that are bootstrapped together only one can matter to the chain: when the later one is computed the
//! chain has passed the earlier one, if it is on the chain. Together costs no less than either alone, so the price of one
//! alone is a bound for that too. What is new is that an e-class may be bootstrapped after it was computed, with
//! one before its reader on the chain.
//!
//! An e-class may reach the one before it on the chain by several paths, through e-classes that not every extraction
//! computes. These are accounted for while the chain's e-class is the last that was decided about; behind the first of them
//! the next e-class of the chain is taken to be computed at its best.

use super::problem::{Alternative, Problem};

/// Lower bounds on the price of the e-classes that are still to come.
pub(super) struct Remaining {
    /// The chain, ascending.
    chain: Vec<usize>,
    /// By position in the chain and level of the e-class there: price of the chain's e-classes after it.
    after: Vec<Vec<f64>>,
    /// By position in the chain: price of the chain's e-classes after it if the e-class there is bootstrapped.
    refreshed: Vec<f64>,
    /// By position in the chain: the first e-class on a path to the next one, or this next one itself.
    paths_from: Vec<usize>,
    /// By position in the chain: price of the chain's e-classes after it, once one on such a path may have been computed.
    on_path: Vec<f64>,
    /// From every e-class on, the least price of the required e-classes outside the chain.
    others: Vec<f64>,
    /// From every e-class on, the least price of the chain's e-classes at their cheapest levels.
    chained: Vec<f64>,
}

impl Remaining {
    /// Bounds for a problem with bootstraps that give `levels`; `required` are the e-classes that every extraction computes.
    pub(super) fn new(problem: &Problem, required: &[bool], levels: u32) -> Self {
        let count = problem.classes.len();
        let Chains { previous, chain } = Chains::new(problem, required);
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
        let mut paths_from: Vec<usize> = chain.iter().skip(1).copied().chain([count]).collect();
        let mut on_path = vec![0.0; chain.len()];
        let leads = Leads { problem, previous: &previous, required, levels };
        for at in (1..chain.len()).rev() {
            let c = chain[at];
            let own = |a: &Alternative| leads.computed(c, a, &after[at]);
            let best = |prices: Vec<f64>| prices.into_iter().fold(f64::INFINITY, f64::min);
            on_path[at - 1] =
                problem.classes[c].alternatives.iter().map(own).map(best).fold(f64::INFINITY, f64::min);
            let mut first = c;
            after[at - 1] = leads.before(c, &after[at], chain[at - 1], &mut first);
            paths_from[at - 1] = first;
        }
        let refreshed =
            chain.iter().zip(&after).map(|(c, after)| problem.refresh(*c) + after[levels as usize]).collect();
        Self { chain, after, refreshed, paths_from, on_path, others, chained }
    }

    /// The e-class of the chain whose level decides what comes behind e-class `c`, and its position.
    pub(super) fn decisive(&self, c: usize) -> Option<(usize, usize)> {
        let at = self.chain.partition_point(|x| *x <= c).checked_sub(1)?;
        (at + 1 < self.chain.len()).then(|| (at, self.chain[at]))
    }

    /// Least price of the e-classes behind `c` when the decisive e-class is available at a level.
    pub(super) fn behind(&self, c: usize, decisive: Option<(usize, u32)>) -> f64 {
        let chain = decisive.map_or(self.chained[c + 1], |(at, level)| {
            if c >= self.paths_from[at] {
                return self.on_path[at];
            }
            let after = self.after[at][level as usize];
            let may_wait = c + 1 < self.chain[at + 1];
            if may_wait { after.min(self.refreshed[at]) } else { after }
        });
        self.others[c + 1] + chain
    }
}

/// The e-classes that lead from one e-class of the chain to the next.
struct Leads<'p> {
    problem: &'p Problem,
    previous: &'p [Option<usize>],
    required: &'p [bool],
    levels: u32,
}

impl Leads<'_> {
    /// By the level at which its operands are available, the least price of computing e-class `c` by an alternative, and of
    /// what is behind it by its level.
    fn computed(&self, c: usize, a: &Alternative, behind: &[f64]) -> Vec<f64> {
        let width = self.levels as usize + 1;
        let refreshed = self.problem.refresh(c) + behind[self.levels as usize];
        let mut least = vec![f64::INFINITY; width];
        for executes in a.depth..=self.problem.highest(a).min(self.levels) {
            let then = behind[(executes - a.depth) as usize].min(refreshed);
            least[executes as usize] = a.rotations * self.problem.price_at(executes) + then;
        }
        (1..width).for_each(|level| least[level] = least[level].min(least[level - 1]));
        least
    }

    /// By the level of e-class `from`, the least price of what leads from it to e-class `c`, and of what is behind by the
    /// level of `c`. `first` becomes the first e-class on any path.
    fn before(&self, c: usize, behind: &[f64], from: usize, first: &mut usize) -> Vec<f64> {
        let mut least = vec![f64::INFINITY; behind.len()];
        for a in &self.problem.classes[c].alternatives {
            let mut own = self.computed(c, a, behind);
            if !a.children.contains(&from) {
                let between = a.children.iter().copied().find(|child| self.is_behind(*child, from));
                let Some(between) = between else { return vec![0.0; behind.len()] };
                *first = between.min(*first);
                own = self.before(between, &own, from, first);
            }
            least.iter_mut().zip(own).for_each(|(least, own)| *least = least.min(own));
        }
        least
    }

    /// Whether e-class `from` is on the path to `c`, behind which no e-class is required.
    fn is_behind(&self, c: usize, from: usize) -> bool {
        let mut at = c;
        while at > from && !self.required[at] {
            match self.previous[at] {
                Some(before) => at = before,
                None => return false,
            }
        }
        at == from
    }
}

/// The deepest chain of required e-classes that every extraction computes one from the other, up to an output.
struct Chains {
    /// By e-class, the deepest required e-class that every alternative for it goes through, directly or by e-classes that
    /// are not required.
    previous: Vec<Option<usize>>,
    chain: Vec<usize>,
}

impl Chains {
    fn new(problem: &Problem, required: &[bool]) -> Self {
        let count = problem.classes.len();
        let mut depth = vec![0u32; count];
        let mut previous: Vec<Option<usize>> = vec![None; count];
        for (c, class) in problem.classes.iter().enumerate() {
            // What an alternative goes through next.
            let through = |a: &Alternative| -> Vec<usize> {
                let next = |x: &usize| if required[*x] { Some(*x) } else { previous[*x] };
                a.children.iter().filter_map(next).collect()
            };
            let Some((first, others)) = class.alternatives.split_first() else { continue };
            let others: Vec<Vec<usize>> = others.iter().map(through).collect();
            let shared = through(first).into_iter().filter(|x| others.iter().all(|o| o.contains(x)));
            let before = shared.max_by_key(|x| depth[*x]);
            let own = class.alternatives.iter().map(|a| a.depth).min().unwrap_or(0);
            depth[c] = own + before.map_or(0, |x| depth[x]);
            previous[c] = before;
        }
        let end = problem.outputs.iter().copied().max_by_key(|o| depth[*o]);
        let mut chain: Vec<usize> = std::iter::successors(end, |c| previous[*c]).collect();
        chain.reverse();
        Self { previous, chain }
    }
}
