//! Plans by their counts, and evaluations against the clear oracle.

use super::*;
use crate::cipher::{Ciphertext, Decryptor, SecretEncryptor};
use crate::encoding::Encoder;
use crate::error::CkksError;
use crate::eval::Evaluator;
use crate::keys::{KeyGenerator, KeyRequest, SecretKey};
use crate::params::{KeyName, Parameters, insecure_test_params};
use proptest::prelude::*;
use std::sync::{Arc, OnceLock};

const SCALE: f64 = (1u64 << 45) as f64;
const LEVELS: usize = 6;

pub(super) struct Lab {
    pub(super) params: Parameters,
    encoder: Encoder,
    secret: SecretKey,
    pub(super) eval: Evaluator,
}

impl Lab {
    fn new(log_n: u32, q_bits: &[u32]) -> Self {
        let params = insecure_test_params(log_n, q_bits, &[50; 4]).unwrap();
        let secret = SecretKey::generate(&params).unwrap();
        let request = KeyRequest { key: KeyName::Relinearization, level: params.max_level() };
        let keys = KeyGenerator::new(&secret).evaluation_keys([request]).unwrap();
        let (encoder, eval) = (Encoder::new(&params), Evaluator::new(Arc::new(keys)));
        Self { params, encoder, secret, eval }
    }

    /// log2 N = 11, six levels of 45 bits, shared by the tests.
    pub(super) fn shared() -> &'static Self {
        static LAB: OnceLock<Lab> = OnceLock::new();
        LAB.get_or_init(|| Self::new(11, &[50, 45, 45, 45, 45, 45, 45]))
    }

    pub(super) fn encrypt(&self, x: &[f64], level: usize, scale: f64) -> Ciphertext {
        let plaintext = self.encoder.encode(x, level, scale).unwrap();
        SecretEncryptor::new(&self.secret).encrypt(&plaintext).unwrap().expand(&self.params).unwrap()
    }

    /// Largest distance of the decrypted slots, imaginary parts included, from f(x).
    pub(super) fn max_error(&self, ct: &Ciphertext, x: &[f64], f: impl Fn(f64) -> f64) -> f64 {
        let slots = Decryptor::new(&self.secret).decode_for_self(&self.encoder, ct).unwrap();
        x.iter().zip(slots).map(|(x, y)| (y - f(*x)).norm()).fold(0.0, f64::max)
    }
}

/// `n` points from −1 to 1, both ends included.
pub(super) fn grid(n: usize) -> Vec<f64> {
    (0..n).map(|i| 2.0 * i as f64 / (n - 1) as f64 - 1.0).collect()
}

fn of_parity(mut c: Vec<f64>, parity: Parity) -> Vec<f64> {
    match parity {
        Parity::General => {}
        Parity::Even => c.iter_mut().skip(1).step_by(2).for_each(|c| *c = 0.0),
        Parity::Odd => c.iter_mut().step_by(2).for_each(|c| *c = 0.0),
    }
    c
}

/// Coefficients in [−1, 1], the leading one not small, of pseudo-random signs and sizes.
fn sample(degree: usize, parity: Parity, seed: f64) -> Vec<f64> {
    let mut c: Vec<f64> = (0..=degree).map(|i| (seed + 12.9898 * i as f64 * (1.0 + seed)).sin()).collect();
    c[degree] = 0.75;
    of_parity(c, parity)
}

fn counts(basis: Basis, parity: Parity, degree: usize) -> (usize, usize, usize) {
    let params = &Lab::shared().params;
    let p = Polynomial::new(basis, sample(degree, parity, 0.3)).unwrap();
    let plan = PolynomialPlan::new(params, &p, LEVELS, SCALE, SCALE).unwrap();
    assert_eq!(plan.depth(), p.depth());
    (plan.relinearizations(), plan.multiplications(), plan.plain_rescalings())
}

