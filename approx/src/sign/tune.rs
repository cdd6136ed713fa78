//! The threshold of a composition for ReLU.

use super::composition::{LEAST_EPSILON, Sign};
use super::numeric::below;
use crate::error::FitError;

/// Thresholds tried.
const TRIALS: usize = 40;
/// Bump and tail are balanced to this, in log₂.
const BALANCED: f64 = 1e-3;

pub(super) fn for_relu(degrees: &[usize]) -> Result<Sign, FitError> {
    let mut best: Option<(f64, Sign)> = None;
    let mut first_error = None;
    // log₂ of bump over tail, which grows with ε; +∞ where stages are not needed.
    let mut balance = |log2: f64| -> f64 {
        match Sign::new(degrees, log2.exp2()) {
            Ok(sign) => {
                let (bump, tail) = (below(&sign), 0.5 * sign.taus[sign.taus.len() - 1]);
                let error = bump.max(tail);
                let balance = (bump / tail.max(f64::MIN_POSITIVE)).log2();
                if best.as_ref().is_none_or(|(e, _)| error < *e) {
                    best = Some((error, sign));
                }
                balance
            }
            Err(error) => {
                first_error.get_or_insert(error);
                f64::INFINITY
            }
        }
    };
    let least = LEAST_EPSILON.log2();
    // Steps down until the tail is the larger part.
    let (mut hi, mut lo) = (-0.25, -0.25);
    let mut at_hi = balance(hi);
    let mut at_lo = at_hi;
    while at_lo > 0.0 && lo > least {
        (hi, at_hi) = (lo, at_lo);
        lo = (lo - 3.0).max(least);
        at_lo = balance(lo);
    }
    // Regula falsi (Illinois), bisection while an end is infinite.
    let mut moved = 0;
    for _ in 0..TRIALS {
        if hi - lo < 1e-9 || at_lo >= 0.0 || at_hi <= 0.0 {
            break;
        }
        let middle = if at_hi.is_finite() && at_lo.is_finite() {
            (lo * at_hi - hi * at_lo) / (at_hi - at_lo)
        } else {
            0.5 * (lo + hi)
        };
        let value = balance(middle);
        if value.abs() < BALANCED {
            break;
        }
        if value > 0.0 {
            (hi, at_hi) = (middle, value);
            if moved == 1 {
                at_lo *= 0.5;
            }
            moved = 1;
        } else {
            (lo, at_lo) = (middle, value);
            if moved == -1 {
                at_hi *= 0.5;
            }
            moved = -1;
        }
    }
    match (best, first_error) {
        (Some((_, sign)), _) => Ok(sign),
        (None, Some(error)) => Err(error),
        (None, None) => Err(FitError::Tolerance(0.0)),
    }
}
