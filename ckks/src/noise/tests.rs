//! The estimate each operation's result carries against the measured error.

use super::*;
use crate::Serializable;
use crate::cipher::{Ciphertext, Decryptor, Encryptor, SecretEncryptor};
use crate::encoding::{Encoder, Plaintext};
use crate::eval::{Evaluator, LinearTransform};
use crate::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use crate::params::KeyName;
use crate::params::{KeyShape, Parameters, insecure_test_params};
use num_complex::Complex64;
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::Arc;

const LOG_N: u32 = 12;
const N: usize = 1 << LOG_N;
const SLOTS: usize = N / 2;
const SCALE: f64 = (1u64 << 40) as f64;
const SIGMA2: f64 = crate::params::SIGMA * crate::params::SIGMA;
/// How far an operation may be off, and a circuit of ten, in bits.
const ONE: f64 = 0.5;
const TEN: f64 = 1.0;

/// A ciphertext and the slots it should have.
struct Value {
    ct: Ciphertext,
    slots: Vec<Complex64>,
}

struct Lab {
    params: Parameters,
    encoder: Encoder,
    secret: SecretKey,
    eval: Evaluator,
}

impl Lab {
    fn new(q: &[u32], p: &[u32], keys: &[(KeyName, KeyShape)]) -> Self {
        let params = insecure_test_params(LOG_N, q, p).unwrap();
        let secret = SecretKey::generate(&params).unwrap();
        let mut set = EvaluationKeySet::new(&params);
        for (name, shape) in keys {
            let key = KeyGenerator::new(&secret).key_with_shape(*name, *shape).unwrap();
            set.insert(*name, key).unwrap();
        }
        let (encoder, eval) = (Encoder::new(&params), Evaluator::new(Arc::new(set)));
        Self { params, encoder, secret, eval }
    }

    fn encode(&self, slots: &[Complex64], level: usize, scale: f64) -> Plaintext {
        self.encoder.encode(slots, level, scale).unwrap()
    }

    fn encrypt(&self, slots: &[Complex64], level: usize, scale: f64) -> Ciphertext {
        let plaintext = self.encode(slots, level, scale);
        let seeded = SecretEncryptor::new(&self.secret).encrypt(&plaintext).unwrap();
        let mut ct = seeded.expand(&self.params).unwrap();
        ct.set_message_rms(rms(slots));
        ct
    }

    /// log2 of measured error over estimated error.
    fn error_bits(&self, ct: &Ciphertext, expected: &[Complex64]) -> f64 {
        let slots = Decryptor::new(&self.secret).decode_for_self(&self.encoder, ct).unwrap();
        let error: Vec<_> = slots.iter().zip(expected).map(|(a, b)| a - b).collect();
        // Real and imaginary parts have equal shares of a complex slot's error.
        (rms(&error) / 2f64.sqrt() / ct.estimate().slot_error(ct.scale(), N)).log2()
    }

    fn check(&self, what: &str, ct: &Ciphertext, expected: &[Complex64]) {
        let bits = self.error_bits(ct, expected);
        let message = (rms(expected) / ct.estimate().message).log2();
        println!("{what:<32} error {bits:+.2} bits, message {message:+.2} bits");
        assert!(bits.abs() < ONE, "{what}: off by {bits:.2} bits");
        assert!(message.abs() < ONE, "{what}: message off by {message:.2} bits");
    }
}

/// Splitmix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 2f64.powi(53)
    }

    /// Slots uniform in the unit disc.
    fn slots(&mut self, count: usize) -> Vec<Complex64> {
        (0..count).map(|_| Complex64::from_polar(self.unit().sqrt(), TAU * self.unit())).collect()
    }
}

fn values(seed: u64) -> Vec<Complex64> {
    Rng(seed).slots(SLOTS)
}

fn rms(v: &[Complex64]) -> f64 {
    (v.iter().map(Complex64::norm_sqr).sum::<f64>() / v.len() as f64).sqrt()
}

fn map(a: &[Complex64], f: impl Fn(Complex64) -> Complex64) -> Vec<Complex64> {
    a.iter().map(|a| f(*a)).collect()
}

fn map2(a: &[Complex64], b: &[Complex64], f: impl Fn(Complex64, Complex64) -> Complex64) -> Vec<Complex64> {
    a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
}

fn rotated(a: &[Complex64], step: usize) -> Vec<Complex64> {
    let mut a = a.to_vec();
    a.rotate_left(step);
    a
}

