//! Powers and Chebyshev polynomials of one ciphertext.

use std::collections::BTreeMap;

use fhec_ir::ValueId;
use fhec_ir::schedule::ScheduleOp;
use fhec_ir::tensor::Basis;

use crate::lower::lowering::Lowering;

/// The members b_k(x) of a basis that were made so far, each ⌈log2 k⌉ levels below x.
pub(super) struct Steps {
    basis: Basis,
    known: BTreeMap<usize, ValueId>,
}

impl Steps {
    pub(super) fn new(basis: Basis, x: ValueId) -> Self {
        Self { basis, known: BTreeMap::from([(1, x)]) }
    }

    /// b_k, k at least 1.
    pub(super) fn step(&mut self, lowering: &mut Lowering, k: usize) -> ValueId {
        if let Some(known) = self.known.get(&k) {
            return *known;
        }
        let step = match self.basis {
            Basis::Power => {
                let high = k.next_power_of_two() / 2;
                self.product(lowering, high, k - high)
            }
            Basis::Chebyshev => self.chebyshev(lowering, k),
        };
        self.known.insert(k, step);
        step
    }

    fn product(&mut self, lowering: &mut Lowering, a: usize, b: usize) -> ValueId {
        let (a, b) = (self.step(lowering, a), self.step(lowering, b));
        let level = lowering.out.ty(a).level.min(lowering.out.ty(b).level);
        let (a, b) = (lowering.out.at_level(a, level), lowering.out.at_level(b, level));
        lowering.out.product(a, b)
    }

    /// T_{a+b} = 2·T_a·T_b − T_{a−b} for halves of k.
    fn chebyshev(&mut self, lowering: &mut Lowering, k: usize) -> ValueId {
        let product = self.product(lowering, k.div_ceil(2), k / 2);
        let twice = lowering.out.emit(ScheduleOp::Add, vec![product, product]);
        if k.is_multiple_of(2) {
            return lowering.out.emit(ScheduleOp::AddScalar { value: -1.0 }, vec![twice]);
        }
        let x = self.step(lowering, 1);
        let ty = lowering.out.ty(twice);
        let x = lowering.out.at_scale(x, ty.level, ty.scale);
        lowering.out.emit(ScheduleOp::Sub, vec![twice, x])
    }
}
