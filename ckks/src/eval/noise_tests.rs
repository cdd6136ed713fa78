//! Measured noise against the variance model of the design: fresh, rotation, product, rescale.

use super::*;
use crate::cipher::{Decryptor, Encryptor, SecretEncryptor};
use crate::encoding::Encoder;
use crate::error::KeyName;
use crate::keys::{KeyGenerator, SecretKey};
use crate::params::{KeyShape, insecure_test_params};
use num_complex::Complex64;

const N: f64 = 4096.0;
const SCALE: f64 = (1u64 << 40) as f64;
const SIGMA2: f64 = crate::params::SIGMA * crate::params::SIGMA;
/// Variance of rounding a plaintext.
const ROUNDING: f64 = 1.0 / 12.0;

struct Lab {
    params: Parameters,
    encoder: Encoder,
    secret: SecretKey,
    eval: Evaluator,
    /// Variance of a ModDown or rescale: (h + 1)/12.
    division: f64,
}

impl Lab {
    fn new(q: &[u32], p: &[u32], keys: &[(KeyName, KeyShape)]) -> Self {
        let params = insecure_test_params(12, q, p).unwrap();
        let secret = SecretKey::generate(&params).unwrap();
        let mut set = EvaluationKeySet::new(&params);
        for (name, shape) in keys {
            let key = KeyGenerator::new(&secret).key_with_shape(*name, *shape).unwrap();
            set.insert(*name, key).unwrap();
        }
        let weight = secret.coefficients().iter().filter(|c| **c != 0).count() as f64;
        let (encoder, eval) = (Encoder::new(&params), Evaluator::new(Arc::new(set)));
        Self { params, encoder, secret, eval, division: (weight + 1.0) / 12.0 }
    }

    fn encrypt(&self, values: &[Complex64], level: usize, scale: f64) -> Ciphertext {
        let plaintext = self.encoder.encode(values, level, scale).unwrap();
        SecretEncryptor::new(&self.secret).encrypt(&plaintext).unwrap().expand(&self.params).unwrap()
    }

    /// Compares the rms slot error with √(V·N)/scale, V the predicted coefficient variance.
    fn check(&self, what: &str, ct: &Ciphertext, expected: &[Complex64], variance: f64) {
        let slots = Decryptor::new(&self.secret).decode_for_self(&self.encoder, ct).unwrap();
        let square: f64 = slots.iter().zip(expected).map(|(a, b)| (a - b).norm_sqr()).sum();
        let rms = (square / slots.len() as f64).sqrt();
        let model = (variance * N).sqrt() / ct.scale();
        let bits = (rms / model).log2();
        assert!(bits.abs() < 0.3, "{what}: off by {bits:.2} bits");
    }
}

fn values(seed: f64) -> Vec<Complex64> {
    (0..N as usize / 2).map(|i| Complex64::new((seed * i as f64).sin(), (i as f64 + seed).cos())).collect()
}

fn mean_square(v: &[Complex64]) -> f64 {
    v.iter().map(Complex64::norm_sqr).sum::<f64>() / v.len() as f64
}

#[test]
fn fresh_encryptions() {
    let lab = Lab::new(&[50, 40], &[50, 50], &[]);
    let x = values(0.3);
    lab.check("secret-key", &lab.encrypt(&x, 1, SCALE), &x, SIGMA2 + ROUNDING);
    let key = KeyGenerator::new(&lab.secret).public_key().unwrap();
    let plaintext = lab.encoder.encode(&x, 1, SCALE).unwrap();
    let ct = Encryptor::new(&lab.params, key).unwrap().encrypt(&plaintext).unwrap();
    lab.check("public-key", &ct, &x, lab.division + ROUNDING);
}

#[test]
fn rescaling() {
    let lab = Lab::new(&[50, 40, 40], &[50, 50], &[]);
    let x = values(0.7);
    let scale = lab.params.q()[2] as f64 * 2f64.powi(30);
    let out = lab.eval.rescale(&lab.encrypt(&x, 2, scale)).unwrap();
    lab.check("rescale", &out, &x, lab.division);
}

#[test]
fn key_switching_with_negligible_and_with_visible_gadget_noise() {
    let wide = KeyShape { level: 1, special: 2, digit_limbs: 1 };
    // One special prime three bits above the digits: the gadget noise is as large as it may be.
    let tight = KeyShape { level: 2, special: 1, digit_limbs: 1 };
    for (q, p, shape) in [(&[50, 40][..], &[50, 50][..], wide), (&[46, 46, 46], &[50], tight)] {
        let lab = Lab::new(q, p, &[(KeyName::Rotation(5), shape)]);
        let x = values(0.9);
        let scale = 2f64.powi(34);
        let mut rotated = x.clone();
        rotated.rotate_left(5);
        let special: f64 = lab.params.p()[..shape.special].iter().map(|p| *p as f64).product();
        let digits: f64 = lab.params.q()[..=shape.level].iter().map(|d| (*d as f64 / special).powi(2)).sum();
        let gadget = N * SIGMA2 * digits / 12.0;
        let fresh = SIGMA2 + ROUNDING;
        let ct = lab.encrypt(&x, shape.level, scale);
        let out = lab.eval.rotate(&ct, 5).unwrap();
        lab.check("rotation", &out, &rotated, fresh + gadget + lab.division);
        let hoisted = lab.eval.hoist(&ct).unwrap();
        let ext = lab.eval.rotate_hoisted_ext(&hoisted, 5).unwrap();
        let out = lab.eval.mod_down(&ext).unwrap();
        lab.check("rotation over QP", &out, &rotated, fresh + gadget + lab.division);
    }
}

#[test]
fn products() {
    let shape = KeyShape { level: 2, special: 2, digit_limbs: 2 };
    let lab = Lab::new(&[50, 40, 40], &[50, 50], &[(KeyName::Relinearization, shape)]);
    let (x, y) = (values(0.2), values(1.7));
    let xy: Vec<_> = x.iter().zip(&y).map(|(x, y)| x * y).collect();
    let (a, b) = (lab.encrypt(&x, 2, SCALE), lab.encrypt(&y, 2, SCALE));
    // e_x·y + x·e_y at scale Δ²; the relinearisation's rounding is far below.
    let variance = (SIGMA2 + ROUNDING) * (mean_square(&x) + mean_square(&y)) * SCALE * SCALE;
    let product = lab.eval.mul(&a, &b).unwrap();
    lab.check("product", &product, &xy, variance);
    let relinearised = lab.eval.relinearize(&product).unwrap();
    lab.check("relinearised", &relinearised, &xy, variance);
    let q = lab.params.q()[2] as f64;
    let merged = lab.eval.relinearize_rescale(&product).unwrap();
    lab.check("merged rescale", &merged, &xy, variance / (q * q) + lab.division);
    let separate = lab.eval.rescale(&relinearised).unwrap();
    lab.check("separate rescale", &separate, &xy, variance / (q * q) + lab.division);
    let plaintext = lab.encoder.encode(&y, 2, SCALE).unwrap();
    let by_plain = lab.eval.mul_plain(&a, &plaintext).unwrap();
    let variance = ((SIGMA2 + ROUNDING) * mean_square(&y) + ROUNDING * mean_square(&x)) * SCALE * SCALE;
    lab.check("plaintext product", &by_plain, &xy, variance);
}