#[test]
fn bits() {
    let estimate = Estimate { variance: 2.0, message: 1.0 };
    assert_eq!(estimate.slot_error(1.0, 16), 4.0);
    assert_eq!(estimate.rms_bits(1024.0, 16), 8.0);
    assert_eq!(estimate.worst_bits(1024.0, 16), 8.0 - TAIL_BITS);
    assert_eq!(Estimate::exact(1.0).rms_bits(1024.0, 16), f64::INFINITY);
}

#[test]
fn fresh_encryptions_and_what_is_assumed_of_them() {
    let lab = Lab::new(&[50, 40], &[50, 50], &[]);
    let x = values(1);
    lab.check("secret-key", &lab.encrypt(&x, 1, SCALE), &x);
    let plaintext = lab.encode(&x, 1, SCALE);
    assert!((plaintext.estimate().message / rms(&x)).log2().abs() < 1e-6);
    let key = KeyGenerator::new(&lab.secret).public_key().unwrap();
    let mut public = Encryptor::new(&lab.params, key).unwrap().encrypt(&plaintext).unwrap();
    let mut seeded = SecretEncryptor::new(&lab.secret).encrypt(&plaintext).unwrap();
    assert_eq!(public.estimate().message, ASSUMED_MESSAGE_RMS, "nothing of the message shows");
    assert_eq!(seeded.estimate().message, ASSUMED_MESSAGE_RMS);
    let fresh = (public.estimate(), seeded.estimate());
    public = lab.eval.double(&public).unwrap();
    let read = Ciphertext::from_bytes(&lab.params, &public.to_bytes(&lab.params).unwrap()).unwrap();
    assert_eq!((read.estimate(), &read), (fresh.0, &public), "estimates are neither stored nor compared");
    public.set_message_rms(2.0 * rms(&x));
    lab.check("public-key", &public, &map(&x, |x| 2.0 * x));
    let bytes = seeded.to_bytes(&lab.params).unwrap();
    seeded = Serializable::from_bytes(&lab.params, &bytes).unwrap();
    assert_eq!(seeded.estimate(), fresh.1);
    let ct = seeded.expand(&lab.params).unwrap();
    assert_eq!(ct.precision_bits(), ct.estimate().rms_bits(SCALE, N));
}

#[test]
fn linear_operations() {
    let lab = Lab::new(&[50, 40, 40], &[50, 50], &[]);
    let e = &lab.eval;
    let (x, y) = (values(1), map(&values(2), |y| 3.0 * y));
    let (a, b) = (lab.encrypt(&x, 2, SCALE), lab.encrypt(&y, 2, SCALE));
    lab.check("add", &e.add(&a, &b).unwrap(), &map2(&x, &y, |x, y| x + y));
    lab.check("sub", &e.sub(&a, &b).unwrap(), &map2(&x, &y, |x, y| x - y));
    lab.check("neg", &e.neg(&a).unwrap(), &map(&x, |x| -x));
    let doubled = e.double(&a).unwrap();
    lab.check("double", &doubled, &map(&x, |x| x + x));
    assert_eq!(e.add(&a, &a).unwrap().estimate(), doubled.estimate());
    assert_eq!(e.add(&a, &a.clone()).unwrap(), doubled);
    lab.check("mul_by_i", &e.mul_by_i(&a).unwrap(), &map(&x, |x| x * Complex64::I));
    lab.check("drop", &e.drop_to_level(&a, 1).unwrap(), &x);
    lab.check("add_const", &e.add_const(&a, 0.3).unwrap(), &map(&x, |x| x + 0.3));
    let plaintext = lab.encode(&y, 2, SCALE);
    lab.check("add_plain", &e.add_plain(&a, &plaintext).unwrap(), &map2(&x, &y, |x, y| x + y));
    lab.check("sub_plain", &e.sub_plain(&a, &plaintext).unwrap(), &map2(&x, &y, |x, y| x - y));
    let mut relabelled = a.clone();
    relabelled.set_scale(SCALE / 5.0);
    lab.check("set_scale", &relabelled, &map(&x, |x| 5.0 * x));
    lab.check("mul_const", &e.mul_const(&a, -0.37, SCALE).unwrap(), &map(&x, |x| -0.37 * x));
    lab.check("mul_const, rounded", &e.mul_const(&a, 0.37, 1e3).unwrap(), &map(&x, |x| 0.37 * x));
    lab.check("mul_const, coarse", &e.mul_const(&a, 0.37, 50.0).unwrap(), &map(&x, |x| 0.37 * x));
}