/// Relinearisations, products, rescalings of sums without products.
#[test]
fn plan_counts() {
    use Basis::{Chebyshev, Monomial};
    for basis in [Chebyshev, Monomial] {
        // The products of approx.md, "Depth", or one more where that saves relinearisations.
        for (degree, expected) in
            [(7, (4, 5, 2)), (13, (6, 7, 2)), (15, (7, 8, 2)), (27, (8, 11, 4)), (29, (9, 12, 4))]
        {
            assert_eq!(counts(basis, Parity::Odd, degree), expected, "odd, degree {degree}");
        }
        for (degree, expected) in [(2, (1, 1, 1)), (6, (3, 3, 1)), (14, (5, 6, 2)), (30, (8, 9, 2))] {
            assert_eq!(counts(basis, Parity::Even, degree), expected, "even, degree {degree}");
        }
        for (degree, expected) in [(3, (2, 2, 1)), (7, (4, 5, 2)), (15, (7, 8, 2)), (31, (10, 13, 4))] {
            assert_eq!(counts(basis, Parity::General, degree), expected, "degree {degree}");
        }
    }
}

/// Evaluates and checks level, scale and values.
fn check(basis: Basis, coefficients: Vec<f64>, target: f64) {
    let lab = Lab::shared();
    let p = Polynomial::new(basis, coefficients).unwrap();
    let x = grid(lab.params.slots());
    let ct = lab.encrypt(&x, LEVELS, SCALE);
    let out = lab.eval.evaluate_polynomial(&ct, &p, target).unwrap();
    assert_eq!((out.level(), out.scale()), (LEVELS - p.depth(), target));
    let error = lab.max_error(&out, &x, |x| p.eval(x));
    // Fresh noise is 2^-35 in the slots; |p'| ≤ Σ i²·|c_i|, and every power adds its own. The last
    // rescaling adds up to 2^12 at the target scale (rms √(N·h/12) = 2^8.9).
    let sum: f64 = p.coefficients().iter().enumerate().map(|(i, c)| (1 + i * i) as f64 * c.abs()).sum();
    let bound = 2f64.powi(-34) * sum + 4096.0 / target;
    assert!(error < bound, "{p:?}: error {error:e} above {bound:e}");
}

