//! Every path of bootstrapping on small insecure rings; the report example does the full size.

use super::*;
use crate::cipher::{Decryptor, SecretEncryptor};
use crate::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use crate::noise::Estimate;
use crate::params::{Parameters, insecure_test_literal};
use crate::ring::pow_mod;
use crate::wire::Serializable;
use num_complex::Complex64;
use std::sync::Arc;

const SCALE: f64 = (1u64 << 40) as f64;
const LOG_N: u32 = 10;

struct Bench {
    params: Parameters,
    secret: SecretKey,
    encoder: Encoder,
    bootstrapper: Bootstrapper,
    eval: Evaluator,
}

/// The chain of a spec in the widths that the search uses.
fn chain(spec: &BootstrapSpec, special: f64) -> Parameters {
    let p: Vec<f64> = [special].into_iter().chain([50.0; 5]).collect();
    insecure_test_literal(&spec.literal(LOG_N, [50.0, 34.0, 40.0, 49.4, 49.0], &p).unwrap()).unwrap()
}

fn spec(log_joined: u32, low: &[u32], high: &[u32]) -> BootstrapSpec {
    BootstrapSpec {
        log_slots: high.iter().sum(),
        log_joined,
        slots_to_coeffs: low.to_vec(),
        residual_levels: 2,
        eval_mod: EvalModSpec::default(),
        coeffs_to_slots: high.to_vec(),
        message_ratio: 9.0,
        scale: SCALE,
    }
}

/// All keys of `circuit` but `without`.
fn keys(secret: &SecretKey, circuit: &BootstrapCircuit, without: Option<KeyName>) -> EvaluationKeySet {
    let mut set = EvaluationKeySet::new(circuit.parameters());
    let generator = KeyGenerator::new(secret);
    for (name, shape) in circuit.keys() {
        set.insert(name, generator.key_with_shape(name, shape).unwrap()).unwrap();
    }
    for (name, key) in generator.encapsulation_keys(circuit.spec().top_level()).unwrap() {
        set.insert(name, key).unwrap();
    }
    let kept = set.iter().filter(|(name, _)| Some(*name) != without);
    kept.fold(EvaluationKeySet::new(circuit.parameters()), |mut kept, (name, key)| {
        let bytes = key.bytes();
        assert_eq!(bytes, circuit.parameters().key_bytes(&key.shape()));
        kept.insert_shared(name, Arc::clone(key)).unwrap();
        kept
    })
}

impl Bench {
    fn new(spec: &BootstrapSpec) -> Self {
        let params = chain(spec, 50.0);
        let circuit = BootstrapCircuit::new(&params, spec).unwrap();
        let secret = SecretKey::generate(&params).unwrap();
        let set = keys(&secret, &circuit, None);
        assert_eq!(set.bytes(), circuit.key_bytes());
        let eval = Evaluator::new(Arc::new(set));
        let encoder = Encoder::new(&params);
        let bootstrapper = Bootstrapper::new(circuit).unwrap();
        assert_eq!(bootstrapper.bytes(), bootstrapper.circuit().matrix_bytes());
        Self { encoder, secret, bootstrapper, eval, params }
    }

    fn encrypt(&self, values: &[Complex64], level: usize, scale: f64) -> Ciphertext {
        let plaintext = self.encoder.encode(values, level, scale).unwrap();
        SecretEncryptor::new(&self.secret).encrypt(&plaintext).unwrap().expand(&self.params).unwrap()
    }

    /// The slots of `ct` are those expected, as precisely as `ct` says, to a bit.
    fn check(&self, ct: &Ciphertext, expected: &[Complex64], scale: f64) {
        let spec = self.bootstrapper.circuit().spec();
        assert_eq!(ct.level(), spec.output_level());
        assert_eq!(ct.scale(), scale);
        let slots = Decryptor::new(&self.secret).decode_for_self(&self.encoder, ct).unwrap();
        let square: f64 = slots.iter().zip(expected.iter().cycle()).map(|(a, b)| (a - b).re.powi(2)).sum();
        let bits = -0.5 * (square / slots.len() as f64).log2();
        assert!((bits - ct.precision_bits()).abs() < 1.0, "{bits:.2}, carried {:.2}", ct.precision_bits());
        assert!(bits > 16.0, "{bits:.2} bits");
        if scale == SCALE {
            let fresh = Estimate { variance: 10.0, message: 1.0 };
            let predicted = self.bootstrapper.circuit().estimate(fresh).rms_bits(scale, self.params.n());
            assert!((bits - predicted).abs() < 1.0, "{bits:.2}, predicted {predicted:.2}");
        }
    }
}