#[test]
fn rescaling() {
    let shape = KeyShape { level: 2, special: 2, digit_limbs: 2 };
    let lab = Lab::new(&[50, 40, 40], &[50, 50], &[(KeyName::Relinearization, shape)]);
    let (x, y) = (values(1), values(2));
    let scale = lab.params.q()[2] as f64 * 2f64.powi(30);
    lab.check("rescale", &lab.eval.rescale(&lab.encrypt(&x, 2, scale)).unwrap(), &x);
    let (a, b) = (lab.encrypt(&x, 2, SCALE), lab.encrypt(&y, 2, SCALE));
    let three = lab.eval.rescale(&lab.eval.mul(&a, &b).unwrap()).unwrap();
    let xy = map2(&x, &y, |x, y| x * y);
    lab.check("rescale of three polynomials", &three, &xy);
    lab.check("relinearised after rescale", &lab.eval.relinearize(&three).unwrap(), &xy);
}

#[test]
fn products() {
    let shape = KeyShape { level: 2, special: 2, digit_limbs: 2 };
    let lab = Lab::new(&[50, 40, 40], &[50, 50], &[(KeyName::Relinearization, shape)]);
    let e = &lab.eval;
    let (x, y) = (values(1), map(&values(2), |y| 3.0 * y));
    let xy = map2(&x, &y, |x, y| x * y);
    let (a, b) = (lab.encrypt(&x, 2, SCALE), lab.encrypt(&y, 2, SCALE));
    let product = e.mul(&a, &b).unwrap();
    lab.check("mul", &product, &xy);
    lab.check("relinearize", &e.relinearize(&product).unwrap(), &xy);
    lab.check("relinearize_rescale", &e.relinearize_rescale(&product).unwrap(), &xy);
    lab.check("relinearize, rescale", &e.rescale(&e.relinearize(&product).unwrap()).unwrap(), &xy);
    let square = e.square(&a).unwrap();
    lab.check("square", &square, &map(&x, |x| x * x));
    assert_eq!(e.mul(&a, &a).unwrap().estimate(), square.estimate());
    assert_eq!(e.mul(&a, &a.clone()).unwrap(), square);
    // Scales so low that the product of the errors shows.
    let (low_a, low_b) = (lab.encrypt(&x, 2, 256.0), lab.encrypt(&y, 2, 256.0));
    lab.check("mul of noise", &e.mul(&low_a, &low_b).unwrap(), &xy);
    lab.check("square of noise", &e.square(&low_a).unwrap(), &map(&x, |x| x * x));
}

#[test]
fn plaintext_products() {
    let lab = Lab::new(&[50, 40, 40], &[50, 50], &[]);
    let e = &lab.eval;
    let (x, y) = (values(1), map(&values(2), |y| 3.0 * y));
    let xy = map2(&x, &y, |x, y| x * y);
    let (a, b) = (lab.encrypt(&x, 2, SCALE), lab.encrypt(&y, 2, SCALE));
    for (what, scale) in [("fine", SCALE), ("coarse", 2f64.powi(20))] {
        let plaintext = lab.encode(&y, 2, scale);
        lab.check(&format!("mul_plain, {what}"), &e.mul_plain(&a, &plaintext).unwrap(), &xy);
        let short = lab.encode(&y[..16], 2, scale);
        let tiled = y[..16].repeat(SLOTS / 16);
        let product = e.mul_plain(&a, &short).unwrap();
        lab.check(&format!("mul_plain, short, {what}"), &product, &map2(&x, &tiled, |x, y| x * y));
        let sum = e.mul_acc([(&a, &plaintext), (&b, &short), (&b, &plaintext)]).unwrap();
        let expected: Vec<_> = (0..SLOTS).map(|i| x[i] * y[i] + y[i] * (tiled[i] + y[i])).collect();
        lab.check(&format!("mul_acc, {what}"), &sum, &expected);
    }
}