#[test]
fn every_degree_basis_and_parity() {
    for degree in 0..=32 {
        for basis in [Basis::Monomial, Basis::Chebyshev] {
            let own = if degree % 2 == 0 { Parity::Even } else { Parity::Odd };
            for parity in [Parity::General, own] {
                check(basis, sample(degree, parity, 0.3), SCALE);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_polynomials(
        c in proptest::collection::vec(-2.0f64..2.0, 1..40),
        basis in prop_oneof![Just(Basis::Monomial), Just(Basis::Chebyshev)],
        parity in prop_oneof![Just(Parity::General), Just(Parity::Even), Just(Parity::Odd)],
        log_target in 41.0f64..46.0,
    ) {
        check(basis, of_parity(c, parity), log_target.exp2());
    }
}

#[test]
fn errors_are_typed() {
    let lab = Lab::shared();
    let new = |c: &[f64]| Polynomial::new(Basis::Chebyshev, c);
    assert!(matches!(new(&[]), Err(CkksError::Empty(_))));
    assert!(matches!(new(&[1.0, f64::NAN]), Err(CkksError::NotFinite { index: 1 })));
    assert_eq!(new(&[1.0, 2.0, 0.0]).unwrap().degree(), 1);
    assert_eq!(new(&[0.0, 0.0]).unwrap().coefficients(), [0.0]);
    let p = new(&[0.0, 0.5, 0.0, 0.0, 1.0]).unwrap();
    let ct = lab.encrypt(&[0.5, -0.25], 2, SCALE);
    let result = lab.eval.evaluate_polynomial(&ct, &p, SCALE);
    assert!(matches!(result, Err(CkksError::NotEnoughLevels { needed: 3, level: 2 })));
    let plan = |level, scale, target| PolynomialPlan::new(&lab.params, &p, level, scale, target);
    assert!(matches!(plan(7, SCALE, SCALE), Err(CkksError::LevelTooHigh { .. })));
    assert!(matches!(plan(6, -SCALE, SCALE), Err(CkksError::BadScale(_))));
    assert!(matches!(plan(6, SCALE, f64::NAN), Err(CkksError::BadScale(_))));
    assert!(matches!(plan(3, SCALE, SCALE * 2f64.powi(60)), Err(CkksError::CoefficientTooLarge { .. })));
    let good = plan(4, SCALE, SCALE).unwrap();
    assert!(matches!(lab.eval.run_polynomial(&ct, &good), Err(CkksError::LevelMismatch { .. })));
    let mut ct = lab.encrypt(&[0.5, -0.25], 4, SCALE);
    ct.set_scale(SCALE * 1.001);
    assert!(matches!(lab.eval.run_polynomial(&ct, &good), Err(CkksError::ScaleMismatch { .. })));
    let product = lab.eval.mul(&ct, &ct).unwrap();
    assert!(matches!(lab.eval.run_polynomial(&product, &good), Err(CkksError::Degree { .. })));
}

#[test]
fn rounding_error_bounds_what_small_scales_lose() {
    let lab = Lab::shared();
    let p = Polynomial::new(Basis::Chebyshev, sample(15, Parity::General, 0.3)).unwrap();
    let bound =
        |target| PolynomialPlan::new(&lab.params, &p, LEVELS, SCALE, target).unwrap().rounding_error();
    assert!(bound(SCALE) < 2f64.powi(-38));
    assert!(bound(SCALE / 1048576.0) > 2f64.powi(-30), "a small target scale is visible in the bound");
}

#[test]
fn inputs_of_other_scales() {
    let lab = Lab::shared();
    let p = Polynomial::new(Basis::Chebyshev, sample(31, Parity::General, 0.3)).unwrap();
    let x = grid(lab.params.slots());
    let small = 2f64.powi(36);
    let out = lab.eval.evaluate_polynomial(&lab.encrypt(&x, LEVELS, small), &p, SCALE).unwrap();
    assert_eq!((out.level(), out.scale()), (LEVELS - p.depth(), SCALE));
    let error = lab.max_error(&out, &x, |x| p.eval(x));
    // Fresh noise is 2^-26 in the slots; |p'| reaches the sum of i²·|c_i|, 2^12, at ±1.
    assert!(error < 2f64.powi(-14), "error 2^{:.1}", error.log2());
    let large = PolynomialPlan::new(&lab.params, &p, LEVELS, 2f64.powi(60), SCALE);
    assert!(matches!(large, Err(CkksError::CoefficientTooLarge { .. })));
}

/// The EvalMod case: cos(2π·3x)/2 on [−1, 1], 50-bit primes.
#[test]
fn even_chebyshev_of_degree_30_to_thirty_bits() {
    let lab = Lab::new(12, &[50; 7]);
    let scale = 2f64.powi(50);
    let f = |x: f64| 0.5 * (2.0 * std::f64::consts::PI * 1.5 * x).cos();
    // Interpolation at 64 Chebyshev nodes; odd coefficients vanish by symmetry.
    let nodes: Vec<f64> = (0..64).map(|j| (j as f64 + 0.5) * std::f64::consts::PI / 64.0).collect();
    let coefficient = |i: usize| -> f64 {
        let sum: f64 = nodes.iter().map(|t| f(t.cos()) * (i as f64 * t).cos()).sum();
        sum / if i == 0 { 64.0 } else { 32.0 }
    };
    let c = of_parity((0..=30).map(coefficient).collect(), Parity::Even);
    let p = Polynomial::new(Basis::Chebyshev, c).unwrap();
    let x = grid(lab.params.slots());
    let ct = lab.encrypt(&x, 6, scale);
    let out = lab.eval.evaluate_polynomial(&ct, &p, scale).unwrap();
    assert_eq!((out.level(), out.scale()), (1, scale));
    let error = lab.max_error(&out, &x, f);
    assert!(error < 2f64.powi(-30), "error 2^{:.1}", error.log2());
}