fn reals(n: usize, seed: f64) -> Vec<Complex64> {
    (0..n).map(|i| Complex64::new((seed * (i * i + 1) as f64).sin(), 0.0)).collect()
}

#[test]
fn dense_real_complex_and_paired() {
    let t = Bench::new(&spec(0, &[3, 3, 3], &[5, 4]));
    let n = t.params.slots();
    let x = reals(n, 0.7);
    for level in [t.params.max_level(), 3] {
        let ct = t.encrypt(&x, level, SCALE);
        let out = t.bootstrapper.bootstrap(&t.eval, &ct).unwrap();
        t.check(&out, &x, SCALE);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        assert_eq!(pool.install(|| t.bootstrapper.bootstrap(&t.eval, &ct)).unwrap(), out);
    }
    let low = t.bootstrapper.bootstrap(&t.eval, &t.encrypt(&x, 3, SCALE / 4.0)).unwrap();
    t.check(&low, &x, SCALE / 4.0);
    let y = reals(n, 1.3);
    let complex: Vec<_> = x.iter().zip(&y).map(|(x, y)| Complex64::new(x.re, y.re)).collect();
    let out = t.bootstrapper.bootstrap_complex(&t.eval, &t.encrypt(&complex, 3, SCALE)).unwrap();
    t.check(&out, &complex, SCALE);
    let turned: Vec<_> = complex.iter().map(|z| Complex64::new(-z.im, z.re)).collect();
    t.check(&t.eval.mul_by_i(&out).unwrap(), &turned, SCALE);
    let [a, b] = [t.encrypt(&x, 3, SCALE), t.encrypt(&y, 4, SCALE)];
    let [a, b] = t.bootstrapper.bootstrap_pair(&t.eval, &a, &b).unwrap();
    t.check(&a, &x, SCALE);
    t.check(&b, &y, SCALE);
}

#[test]
fn sparse_slots_after_a_trace() {
    let t = Bench::new(&spec(0, &[4, 3], &[3, 4]));
    assert_eq!(t.bootstrapper.circuit().trace_steps().collect::<Vec<_>>(), [128, 256]);
    let (x, y) = (reals(128, 0.9), reals(128, 1.7));
    let out = t.bootstrapper.bootstrap(&t.eval, &t.encrypt(&x, 2, SCALE)).unwrap();
    t.check(&out, &x, SCALE);
    let [a, b] = [t.encrypt(&x, 2, SCALE), t.encrypt(&y, 3, SCALE)];
    let [a, b] = t.bootstrapper.bootstrap_pair(&t.eval, &a, &b).unwrap();
    t.check(&a, &x, SCALE);
    t.check(&b, &y, SCALE);
    let few = Bench::new(&spec(0, &[2, 2], &[2, 2]));
    let x = reals(16, 0.4);
    let out = few.bootstrapper.bootstrap(&few.eval, &few.encrypt(&x, 2, SCALE)).unwrap();
    few.check(&out, &x, SCALE);
    // Slots that do not repeat: each gets the mean of those that should be the same.
    let uneven: Vec<Complex64> = (0..4).flat_map(|k| x.iter().map(move |x| x * f64::from(k) / 3.0)).collect();
    let mean: Vec<Complex64> = x.iter().map(|x| x / 2.0).collect();
    let out = few.bootstrapper.bootstrap(&few.eval, &few.encrypt(&uneven, 2, SCALE)).unwrap();
    few.check(&out, &mean, SCALE);
}

