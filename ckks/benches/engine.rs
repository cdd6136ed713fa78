//! Kernel and operation times at N = 2^16 on one thread.
//!
//! `cargo bench -p fhec-ckks --bench engine -- [filter]`

#![allow(missing_docs, reason = "criterion's macros define undocumented functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use fhec_ckks::cipher::{Ciphertext, ExtCiphertext, SecretEncryptor};
use fhec_ckks::encoding::{Encoder, Plaintext};
use fhec_ckks::eval::Evaluator;
use fhec_ckks::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use fhec_ckks::params::{KeyShape, Parameters, ParametersLiteral, is_prime, ntt_primes};
use fhec_ckks::{Complex64, KeyName};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tfhe_ntt::prime64::Plan;

const SCALE: f64 = (1u64 << 40) as f64;

struct Setup {
    params: Parameters,
    encoder: Encoder,
    secret: SecretKey,
}

impl Setup {
    fn new() -> Self {
        let q: Vec<u32> = [50].into_iter().chain([40; 23]).collect();
        let literal = ParametersLiteral::from_bits(16, &q, &[50; 8]).unwrap();
        let params = Parameters::new(&literal).unwrap();
        let secret = SecretKey::generate(&params).unwrap();
        Self { encoder: Encoder::new(&params), params, secret }
    }

    fn encrypt(&self, level: usize) -> Ciphertext {
        let plaintext = self.encoder.encode(&[0.5, 0.25], level, SCALE).unwrap();
        let seeded = SecretEncryptor::new(&self.secret).encrypt(&plaintext).unwrap();
        seeded.expand(&self.params).unwrap()
    }

    fn evaluator(&self, keys: &[(KeyName, KeyShape)]) -> Evaluator {
        let generator = KeyGenerator::new(&self.secret);
        let mut set = EvaluationKeySet::new(&self.params);
        for (name, shape) in keys {
            set.insert(*name, generator.key_with_shape(*name, *shape).unwrap()).unwrap();
        }
        Evaluator::new(Arc::new(set))
    }

    fn shape(&self, limbs: usize) -> KeyShape {
        self.params.key_shape(limbs - 1)
    }
}

fn ring(c: &mut Criterion, setup: &Setup) {
    let ring = setup.params.ring();
    let n = ring.n() as u64;
    let limb = |q: u64| (0..n).map(|i| (i * 0x9E37_79B9_7F4A_7C15) % q).collect::<Vec<_>>();
    let mut limbs: Vec<_> = (0..ring.moduli()).map(|i| limb(ring.modulus(i).q)).collect();
    let mut at = 0;
    // Cycling over the chain's tables and limbs, as the engine does.
    c.bench_function("ntt/forward", |b| {
        b.iter(|| {
            at = (at + 1) % limbs.len();
            ring.ntt(at).forward(&mut limbs[at]);
        });
    });
    c.bench_function("ntt/inverse", |b| {
        b.iter(|| {
            at = (at + 1) % limbs.len();
            ring.ntt(at).inverse(&mut limbs[at]);
        });
    });
    // The yardstick: another library's transform, cycling over 24 primes below 2^50; and what wider
    // primes would cost, which IFMA does not serve.
    let narrow = ntt_primes(50, n.trailing_zeros(), 24, &[]).unwrap();
    let wide = |bits: u32| {
        let candidates = (1..).map(|k| (1u64 << bits) + 1 - 2 * n * k);
        candidates.filter(|p| is_prime(*p)).take(24).collect::<Vec<_>>()
    };
    for (name, primes) in [("50", narrow), ("51", wide(51)), ("60", wide(60))] {
        let plans: Vec<_> = primes.iter().map(|p| Plan::try_new(ring.n(), *p).unwrap()).collect();
        let mut limbs: Vec<_> = primes.iter().map(|p| limb(*p)).collect();
        let mut at = 0;
        c.bench_function(&format!("ntt/tfhe-ntt {name} bits"), |b| {
            b.iter(|| {
                at = (at + 1) % limbs.len();
                plans[at].fwd(&mut limbs[at]);
            });
        });
    }
    // Own kernels on the widest primes alone.
    let special: Vec<usize> = (ring.q_count()..ring.moduli()).collect();
    let mut limbs: Vec<_> = special.iter().map(|i| limb(ring.modulus(*i).q)).collect();
    let mut at = 0;
    c.bench_function("ntt/forward 50 bits", |b| {
        b.iter(|| {
            at = (at + 1) % limbs.len();
            ring.ntt(special[at]).forward(&mut limbs[at]);
        });
    });
}

