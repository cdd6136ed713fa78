//! Polynomials by the strategy that `place` chose.

mod baby_giant;
mod steps;
mod tree;

use fhec_ir::schedule::{Recipe, ScheduleOp};
use fhec_ir::slot::PolyStrategy;
use fhec_ir::tensor::Basis;
use fhec_ir::{ConstId, Constant, ValueId};

use super::lowering::Lowering;
use steps::Steps;
use tree::{Coefficient, Tree, terms};

/// What the ciphertexts of one polynomial op share.
pub(super) struct PolyLowering {
    id: ValueId,
    strategy: PolyStrategy,
    degree: usize,
    /// Level at which evaluation starts.
    level: u32,
    layout: u32,
    /// Coefficient vectors by power; for the quartic: 0 the constant, 1 the linear one, 2 the shift β of x².
    terms: Vec<Coefficient>,
    /// Leading sign of the quartic.
    negative: bool,
    basis: Basis,
    /// How baby and giant steps join.
    tree: Option<Tree>,
}

impl PolyLowering {
    pub(super) fn new(
        lowering: &mut Lowering,
        id: ValueId,
        (coeffs, basis): (ConstId, Basis),
        strategy: PolyStrategy,
    ) -> Self {
        let node = lowering.graph.node(id);
        let constant = lowering.graph.constant(coeffs).clone();
        let degree = constant.shape[0] - 1;
        let level = lowering.level(id) + strategy.depth(degree);
        let layout = lowering.out.layout(&node.ty.layout);
        let (coeffs, constant, negative) = match strategy {
            PolyStrategy::MonicQuartic => {
                let (completed, negative) = completed_square(&constant);
                (lowering.out.schedule().add_constant(completed.clone()), completed, negative)
            }
            _ => (coeffs, constant, false),
        };
        let tree = match strategy {
            PolyStrategy::BabyGiant => Some(Tree::new(lowering, &constant, basis)),
            PolyStrategy::EvenBabyGiant => Some(Tree::new(lowering, &even_part(&constant), basis)),
            _ => None,
        };
        let terms = terms(&constant, coeffs);
        Self { id, strategy, degree, level, layout, terms, negative, basis, tree }
    }

    pub(super) fn lower(&self, lowering: &mut Lowering, ct: usize) -> ValueId {
        let x = lowering.arg(self.id, 0, ct, self.level);
        match self.strategy {
            PolyStrategy::MonicSquare => {
                let square = lowering.out.product(x, x);
                self.add(lowering, square, 0, ct)
            }
            PolyStrategy::MonicQuartic => self.quartic(lowering, x, ct),
            PolyStrategy::PowerBasis => self.power_basis(lowering, x, ct),
            PolyStrategy::BabyGiant => self.baby_giant(lowering, x, ct),
            PolyStrategy::EvenBabyGiant => self.even_baby_giant(lowering, x, ct),
            PolyStrategy::Horner => self.horner(lowering, x, ct),
        }
    }

    /// ±(x² + β)² + c₁x + c₀.
    fn quartic(&self, lowering: &mut Lowering, x: ValueId, ct: usize) -> ValueId {
        let square = lowering.out.product(x, x);
        let shifted = self.add(lowering, square, 2, ct);
        let fourth = lowering.out.product(shifted, shifted);
        let y = if self.terms[1].is_zero() && !self.negative {
            fourth
        } else {
            let target = lowering.out.ty(fourth).scale;
            let low = lowering.out.at_level(x, self.level - 1);
            let linear = self.multiply(lowering, low, 1, ct, target);
            let linear = lowering.out.emit(ScheduleOp::Rescale, vec![linear]);
            if self.negative {
                lowering.out.emit(ScheduleOp::Sub, vec![linear, fourth])
            } else {
                lowering.out.emit(ScheduleOp::Add, vec![linear, fourth])
            }
        };
        self.add(lowering, y, 0, ct)
    }

    fn power_basis(&self, lowering: &mut Lowering, x: ValueId, ct: usize) -> ValueId {
        let mut powers = Steps::new(Basis::Power, x);
        let sum_level = self.level + 1 - self.strategy.depth(self.degree);
        let target = lowering.target(self.id);
        let mut parts = Vec::new();
        for k in (1..=self.degree).filter(|k| !self.terms[*k].is_zero()) {
            let power = powers.step(lowering, k);
            let power = lowering.out.at_level(power, sum_level);
            parts.push(self.multiply(lowering, power, k, ct, target));
        }
        let sum = if parts.is_empty() {
            let plain_scale = lowering.plain_scale(x, sum_level, target);
            let x = lowering.out.at_level(x, sum_level);
            lowering.out.emit(ScheduleOp::MulScalar { value: 0.0, plain_scale }, vec![x])
        } else {
            lowering.out.sum(parts)
        };
        let y = lowering.out.emit(ScheduleOp::Rescale, vec![sum]);
        self.add(lowering, y, 0, ct)
    }

