//! Every operation, encrypted, against slot arithmetic in doubles.

use super::*;
use crate::cipher::{Decryptor, Encryptor, SecretEncryptor};
use crate::encoding::Encoder;
use crate::keys::{KeyGenerator, KeyRequest, SecretKey};
use crate::params::KeyName;
use crate::params::{KeyShape, insecure_test_params};
use num_complex::Complex64;
use std::collections::BTreeMap;

const SCALE: f64 = (1u64 << 40) as f64;
const LOG_N: u32 = 10;

pub(super) struct Bench {
    pub(super) params: Parameters,
    pub(super) encoder: Encoder,
    pub(super) secret: SecretKey,
    pub(super) eval: Evaluator,
}

impl Bench {
    pub(super) fn new(requests: &[(KeyName, usize)]) -> Self {
        let params = insecure_test_params(LOG_N, &[50, 40, 40, 40, 40], &[50, 50, 50]).unwrap();
        let secret = SecretKey::generate(&params).unwrap();
        let keys = KeyGenerator::new(&secret)
            .evaluation_keys(requests.iter().map(|(key, level)| KeyRequest { key: *key, level: *level }))
            .unwrap();
        let (encoder, eval) = (Encoder::new(&params), Evaluator::new(Arc::new(keys)));
        Self { params, encoder, secret, eval }
    }

    pub(super) fn encrypt(&self, values: &[Complex64], level: usize) -> Ciphertext {
        let plaintext = self.encoder.encode(values, level, SCALE).unwrap();
        SecretEncryptor::new(&self.secret).encrypt(&plaintext).unwrap().expand(&self.params).unwrap()
    }

    pub(super) fn decrypt(&self, ct: &Ciphertext) -> Vec<Complex64> {
        Decryptor::new(&self.secret).decode_for_self(&self.encoder, ct).unwrap()
    }

    fn check(&self, ct: &Ciphertext, expected: &[Complex64], tolerance: f64) {
        let error = max_error(&self.decrypt(ct), expected);
        assert!(error < tolerance, "error {error:e} above {tolerance:e}");
    }
}

fn values(n: usize, seed: f64) -> Vec<Complex64> {
    (0..n).map(|i| Complex64::new((seed * i as f64).sin(), (1.3 * seed + i as f64).cos())).collect()
}

fn map2(a: &[Complex64], b: &[Complex64], f: impl Fn(Complex64, Complex64) -> Complex64) -> Vec<Complex64> {
    a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
}

fn rotated(a: &[Complex64], step: i64) -> Vec<Complex64> {
    let n = a.len() as i64;
    (0..n).map(|i| a[(i + step).rem_euclid(n) as usize]).collect()
}

fn max_error(a: &[Complex64], b: &[Complex64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max)
}

#[test]
fn linear_operations() {
    let t = Bench::new(&[]);
    let n = t.params.slots();
    let (x, y) = (values(n, 0.7), values(n, 1.9));
    let (a, b) = (t.encrypt(&x, 3), t.encrypt(&y, 3));
    let e = &t.eval;
    let eps = 1e-8;
    t.check(&a, &x, eps);
    t.check(&e.add(&a, &b).unwrap(), &map2(&x, &y, |x, y| x + y), eps);
    t.check(&e.sub(&a, &b).unwrap(), &map2(&x, &y, |x, y| x - y), eps);
    t.check(&e.neg(&a).unwrap(), &map2(&x, &y, |x, _| -x), eps);
    let plain = t.encoder.encode(&y, 4, SCALE).unwrap();
    t.check(&e.add_plain(&a, &plain).unwrap(), &map2(&x, &y, |x, y| x + y), eps);
    t.check(&e.sub_plain(&a, &plain).unwrap(), &map2(&x, &y, |x, y| x - y), eps);
    t.check(&e.add_const(&a, -2.5).unwrap(), &map2(&x, &y, |x, _| x - 2.5), eps);
    t.check(&e.mul_by_i(&a).unwrap(), &map2(&x, &y, |x, _| x * Complex64::I), eps);
    t.check(&e.mul_plain(&a, &plain).unwrap(), &map2(&x, &y, |x, y| x * y), eps);
    let constant = e.mul_const(&a, -0.37, SCALE).unwrap();
    t.check(&constant, &map2(&x, &y, |x, _| x * -0.37), eps);
    let rescaled = e.rescale(&constant).unwrap();
    assert_eq!(rescaled.level(), 2);
    assert_eq!(rescaled.scale(), SCALE * SCALE / t.params.q()[3] as f64);
    t.check(&rescaled, &map2(&x, &y, |x, _| x * -0.37), eps);
    let dropped = e.drop_to_level(&a, 1).unwrap();
    assert_eq!((dropped.level(), dropped.scale()), (1, SCALE));
    t.check(&dropped, &x, eps);
    let short = t.encoder.encode(&y[..4], 3, SCALE).unwrap();
    let tiled = y[..4].repeat(n / 4);
    t.check(&e.mul_plain(&a, &short).unwrap(), &map2(&x, &tiled, |x, y| x * y), eps);
    t.check(&e.add_plain(&a, &short).unwrap(), &map2(&x, &tiled, |x, y| x + y), eps);
    let sum = e.mul_acc([(&a, &plain), (&b, &short), (&a, &short)]).unwrap();
    let expected: Vec<_> = (0..n).map(|i| x[i] * y[i] + (x[i] + y[i]) * tiled[i]).collect();
    t.check(&sum, &expected, eps);
}

