//! Every path of bootstrapping on small insecure rings.

use super::*;
use crate::cipher::{Decryptor, SecretEncryptor};
use crate::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use crate::noise::Estimate;
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
        let bootstrapper = Bootstrapper::new(circuit).unwrap();
        assert_eq!(bootstrapper.bytes(), bootstrapper.circuit().matrix_bytes());
        Self { encoder, secret, bootstrapper, eval, params }
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
        let real = slots.iter().zip(expected.iter().cycle()).map(|(a, b)| (a - b).re.powi(2)).sum::<f64>();
        let real = -0.5 * (real / slots.len() as f64).log2();
        println!(
            "rms {:.2} worst {:.2} bits; real {real:.2}, carried {:.2}, predicted {:.2}",
            -rms.log2(),
            -worst.log2(),
            ct.precision_bits(),
            self.bootstrapper
                .circuit()
                .estimate(Estimate { variance: 10.0, message: 1.0 })
                .rms_bits(SCALE, self.params.n()),
        );
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
    run(12, 10.0, 6, &[4, 4, 3], 50.0, 2);
    run(14, 10.0, 6, &[5, 4, 4], 50.0, 2);
    run(14, 13.0, 6, &[5, 4, 4], 50.0, 2);
}

#[test]
#[ignore]
fn searched() {
    for (log_n, log_slots, levels, precision) in
        [(16, 15, 12, 19.0), (16, 15, 12, 20.0), (16, 14, 12, 19.0), (16, 12, 12, 19.0), (15, 14, 3, 15.0)]
    {
        let t = std::time::Instant::now();
        let request = DesignRequest {
            log_n,
            log_slots,
            levels,
            level_bits: 40.0,
            precision,
            key_bytes: Some(5_600_000_000),
        };
        match BootstrapDesign::search(&request, &KernelCosts::default()) {
            Ok(d) => println!(
                "{:?}\n{:.1} s: {:.2} bits, {:.2} s, {:.2} GB, log QP {:.0}, shape {:?}",
                d.spec,
                t.elapsed().as_secs_f64(),
                d.precision,
                d.seconds,
                d.key_bytes as f64 / 1e9,
                d.parameters.log_qp(),
                d.parameters.key_shape(99)
            ),
            Err(e) => println!("{e} {:.1} s", t.elapsed().as_secs_f64()),
        }
    }
}