    fn horner(&self, lowering: &mut Lowering, x: ValueId, ct: usize) -> ValueId {
        let target = lowering.target(self.id);
        let y = self.multiply(lowering, x, self.degree, ct, target);
        let mut y = lowering.out.emit(ScheduleOp::Rescale, vec![y]);
        for k in (1..self.degree).rev() {
            y = self.add(lowering, y, k, ct);
            let x = lowering.out.at_level(x, lowering.out.ty(y).level);
            y = lowering.out.product(y, x);
        }
        self.add(lowering, y, 0, ct)
    }

    /// x times coefficient `k`, not rescaled, such that rescaling gives the target scale.
    fn multiply(&self, lowering: &mut Lowering, x: ValueId, k: usize, ct: usize, target: f64) -> ValueId {
        self.times(lowering, x, self.terms[k], ct, target)
    }

    /// x plus coefficient `k`.
    fn add(&self, lowering: &mut Lowering, x: ValueId, k: usize, ct: usize) -> ValueId {
        self.plus(lowering, x, self.terms[k], ct)
    }

    /// x times a coefficient, not rescaled, such that rescaling gives the target scale.
    fn times(&self, lowering: &mut Lowering, x: ValueId, by: Coefficient, ct: usize, target: f64) -> ValueId {
        let plain_scale = lowering.plain_scale(x, lowering.out.ty(x).level, target);
        let op = match by {
            Coefficient::Uniform(value, _) => ScheduleOp::MulScalar { value, plain_scale },
            Coefficient::Row(value, row) => {
                ScheduleOp::MulAcc { recipes: vec![self.recipe(value, row, ct)], plain_scale }
            }
        };
        lowering.out.emit(op, vec![x])
    }

    /// x plus a coefficient; where slots without an element have to stay 0, in the others only.
    fn plus(&self, lowering: &mut Lowering, x: ValueId, addend: Coefficient, ct: usize) -> ValueId {
        let stays_clean = lowering.relied_on[self.id.index()];
        match addend {
            Coefficient::Uniform(0.0, _) => x,
            Coefficient::Uniform(_, Some((value, row))) if stays_clean => {
                let recipe = self.recipe(value, row, ct);
                lowering.out.emit(ScheduleOp::AddPlain { recipe }, vec![x])
            }
            Coefficient::Uniform(value, _) => lowering.out.emit(ScheduleOp::AddScalar { value }, vec![x]),
            Coefficient::Row(value, row) => {
                let recipe = self.recipe(value, row, ct);
                lowering.out.emit(ScheduleOp::AddPlain { recipe }, vec![x])
            }
        }
    }

    fn recipe(&self, value: ConstId, row: u32, ct: usize) -> Recipe {
        Recipe::Spread { value, row, layout: self.layout, ct: ct as u32 }
    }
}

/// Every other coefficient [degree+1, …]: those of the polynomial in b_2, since b_{2k}(x) = b_k(b_2(x)) in either basis.
fn even_part(coeffs: &Constant) -> Constant {
    let row = coeffs.len() / coeffs.shape[0];
    let rows: Vec<f64> = coeffs.values().chunks(row).step_by(2).flat_map(<[f64]>::to_vec).collect();
    let mut shape = coeffs.shape.clone();
    shape[0] = rows.len() / row;
    Constant::exact(shape, rows)
}

/// σx⁴ + c₂x² + c₁x + c₀ = σ(x² + β)² + c₁x + (c₀ − σβ²) with β = σc₂/2: rows c₀ − σβ², c₁, β, and whether σ = −1.
fn completed_square(coeffs: &Constant) -> (Constant, bool) {
    let channels = coeffs.len() / coeffs.shape[0];
    let at = |k: usize, c: usize| coeffs.at(k * channels + c);
    let sign = at(4, 0);
    let mut rows = vec![0.0; 3 * channels];
    for c in 0..channels {
        let beta = sign * at(2, c) / 2.0;
        rows[c] = at(0, c) - sign * beta * beta;
        rows[channels + c] = at(1, c);
        rows[2 * channels + c] = beta;
    }
    let mut shape = coeffs.shape.clone();
    shape[0] = 3;
    (Constant::exact(shape, rows), sign < 0.0)
}