#[test]
fn sparse_ciphertexts_joined() {
    let t = Bench::new(&spec(2, &[3, 3], &[4, 4]));
    let parts: Vec<_> = (0..4).map(|i| reals(64, 0.3 + f64::from(i))).collect();
    let cts: Vec<_> = parts.iter().map(|x| t.encrypt(x, 2, SCALE)).collect();
    let out = t.bootstrapper.bootstrap_joined(&t.eval, &cts).unwrap();
    t.check(&out, &parts.concat(), SCALE);
    let wrong = t.bootstrapper.bootstrap_joined(&t.eval, &cts[1..]);
    assert!(matches!(wrong, Err(BootstrapError::Joined { expected: 4, found: 3 })));
    let wrong = t.bootstrapper.bootstrap(&t.eval, &cts[0]);
    assert!(matches!(wrong, Err(BootstrapError::Joined { expected: 4, found: 1 })));
}

/// The error of the operation that failed.
fn failure<T>(result: Result<T>) -> CkksError {
    match result {
        Err(BootstrapError::Engine(error)) => error,
        Err(refusal) => panic!("{refusal}"),
        Ok(_) => panic!("no failure"),
    }
}

#[test]
fn bad_operands_and_missing_keys_are_typed_errors() {
    let t = Bench::new(&spec(0, &[4, 3], &[3, 4]));
    let x = reals(128, 0.9);
    let refresh = |ct: &Ciphertext| failure(t.bootstrapper.bootstrap(&t.eval, ct));
    assert!(matches!(refresh(&t.encrypt(&x, 1, SCALE)), CkksError::LevelExhausted { level: 1, .. }));
    assert!(matches!(refresh(&t.encrypt(&x, 2, 2.0 * SCALE)), CkksError::ScaleMismatch { .. }));
    let ct = t.encrypt(&x, 2, SCALE);
    assert!(matches!(refresh(&t.eval.mul(&ct, &ct).unwrap()), CkksError::ScaleMismatch { .. }));
    let three = t.eval.mul(&ct, &ct).unwrap();
    assert!(matches!(t.eval.mod_raise(&three, 3), Err(CkksError::Degree { .. })));
    assert!(matches!(t.eval.mod_raise(&ct, 3), Err(CkksError::LevelMismatch { .. })));
    for name in [
        KeyName::DenseToSparse,
        KeyName::SparseToDense,
        KeyName::Conjugation,
        KeyName::Relinearization,
        KeyName::Rotation(128),
    ] {
        let set = keys(&t.secret, t.bootstrapper.circuit(), Some(name));
        let eval = Evaluator::new(Arc::new(set));
        let error = failure(t.bootstrapper.bootstrap(&eval, &ct));
        assert!(matches!(error, CkksError::MissingKey { key, .. } if key == name), "{name}: {error}");
    }
    let other = Bench::new(&spec(0, &[4, 3], &[4, 3]));
    assert_eq!(other.params.id(), t.params.id());
    let foreign = Bench::new(&spec(0, &[3, 3, 3], &[5, 4]));
    let error = failure(foreign.bootstrapper.bootstrap(&foreign.eval, &ct));
    assert!(matches!(error, CkksError::ParametersMismatch { .. }));
    // Another secret's ciphertext decrypts to nothing sensible, but nothing panics.
    assert!(t.bootstrapper.bootstrap(&t.eval, &other.encrypt(&x, 2, SCALE)).is_ok());
}

#[test]
fn keys_survive_a_file_and_bad_encapsulation_is_refused() {
    let t = Bench::new(&spec(0, &[4, 3], &[3, 4]));
    let set = t.eval.keys();
    let bytes = set.to_bytes(&t.params).unwrap();
    assert_eq!(EvaluationKeySet::from_bytes(&t.params, &bytes).unwrap(), **set);
    let admits = |name, shape: KeyShape| t.params.admits_key(name, &shape);
    let top = t.params.max_level();
    assert!(admits(KeyName::DenseToSparse, KeyShape::dense_to_sparse()));
    assert!(admits(KeyName::SparseToDense, KeyShape::sparse_to_dense(top)));
    // The sparse secret is safe modulo q_0·p_0 alone: no wider key for it exists.
    assert!(!admits(KeyName::DenseToSparse, KeyShape { level: 1, ..KeyShape::dense_to_sparse() }));
    assert!(!admits(KeyName::DenseToSparse, KeyShape { special: 2, ..KeyShape::dense_to_sparse() }));
    assert!(!admits(KeyName::DenseToSparse, t.params.key_shape(top)));
    assert!(!admits(KeyName::SparseToDense, KeyShape::sparse_to_dense(top + 1)));
    assert!(!admits(KeyName::SparseToDense, t.params.key_shape(top)));
    assert!(!admits(KeyName::Rotation(1), KeyShape::sparse_to_dense(top)));
    let generator = KeyGenerator::new(&t.secret);
    let shape = t.params.key_shape(top);
    for name in [KeyName::DenseToSparse, KeyName::SparseToDense] {
        let alone = generator.key_with_shape(name, shape);
        assert!(matches!(alone, Err(CkksError::BadKeyShape { .. })));
    }
    assert!(matches!(generator.encapsulation_keys(top + 1), Err(CkksError::BadKeyShape { .. })));
}

