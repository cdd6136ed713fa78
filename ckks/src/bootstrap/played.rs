//! EvalMod played on random slots with modelled noise.
//!
//! The variance model alone is too coarse for EvalMod. T_2 = 2x² − 1 folds the argument at X = 0, where
//! most slots lie (I = 0 is the likeliest multiple of q_0), and an error there reaches the result with
//! up to the factor (2π·range)²/4·2^ρ/sin(π/2^(ρ+1)), a hundred times that of an error at the border. So
//! the plan of the polynomial and the doublings are run in doubles on slots t = I + ε, I distributed
//! as after ModRaise, with the noise of each rescaling drawn from a normal distribution.

use super::sine::sine_gain;
use super::spec::BootstrapSpec;
use crate::noise::{NoiseModel, rounding};
use crate::params::Parameters;
use crate::params::security_table::SPARSE_WEIGHT;
use crate::poly::PolynomialPlan;
use crate::sampling::{Domain, Prng};
use std::f64::consts::TAU;

/// Random slots played to predict an error.
pub(super) const SAMPLES: usize = 1 << 13;

/// Rms of t after ModRaise: a sum of h + 1 uniform variables.
pub(super) fn raised_rms() -> f64 {
    ((SPARSE_WEIGHT + 1) as f64 / 12.0).sqrt()
}

/// A uniform variable in (0, 1).
fn unit(prng: &mut Prng) -> f64 {
    ((prng.next_u64() >> 11) as f64 + 0.5) / 2f64.powi(53)
}

fn normal(prng: &mut Prng) -> f64 {
    (-2.0 * unit(prng).ln()).sqrt() * (TAU * unit(prng)).cos()
}

/// The rms error of EvalMod's own rounding and of its bias, for `samples` slots uniform in [−1, 1]. The polynomial's
/// argument is t divided by `range`.
pub(super) fn eval_mod_error(
    params: &Parameters,
    spec: &BootstrapSpec,
    (polynomial, range): (&PolynomialPlan, f64),
    samples: usize,
) -> f64 {
    let noise = NoiseModel::new(params);
    // Of the real part of a slot, in integers.
    let sigma = (rounding(noise.weight(), 2) * params.n() as f64 / 2.0).sqrt();
    let mut prng = Prng::new(&[0; 32], Domain::Secret, 0, 0);
    let ratio = (-spec.message_ratio).exp2();
    let gain = sine_gain(spec.message_ratio) / (TAU * ratio);
    let q = |level: usize| params.q()[level] as f64;
    let mut square = 0.0;
    for _ in 0..samples {
        let integer: f64 = (0..=SPARSE_WEIGHT).map(|_| unit(&mut prng) - 0.5).sum();
        let z = 2.0 * unit(&mut prng) - 1.0;
        let x = (integer.round() + z * ratio - 0.25) / range;
        let mut y = polynomial.simulate(params, x, || sigma * normal(&mut prng));
        let mut scale = polynomial.target_scale();
        for i in (0..spec.eval_mod.doublings as usize).rev() {
            scale = scale * scale / (2.0 * q(spec.output_level() + 1 + i));
            y = 2.0 * y * y - 1.0 + sigma * normal(&mut prng) / scale;
        }
        square += (y * gain - z).powi(2);
    }
    (square / samples as f64).sqrt()
}
