//! Modelled time and key memory of a bootstrap. Both follow from levels, key shapes and the steps of the
//! matrices: no prime, no polynomial.

use super::circuit::{BootstrapCircuit, Matrix};
use super::spec::BootstrapSpec;
use crate::cost::{KernelCosts, Pricing};
use crate::params::KeyShape;
use crate::ring::packed_bits;
use std::collections::BTreeSet;

/// What time and keys of a bootstrap depend on.
pub(super) struct Outline<'a> {
    pub(super) log_n: u32,
    pub(super) spec: &'a BootstrapSpec,
    /// Shapes of the keys at the input level and at the highest.
    pub(super) low: KeyShape,
    pub(super) top: KeyShape,
    /// The matrices in the order applied: those of SlotsToCoeffs, then those of CoeffsToSlots.
    pub(super) low_matrices: Vec<&'a Matrix>,
    pub(super) high_matrices: Vec<&'a Matrix>,
    /// Bits in which keys keep words, by prime and by special prime.
    pub(super) q_bits: Vec<usize>,
    pub(super) p_bits: Vec<usize>,
    /// Levels below EvalMod's first at which the polynomial multiplies.
    pub(super) products: &'a [usize],
}

impl Outline<'_> {
    fn stages(&self) -> impl Iterator<Item = (&Matrix, KeyShape)> {
        let at = |level: usize, shape: KeyShape| KeyShape { level, ..shape };
        let low = self.low_matrices.iter().enumerate();
        let low = low.map(move |(i, m)| (*m, at(self.spec.input_level() - i, self.low)));
        let high = self.high_matrices.iter().enumerate();
        low.chain(high.map(move |(i, m)| (*m, at(self.spec.top_level() - i, self.top))))
    }

    fn trace_steps(&self) -> usize {
        (self.log_n - 1 - self.spec.log_slots) as usize
    }

    /// Seconds on one thread.
    pub(super) fn seconds(&self, costs: &KernelCosts) -> f64 {
        let pricing = Pricing::new(self.log_n, costs);
        let (spec, top) = (self.spec, &self.top);
        let matrices: f64 = self.stages().map(|(m, shape)| m.price(&pricing, &shape, self.log_n)).sum();
        let raise = 4.0 * pricing.kernels().ntt * (spec.top_level() + 1) as f64;
        let trace = self.trace_steps() as f64 * pricing.key_switch(spec.top_level(), top, 0);
        let conjugate = pricing.key_switch(spec.eval_mod_level(), top, 0);
        (matrices + raise + trace + conjugate) * 1e-6 + self.eval_mod_seconds(costs)
    }

    /// Of which the modular reduction: what a second ciphertext in the same circuit takes.
    pub(super) fn eval_mod_seconds(&self, costs: &KernelCosts) -> f64 {
        let pricing = Pricing::new(self.log_n, costs);
        let spec = self.spec;
        let products = self.products.iter().map(|below| spec.eval_mod_level() - below);
        let doublings = (0..spec.eval_mod.doublings as usize).map(|i| spec.output_level() + 1 + i);
        products.chain(doublings).map(|level| pricing.square(level, &self.top)).sum::<f64>() * 1e-6
    }

    /// Bytes of all keys in memory, those of encapsulation included.
    pub(super) fn key_bytes(&self) -> usize {
        let spec = self.spec;
        let middle = KeyShape { level: spec.eval_mod_level(), ..self.top };
        let mut rotations: BTreeSet<(usize, KeyShape)> = BTreeSet::new();
        rotations.extend((0..self.trace_steps()).map(|i| (1 << (spec.log_slots as usize + i), self.top)));
        for (matrix, shape) in self.stages() {
            rotations.extend(matrix.steps().map(|step| (step, shape)));
        }
        let encapsulation = [KeyShape::dense_to_sparse(), KeyShape::sparse_to_dense(spec.top_level())];
        let shapes = rotations.into_iter().map(|(_, shape)| shape).chain([middle; 2]).chain(encapsulation);
        let bits = |shape: &KeyShape| {
            self.q_bits[..shape.q_limbs()].iter().chain(&self.p_bits[..shape.special]).sum::<usize>()
        };
        shapes.map(|shape| shape.packed_bytes(self.log_n, bits(&shape))).sum()
    }
}

impl Matrix {
    /// Baby steps, products, giant steps, rescaling: microseconds on one thread.
    fn price(&self, pricing: &Pricing, shape: &KeyShape, log_n: u32) -> f64 {
        let level = shape.level;
        let kernels = pricing.kernels();
        let limbs = shape.total_limbs() as f64;
        // Plaintexts come from memory, with as many words a limb as their subring has.
        let plain = kernels.read * (2.0 * self.diagonals.period() as f64 / f64::from(log_n).exp2()).min(1.0);
        let products = self.diagonals.values.len() as f64 * limbs * (2.0 * kernels.product + plain);
        pricing.mod_up(level, shape)
            + self.babies.len() as f64 * pricing.inner(level, shape)
            + products
            + self.giants.len() as f64 * pricing.giant(level, shape)
            + 2.0 * pricing.mod_down(level, shape, 1)
    }
}

impl BootstrapCircuit {
    pub(super) fn outline<'a>(&'a self, products: &'a [usize]) -> Outline<'a> {
        let matrices = |stages: &'a [super::circuit::Stage]| stages.iter().map(|s| &*s.matrix).collect();
        Outline {
            log_n: self.parameters().log_n(),
            spec: self.spec(),
            low: self.parameters().key_shape(self.spec().input_level()),
            top: self.parameters().key_shape(self.spec().top_level()),
            low_matrices: matrices(&self.slots_to_coeffs),
            high_matrices: matrices(&self.coeffs_to_slots),
            q_bits: self.parameters().q().iter().map(|q| packed_bits(*q)).collect(),
            p_bits: self.parameters().p().iter().map(|p| packed_bits(*p)).collect(),
            products,
        }
    }

    /// Modelled seconds of [`Bootstrapper::bootstrap`](super::Bootstrapper::bootstrap) on one thread.
    pub fn seconds(&self, costs: &KernelCosts) -> f64 {
        let products = products_below(self.spec().eval_mod_level(), &self.polynomial);
        self.outline(&products).seconds(costs)
    }

    /// Modelled seconds of [`Bootstrapper::bootstrap_pair`](super::Bootstrapper::bootstrap_pair) on one thread.
    pub fn pair_seconds(&self, costs: &KernelCosts) -> f64 {
        let products = products_below(self.spec().eval_mod_level(), &self.polynomial);
        let outline = self.outline(&products);
        outline.seconds(costs) + outline.eval_mod_seconds(costs)
    }

    /// Bytes of all its keys in memory, those of encapsulation included.
    pub fn key_bytes(&self) -> usize {
        self.outline(&[]).key_bytes()
    }
}

/// How far below `level` each step of a polynomial with products is.
pub(super) fn products_below(level: usize, polynomial: &crate::poly::PolynomialPlan) -> Vec<usize> {
    let steps = polynomial.steps().iter().filter(|step| !step.products.is_empty());
    steps.map(|step| level - step.level).collect()
}
