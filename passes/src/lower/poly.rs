//! Polynomials by the strategy that `place` chose.

use std::collections::BTreeMap;

use fhec_ir::schedule::{Recipe, ScheduleOp};
use fhec_ir::slot::PolyStrategy;
use fhec_ir::{ConstId, Constant, ValueId};

use super::lowering::Lowering;

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
}

/// One coefficient over all elements.
#[derive(Clone, Copy)]
enum Coefficient {
    /// The same number everywhere.
    Uniform(f64),
    /// A row of a constant.
    Row(ConstId, u32),
}

impl Coefficient {
    fn is_zero(self) -> bool {
        matches!(self, Self::Uniform(x) if x == 0.0)
    }
}

impl PolyLowering {
    pub(super) fn new(lowering: &mut Lowering, id: ValueId, coeffs: ConstId, strategy: PolyStrategy) -> Self {
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
        let row = constant.len() / constant.shape[0];
        let terms = (0..constant.shape[0]).map(|k| {
            let row = &constant.data[k * row..(k + 1) * row];
            if row.iter().all(|x| *x == row[0]) {
                Coefficient::Uniform(f64::from(row[0]))
            } else {
                Coefficient::Row(coeffs, k as u32)
            }
        });
        Self { id, strategy, degree, level, layout, terms: terms.collect(), negative }
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
        let mut powers = BTreeMap::from([(1, x)]);
        let sum_level = self.level + 1 - self.strategy.depth(self.degree);
        let target = lowering.target(self.id);
        let mut parts = Vec::new();
        for k in (1..=self.degree).filter(|k| !self.terms[*k].is_zero()) {
            let power = power(lowering, &mut powers, k);
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
        let plain_scale = lowering.plain_scale(x, lowering.out.ty(x).level, target);
        let op = match self.terms[k] {
            Coefficient::Uniform(value) => ScheduleOp::MulScalar { value, plain_scale },
            Coefficient::Row(..) => ScheduleOp::MulAcc { recipes: vec![self.recipe(k, ct)], plain_scale },
        };
        lowering.out.emit(op, vec![x])
    }

    /// x plus coefficient `k`.
    fn add(&self, lowering: &mut Lowering, x: ValueId, k: usize, ct: usize) -> ValueId {
        match self.terms[k] {
            Coefficient::Uniform(0.0) => x,
            Coefficient::Uniform(value) => lowering.out.emit(ScheduleOp::AddScalar { value }, vec![x]),
            Coefficient::Row(..) => {
                lowering.out.emit(ScheduleOp::AddPlain { recipe: self.recipe(k, ct) }, vec![x])
            }
        }
    }

    fn recipe(&self, k: usize, ct: usize) -> Recipe {
        let Coefficient::Row(value, row) = self.terms[k] else {
            unreachable!("uniform coefficients are scalars")
        };
        Recipe::Spread { value, row, layout: self.layout, ct: ct as u32 }
    }
}

/// x^k from the halves of a balanced product tree, ⌈log2 k⌉ levels below x.
fn power(lowering: &mut Lowering, powers: &mut BTreeMap<usize, ValueId>, k: usize) -> ValueId {
    if let Some(known) = powers.get(&k) {
        return *known;
    }
    let high = k.next_power_of_two() / 2;
    let a = power(lowering, powers, high);
    let b = power(lowering, powers, k - high);
    let level = lowering.out.ty(a).level.min(lowering.out.ty(b).level);
    let (a, b) = (lowering.out.at_level(a, level), lowering.out.at_level(b, level));
    let product = lowering.out.product(a, b);
    powers.insert(k, product);
    product
}

/// σx⁴ + c₂x² + c₁x + c₀ = σ(x² + β)² + c₁x + (c₀ − σβ²) with β = σc₂/2: rows c₀ − σβ², c₁, β, and whether σ = −1.
fn completed_square(coeffs: &Constant) -> (Constant, bool) {
    let channels = coeffs.len() / coeffs.shape[0];
    let at = |k: usize, c: usize| f64::from(coeffs.data[k * channels + c]);
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
    (Constant::from_f64(shape, &rows), sign < 0.0)
}