#[test]
fn public_key_encryption() {
    let t = Bench::new(&[]);
    let x = values(t.params.slots(), 0.3);
    let key = KeyGenerator::new(&t.secret).public_key().unwrap();
    let encryptor = Encryptor::new(&t.params, key).unwrap();
    for level in [0, 4] {
        let plaintext = t.encoder.encode(&x, level, SCALE).unwrap();
        let ct = encryptor.encrypt(&plaintext).unwrap();
        assert_eq!(ct.level(), level);
        t.check(&ct, &x, 1e-8);
    }
}

#[test]
fn products_relinearise_and_rescale() {
    let t = Bench::new(&[(KeyName::Relinearization, 4)]);
    let n = t.params.slots();
    let (x, y) = (values(n, 0.7), values(n, 1.9));
    let xy = map2(&x, &y, |x, y| x * y);
    for level in [4, 2, 1] {
        let (a, b) = (t.encrypt(&x, level), t.encrypt(&y, level));
        let product = t.eval.mul(&a, &b).unwrap();
        assert_eq!(product.parts(), 3);
        t.check(&product, &xy, 1e-7);
        let relinearised = t.eval.relinearize(&product).unwrap();
        assert_eq!(relinearised.parts(), 2);
        t.check(&relinearised, &xy, 1e-7);
        let separate = t.eval.rescale(&relinearised).unwrap();
        let merged = t.eval.relinearize_rescale(&product).unwrap();
        assert_eq!((separate.scale(), separate.level()), (merged.scale(), merged.level()));
        t.check(&separate, &xy, 1e-7);
        t.check(&merged, &xy, 1e-7);
        t.check(&t.eval.square(&a).unwrap(), &map2(&x, &x, |x, y| x * y), 1e-7);
        let three = t.eval.sub(&relinearised, &product).unwrap();
        t.check(&three, &vec![Complex64::ZERO; n], 1e-7);
    }
}

#[test]
fn rotations_plain_hoisted_and_over_qp() {
    let steps = [1i64, -1, 7, 100];
    let mut requests: Vec<_> = steps.iter().map(|s| (KeyName::Rotation(*s), 3)).collect();
    requests.push((KeyName::Conjugation, 3));
    let t = Bench::new(&requests);
    let x = values(t.params.slots(), 0.7);
    for level in [3, 1, 0] {
        let a = t.encrypt(&x, level);
        let hoisted = t.eval.hoist(&a).unwrap();
        for step in [1, -1, 7, 100, 0, t.params.slots() as i64] {
            let expected = rotated(&x, step);
            let plain = t.eval.rotate(&a, step).unwrap();
            t.check(&plain, &expected, 1e-7);
            assert_eq!(t.eval.rotate_hoisted(&hoisted, step).unwrap(), plain, "hoisted = unhoisted");
            let ext = t.eval.rotate_hoisted_ext(&hoisted, step).unwrap();
            t.check(&t.eval.mod_down(&ext).unwrap(), &expected, 1e-7);
            let giant = t.eval.giant_ext(&ext, 7).unwrap();
            t.check(&t.eval.mod_down(&giant).unwrap(), &rotated(&x, step + 7), 1e-7);
            let terms = [(&ext, 7), (&ext, 0), (&giant, 100), (&giant, 0)];
            let sum = t.eval.giant_sum_ext(&terms).unwrap();
            let one_by_one = terms.map(|(x, step)| t.eval.giant_ext(x, step).unwrap());
            let mut expected = one_by_one[0].clone();
            one_by_one[1..].iter().for_each(|x| t.eval.add_assign_ext(&mut expected, x).unwrap());
            assert_eq!(sum.parts, expected.parts);
            assert!(matches!(t.eval.giant_sum_ext(&[]), Err(CkksError::Empty(_))));
            assert!(matches!(
                t.eval.giant_sum_ext(&[(&ext, 0), (&ext, 3)]),
                Err(CkksError::MissingKey { .. })
            ));
        }
        let conjugated: Vec<_> = x.iter().map(|x| x.conj()).collect();
        t.check(&t.eval.conjugate(&a).unwrap(), &conjugated, 1e-7);
    }
}

