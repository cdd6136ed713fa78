//! A plan carried out on one slot in clear, with modelled noise.

use super::plan::PolynomialPlan;
use crate::params::Parameters;

impl PolynomialPlan {
    /// The plan's result for a slot holding `x`. Each rescaling adds `noise()`, in units of the integers
    /// that slots are before they are divided by their scale.
    pub(crate) fn simulate(&self, params: &Parameters, x: f64, mut noise: impl FnMut() -> f64) -> f64 {
        // (integer, scale) of every value so far, the input first.
        let mut values = vec![(x * self.scale(), self.scale())];
        for step in self.steps() {
            let products = step.products.iter().map(|p| {
                let product = values[p.left].0 * values[p.right].0;
                if p.doubled { 2.0 * product } else { product }
            });
            let linear = step.linear.iter().map(|(index, c)| values[*index].0 * *c as f64);
            let sum = products.chain(linear).sum::<f64>() + step.constant as f64;
            let integer = if step.rescale { sum / params.q()[step.level] as f64 + noise() } else { sum };
            values.push((integer, step.scale));
        }
        let (integer, scale) = values[values.len() - 1];
        if self.negate { -integer / scale } else { integer / scale }
    }
}
