//! Every path of bootstrapping on small insecure rings.

use super::*;
use crate::cipher::{Decryptor, SecretEncryptor};
use crate::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use crate::params::{Parameters, ParametersLiteral, insecure_test_literal};
use num_complex::Complex64;
use std::sync::Arc;

const SCALE: f64 = (1u64 << 40) as f64;

struct Bench {
    params: Parameters,
    secret: SecretKey,
    encoder: Encoder,
    bootstrapper: Bootstrapper,
    eval: Evaluator,
}

/// Chain of a spec: all-IFMA widths.
fn chain(log_n: u32, spec: &BootstrapSpec) -> Parameters {
    let parts = [
        (1, 49.0),
        (spec.slots_to_coeffs.len(), 34.0),
        (spec.residual_levels, 40.0),
        (spec.eval_mod.levels(), 49.4),
        (spec.coeffs_to_slots.len(), 49.0),
    ];
    let q: Vec<f64> = parts.iter().flat_map(|(count, width)| vec![*width; *count]).collect();
    let literal = ParametersLiteral::from_widths(log_n, &q, &[50.0; 6]).unwrap();
    insecure_test_literal(&literal).unwrap()
}

fn spec(log_slots: u32, log_joined: u32, low: &[u32], high: &[u32]) -> BootstrapSpec {
    BootstrapSpec {
        log_slots,
        log_joined,
        slots_to_coeffs: low.to_vec(),
        residual_levels: 2,
        eval_mod: EvalModSpec::default(),
        coeffs_to_slots: high.to_vec(),
        message_ratio: 9.0,
        scale: SCALE,
    }
}

impl Bench {
    fn new(log_n: u32, spec: &BootstrapSpec) -> Self {
        Self::with(chain(log_n, spec), spec)
    }

    fn with(params: Parameters, spec: &BootstrapSpec) -> Self {
        let circuit = BootstrapCircuit::new(&params, spec).unwrap();
        let secret = SecretKey::generate(&params).unwrap();
        let mut set = EvaluationKeySet::new(&params);
        let generator = KeyGenerator::new(&secret);
        for (name, shape) in circuit.keys() {
            set.insert(name, generator.key_with_shape(name, shape).unwrap()).unwrap();
        }
        for (name, key) in generator.encapsulation_keys(spec.top_level()).unwrap() {
            set.insert(name, key).unwrap();
        }
        assert_eq!(set.bytes(), circuit.key_bytes());
        let eval = Evaluator::new(Arc::new(set));
        let encoder = Encoder::new(&params);
        Self { encoder, secret, bootstrapper: Bootstrapper::new(circuit).unwrap(), eval, params }
    }

    fn encrypt(&self, values: &[Complex64], level: usize) -> Ciphertext {
        let plaintext = self.encoder.encode(values, level, SCALE).unwrap();
        SecretEncryptor::new(&self.secret).encrypt(&plaintext).unwrap().expand(&self.params).unwrap()
    }

    /// -log2 of the rms and of the largest error.
    fn check(&self, ct: &Ciphertext, expected: &[Complex64], rms_bits: f64) {
        let spec = self.bootstrapper.circuit().spec();
        assert_eq!(ct.level(), spec.output_level());
        assert!((ct.scale() / SCALE - 1.0).abs() < 1e-9, "scale 2^{}", ct.scale().log2());
        let slots = Decryptor::new(&self.secret).decode_for_self(&self.encoder, ct).unwrap();
        let errors: Vec<f64> =
            slots.iter().zip(expected.iter().cycle()).map(|(a, b)| (a - b).norm()).collect();
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
        let worst = errors.iter().fold(0.0, |a: f64, b| a.max(*b));
        println!("rms {:.2} worst {:.2} bits", -rms.log2(), -worst.log2());
        assert!(-rms.log2() > rms_bits, "{:.2} bits", -rms.log2());
    }
}

fn reals(n: usize, seed: f64) -> Vec<Complex64> {
    (0..n).map(|i| Complex64::new((seed * (i * i + 1) as f64).sin(), 0.0)).collect()
}

#[test]
fn dense_real_complex_and_paired() {
    let t = Bench::new(10, &spec(9, 0, &[3, 3, 3], &[5, 4]));
    let n = t.params.slots();
    let x = reals(n, 0.7);
    for level in [t.params.max_level(), 3] {
        let out = t.bootstrapper.bootstrap(&t.eval, &t.encrypt(&x, level)).unwrap();
        t.check(&out, &x, 17.0);
    }
    let y = reals(n, 1.3);
    let complex: Vec<_> = x.iter().zip(&y).map(|(x, y)| Complex64::new(x.re, y.re)).collect();
    t.check(&t.bootstrapper.bootstrap_complex(&t.eval, &t.encrypt(&complex, 3)).unwrap(), &complex, 17.0);
    let [a, b] = t.bootstrapper.bootstrap_pair(&t.eval, &t.encrypt(&x, 3), &t.encrypt(&y, 4)).unwrap();
    t.check(&a, &x, 17.0);
    t.check(&b, &y, 17.0);
}

