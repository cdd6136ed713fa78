//! Which powers to compute and where to split: the cheapest found for a degree and a parity.
//!
//! For one set of powers the best splits follow by dynamic programming over (depth, parity, degree).
//! The sets tried are the powers of two with all babies up to k, for every k, and from these on, sets
//! that differ by one power (hill climbing). Up to degree 15 that is within one product and one rescaling
//! of the best of all sets, as the tests check. A search takes 2 ms at degree 31, 20 ms at 127, seconds
//! above 1000.

use super::polynomial::{Basis, Parity, Polynomial, depth_of_degree, depth_of_power};

/// Operations, priced by their times at N = 2^15 and 14 limbs: a tensor product, the rescaling of a sum
/// without products, the relinearisation with rescaling of one with products.
const PRODUCT: usize = 1;
const RESCALE: usize = 2;
const RELINEARIZE: usize = 11;
/// Up to this depth hill climbing starts from every set, above it from the `CLIMBS` cheapest.
const MAX_THOROUGH_DEPTH: usize = 5;
const CLIMBS: usize = 6;

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
pub(crate) struct Strategy {
    /// powers[n]: T_n may be used; 1 always.
    powers: Vec<bool>,
    /// The same set, ascending.
    members: Vec<usize>,
    degree: usize,
    table: Vec<Option<Entry>>,
    cost: usize,
}

impl Polynomial {
    /// The strategy to evaluate it by; None for constants.
    pub(crate) fn strategy(&self) -> Option<Strategy> {
        (self.depth() > 0).then(|| Strategy::search(self.basis(), self.parity(), self.degree()))
    }
}

impl Strategy {
    /// The cheapest strategy found for polynomials of `degree` ≥ 1.
    pub(super) fn search(basis: Basis, parity: Parity, degree: usize) -> Self {
        let depth = depth_of_degree(degree);
        let highest = 1 << (depth - 1);
        let (first, stride) = match parity {
            Parity::General => (1, 1),
            Parity::Odd => (1, 2),
            Parity::Even => (2, 2),
        };
        let start = |babies: usize, giants: usize| {
            let mut powers: Vec<_> = (0..=highest).map(|n| n <= giants && n.is_power_of_two()).collect();
            (first..=babies).step_by(stride).for_each(|n| powers[n] = true);
            Self::of(basis, parity, degree, powers)
        };
        let most = highest.min(2 * degree.isqrt() + 2);
        let babies = (first..=most).step_by(stride);
        let mut starts: Vec<_> =
            babies.flat_map(|k| [start(k, highest), start(k, highest / 2)]).flatten().collect();
        starts.sort_by_key(|s| s.cost);
        let climbs = if depth <= MAX_THOROUGH_DEPTH { starts.len() } else { CLIMBS };
        let best = starts.into_iter().take(climbs).map(|s| s.climbed(basis, parity)).min_by_key(|s| s.cost);
        best.expect("the powers of two suffice at every degree")
    }

    /// Adds and removes single powers as long as that makes the strategy cheaper.
    fn climbed(mut self, basis: Basis, parity: Parity) -> Self {
        let mut improved = true;
        while improved {
            improved = false;
            for n in (2..self.powers.len()).filter(|n| parity != Parity::Even || n.is_multiple_of(2)) {
                let mut powers = self.powers.clone();
                powers[n] = !powers[n];
                if let Some(other) =
                    Self::of(basis, parity, self.degree, powers).filter(|o| o.cost < self.cost)
                {
                    self = other;
                    improved = true;
                }
            }
        }
        self
    }

    /// The best splits with these powers; `None` if a power or the polynomial is out of reach.
    fn of(basis: Basis, parity: Parity, degree: usize, powers: Vec<bool>) -> Option<Self> {
        let depth = depth_of_degree(degree);
        let members: Vec<_> = (1..powers.len()).filter(|n| powers[*n]).collect();
        let count = members.len() - 1;
        let mut this = Self { powers, members, degree, table: Vec::new(), cost: 0 };
        for n in &this.members[1..] {
            this.factors(basis, *n)?;
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
        let members = self.members.iter().copied().take_while(|m| *m < n);
        members.filter(reachable).filter_map(split).min_by_key(|e| e.cost)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn best_of_all_sets(basis: Basis, parity: Parity, degree: usize) -> usize {
        let highest = 1usize << (depth_of_degree(degree) - 1);
        let set =
            |mask: usize| (0..=highest).map(|n| n == 1 || (n > 1 && mask >> (n - 2) & 1 == 1)).collect();
        let strategies =
            (0..1usize << (highest - 1)).map(|mask| Strategy::of(basis, parity, degree, set(mask)));
        strategies.flatten().map(|s| s.cost).min().unwrap()
    }

    #[test]
    fn hill_climbing_finds_nearly_the_best_set() {
        for basis in [Basis::Monomial, Basis::Chebyshev] {
            for degree in 1..=15 {
                let own = if degree % 2 == 0 { Parity::Even } else { Parity::Odd };
                for parity in [Parity::General, own] {
                    let found = Strategy::search(basis, parity, degree).cost;
                    let best = best_of_all_sets(basis, parity, degree);
                    assert!(
                        found <= best + PRODUCT + RESCALE,
                        "{basis:?} {parity:?} {degree}: {found}, {best}"
                    );
                }
            }
        }
    }
}
