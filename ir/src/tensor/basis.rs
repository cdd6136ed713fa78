//! Arithmetic of polynomials in either basis.

use super::{Basis, Real};
use crate::Constant;

impl Basis {
    /// Σ_k c_k·b_k(x), by the rules of Horner and Clenshaw.
    pub fn eval<T: Real>(self, coeffs: &[T], x: T) -> T {
        let Some((&first, rest)) = coeffs.split_first() else { return T::default() };
        match self {
            Self::Power => coeffs.iter().rev().fold(T::default(), |sum, &c| sum * x + c),
            Self::Chebyshev => {
                let twice = x + x;
                let step = |(b1, b2): (T, T), &c: &T| (c + twice * b1 - b2, b1);
                let (b1, b2) = rest.iter().rev().fold((T::default(), T::default()), step);
                first + x * b1 - b2
            }
        }
    }

    /// [`eval`](Self::eval) of several numbers at once, each to the same bits.
    #[inline(always)]
    pub fn eval_all<T: Real, const N: usize>(self, coeffs: &[T], xs: &mut [T; N]) {
        let Some((&first, rest)) = coeffs.split_first() else { return xs.fill(T::default()) };
        match self {
            Self::Power => {
                let mut sums = [T::default(); N];
                for &c in coeffs.iter().rev() {
                    sums.iter_mut().zip(&*xs).for_each(|(sum, &x)| *sum = *sum * x + c);
                }
                *xs = sums;
            }
            Self::Chebyshev => {
                let twice = xs.map(|x| x + x);
                let (mut b1, mut b2) = ([T::default(); N], [T::default(); N]);
                for &c in rest.iter().rev() {
                    for k in 0..N {
                        let next = c + twice[k] * b1[k] - b2[k];
                        (b2[k], b1[k]) = (b1[k], next);
                    }
                }
                for k in 0..N {
                    xs[k] = first + xs[k] * b1[k] - b2[k];
                }
            }
        }
    }

    /// p = high·b_n + low for a p of degree below 2n: the coefficients of `high` and of `low`, lowest first. Each
    /// coefficient is a vector, one number per channel.
    ///
    /// In Chebyshev's basis 2·T_n·T_k = T_{n+k} + T_{n−k}.
    pub fn divided(self, coeffs: &[Vec<f64>], n: usize) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let (mut low, mut high) = (coeffs[..n].to_vec(), coeffs[n..].to_vec());
        if self == Self::Chebyshev {
            for k in 1..high.len() {
                for (c, high) in high[k].iter_mut().enumerate() {
                    low[n - k][c] -= *high;
                    *high *= 2.0;
                }
            }
        }
        (high, low)
    }
}

/// True for coefficients [degree+1, …] of an even polynomial plus a multiple of x.
pub fn is_even_but_linear(coeffs: &Constant) -> bool {
    let row = coeffs.len() / coeffs.shape[0].max(1);
    let odd = (3..coeffs.shape[0]).step_by(2);
    odd.flat_map(|k| k * row..(k + 1) * row).all(|i| coeffs.at(i) == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(count: usize) -> Vec<f64> {
        let mut rng = crate::tensor::random::Rng(count as u64);
        (0..count).map(|_| f64::from(rng.unit())).collect()
    }

    #[test]
    fn chebyshev_polynomials_are_cosines() {
        for k in 0..40 {
            let mut coeffs = vec![0.0; k + 1];
            coeffs[k] = 1.0;
            for x in [-1.0, -0.3, 0.0, 0.77, 1.0f64] {
                let want = (k as f64 * x.acos()).cos();
                assert!((Basis::Chebyshev.eval(&coeffs, x) - want).abs() < 1e-12, "T_{k}({x})");
            }
        }
    }

    #[test]
    fn several_at_once_are_the_same() {
        for basis in [Basis::Power, Basis::Chebyshev] {
            for degree in [0, 1, 2, 7] {
                let coeffs = random(degree + 1);
                let mut xs: [f64; 5] = [-1.0, -0.3, 0.0, 0.77, 1.5];
                let each = xs.map(|x| basis.eval(&coeffs, x));
                basis.eval_all(&coeffs, &mut xs);
                assert_eq!(xs, each, "{basis:?} {degree}");
            }
        }
    }

    #[test]
    fn division_is_exact() {
        for basis in [Basis::Power, Basis::Chebyshev] {
            for (degree, n) in [(3, 2), (7, 4), (5, 4), (4, 4), (30, 16)] {
                let p: Vec<Vec<f64>> = random(degree + 1).into_iter().map(|c| vec![c]).collect();
                let (high, low) = basis.divided(&p, n);
                let value = |p: &[Vec<f64>], x| basis.eval(&p.iter().map(|c| c[0]).collect::<Vec<_>>(), x);
                for x in [-0.9, 0.1, 1.0] {
                    let mut giant = vec![0.0; n + 1];
                    giant[n] = 1.0;
                    let got = value(&high, x) * basis.eval(&giant, x) + value(&low, x);
                    assert!((got - value(&p, x)).abs() < 1e-12, "{basis:?} {degree} {n}");
                }
            }
        }
    }
}
