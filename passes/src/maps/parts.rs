//! What a planned map consists of: rotations, plaintexts, rotation steps.

use std::collections::{BTreeSet, HashSet};

use fhec_ir::slot::{LinearMap, MapPlan, Product};

use super::prices::Prices;

/// Rotations and plaintexts of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hoisted baby steps.
    pub babies: usize,
    /// Giant steps.
    pub giants: usize,
    /// Whole rotations that add up partial sums.
    pub sums: usize,
    /// Sums of complex halves: three images that share a decomposition each.
    pub folds: usize,
    /// Plaintext products, complex ones of two products of the plan counted once.
    pub products: usize,
}

/// Counts a plan.
pub fn count(map: &LinearMap, plan: &MapPlan) -> Counts {
    let slots = map.output.slots;
    let halves = plan.halves(slots);
    let babies = plan.products.iter().filter(|p| p.baby != 0).map(|p| (p.operand, p.in_ct, p.baby));
    let sum = |p: &Product| (p.out_ct, p.giant);
    let real = |s: (u32, u32)| if halves.contains(&s) { plan.real_half(s, slots) } else { s };
    let sums: HashSet<_> = plan.products.iter().map(|p| real(sum(p))).collect();
    let products = plan.products.iter().map(|p| (real(sum(p)), p.operand, p.in_ct, p.baby));
    Counts {
        babies: babies.collect::<HashSet<_>>().len(),
        giants: sums.iter().filter(|s| s.1 != 0).count(),
        sums: plan.reduce.len() * map.output.ciphertexts,
        folds: halves.iter().map(|h| h.0).collect::<HashSet<_>>().len(),
        products: products.collect::<HashSet<_>>().len(),
    }
}

/// What a planned map consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    counts: Counts,
    hoists: usize,
    /// Of each of its plaintexts, period/S.
    weight: f64,
}

impl Parts {
    pub(crate) fn of(map: &LinearMap, plan: &MapPlan) -> Self {
        let hoists = map.inputs.iter().map(|l| l.ciphertexts).sum();
        let weight = map.plaintext_period() as f64 / map.output.slots as f64;
        Self { counts: count(map, plan), hoists, weight }
    }

    /// In rotations.
    pub(crate) fn price(&self, prices: &Prices) -> f64 {
        let c = &self.counts;
        prices.hoist * self.hoists as f64
            + prices.baby * c.babies as f64
            + prices.giant * c.giants as f64
            + prices.rotation * c.sums as f64
            + if c.folds > 0 { prices.fold * c.folds as f64 } else { 0.0 }
            + (prices.product + prices.encode * self.weight) * c.products as f64
    }
}

/// The rotation steps whose keys a plan needs, in ciphertexts of `slots` slots: this number and a step stand for a
/// rotation that a conjugation follows.
pub fn rotation_steps(plan: &MapPlan, slots: usize) -> BTreeSet<u32> {
    let halves = plan.halves(slots);
    let babies = plan.products.iter().map(|p| p.baby);
    let giants = plan.products.iter().filter(|p| !halves.contains(&(p.out_ct, p.giant))).map(|p| p.giant);
    let sums = plan.reduce.iter().map(|f| f.stride as u32);
    let conjugated = slots as u32;
    let folds = if halves.is_empty() { [0; 3] } else { [plan.fold, conjugated, conjugated + plan.fold] };
    babies.chain(giants).chain(sums).chain(folds).filter(|step| *step != 0).collect()
}