#[test]
fn impossible_circuits_are_refused_by_reason() {
    use BootstrapError as E;
    let good = spec(0, &[4, 3], &[3, 4]);
    let params = chain(&good, 50.0);
    assert!(BootstrapCircuit::new(&params, &good).is_ok());
    let refuse = |change: &dyn Fn(&mut BootstrapSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        match BootstrapCircuit::new(&params, &spec) {
            Err(E::Engine(other)) => panic!("{other}"),
            Err(error) => error,
            Ok(_) => panic!("accepted {spec:?}"),
        }
    };
    assert!(matches!(refuse(&|s| s.log_slots = 10), E::Slots { max: 9, .. }));
    assert!(matches!(refuse(&|s| s.log_slots = 0), E::Slots { .. }));
    assert!(matches!(refuse(&|s| s.log_joined = 7), E::Slots { .. }));
    assert!(matches!(refuse(&|s| s.slots_to_coeffs = vec![3, 3]), E::Stages { log_slots: 7, .. }));
    assert!(matches!(refuse(&|s| s.coeffs_to_slots = vec![7, 0]), E::Stages { .. }));
    assert!(matches!(refuse(&|s| s.coeffs_to_slots = vec![u32::MAX, 8]), E::Stages { .. }));
    assert!(matches!(refuse(&|s| s.eval_mod.degree = 31), E::EvalMod(_)));
    assert!(matches!(refuse(&|s| s.eval_mod.bound = 0), E::EvalMod(_)));
    assert!(matches!(refuse(&|s| s.eval_mod.bound = 7), E::EvalMod(_)), "fewer intervals than coefficients");
    assert!(matches!(refuse(&|s| s.eval_mod.doublings = 40), E::EvalMod(_)));
    assert!(matches!(refuse(&|s| s.eval_mod.bound = 8), E::Overflow { bound: 8, .. }));
    assert!(matches!(refuse(&|s| (s.eval_mod.bound, s.eval_mod.degree) = (1, 4)), E::Overflow { .. }));
    assert!(matches!(refuse(&|s| s.message_ratio = f64::NAN), E::Ratio(_)));
    assert!(matches!(refuse(&|s| s.scale = f64::INFINITY), E::Scale(_)));
    assert!(matches!(refuse(&|s| s.residual_levels = 3), E::Levels { .. }));
    // p_0 four bits below q_0.
    let narrow = chain(&good, 46.0);
    let refused = BootstrapCircuit::new(&narrow, &good);
    assert!(matches!(refused, Err(E::Encapsulation { .. })));
}

