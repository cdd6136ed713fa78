//! Baby steps and giant steps: high·b_n + low, down to sums of baby steps.

use fhec_ir::ValueId;
use fhec_ir::schedule::{ScheduleOp, scale};

use super::PolyLowering;
use super::steps::Steps;
use super::tree::{Coefficient, Tree};
use crate::lower::lowering::Lowering;

impl PolyLowering {
    pub(super) fn baby_giant(&self, lowering: &mut Lowering, x: ValueId, ct: usize) -> ValueId {
        let mut steps = Steps::new(self.basis, x);
        let level = self.level - self.strategy.depth(self.degree);
        let tree = self.tree.as_ref().expect("made for this strategy");
        self.evaluate(lowering, &mut steps, tree, ct, (level, lowering.target(self.id)))
    }

    /// The even part from b_2 on, and the multiple of x.
    pub(super) fn even_baby_giant(&self, lowering: &mut Lowering, x: ValueId, ct: usize) -> ValueId {
        let square = Steps::new(self.basis, x).step(lowering, 2);
        let mut steps = Steps::new(self.basis, square);
        let level = self.level - self.strategy.depth(self.degree);
        let target = lowering.target(self.id);
        let tree = self.tree.as_ref().expect("made for this strategy");
        let even = self.evaluate(lowering, &mut steps, tree, ct, (level, target));
        let linear = self.terms[1];
        if linear.is_zero() {
            return even;
        }
        let x = lowering.out.at_level(x, level + 1);
        let linear = self.times(lowering, x, linear, ct, target);
        let linear = lowering.out.emit(ScheduleOp::Rescale, vec![linear]);
        lowering.out.emit(ScheduleOp::Add, vec![even, linear])
    }

    /// The value of a part at a level and scale.
    fn evaluate(
        &self,
        lowering: &mut Lowering,
        steps: &mut Steps,
        tree: &Tree,
        ct: usize,
        (level, target): (u32, f64),
    ) -> ValueId {
        let (giant, high, low) = match tree {
            Tree::Sum(terms) => return self.sum(lowering, steps, terms, ct, (level, target)),
            Tree::Split { giant, high, low } => (*giant, high, low),
        };
        let step = steps.step(lowering, giant);
        let step = lowering.out.at_level(step, level + 1);
        let product = match high.constant() {
            Some(factor) => {
                let product = self.times(lowering, step, factor, ct, target);
                lowering.out.emit(ScheduleOp::Rescale, vec![product])
            }
            None => {
                let modulus = lowering.config.moduli[level as usize + 1];
                let wanted = scale::plain_scale_for(target, lowering.out.ty(step).scale, modulus);
                let high = self.evaluate(lowering, steps, high, ct, (level + 1, wanted));
                lowering.out.product(high, step)
            }
        };
        if let Some(addend) = low.constant() {
            return self.plus(lowering, product, addend, ct);
        }
        let low = self.evaluate(lowering, steps, low, ct, (level, target));
        lowering.out.emit(ScheduleOp::Add, vec![product, low])
    }

    /// Σ_k c_k·b_k of baby steps at a level and scale.
    fn sum(
        &self,
        lowering: &mut Lowering,
        steps: &mut Steps,
        terms: &[Coefficient],
        ct: usize,
        (level, target): (u32, f64),
    ) -> ValueId {
        let mut parts = Vec::new();
        for (k, term) in terms.iter().enumerate().skip(1).filter(|(_, t)| !t.is_zero()) {
            let step = steps.step(lowering, k);
            let step = lowering.out.at_level(step, level + 1);
            parts.push(self.times(lowering, step, *term, ct, target));
        }
        if parts.is_empty() {
            // A product with 0 stands for none.
            let x = steps.step(lowering, 1);
            let x = lowering.out.at_level(x, level + 1);
            parts.push(self.times(lowering, x, Coefficient::Uniform(0.0, None), ct, target));
        }
        let sum = lowering.out.sum(parts);
        let y = lowering.out.emit(ScheduleOp::Rescale, vec![sum]);
        self.plus(lowering, y, terms[0], ct)
    }
}