fn key_switch(c: &mut Criterion, setup: &Setup) {
    for limbs in [6, 10, 16, 24] {
        let shape = setup.shape(limbs);
        let keys = [(KeyName::Rotation(1), shape), (KeyName::Relinearization, shape)];
        let eval = setup.evaluator(&keys);
        let ct = setup.encrypt(limbs - 1);
        let name =
            |what: &str| format!("{what}/{limbs} limbs {} special {} digits", shape.special, shape.digits());
        c.bench_function(&name("rotate"), |b| b.iter(|| eval.rotate(black_box(&ct), 1).unwrap()));
        c.bench_function(&name("hoist"), |b| b.iter(|| eval.hoist(black_box(&ct)).unwrap()));
        let hoisted = eval.hoist(&ct).unwrap();
        c.bench_function(&name("rotate_hoisted"), |b| {
            b.iter(|| eval.rotate_hoisted(black_box(&hoisted), 1).unwrap());
        });
        c.bench_function(&name("rotate_hoisted_ext"), |b| {
            b.iter(|| eval.rotate_hoisted_ext(black_box(&hoisted), 1).unwrap());
        });
        let ext = eval.rotate_hoisted_ext(&hoisted, 1).unwrap();
        c.bench_function(&name("giant_ext"), |b| b.iter(|| eval.giant_ext(black_box(&ext), 1).unwrap()));
        let product = eval.mul(&ct, &ct).unwrap();
        c.bench_function(&name("tensor"), |b| b.iter(|| eval.mul(black_box(&ct), &ct).unwrap()));
        c.bench_function(&name("relinearize_rescale"), |b| {
            b.iter(|| eval.relinearize_rescale(black_box(&product)).unwrap());
        });
        c.bench_function(&name("rescale"), |b| b.iter(|| eval.rescale(black_box(&ct)).unwrap()));
    }
}

fn accumulate(c: &mut Criterion, setup: &Setup) {
    let eval = setup.evaluator(&[(KeyName::Rotation(1), setup.shape(10))]);
    let hoisted = eval.hoist(&setup.encrypt(9)).unwrap();
    let special = hoisted.shape().special;
    let slots = setup.params.slots();
    for (name, values) in [("full", vec![0.5; slots]), ("periodic 2^10", vec![0.5; 1 << 10])] {
        let terms: Vec<(ExtCiphertext, Plaintext)> = (0..16)
            .map(|i| {
                let ext = eval.rotate_hoisted_ext(&hoisted, i % 2).unwrap();
                (ext, setup.encoder.encode_ext(&values, 9, special, SCALE).unwrap())
            })
            .collect();
        c.bench_function(&format!("mul_acc_ext/10+{special} limbs 16 terms {name}"), |b| {
            b.iter(|| eval.mul_acc_ext(terms.iter().map(|(c, p)| (c, p))).unwrap());
        });
        let cts: Vec<_> = (0..16).map(|_| setup.encrypt(9)).collect();
        c.bench_function(&format!("mul_acc/10 limbs 16 terms {name}"), |b| {
            b.iter(|| eval.mul_acc(cts.iter().zip(terms.iter().map(|t| &t.1))).unwrap());
        });
    }
}

fn encode(c: &mut Criterion, setup: &Setup) {
    let values: Vec<Complex64> =
        (0..setup.params.slots()).map(|i| Complex64::new((i as f64).sin(), 0.0)).collect();
    for (name, log) in [("full", 15), ("periodic 2^12", 12), ("periodic 2^8", 8)] {
        c.bench_function(&format!("encode/10 limbs {name}"), |b| {
            b.iter(|| setup.encoder.encode(black_box(&values[..1 << log]), 9, SCALE).unwrap());
        });
    }
}

fn all(c: &mut Criterion) {
    let setup = Setup::new();
    ring(c, &setup);
    key_switch(c, &setup);
    accumulate(c, &setup);
    encode(c, &setup);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = all
}
criterion_main!(benches);