#[test]
fn folding_adds_the_imaginary_half_to_the_real_one() {
    let names = [KeyName::Rotation(7), KeyName::Conjugation, KeyName::ConjugateRotation(7)];
    let t = Bench::new(&names.map(|name| (name, 3)));
    let x = values(t.params.slots(), 0.7);
    let imaginary: Vec<_> = rotated(&x, 7).iter().map(|x| Complex64::from(x.im)).collect();
    let sum = map2(&x, &imaginary, |x, y| 2.0 * (x.re + y));
    let unturned: Vec<_> = x.iter().map(|x| Complex64::from(2.0 * (x.re + x.im))).collect();
    for level in [3, 1, 0] {
        let hoisted = t.eval.hoist(&t.encrypt(&x, level)).unwrap();
        let ext = t.eval.rotate_hoisted_ext(&hoisted, 0).unwrap();
        let fold = |step| t.eval.mod_down(&t.eval.fold_ext(&ext, step).unwrap()).unwrap();
        t.check(&fold(7), &sum, 1e-6);
        t.check(&fold(0), &unturned, 1e-6);
        assert!(matches!(t.eval.fold_ext(&ext, 3), Err(CkksError::MissingKey { .. })));
    }
    let t = Bench::new(&[(KeyName::Rotation(7), 3), (KeyName::Conjugation, 3)]);
    let hoisted = t.eval.hoist(&t.encrypt(&x, 3)).unwrap();
    let ext = t.eval.rotate_hoisted_ext(&hoisted, 0).unwrap();
    assert!(matches!(t.eval.fold_ext(&ext, 7), Err(CkksError::MissingKey { .. })));
}

#[test]
fn double_hoisted_transform_is_the_matrix() {
    let mut requests: Vec<_> = (1..4).map(|s| (KeyName::Rotation(s), 3)).collect();
    requests.extend([4, 8, 500].map(|s| (KeyName::Rotation(s), 3)));
    let t = Bench::new(&requests);
    let n = t.params.slots();
    let diagonals: BTreeMap<usize, Vec<Complex64>> =
        [0, 1, 2, 3, 5, 8, 11, 502].into_iter().map(|d| (d, values(n, d as f64 + 0.1))).collect();
    let shape = t.params.key_shape(3);
    let transform = LinearTransform::new(&t.encoder, &diagonals, 4, shape, SCALE).unwrap();
    assert_eq!(transform.keys().len(), 6);
    let x = values(n, 0.7);
    let out = t.eval.linear_transform(&t.encrypt(&x, 3), &transform).unwrap();
    let expected: Vec<Complex64> =
        (0..n).map(|j| diagonals.iter().map(|(d, v)| v[j] * x[(j + d) % n]).sum()).collect();
    assert_eq!(out.level(), 2);
    t.check(&out, &expected, 1e-6);
}

#[test]
fn keys_of_every_admissible_shape_serve_lower_levels() {
    let t = Bench::new(&[]);
    let x = values(t.params.slots(), 0.7);
    let generator = KeyGenerator::new(&t.secret);
    for special in 1..=3 {
        for digit_limbs in 1..=special {
            let shape = KeyShape { level: 4, special, digit_limbs };
            let key = generator.key_with_shape(KeyName::Rotation(3), shape);
            if !t.params.admits(&shape) {
                assert!(matches!(key, Err(CkksError::BadKeyShape { .. })));
                continue;
            }
            let mut set = EvaluationKeySet::new(&t.params);
            let key = key.unwrap();
            assert_eq!(key.bytes(), t.params.key_bytes(&shape));
            set.insert(KeyName::Rotation(3), key).unwrap();
            let eval = Evaluator::new(Arc::new(set));
            for level in 0..=4 {
                let out = eval.rotate(&t.encrypt(&x, level), 3).unwrap();
                t.check(&out, &rotated(&x, 3), 1e-7);
            }
        }
    }
}