#[test]
fn key_switching_with_negligible_and_with_visible_gadget_noise() {
    let wide = KeyShape { level: 1, special: 2, digit_limbs: 1 };
    // One special prime three bits above the digits: the gadget noise is as large as it may be.
    let tight = KeyShape { level: 2, special: 1, digit_limbs: 1 };
    let both = KeyName::ConjugateRotation(64);
    let names = [KeyName::Rotation(5), KeyName::Rotation(64), KeyName::Conjugation, both];
    for (q, p, shape) in [(&[50, 40][..], &[50, 50][..], wide), (&[46, 46, 46], &[50], tight)] {
        let lab = Lab::new(q, p, &names.map(|name| (name, shape)));
        let e = &lab.eval;
        let x = values(1);
        let ct = lab.encrypt(&x, shape.level, 2f64.powi(34));
        let turned = rotated(&x, 5);
        let plain = e.rotate(&ct, 5).unwrap();
        lab.check("rotate", &plain, &turned);
        assert_eq!(e.rotate(&ct, 0).unwrap().estimate(), ct.estimate());
        lab.check("conjugate", &e.conjugate(&ct).unwrap(), &map(&x, |x| x.conj()));
        let hoisted = e.hoist(&ct).unwrap();
        assert_eq!(e.rotate_hoisted(&hoisted, 5).unwrap().estimate(), plain.estimate());
        assert_eq!(e.rotate_hoisted(&hoisted, 0).unwrap().estimate(), ct.estimate());
        let ext = e.rotate_hoisted_ext(&hoisted, 5).unwrap();
        lab.check("rotation over QP, mod_down", &e.mod_down(&ext).unwrap(), &turned);
        let giant = e.giant_ext(&ext, 64).unwrap();
        lab.check("giant_ext, mod_down", &e.mod_down(&giant).unwrap(), &rotated(&x, 69));
        let sum = e.add_ext(&ext, &giant).unwrap();
        let expected = map2(&turned, &rotated(&x, 69), |x, y| x + y);
        lab.check("add_ext, mod_down", &e.mod_down(&sum).unwrap(), &expected);
        let folded = e.fold_ext(&ext, 64).unwrap();
        let expected = map2(&turned, &rotated(&x, 69), |x, y| Complex64::from(2.0 * (x.re + y.im)));
        lab.check("fold_ext, mod_down", &e.mod_down(&folded).unwrap(), &expected);
        let y = values(2);
        let plaintext = lab.encoder.encode_ext(&y, shape.level, shape.special, 2f64.powi(8)).unwrap();
        let product = e.mul_acc_ext([(&ext, &plaintext)]).unwrap();
        let expected = map2(&turned, &y, |x, y| x * y);
        lab.check("mul_acc_ext, mod_down", &e.mod_down(&product).unwrap(), &expected);
        lab.check("mul_acc_ext, mod_down_rescale", &e.mod_down_rescale(&product).unwrap(), &expected);
    }
}

#[test]
fn the_gadget_noise_of_the_digits_adds_up() {
    let params = insecure_test_params(LOG_N, &[46, 46, 46, 40], &[50, 49]).unwrap();
    let model = NoiseModel::new(&params);
    let q = |i: usize| params.q()[i] as f64;
    let p = |i: usize| params.p()[i] as f64;
    let gadget = |level, shape| model.key_switch(Estimate::exact(1.0), level, &shape).variance;
    let unit = N as f64 * SIGMA2 / 12.0;
    let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} and {b}");
    let two = KeyShape { level: 3, special: 2, digit_limbs: 2 };
    let squares = (q(0) * q(1)).powi(2) + (q(2) * q(3)).powi(2);
    close(gadget(3, two), unit * squares / (p(0) * p(1)).powi(2));
    close(gadget(0, two), unit * (q(0) / (p(0) * p(1))).powi(2));
    let one = KeyShape { level: 3, special: 1, digit_limbs: 1 };
    close(gadget(1, one), unit * (q(0).powi(2) + q(1).powi(2)) / p(0).powi(2));
}

#[test]
fn linear_transforms() {
    let shape = KeyShape { level: 2, special: 2, digit_limbs: 2 };
    let keys: Vec<_> = [1, 2, 3, 4, 8, 500].map(|s| (KeyName::Rotation(s), shape)).into();
    let lab = Lab::new(&[50, 40, 40], &[50, 50], &keys);
    let diagonals: BTreeMap<usize, Vec<Complex64>> =
        [0, 1, 2, 3, 5, 8, 11, 502].into_iter().map(|d| (d, values(d as u64 + 10))).collect();
    let x = values(1);
    let ct = lab.encrypt(&x, 2, SCALE);
    let expected: Vec<Complex64> =
        (0..SLOTS).map(|j| diagonals.iter().map(|(d, v)| v[j] * x[(j + d) % SLOTS]).sum()).collect();
    for (what, scale) in [("fine", SCALE), ("coarse", 2f64.powi(25))] {
        let transform =
            LinearTransform::new(&lab.encoder, &diagonals, 4, lab.params.key_shape(2), scale).unwrap();
        let out = lab.eval.linear_transform(&ct, &transform).unwrap();
        lab.check(&format!("linear transform, {what}"), &out, &expected);
    }
}

