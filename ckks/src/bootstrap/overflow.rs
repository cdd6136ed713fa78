//! How often a bootstrap fails: the law of the multiple of q_0 that ModRaise adds.
//!
//! Under the encapsulated secret of h coefficients ±1 a coefficient of c_1·s is q_0 times a sum T of h independent
//! variables, uniform in [−1/2, 1/2]. The coefficient of c_0 is not one more of them: it is what makes the sum the message
//! modulo q_0. So I is T rounded, and |I| > K where |T| > K + 1/2, whose probability is the tail of the Irwin–Hall law of h
//! variables,
//!
//! ```text
//! 2·Σ_i (−1)^i·C(h, i)·(h/2 − K − 1/2 − i)^h / h!,  i < h/2 − K − 1/2.
//! ```
//!
//! EvalMod serves |I| ≤ K. (Bossuat et al., ePrint 2022/024, section 5, take c_0 for one more independent variable and count
//! |T| > K: an upper bound that is larger by many bits where K is near h/2.)

use crate::params::security_table::SPARSE_WEIGHT;

/// log2 of the largest probability accepted for one of a bootstrap's coefficients to leave EvalMod's range.
pub const MAX_LOG_FAILURE: f64 = -64.0;

/// log2 of the probability that one of `coefficients` is raised by more than `bound` multiples of q_0 under a secret of
/// `weight` coefficients ±1: a union bound; −∞ if it cannot happen.
pub(super) fn log_failure(weight: usize, bound: u32, coefficients: usize) -> f64 {
    let reach = weight as f64 / 2.0 - f64::from(bound) - 0.5;
    let (mut sum, mut binomial) = (0.0, 1.0);
    for i in 0..weight {
        let x = reach - i as f64;
        if x <= 0.0 {
            break;
        }
        sum += binomial * x.powi(weight as i32);
        binomial *= -((weight - i) as f64) / (i + 1) as f64;
    }
    let log_factorial: f64 = (1..=weight).map(|k| (k as f64).log2()).sum();
    // Rounding may leave a negative sum where the probability is almost 1.
    1.0 + sum.abs().log2() - log_factorial + (coefficients as f64).log2()
}

/// The same of a ring of degree `n` with the engine's encapsulated secret.
pub fn log_failure_of_bound(bound: u32, n: usize) -> f64 {
    log_failure(SPARSE_WEIGHT.min(n / 2), bound, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_in_numbers() {
        let at = |weight, bound| log_failure(weight, bound, 1 << 16);
        for (bound, expected) in [(12, -42.8), (13, -58.4), (14, -81.9), (15, -132.7)] {
            assert!((at(32, bound) - expected).abs() < 0.1, "K = {bound}: {}", at(32, bound));
            assert_eq!(at(32, bound), log_failure_of_bound(bound, 1 << 16));
        }
        assert_eq!(at(32, 16), f64::NEG_INFINITY);
        // The least bound that checks of plans accept (`fhec_ir::plan`).
        assert!(log_failure_of_bound(14, 1 << 17) <= MAX_LOG_FAILURE && at(32, 13) > MAX_LOG_FAILURE);
        // With c_0 as one more variable: the figures that were in use before.
        assert!((at(33, 15) + 105.7).abs() < 0.1 && (at(33, 14) + 72.7).abs() < 0.1);
        // Two variables: a triangle.
        assert!((log_failure(2, 0, 1) - 0.25f64.log2()).abs() < 1e-12);
        assert!(log_failure_of_bound(1, 1 << 16) > 0.0);
    }
}
