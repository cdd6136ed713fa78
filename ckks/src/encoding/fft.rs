//! The special FFT of the canonical embedding.
//!
//! With n slots, ring degree 2n and ζ = exp(2πi/4n), a real polynomial m corresponds to the complex
//! vector w_k = m_k + i·m_{k+n}, and slot j is Σ_k w_k·ζ^(5^j·k) because ζ^(5^j·n) = i for every j.
//! Splitting k by parity gives butterflies (E_j ± ζ^(5^j)·O_j) since 5^(n/2) = 1 + 2n modulo 4n.

use num_complex::Complex64;
use std::f64::consts::PI;

/// Twiddles of one size.
pub(super) struct SpecialFft {
    n: usize,
    /// Stage of output size m (2, 4, …, n) starts at m/2 − 1: ζ_m^(5^j), j < m/2.
    twiddles: Vec<Complex64>,
}

/// exp(2πi·k/m), the angle reduced to the first octant for accuracy.
pub(crate) fn root(k: u64, m: u64) -> Complex64 {
    let k = k % m;
    let (eighth, rest) = ((8 * k) / m, (8 * k) % m);
    // Angle = 2π/8·(eighth + rest/m); odd octants are measured down from the next multiple of π/4.
    let (steps, sign) = if eighth % 2 == 0 { (eighth, 1.0) } else { (eighth + 1, -1.0) };
    let fraction = if sign > 0.0 { rest } else { m - rest };
    let (sin, cos) = (PI / 4.0 * fraction as f64 / m as f64).sin_cos();
    let small = Complex64::new(cos, sign * sin);
    match (steps / 2) % 4 {
        0 => small,
        1 => Complex64::new(-small.im, small.re),
        2 => -small,
        _ => Complex64::new(small.im, -small.re),
    }
}

impl SpecialFft {
    /// Twiddles for `n` slots, a power of two.
    pub(super) fn new(n: usize) -> Self {
        let mut twiddles = Vec::with_capacity(n.saturating_sub(1));
        let mut m = 2;
        while m <= n {
            let order = 4 * m as u64;
            let mut power = 1;
            for _ in 0..m / 2 {
                twiddles.push(root(power, order));
                power = power * 5 % order;
            }
            m *= 2;
        }
        Self { n, twiddles }
    }

    fn stage(&self, m: usize) -> &[Complex64] {
        &self.twiddles[m / 2 - 1..m - 1]
    }

    /// Coefficients w → slots.
    pub(super) fn forward(&self, w: &mut [Complex64]) {
        bit_reverse(w);
        let mut m = 2;
        while m <= self.n {
            let twiddles = self.stage(m);
            for block in w.chunks_exact_mut(m) {
                let (low, high) = block.split_at_mut(m / 2);
                for ((a, b), t) in low.iter_mut().zip(high).zip(twiddles) {
                    let odd = *b * t;
                    *b = *a - odd;
                    *a += odd;
                }
            }
            m *= 2;
        }
    }

    /// Slots → coefficients w, multiplied by `factor`.
    pub(super) fn inverse(&self, z: &mut [Complex64], factor: f64) {
        let mut m = self.n;
        while m >= 2 {
            let twiddles = self.stage(m);
            for block in z.chunks_exact_mut(m) {
                let (low, high) = block.split_at_mut(m / 2);
                for ((a, b), t) in low.iter_mut().zip(high).zip(twiddles) {
                    let difference = *a - *b;
                    *a += *b;
                    *b = difference * t.conj();
                }
            }
            m /= 2;
        }
        bit_reverse(z);
        // 1/n is a power of two: exact.
        let scale = factor / self.n as f64;
        z.iter_mut().for_each(|z| *z *= scale);
    }
}

fn bit_reverse(x: &mut [Complex64]) {
    let bits = x.len().trailing_zeros();
    if bits == 0 {
        return;
    }
    for i in 0..x.len() {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            x.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definition_and_inverts() {
        for n in [1usize, 2, 4, 32, 128] {
            let fft = SpecialFft::new(n);
            let w: Vec<_> =
                (0..n).map(|k| Complex64::new((k * k % 17) as f64 - 8.0, (k % 5) as f64)).collect();
            let mut z = w.clone();
            fft.forward(&mut z);
            let mut power = 1u64;
            for slot in &z {
                let expected: Complex64 =
                    w.iter().enumerate().map(|(k, w)| w * root(power * k as u64, 4 * n as u64)).sum();
                assert!((slot - expected).norm() < 1e-11, "n = {n}");
                power = power * 5 % (4 * n as u64);
            }
            fft.inverse(&mut z, 3.0);
            assert!(z.iter().zip(&w).all(|(z, w)| (z - w * 3.0).norm() < 1e-12));
        }
    }

    #[test]
    fn roots_are_accurate_in_every_octant() {
        for k in 0..64 {
            let expected = Complex64::from_polar(1.0, 2.0 * PI * k as f64 / 64.0);
            assert!((root(k, 64) - expected).norm() < 1e-15);
        }
        assert_eq!(root(16, 64), Complex64::new(0.0, 1.0));
    }
}