/// What `bootstrap::overflow` says of the multiples of q_0: they vary like a sum of 32 uniform variables that is rounded,
/// not of 33.
#[test]
fn raised_coefficients_are_rounded_sums_of_as_many_variables_as_the_secret_has_weight() {
    let spec = spec(0, &[4, 3], &[3, 4]);
    let params = chain(&spec, 50.0);
    let (secret, ring) = (SecretKey::generate(&params).unwrap(), params.ring());
    let mut set = EvaluationKeySet::new(&params);
    for (name, key) in KeyGenerator::new(&secret).encapsulation_keys(params.max_level()).unwrap() {
        set.insert(name, key).unwrap();
    }
    let eval = Evaluator::new(Arc::new(set));
    let zero = Encoder::new(&params).encode(&[0.0], 0, SCALE).unwrap();
    let (q0, q1) = (params.q()[0], params.q()[1]);
    let centred = |x: u64, q: u64| if x > q / 2 { x as i64 - q as i64 } else { x as i64 };
    let inverse = pow_mod(q0 % q1, q1 - 2, q1);
    let (mut count, mut square, mut largest) = (0, 0, 0);
    for _ in 0..512 {
        let ct = SecretEncryptor::new(&secret).encrypt(&zero).unwrap().expand(&params).unwrap();
        let raised = eval.mod_raise(&ct, params.max_level()).unwrap();
        let mut message = Decryptor::new(&secret).decrypt_for_self(&raised).unwrap().poly;
        (0..2).for_each(|i| ring.ntt(i).inverse(message.limb_mut(i)));
        for (low, high) in message.limb(0).iter().zip(message.limb(1)) {
            let difference = (*high as i64 - centred(*low, q0)).rem_euclid(q1 as i64) as u64;
            let multiple =
                centred((u128::from(difference) * u128::from(inverse) % u128::from(q1)) as u64, q1);
            (count, square, largest) = (count + 1, square + multiple * multiple, largest.max(multiple.abs()));
        }
    }
    let variance = square as f64 / f64::from(count);
    assert!(largest < 14 && (variance - 33.0 / 12.0).abs() < 0.5 / 12.0, "{variance}, {largest}");
}

#[test]
fn extreme_circuits_are_built_or_refused() {
    for (bound, degree, doublings) in [
        (1, 2, 0),
        (1, 4, 6),
        (1, 126, 0),
        (64, 2, 0),
        (64, 126, 6),
        (64, 126, 0),
        (31, 124, 3),
        (32, 126, 1),
    ] {
        for message_ratio in [1.0, 40.0] {
            let mut spec = spec(0, &[4, 3], &[3, 4]);
            spec.eval_mod = EvalModSpec { bound, degree, doublings };
            spec.message_ratio = message_ratio;
            for scale in [1.0, SCALE, 2f64.powi(62)] {
                spec.scale = scale;
                let built = BootstrapCircuit::new(&chain(&spec, 50.0), &spec);
                let refused = built.is_err_and(|e| !matches!(e, BootstrapError::Engine(_)));
                assert_eq!(refused, degree > 4 * bound as usize || bound == 1);
            }
        }
    }
}

#[test]
fn the_search_meets_its_request_or_says_why_not() {
    let mut request = DesignRequest {
        log_n: 15,
        log_slots: 14,
        levels: 3,
        level_bits: 38.0,
        precision: 15.0,
        key_bytes: Some(4_000_000_000),
    };
    let costs = KernelCosts::default();
    let design = BootstrapDesign::search(&request, &costs).unwrap();
    assert!(design.precision >= 15.0 && design.key_bytes <= 4_000_000_000);
    assert!(design.parameters.security_bits() >= 128.0 && design.parameters.log_n() == 15);
    assert_eq!(design.spec.residual_levels, 3);
    let circuit = BootstrapCircuit::new(&design.parameters, &design.spec).unwrap();
    let again = (circuit.seconds(&costs), circuit.key_bytes());
    assert_eq!(again, (design.seconds, design.key_bytes));
    // What a designer keeps from other requests changes nothing.
    let mut designer = Designer::new(&costs);
    let other = designer.search(&DesignRequest { levels: 2, ..request }).unwrap();
    assert!(other.spec.residual_levels == 2 && other.seconds <= design.seconds);
    let same = designer.search(&request).unwrap();
    assert_eq!((same.parameters, same.spec), (design.parameters, design.spec));
    assert_eq!((same.precision, same.seconds), (design.precision, design.seconds));
    request.levels = 12;
    let refused = BootstrapDesign::search(&request, &costs).unwrap_err();
    let BootstrapError::NoDesign { log_n, levels, level_bits, precision, best } = refused else {
        panic!("{refused}");
    };
    assert_eq!((log_n, levels, level_bits), (15, 12, 38.0));
    assert_eq!((precision, best), (15.0, f64::NEG_INFINITY));
    request.log_slots = 15;
    assert!(BootstrapDesign::search(&request, &costs).is_err());
}
