//! Baby steps and giant steps: high·b_n + low, down to sums of baby steps.

use fhec_ir::Constant;
use fhec_ir::ValueId;
use fhec_ir::schedule::{ScheduleOp, scale};
use fhec_ir::slot::BabyGiant;
use fhec_ir::tensor::Basis;

use super::steps::Steps;
use super::{Coefficient, PolyLowering, terms};
use crate::lower::lowering::Lowering;

/// A polynomial, divided by giant steps until baby steps are left.
pub(super) enum Tree {
    /// Σ_k c_k·b_k of baby steps.
    Sum(Vec<Coefficient>),
    /// high·b_giant + low; `high` is a sum of b_0 alone where it is a constant.
    Split { giant: usize, high: Box<Tree>, low: Box<Tree> },
}

impl Tree {
    /// Divides a polynomial with coefficients [degree+1, …], and adds the constants that this takes.
    pub(super) fn new(lowering: &mut Lowering, coeffs: &Constant, basis: Basis) -> Self {
        let row = coeffs.len() / coeffs.shape[0];
        let rows: Vec<Vec<f64>> = coeffs.values().chunks(row).map(<[f64]>::to_vec).collect();
        let plan = BabyGiant::new(rows.len() - 1);
        Self::divided(lowering, rows, &coeffs.shape[1..], basis, &plan)
    }

    fn divided(
        lowering: &mut Lowering,
        mut rows: Vec<Vec<f64>>,
        shape: &[usize],
        basis: Basis,
        plan: &BabyGiant,
    ) -> Self {
        while rows.len() > 1 && rows.last().is_some_and(|row| row.iter().all(|&c| c == 0.0)) {
            rows.pop();
        }
        if let Some(giant) = plan.giant(rows.len() - 1) {
            let (high, low) = basis.divided(&rows, giant);
            let high = Box::new(Self::divided(lowering, high, shape, basis, plan));
            return Self::Split {
                giant,
                high,
                low: Box::new(Self::divided(lowering, low, shape, basis, plan)),
            };
        }
        let shape: Vec<usize> = std::iter::once(rows.len()).chain(shape.iter().copied()).collect();
        let constant = Constant::exact(shape, rows.concat());
        let id = lowering.out.schedule().add_constant(constant.clone());
        Self::Sum(terms(&constant, id))
    }

    /// The number that it is, if it has no other terms.
    fn constant(&self) -> Option<Coefficient> {
        match self {
            Self::Sum(terms) if terms[1..].iter().all(|t| t.is_zero()) => Some(terms[0]),
            _ => None,
        }
    }
}

impl PolyLowering {
    pub(super) fn baby_giant(&self, lowering: &mut Lowering, x: ValueId, ct: usize) -> ValueId {
        let mut steps = Steps::new(self.basis, x);
        let level = self.level - self.strategy.depth(self.degree);
        let tree = self.tree.as_ref().expect("made for this strategy");
        self.evaluate(lowering, &mut steps, tree, ct, (level, lowering.target(self.id)))
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
            parts.push(self.times(lowering, x, Coefficient::Uniform(0.0), ct, target));
        }
        let sum = lowering.out.sum(parts);
        let y = lowering.out.emit(ScheduleOp::Rescale, vec![sum]);
        self.plus(lowering, y, terms[0], ct)
    }
}
