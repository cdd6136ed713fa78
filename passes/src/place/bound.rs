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
//!
//! A class may reach the one before it on the chain in several ways, through classes that not every extraction computes.
//! These are accounted for while the chain's class is the last that was decided about; behind the first of them the next
//! class of the chain is taken to be computed at its best.

use super::extract::{Alternative, Problem};

/// Lower bounds on the price of the classes that are still to come.
pub(super) struct Remaining {
    /// The chain, ascending.
    chain: Vec<usize>,
    /// By position in the chain and level of the class there: price of the chain's classes after it.
    after: Vec<Vec<f64>>,
    /// By position in the chain: price of the chain's classes after it if the class there is bootstrapped.
    refreshed: Vec<f64>,
    /// By position in the chain: the first class on a way to the next one, or this next one itself.
    ways_from: Vec<usize>,
    /// By position in the chain: price of the chain's classes after it, once one on such a way may have been computed.
    on_the_way: Vec<f64>,
    /// From every class on, the least price of the required classes outside the chain.
    others: Vec<f64>,
    /// From every class on, the least price of the chain's classes at their cheapest levels.
    chained: Vec<f64>,
}

impl Remaining {
    /// Bounds for a problem with bootstraps that give `levels`; `required` are the classes that every extraction computes.
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
        let mut ways_from: Vec<usize> = chain.iter().skip(1).copied().chain([count]).collect();
        let mut on_the_way = vec![0.0; chain.len()];
        let leads = Leads { problem, previous: &previous, required, levels };
        for at in (1..chain.len()).rev() {
            let c = chain[at];
            let own = |a: &Alternative| leads.computed(c, a, &after[at]);
            let best = |prices: Vec<f64>| prices.into_iter().fold(f64::INFINITY, f64::min);
            on_the_way[at - 1] =
                problem.classes[c].alternatives.iter().map(own).map(best).fold(f64::INFINITY, f64::min);
            let mut first = c;
            after[at - 1] = leads.before(c, &after[at], chain[at - 1], &mut first);
            ways_from[at - 1] = first;
        }
        let refreshed =
            chain.iter().zip(&after).map(|(c, after)| problem.refresh(*c) + after[levels as usize]).collect();
        Self { chain, after, refreshed, ways_from, on_the_way, others, chained }
    }

    /// The class of the chain whose level decides what comes behind class `c`, and its position.
    pub(super) fn decisive(&self, c: usize) -> Option<(usize, usize)> {
        let at = self.chain.partition_point(|x| *x <= c).checked_sub(1)?;
        (at + 1 < self.chain.len()).then(|| (at, self.chain[at]))
    }

    /// Least price of the classes behind `c` when the decisive class is available at a level.
    pub(super) fn behind(&self, c: usize, decisive: Option<(usize, u32)>) -> f64 {
        let chain = decisive.map_or(self.chained[c + 1], |(at, level)| {
            if c >= self.ways_from[at] {
                return self.on_the_way[at];
            }
            let after = self.after[at][level as usize];
            let may_wait = c + 1 < self.chain[at + 1];
            if may_wait { after.min(self.refreshed[at]) } else { after }
        });
        self.others[c + 1] + chain
    }
}

/// The classes that lead from one class of the chain to the next.
struct Leads<'p> {
    problem: &'p Problem,
    previous: &'p [Option<usize>],
    required: &'p [bool],
    levels: u32,
}

impl Leads<'_> {
    /// By the level at which its operands are available, the least price of computing class `c` by an alternative, and of
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

    /// By the level of class `from`, the least price of what leads from it to class `c`, and of what is behind by the level
    /// of `c`. `first` becomes the first class on any way.
    fn before(&self, c: usize, behind: &[f64], from: usize, first: &mut usize) -> Vec<f64> {
        let mut least = vec![f64::INFINITY; behind.len()];
        for a in &self.problem.classes[c].alternatives {
            let mut own = self.computed(c, a, behind);
            if !a.children.contains(&from) {
                let way = a.children.iter().copied().find(|child| self.is_behind(*child, from));
                let Some(way) = way else { return vec![0.0; behind.len()] };
                *first = way.min(*first);
                own = self.before(way, &own, from, first);
            }
            least.iter_mut().zip(own).for_each(|(least, own)| *least = least.min(own));
        }
        least
    }

    /// Whether class `from` is on the way to `c`, behind which no class is required.
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

/// The deepest chain of required classes that every extraction computes one from the other, up to an output.
struct Chains {
    /// By class, the deepest required class that every way to compute it goes through, directly or by classes that are not
    /// required.
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
