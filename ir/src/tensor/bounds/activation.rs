//! Bounds of functions that are no polynomials.

use super::interval::Interval;
use crate::tensor::{Activation, activation};

/// Where x·sigmoid(x) is least, and its value there.
const SWISH_LEAST: f64 = -1.278_464_542_761_074;

/// What the function makes of an interval.
pub(super) fn bounds(a: Activation, x: Interval) -> Interval {
    let f = |v: f64| limit(a, v);
    match a {
        Activation::Relu
        | Activation::Clip(..)
        | Activation::Sigmoid
        | Activation::Tanh
        | Activation::Erf
        | Activation::Softplus
        | Activation::Softsign
        | Activation::HardSigmoid(..)
        | Activation::Exp => x.image(&[], f),
        // Monotone on either side of 0.
        Activation::LeakyRelu(_) | Activation::Elu(_) | Activation::Selu(..) | Activation::Abs => {
            x.image(&[0.0], f)
        }
        Activation::Swish(0.0) => x.scaled(0.5),
        Activation::Swish(alpha) => x.image(&[SWISH_LEAST / f64::from(alpha)], f),
        Activation::Gelu => x.image(&[-0.751_791_524_693_564_5], f).widened(1e-9),
        Activation::GeluTanh => x.image(&[-0.752_461_422_071_016_3], f).widened(1e-9),
        Activation::Mish => x.image(&[-1.192_442_968_567_474], f).widened(1e-9),
        Activation::HardSwish => x.image(&[-3.0, -1.5, 3.0], f),
        Activation::ThresholdedRelu(alpha) => {
            let threshold = f64::from(alpha);
            let above = Interval::new(x.lo.max(threshold), x.hi.max(threshold));
            match (x.lo <= threshold, x.hi > threshold) {
                (true, true) => above.hull(Interval::ZERO),
                (true, false) => Interval::ZERO,
                (false, _) => x,
            }
        }
        // Below 0 there is no result.
        Activation::Sqrt => Interval::new(x.lo.max(0.0), x.hi.max(0.0)).image(&[], f64::sqrt),
        Activation::Reciprocal => x.reciprocal(),
        Activation::Pow(p) if x.lo > 0.0 || p > 0.0 && x.lo == 0.0 => x.image(&[], |v| v.powf(f64::from(p))),
        Activation::Pow(p) if p > 0.0 => {
            let most = x.magnitude().powf(f64::from(p));
            Interval::new(-most, most).scaled(1.0)
        }
        Activation::Pow(_) => Interval::ALL,
    }
}

/// The function's value, at an infinite operand its limit.
fn limit(a: Activation, x: f64) -> f64 {
    let gated = match a {
        Activation::Swish(alpha) if alpha < 0.0 => -1.0,
        Activation::Swish(_)
        | Activation::Gelu
        | Activation::GeluTanh
        | Activation::Mish
        | Activation::HardSwish => 1.0,
        _ => 0.0,
    };
    match x.is_infinite() {
        true if gated * x < 0.0 => 0.0,
        true if gated * x > 0.0 => x,
        true if a == Activation::Softsign => x.signum(),
        _ => activation(a, x),
    }
}

/// x for x ≥ 0, else slope·x, for any slope of an interval.
pub(super) fn prelu(x: Interval, slope: Interval) -> Interval {
    let above = (x.hi >= 0.0).then(|| Interval::new(x.lo.max(0.0), x.hi));
    let below = (x.lo < 0.0).then(|| Interval::new(x.lo, x.hi.min(0.0)).times(slope));
    match (above, below) {
        (Some(a), Some(b)) => a.hull(b),
        (a, b) => a.or(b).unwrap_or(Interval::ALL),
    }
}