/// One random operation on `a`, and `b` if it has two operands; `None` if it cannot be done or the
/// message would grow too much.
fn step(lab: &Lab, rng: &mut Rng, a: &Value, b: &Value) -> Option<(&'static str, Value)> {
    let e = &lab.eval;
    let level = a.ct.level();
    let small = |v: &Value| rms(&v.slots) < 4.0;
    let of = |ct, slots| Value { ct, slots };
    let plain = rng.slots(SLOTS);
    // The other operand at this one's level and scale.
    let aligned = |b: &Value| {
        let mut ct = e.drop_to_level(&b.ct, level).ok()?;
        let ratio = ct.scale() / a.ct.scale();
        ct.set_scale(a.ct.scale());
        Some(of(ct, map(&b.slots, |x| x * ratio)))
    };
    let rescaled = |ct: &Ciphertext| e.rescale(ct).unwrap();
    let x = &a.slots;
    Some(match rng.below(12) {
        0 if small(a) && small(b) => {
            let b = aligned(b)?;
            ("add", of(e.add(&a.ct, &b.ct).unwrap(), map2(x, &b.slots, |x, y| x + y)))
        }
        1 if small(a) && small(b) => {
            let b = aligned(b)?;
            ("sub", of(e.sub(&a.ct, &b.ct).unwrap(), map2(x, &b.slots, |x, y| x - y)))
        }
        2 if small(a) => ("double", of(e.double(&a.ct).unwrap(), map(x, |x| x + x))),
        3 => ("rotate", of(e.rotate(&a.ct, 5).unwrap(), rotated(x, 5))),
        4 => ("conjugate", of(e.conjugate(&a.ct).unwrap(), map(x, |x| x.conj()))),
        5 => ("mul_by_i", of(e.mul_by_i(&a.ct).unwrap(), map(x, |x| x * Complex64::I))),
        6 if small(a) => {
            let p = lab.encode(&plain, level, a.ct.scale());
            ("add_plain", of(e.add_plain(&a.ct, &p).unwrap(), map2(x, &plain, |x, y| x + y)))
        }
        7 if level > 0 => {
            let p = lab.encode(&plain, level, SCALE);
            let ct = rescaled(&e.mul_plain(&a.ct, &p).unwrap());
            ("mul_plain", of(ct, map2(x, &plain, |x, y| x * y)))
        }
        8 if level > 0 => {
            let ct = rescaled(&e.mul_const(&a.ct, 0.6, SCALE).unwrap());
            ("mul_const", of(ct, map(x, |x| 0.6 * x)))
        }
        9 if level > 0 && small(a) => {
            let ct = e.relinearize_rescale(&e.square(&a.ct).unwrap()).unwrap();
            ("square", of(ct, map(x, |x| x * x)))
        }
        10 | 11 if level > 0 && small(a) && small(b) => {
            let b = aligned(b)?;
            ("mul", of(e.mul_relin_rescale(&a.ct, &b.ct).unwrap(), map2(x, &b.slots, |x, y| x * y)))
        }
        _ => return None,
    })
}

/// Trees of ten operations: every operand is used once, as the model assumes of sums, and squared at most
/// once, as it assumes magnitudes constant. In 3,000 such circuits no value was off by more than 0.75 bit.
#[test]
fn random_circuits() {
    let level = 7;
    let q: Vec<u32> = [50].into_iter().chain([40; 7]).collect();
    let shape = KeyShape { level, special: 2, digit_limbs: 2 };
    let names = [KeyName::Relinearization, KeyName::Rotation(5), KeyName::Conjugation];
    let lab = Lab::new(&q, &[50, 50], &names.map(|name| (name, shape)));
    let mut worst = 0f64;
    for seed in 0..40 {
        let mut rng = Rng(1000 * seed);
        let fresh = |rng: &mut Rng| {
            let slots = rng.slots(SLOTS);
            Value { ct: lab.encrypt(&slots, level, SCALE), slots }
        };
        let (mut a, mut b) = (fresh(&mut rng), fresh(&mut rng));
        let mut trace = vec![];
        while trace.len() < 10 {
            if rng.below(3) == 0 {
                std::mem::swap(&mut a, &mut b);
            }
            let Some((name, value)) = step(&lab, &mut rng, &a, &b) else { continue };
            if name == "square" && trace.contains(&name) {
                continue;
            }
            if ["add", "sub", "mul"].contains(&name) {
                b = fresh(&mut rng);
            }
            trace.push(name);
            a = value;
            let bits = lab.error_bits(&a.ct, &a.slots);
            worst = worst.max(bits.abs());
            assert!(bits.abs() < TEN, "circuit {seed}, {trace:?}: off by {bits:.2} bits");
        }
    }
    println!("circuits off by up to {worst:.2} bits");
}