#[test]
fn errors_are_typed() {
    let t = Bench::new(&[(KeyName::Rotation(1), 2)]);
    let x = values(t.params.slots(), 0.7);
    let (a, b) = (t.encrypt(&x, 3), t.encrypt(&x, 2));
    let e = &t.eval;
    assert!(matches!(e.add(&a, &b), Err(CkksError::LevelMismatch { left: 3, right: 2 })));
    assert!(matches!(e.mul(&a, &b), Err(CkksError::LevelMismatch { .. })));
    let mut c = a.clone();
    c.set_scale(SCALE * (1.0 + 1e-9));
    assert!(matches!(e.add(&a, &c), Err(CkksError::ScaleMismatch { .. })));
    c.set_scale(SCALE * (1.0 + 1e-13));
    assert!(e.add(&a, &c).is_ok());
    let missing = |r: Result<Ciphertext>, step, level| {
        let Err(CkksError::MissingKey { key, level: l, .. }) = r else { panic!("expected a missing key") };
        assert_eq!((key, l), (KeyName::Rotation(step), level));
    };
    missing(e.rotate(&a, 1), 1, 3);
    missing(e.rotate(&b, 2), 2, 2);
    missing(e.rotate_hoisted(&e.hoist(&b).unwrap(), 5), 5, 2);
    assert!(matches!(e.hoist(&a), Err(CkksError::MissingKey { .. })));
    assert!(matches!(e.conjugate(&b), Err(CkksError::MissingKey { key: KeyName::Conjugation, .. })));
    let product = e.mul(&a, &a).unwrap();
    assert!(matches!(e.relinearize(&product), Err(CkksError::MissingKey { .. })));
    assert!(matches!(e.mul(&product, &a), Err(CkksError::Degree { found: 3, .. })));
    assert!(matches!(e.rotate(&product, 1), Err(CkksError::Degree { .. })));
    assert!(matches!(e.relinearize_rescale(&a), Err(CkksError::Degree { .. })));
    let bottom = e.drop_to_level(&a, 0).unwrap();
    assert!(matches!(e.rescale(&bottom), Err(CkksError::LevelExhausted { level: 0, .. })));
    assert!(matches!(e.drop_to_level(&b, 3), Err(CkksError::LevelTooHigh { .. })));
    assert!(matches!(e.mul_acc([]), Err(CkksError::Empty(_))));
    assert!(matches!(e.mul_acc_ext([]), Err(CkksError::Empty(_))));
    assert!(matches!(e.add_const(&a, f64::NAN), Err(CkksError::NotFinite { .. })));
    assert!(matches!(e.mul_const(&a, 1.0, -1.0), Err(CkksError::BadScale(_))));
    assert!(matches!(e.mul_const(&a, 1e60, SCALE), Err(CkksError::CoefficientTooLarge { .. })));
    let low = t.encoder.encode(&x, 1, SCALE).unwrap();
    assert!(matches!(e.mul_plain(&a, &low), Err(CkksError::LevelTooHigh { .. })));
    let hoisted = e.hoist(&b).unwrap();
    let ext = e.rotate_hoisted_ext(&hoisted, 1).unwrap();
    assert!(matches!(e.mul_acc_ext([(&ext, &low)]), Err(CkksError::LevelTooHigh { .. })));
    let no_special = t.encoder.encode(&x, 2, SCALE).unwrap();
    assert!(matches!(e.mul_acc_ext([(&ext, &no_special)]), Err(CkksError::SpecialMismatch { .. })));
    let trivial = Bench::new(&[(KeyName::Rotation(0), 2), (KeyName::Rotation(t.params.slots() as i64), 2)]);
    assert!(trivial.eval.keys().is_empty(), "rotations by 0 need no key");
    let other = Bench::new(&[]);
    assert_eq!(other.params.id(), t.params.id());
    let foreign = insecure_test_params(LOG_N, &[50, 40], &[50, 50]).unwrap();
    let plaintext = Encoder::new(&foreign).encode(&x, 0, SCALE).unwrap();
    assert!(matches!(e.add_plain(&a, &plaintext), Err(CkksError::ParametersMismatch { .. })));
    assert!(matches!(t.encoder.decode(&plaintext), Err(CkksError::ParametersMismatch { .. })));
}
