//! Which powers to compute and where to split: the cheapest found for a degree and a parity.
//!
//! For one set of powers the best splits follow by dynamic programming over (depth, parity, degree).
//! The sets tried are the powers of two with all babies up to k, for every k, and from the best of
//! these on, sets that differ by one power (hill climbing).

use super::polynomial::{Basis, Parity, depth_of_degree, depth_of_power};

/// Operations, priced by number-theoretic transforms and memory traffic at twenty-odd limbs: a tensor
/// product, and besides it the rescaling of a sum without products, the relinearisation with rescaling
/// of one with products.
const PRODUCT: usize = 1;
const RESCALE: usize = 2;
const RELINEARIZE: usize = 8;
/// Above this degree only the babies' number is searched for.
const MAX_CLIMB_DEGREE: usize = 160;

/// How a sum of depth d treats its highest degree n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Only a constant is left.
    Done,
    /// c_n·T_n is a linear term.
    Linear,
    /// p = q·T_m + r.
    Split(usize),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    cost: usize,
    has_products: bool,
    choice: Choice,
}

impl Entry {
    fn node_cost(&self) -> usize {
        self.cost + if self.has_products { RELINEARIZE } else { RESCALE }
    }
}

/// A set of powers and the best splits with it.
#[derive(Debug, Clone)]
pub(super) struct Strategy {
    /// powers[n]: T_n may be used; 1 always.
    powers: Vec<bool>,
    degree: usize,
    table: Vec<Option<Entry>>,
    cost: usize,
}

impl Strategy {
    /// The cheapest strategy found for polynomials of `degree` ≥ 1.
    pub(super) fn search(basis: Basis, parity: Parity, degree: usize) -> Self {
        let depth = depth_of_degree(degree);
        let highest = 1 << (depth - 1);
        let stride = if parity == Parity::General { 1 } else { 2 };
        let allowed = |n: usize| n.is_power_of_two() || parity != Parity::Even || n.is_multiple_of(2);
        let with_babies = |k: usize| {
            let mut powers: Vec<_> = (0..=highest).map(usize::is_power_of_two).collect();
            let first = if parity == Parity::Even { 2 } else { 1 };
            (first..=k).step_by(stride).for_each(|n| powers[n] = true);
            powers
        };
        let mut best: Option<Self> = None;
        let consider = |powers: Vec<bool>, best: &mut Option<Self>| {
            let found = Self::of(basis, parity, degree, powers);
            let better = found.filter(|f| best.as_ref().is_none_or(|b| f.cost < b.cost));
            let improved = better.is_some();
            *best = better.or(best.take());
            improved
        };
        for k in 1..=highest {
            consider(with_babies(k), &mut best);
        }
        let mut improved = degree <= MAX_CLIMB_DEGREE;
        while improved {
            improved = false;
            for n in (2..=highest).filter(|n| allowed(*n)) {
                let mut powers = best.as_ref().map(|b| b.powers.clone()).unwrap_or_default();
                powers[n] = !powers[n];
                improved |= consider(powers, &mut best);
            }
        }
        best.expect("the powers of two suffice at every degree")
    }

    /// The best splits with these powers; `None` if a power or the polynomial is out of reach.
    fn of(basis: Basis, parity: Parity, degree: usize, powers: Vec<bool>) -> Option<Self> {
        let depth = depth_of_degree(degree);
        let mut this = Self { powers, degree, table: Vec::new(), cost: 0 };
        let mut count = 0;
        for n in (2..this.powers.len()).filter(|n| this.powers[*n]) {
            this.factors(basis, n)?;
            count += 1;
        }
        for d in 0..=depth {
            for parity in [Parity::General, Parity::Even, Parity::Odd] {
                for n in 0..=degree {
                    let entry = this.entry(d, parity, n);
                    this.table.push(entry);
                }
            }
        }
        this.cost = this.get(depth, parity, degree)?.node_cost() + count * (PRODUCT + RELINEARIZE);
        Some(this)
    }

    /// (a, b) with T_n = 2·T_a·T_b − T_{a−b} (x^n = x^a·x^b) at minimum depth, all in the set.
    pub(super) fn factors(&self, basis: Basis, n: usize) -> Option<(usize, usize)> {
        let usable = |a: &usize| {
            let (a, b) = (*a, n - *a);
            let difference = basis == Basis::Monomial || a == b || self.powers[a - b];
            depth_of_power(a) < depth_of_power(n) && self.powers[a] && self.powers[b] && difference
        };
        (n.div_ceil(2)..n).find(usable).map(|a| (a, n - a))
    }

    /// What a sum of depth `d` does with its highest degree `n`.
    ///
    /// If a degree is feasible then so are all lower ones, by induction on the splits.
    pub(super) fn choice(&self, d: usize, parity: Parity, n: usize) -> Choice {
        self.get(d, parity, n).expect("lower degrees are feasible where higher ones are").choice
    }

    fn get(&self, d: usize, parity: Parity, n: usize) -> Option<Entry> {
        self.table[(d * 3 + parity as usize) * (self.degree + 1) + n]
    }

    fn entry(&self, d: usize, parity: Parity, n: usize) -> Option<Entry> {
        let odd = n % 2 == 1;
        if n > 0 && ((parity == Parity::Even && odd) || (parity == Parity::Odd && !odd)) {
            return self.get(d, parity, n - 1);
        }
        if n == 0 {
            return Some(Entry { cost: 0, has_products: false, choice: Choice::Done });
        }
        let available = |m: usize| self.powers.get(m) == Some(&true) && depth_of_power(m) < d;
        if available(n) {
            return self.get(d, parity, n - 1).map(|rest| Entry { choice: Choice::Linear, ..rest });
        }
        let split = |m: usize| {
            let quotient = self.get(d - 1, quotient_parity(parity, m)?, n - m)?;
            let rest = self.get(d, parity, m - 1)?;
            let cost = quotient.node_cost() + rest.cost + PRODUCT;
            Some(Entry { cost, has_products: true, choice: Choice::Split(m) })
        };
        let reachable = |m: &usize| available(*m) && depth_of_degree(n - m) < d;
        (1..n).filter(reachable).filter_map(split).min_by_key(|e| e.cost)
    }
}

/// Parity of q in p = q·T_m + r for p of `parity`; `None` if the split would break the symmetry.
pub(super) fn quotient_parity(parity: Parity, m: usize) -> Option<Parity> {
    match (parity, m % 2) {
        (Parity::General, _) => Some(Parity::General),
        (Parity::Even, 0) | (Parity::Odd, 1) => Some(Parity::Even),
        (Parity::Odd, _) => Some(Parity::Odd),
        (Parity::Even, _) => None,
    }
}
