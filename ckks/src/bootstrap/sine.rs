//! The polynomial of EvalMod: a cosine on narrow intervals, fitted by weighted minimax.
//!
//! sin(2πt) = cos(2πX), X = t − 1/4, is T_(2^ρ)(cos(2πX/2^ρ)): a polynomial p for the inner cosine
//! and ρ doublings y ← 2y² − 1. After ModRaise t = I + ε with an integer |I| ≤ K and |ε| ≤ 2^-r, so p
//! need only be good near |X| = 1/4 + j/2, j = 0..=2K; and p is even, since both the cosine and that
//! set of points are. An error of p at θ = 2πX/2^ρ reaches the result multiplied by
//! 2^ρ·|sin 2^ρθ / sin θ|, at most 2^ρ/|sin θ|: that is the weight of the fit. (Narrow intervals:
//! Han and Ki, ePrint 2019/688; the even form: Bossuat et al., ePrint 2020/1203.)
//!
//! The fit is Lawson's iteration, which says how far from the optimum it stops.

use std::f64::consts::PI;

use fhec_approx::lawson;

/// Points per interval.
const POINTS: usize = 5;
/// Most iterations.
const ITERATIONS: usize = 300;
/// Stops when the largest error is within this factor of the lower bound.
const OPTIMAL: f64 = 1.02;

/// cos(2πX/2^ρ) as an even Chebyshev polynomial in x = X/`range`.
#[derive(Debug, Clone)]
pub(crate) struct Cosine {
    /// Chebyshev coefficients c_0, 0, c_2, 0, …, of x in [−1, 1].
    pub(crate) coefficients: Vec<f64>,
    /// X is divided by this.
    pub(crate) range: f64,
    /// Largest error of the sine after the doublings.
    #[cfg_attr(not(test), allow(dead_code, reason = "what the fit is tested for"))]
    pub(crate) error: f64,
    /// `error` over a lower bound of what any polynomial of the degree reaches.
    #[cfg_attr(not(test), allow(dead_code, reason = "what the fit is tested for"))]
    pub(crate) optimality: f64,
}

impl Cosine {
    /// The fit of even `degree` for |I| ≤ `bound`, |ε| ≤ 2^-`ratio_bits` and `doublings` doublings.
    pub(crate) fn fit(bound: u32, ratio_bits: f64, doublings: u32, degree: usize) -> Self {
        let range = f64::from(bound) + 0.5;
        let period = f64::from(1u32 << doublings);
        let half = (-ratio_bits).exp2();
        let points: Vec<f64> = (0..=2 * bound)
            .flat_map(|j| {
                let centre = 0.25 + f64::from(j) / 2.0;
                // Chebyshev nodes with the ends: where errors on an interval are extreme.
                (0..POINTS).map(move |i| centre + half * (PI * i as f64 / (POINTS - 1) as f64).cos())
            })
            .collect();
        let angle = |x: f64| 2.0 * PI * x / period;
        let targets: Vec<f64> = points.iter().map(|x| angle(*x).cos()).collect();
        let weights: Vec<f64> = points.iter().map(|x| period / angle(*x).sin().abs()).collect();
        let columns = degree / 2 + 1;
        let rows: Vec<Vec<f64>> = points.iter().map(|x| even_chebyshev(x / range, columns)).collect();
        let fit = lawson::fit(&rows, &targets, &weights, ITERATIONS, OPTIMAL).expect("even rows");
        let coefficients = fit.coeffs.iter().flat_map(|c| [*c, 0.0]).take(2 * columns - 1).collect();
        Self { coefficients, range, error: fit.error, optimality: fit.error / fit.lower }
    }
}

/// T_0, T_2, …, T_(2·columns−2) at x.
fn even_chebyshev(x: f64, columns: usize) -> Vec<f64> {
    let y = 2.0 * x * x - 1.0;
    let mut values = vec![1.0, y];
    while values.len() < columns {
        let n = values.len();
        values.push(2.0 * y * values[n - 1] - values[n - 2]);
    }
    values.truncate(columns);
    values
}

/// The factor g on sin(φz)/φ that makes it closest to z on [−1, 1], φ = 2π/2^r: the cubic term
/// −φ²z³/6 is met half-way (Chebyshev: z³ − ¾z), which leaves φ²/24 instead of φ²/6.
pub(crate) fn sine_gain(ratio_bits: f64) -> f64 {
    let phi = 2.0 * PI * (-ratio_bits).exp2();
    1.0 + phi * phi / 8.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(fit: &Cosine, doublings: u32, t: f64) -> f64 {
        let x = (t - 0.25) / fit.range;
        let columns = fit.coefficients.len().div_ceil(2);
        let even = even_chebyshev(x, columns);
        let mut y: f64 = even.iter().zip(fit.coefficients.iter().step_by(2)).map(|(a, b)| a * b).sum();
        for _ in 0..doublings {
            y = 2.0 * y * y - 1.0;
        }
        y
    }

    #[test]
    fn the_fit_is_near_optimal_and_its_error_is_as_stated() {
        for (doublings, degree, log2_error) in [(3, 30, -32.0), (3, 28, -20.0), (2, 46, -20.0)] {
            let fit = Cosine::fit(15, 10.0, doublings, degree);
            println!("rho {doublings} degree {degree}: 2^{:.2}, {:.3}", fit.error.log2(), fit.optimality);
            assert!(fit.error.log2() < log2_error, "{doublings} {degree}: 2^{:.2}", fit.error.log2());
            assert!(fit.optimality < 1.3, "{}", fit.optimality);
            for k in -15..=15 {
                for i in -8..=8 {
                    let epsilon = f64::from(i) / 8.0 / 1024.0;
                    let exact = (2.0 * PI * epsilon).sin();
                    let error = (sine(&fit, doublings, f64::from(k) + epsilon) - exact).abs();
                    assert!(error < 1.1 * fit.error + 1e-13, "{k} {i}: {error:e}, stated {:e}", fit.error);
                }
            }
        }
    }

    #[test]
    fn the_gain_halves_the_bias_twice() {
        let phi = 2.0 * PI / 256.0;
        let worst = (0..=100)
            .map(|i| f64::from(i) / 100.0)
            .map(|z| (sine_gain(8.0) * (phi * z).sin() / phi - z).abs())
            .fold(0.0, f64::max);
        assert!(worst < 1.01 * phi * phi / 24.0, "{worst:e}");
    }
}
