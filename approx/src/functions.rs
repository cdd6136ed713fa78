//! Activations and other smooth functions in f64, stable at large arguments.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// 1/(1 + e^−x).
pub fn sigmoid(x: f64) -> f64 {
    let e = libm::exp(-x.abs());
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// x·sigmoid(x), also called SiLU.
pub fn silu(x: f64) -> f64 {
    swish(x, 1.0)
}

/// x·sigmoid(a·x).
pub fn swish(x: f64, a: f64) -> f64 {
    x * sigmoid(a * x)
}

/// The hyperbolic tangent.
pub fn tanh(x: f64) -> f64 {
    libm::tanh(x)
}

/// 2/√π ∫₀ˣ e^−t² dt.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// x·Φ(x), Φ the normal distribution (Hendrycks and Gimpel, arXiv 1606.08415).
pub fn gelu(x: f64) -> f64 {
    0.5 * x * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// ½x(1 + tanh(√(2/π)(x + 0.044715x³))), the other form of the same paper.
pub fn gelu_tanh(x: f64) -> f64 {
    // (1 + tanh y)/2 = sigmoid(2y) does not cancel.
    x * sigmoid(2.0 * (2.0 / PI).sqrt() * x * (1.0 + 0.044715 * x * x))
}

/// ln(1 + e^x).
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// x for x > 0, a(e^x − 1) below.
pub fn elu(x: f64, a: f64) -> f64 {
    if x > 0.0 { x } else { a * libm::expm1(x) }
}

/// λ·elu(x, α) with the constants of Klambauer et al. (arXiv 1706.02515).
pub fn selu(x: f64) -> f64 {
    const ALPHA: f64 = 1.673_263_242_354_377_2;
    const LAMBDA: f64 = 1.050_700_987_355_480_5;
    LAMBDA * elu(x, ALPHA)
}

/// x·tanh(softplus(x)).
pub fn mish(x: f64) -> f64 {
    // tanh(ln(1 + e)) = n/(n + 2), n = e(e + 2), for e = e^x.
    let e = libm::exp(x.min(40.0));
    let n = e * (e + 2.0);
    x * (n / (n + 2.0))
}

/// e^x.
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// √x, NaN for x < 0.
pub fn sqrt(x: f64) -> f64 {
    x.sqrt()
}

/// 1/x.
pub fn reciprocal(x: f64) -> f64 {
    1.0 / x
}

/// x^a, NaN for x < 0 unless a is an integer.
pub fn pow(x: f64, a: f64) -> f64 {
    libm::pow(x, a)
}

/// x/(1 + |x|).
pub fn softsign(x: f64) -> f64 {
    x / (1.0 + x.abs())
}