#[test]
#[ignore]
fn experiment() {
    let run = |log_n: u32, r: f64, special: usize, low: &[u32], a: f64, res: usize| {
        let mut s = spec(low.iter().sum(), 0, low, low);
        s.message_ratio = r;
        s.residual_levels = res;
        let parts = [(1, a), (3, 34.0), (res, 40.0), (s.eval_mod.levels(), 49.4), (low.len(), 49.4)];
        let q: Vec<f64> = parts.iter().flat_map(|(count, width)| vec![*width; *count]).collect();
        let literal = ParametersLiteral::from_widths(log_n, &q, &vec![50.0; special]).unwrap();
        let params = insecure_test_literal(&literal).unwrap();
        let t = Bench::with(params, &s);
        let x = reals(1 << s.log_slots, 0.7);
        println!("n {log_n} r {r} special {special} {low:?} a {a}");
        let out = t.bootstrapper.bootstrap(&t.eval, &t.encrypt(&x, 3)).unwrap();
        t.check(&out, &x, 0.0);
    };
    run(16, 10.0, 9, &[5, 5, 5], 50.0, 12);
}

#[test]
#[ignore]
fn simulated() {
    use crate::poly::{Basis, Polynomial, PolynomialPlan};
    for (a, degree, doublings, r, em) in [
        (0.0, 30usize, 3u32, 10.0, 49.4),
        (0.1, 30, 3, 10.0, 49.4),
        (0.25, 30, 3, 10.0, 49.4),
        (0.5, 30, 3, 10.0, 49.4),
        (1.0, 30, 3, 10.0, 49.4),
        (1.5, 30, 3, 10.0, 49.4),
        (0.0, 28, 3, 10.0, 49.4),
        (0.0, 46, 2, 10.0, 49.4),
        (0.5, 46, 2, 10.0, 49.4),
    ] {
        let mut s = spec(15, 0, &[5, 5, 5], &[5, 5, 5]);
        s.eval_mod = EvalModSpec { bound: 15, degree, doublings };
        let parts = [(1, 50.0), (3, 34.0), (2, 40.0), (s.eval_mod.levels(), em), (3, 49.4)];
        let q: Vec<f64> = parts.iter().flat_map(|(count, width)| vec![*width; *count]).collect();
        let params =
            insecure_test_literal(&ParametersLiteral::from_widths(16, &q, &[50.0; 6]).unwrap()).unwrap();
        let fit = sine::Cosine::fit(15, r, doublings, degree);
        let q = |l: usize| params.q()[l] as f64;
        let gain = sine_gain(r);
        let mut scale = SCALE * r.exp2() * gain / (2.0 * PI);
        for i in 0..doublings as usize {
            scale = (2.0 * scale * q(s.output_level() + 1 + i)).sqrt();
        }
        let input = q(s.eval_mod_level()) * f64::exp2(a);
        let p = Polynomial::new(Basis::Chebyshev, fit.coefficients.clone()).unwrap();
        let plan = PolynomialPlan::new(&params, &p, s.eval_mod_level(), input, scale).unwrap();
        let mut state = 1u64;
        let mut unit = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / 2f64.powi(53)
        };
        let n = 65536.0f64;
        let sigma = (n / 18.0 * n / 2.0).sqrt();
        let count = 20000;
        let mut sum = 0.0;
        let mut worst: f64 = 0.0;
        for _ in 0..count {
            let i = (0..33).map(|_| unit() - 0.5).sum::<f64>().round();
            let z = 2.0 * unit() - 1.0;
            let t = i + z * (-r).exp2();
            let x = (t - 0.25) / fit.range;
            let mut gauss = || {
                let (u, v) = (unit() + 1e-18, unit());
                sigma * (-2.0 * u.ln()).sqrt() * (2.0 * PI * v).cos()
            };
            let mut y = plan.simulate(&params, x + gauss() / input * 1.414, &mut gauss);
            let mut sc = scale;
            for d in (0..doublings as usize).rev() {
                sc = sc * sc / q(s.output_level() + 1 + d) / 2.0;
                y = 2.0 * y * y - 1.0 + gauss() / sc;
            }
            let e = y * r.exp2() * gain / (2.0 * PI) - z;
            sum += e * e;
            worst = worst.max(e.abs());
        }
        println!(
            "a {a} degree {degree} rho {doublings} r {r} em {em}: rms {:.2} worst {:.2} relins {} fit {:.1} rounding {:.1} powers {:?} poly scale {:.2}",
            -(sum / count as f64).sqrt().log2(),
            -worst.log2(),
            plan.relinearizations(),
            fit.error.log2(),
            plan.rounding_error().log2(),
            plan.powers(),
            scale.log2()
        );
    }
}
