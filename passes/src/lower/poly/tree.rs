//! Polynomials divided by giant steps, and their coefficients.

use fhec_ir::slot::BabyGiant;
use fhec_ir::tensor::Basis;
use fhec_ir::{ConstId, Constant};

use crate::lower::lowering::Lowering;

/// One coefficient over all elements.
#[derive(Clone, Copy)]
pub(super) enum Coefficient {
    /// The same number everywhere, and the row of a constant that it comes from, if it does.
    Uniform(f64, Option<(ConstId, u32)>),
    /// A row of a constant.
    Row(ConstId, u32),
}

impl Coefficient {
    pub(super) fn is_zero(self) -> bool {
        matches!(self, Self::Uniform(x, _) if x == 0.0)
    }
}

/// The rows of a constant as coefficients.
pub(super) fn terms(constant: &Constant, id: ConstId) -> Vec<Coefficient> {
    let row = constant.len() / constant.shape[0];
    let term = |k: usize| {
        let first = constant.at(k * row);
        if (1..row).all(|i| constant.at(k * row + i) == first) {
            Coefficient::Uniform(first, Some((id, k as u32)))
        } else {
            Coefficient::Row(id, k as u32)
        }
    };
    (0..constant.shape[0]).map(term).collect()
}

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
    pub(super) fn constant(&self) -> Option<Coefficient> {
        match self {
            Self::Sum(terms) if terms[1..].iter().all(|t| t.is_zero()) => Some(terms[0]),
            _ => None,
        }
    }
}
