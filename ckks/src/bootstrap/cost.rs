//! Modelled time of a bootstrap: counts of kernels over limbs, priced by a table.

use super::circuit::{BootstrapCircuit, Stage};
use crate::eval::linear::split;
use crate::params::{KeyShape, Parameters};

/// Seconds that kernels take on one limb of N = 2^16 words, on one thread.
///
/// What the search needs are ratios; the default was measured within bootstraps on an Intel Granite Rapids
/// core, transforms cycling over all primes and keys streaming from memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelCosts {
    /// A number-theoretic transform.
    pub ntt: f64,
    /// A product of two limbs in the cache, accumulated.
    pub product: f64,
    /// One source limb's part in one target limb of a base conversion.
    pub conversion: f64,
    /// Reading a limb from memory: of a key or of a plaintext.
    pub read: f64,
}

impl Default for KernelCosts {
    fn default() -> Self {
        Self { ntt: 175e-6, product: 14e-6, conversion: 10e-6, read: 85e-6 }
    }
}

/// Prices operations of one ring.
pub(crate) struct Pricing {
    costs: KernelCosts,
}

impl Pricing {
    /// `costs` scaled from N = 2^16 to the ring of `params`.
    pub(crate) fn new(params: &Parameters, costs: &KernelCosts) -> Self {
        let size = (f64::from(params.log_n()) - 16.0).exp2();
        let log = f64::from(params.log_n()) / 16.0;
        let KernelCosts { ntt, product, conversion, read } = *costs;
        let costs = KernelCosts {
            ntt: ntt * size * log,
            product: product * size,
            conversion: conversion * size,
            read: read * size,
        };
        Self { costs }
    }

    /// ModUp at `level`.
    pub(crate) fn mod_up(&self, level: usize, shape: &KeyShape) -> f64 {
        let (limbs, digits) = ((level + 1) as f64, shape.digits_at(level) as f64);
        let converted = digits * (limbs + shape.special as f64) - limbs;
        let sources = limbs / digits;
        self.costs.ntt * (limbs + converted) + self.costs.conversion * converted * sources
    }

    /// Inner product with a key: its limbs are streamed.
    pub(crate) fn inner(&self, level: usize, shape: &KeyShape) -> f64 {
        let words = 2.0 * shape.digits_at(level) as f64 * (level + 1 + shape.special) as f64;
        words * self.costs.read.max(self.costs.product)
    }

    /// ModDown of one polynomial, dropping `drop` ciphertext limbs as well.
    pub(crate) fn mod_down(&self, level: usize, shape: &KeyShape, drop: usize) -> f64 {
        let (sources, kept) = ((shape.special + drop) as f64, (level + 1 - drop) as f64);
        self.costs.ntt * (sources + kept) + self.costs.conversion * sources * kept
    }

    /// A key switch of one polynomial, relinearisation or rotation, merged with `drop` rescalings.
    pub(crate) fn key_switch(&self, level: usize, shape: &KeyShape, drop: usize) -> f64 {
        self.mod_up(level, shape) + self.inner(level, shape) + 2.0 * self.mod_down(level, shape, drop)
    }

    /// A matrix: baby steps, products, giant steps, rescaling.
    fn stage(&self, stage: &Stage, n: usize) -> f64 {
        let (level, shape) = (stage.shape.level, &stage.shape);
        let [babies, giants] = split(stage.diagonals.values.keys().copied(), stage.baby_count);
        let limbs = (level + 1 + shape.special) as f64;
        let period = stage.diagonals.values.values().next().map_or(1, Vec::len);
        let plain = if 2 * period >= n { self.costs.read } else { 0.0 };
        let products = stage.diagonals.values.len() as f64 * limbs * (2.0 * self.costs.product + plain);
        let giant = self.mod_down(level, shape, 0) + self.mod_up(level, shape) + self.inner(level, shape);
        self.mod_up(level, shape)
            + babies.len() as f64 * self.inner(level, shape)
            + products
            + giants.len() as f64 * giant
            + 2.0 * self.mod_down(level, shape, 1)
    }
}

impl BootstrapCircuit {
    /// Modelled seconds of [`Bootstrapper::bootstrap`](super::Bootstrapper::bootstrap) on one thread.
    pub fn seconds(&self, costs: &KernelCosts) -> f64 {
        let (params, spec) = (self.parameters(), self.spec());
        let pricing = Pricing::new(params, costs);
        let (top, relin) = (params.key_shape(spec.top_level()), self.top_shape());
        let stages = self.slots_to_coeffs.iter().chain(&self.coeffs_to_slots);
        let matrices: f64 = stages.map(|stage| pricing.stage(stage, params.n())).sum();
        let raise = 4.0 * pricing.costs.ntt * (spec.top_level() + 1) as f64;
        let trace = self.trace_steps().count() as f64 * pricing.key_switch(spec.top_level(), &top, 0);
        let conjugate = pricing.key_switch(spec.eval_mod_level(), &relin, 0);
        let square = |level: usize| {
            3.0 * (level + 1) as f64 * pricing.costs.product + pricing.key_switch(level, &relin, 1)
        };
        let steps = self.polynomial.steps().iter();
        let polynomial: f64 =
            steps.filter(|step| !step.products.is_empty()).map(|step| square(step.level)).sum();
        let first = spec.output_level() + 1;
        let doublings: f64 = (first..first + spec.eval_mod.doublings as usize).map(square).sum();
        matrices + raise + trace + conjugate + polynomial + doublings
    }
}
