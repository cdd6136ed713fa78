//! What was replaced by what.

use std::fmt;

use fhec_approx::{Chebyshev, SmoothFit};
use fhec_ir::slot::PolyStrategy;
use fhec_ir::tensor::TensorOp;
use fhec_ir::tensor::bounds::Interval;
use fhec_ir::{Node, Op};

use super::method::Method;

/// A function and the polynomials in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement {
    /// Name of the network's node.
    pub node: String,
    /// Operator.
    pub function: String,
    /// What its operand is taken to lie within.
    pub range: Interval,
    /// What stands for it.
    pub by: String,
    /// Levels.
    pub depth: u32,
    /// Products of ciphertexts, for each ciphertext.
    pub products: u32,
    /// Bound on the error, in units of the network, where the operand is within the range.
    pub error: f64,
    /// Largest magnitudes of the polynomial over the function's range at 1.02, 1.1 and 1.5 times the range of the operand.
    pub growth: [f64; 3],
}

/// How far beyond a range growth is told.
const BEYOND: [f64; 3] = [1.02, 1.1, 1.5];

impl Replacement {
    fn new(node: &Node<TensorOp>, range: Interval, by: String) -> Self {
        let function = node.op.mnemonic().to_string();
        Self {
            node: node.name.clone(),
            function,
            range,
            by,
            depth: 0,
            products: 0,
            error: 0.0,
            growth: BEYOND,
        }
    }

    /// A function that is linear on its range.
    pub(super) fn linear(node: &Node<TensorOp>, range: Interval) -> Self {
        Self::new(node, range, "itself, linear on its range".into())
    }

    /// A function with kinks no farther than `reach` from any operand.
    pub(super) fn kinked(node: &Node<TensorOp>, range: Interval, method: &Method, reach: f64) -> Self {
        let mut replacement = Self::new(node, range, method.to_string());
        (replacement.depth, replacement.products) = (method.depth(), method.products());
        if let Ok(absolute) = method.make() {
            replacement.error = absolute.error() / 2.0 * reach;
            replacement.growth = BEYOND.map(|t| (absolute.eval(t).abs() + t) / 2.0);
        }
        replacement
    }

    pub(super) fn smooth(node: &Node<TensorOp>, range: Interval, fit: &SmoothFit) -> Self {
        let degree = fit.poly.degree();
        let (depth, products) = effort(&fit.poly);
        let (half, centre) = (fit.poly.half_width, fit.poly.centre);
        let largest = |t: f64| {
            let points = (-64..=64).map(|k| fit.poly.eval(centre + half * t * f64::from(k) / 64.0).abs());
            points.fold(0.0, f64::max)
        };
        let usual = largest(1.0).max(f64::MIN_POSITIVE);
        Self {
            depth,
            products,
            error: fit.error,
            growth: BEYOND.map(|t| largest(t) / usual),
            ..Self::new(node, range, format!("a polynomial of degree {degree}"))
        }
    }

    /// The same several times in a row.
    pub(super) fn in_rounds(self, rounds: u32, difference: Interval) -> Self {
        Self {
            depth: self.depth * rounds,
            products: self.products * rounds,
            error: self.error * f64::from(rounds),
            by: format!(
                "{rounds} maxima of two, differences within {:.3e}, each by {}",
                difference.hi, self.by
            ),
            ..self
        }
    }
}

/// Levels and products of a polynomial.
pub(super) fn effort(poly: &Chebyshev) -> (u32, u32) {
    let degree = poly.degree().max(1);
    let even = poly.coeffs.iter().skip(3).step_by(2).all(|c| *c == 0.0);
    let ways = [PolyStrategy::BabyGiant, PolyStrategy::EvenBabyGiant].into_iter().take(1 + usize::from(even));
    ways.map(|way| (way.depth(degree), way.products(degree))).min().unwrap_or_default()
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, function, range, by, depth, products, error, growth } = self;
        write!(
            f,
            "{node} ({function}) on {:.4}..{:.4}: {by}; {depth} levels, {products} products, error {error:.1e}; at 1.02, 1.1, \
             1.5 times the range {:.1e}, {:.1e}, {:.1e} of its size",
            range.lo, range.hi, growth[0], growth[1], growth[2]
        )
    }
}
