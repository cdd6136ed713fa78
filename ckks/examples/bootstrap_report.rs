//! One full-size bootstrap at 128-bit security, measured. (prototype)
use fhec_ckks::bootstrap::{BootstrapCircuit, BootstrapSpec, Bootstrapper, EvalModSpec};
use fhec_ckks::cipher::{Decryptor, SecretEncryptor};
use fhec_ckks::encoding::Encoder;
use fhec_ckks::eval::Evaluator;
use fhec_ckks::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use fhec_ckks::params::{Parameters, ParametersLiteral};
use std::sync::Arc;
use std::time::Instant;

fn rss(key: &str) -> f64 {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    s.lines().find(|l| l.starts_with(key)).unwrap().split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()
        / 1e6
}

fn main() {
    let arg = |i: usize, d: f64| std::env::args().nth(i).map_or(d, |s| s.parse().unwrap());
    let r = arg(1, 10.0);
    let em = arg(2, 49.4);
    let cts = arg(3, 49.4);
    let special = arg(4, 9.0) as usize;
    let spec = BootstrapSpec {
        log_slots: 15,
        log_joined: 0,
        slots_to_coeffs: vec![5, 5, 5],
        residual_levels: 12,
        eval_mod: EvalModSpec::default(),
        coeffs_to_slots: vec![5, 5, 5],
        message_ratio: r,
        scale: 2f64.powi(40),
    };
    let parts = [(1, 50.0), (3, 34.0), (12, 40.0), (8, em), (3, cts)];
    let q: Vec<f64> = parts.iter().flat_map(|(count, width)| vec![*width; *count]).collect();
    let params =
        Parameters::new(&ParametersLiteral::from_widths(16, &q, &vec![50.0; special]).unwrap()).unwrap();
    println!(
        "log QP {:.1} security {:.1} top shape {:?}",
        params.log_qp(),
        params.security_bits(),
        params.key_shape(params.max_level())
    );
    let circuit = BootstrapCircuit::new(&params, &spec).unwrap();
    println!("{} keys, {:.2} GB", circuit.keys().len(), circuit.key_bytes() as f64 / 1e9);
    let secret = SecretKey::generate(&params).unwrap();
    let generator = KeyGenerator::new(&secret);
    let mut set = EvaluationKeySet::new(&params);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let t = Instant::now();
    pool.install(|| {
        for (name, shape) in circuit.keys() {
            set.insert(name, generator.key_with_shape(name, shape).unwrap()).unwrap();
        }
        for (name, key) in generator.encapsulation_keys(spec.top_level()).unwrap() {
            set.insert(name, key).unwrap();
        }
    });
    println!("keygen {:.1} s, rss {:.2}", t.elapsed().as_secs_f64(), rss("VmRSS"));
    let t = Instant::now();
    let boot = pool.install(|| Bootstrapper::new(circuit).unwrap());
    println!(
        "encode {:.1} s, {:.2} GB, rss {:.2}",
        t.elapsed().as_secs_f64(),
        boot.bytes() as f64 / 1e9,
        rss("VmRSS")
    );
    let eval = Evaluator::new(Arc::new(set));
    let encoder = Encoder::new(&params);
    let x: Vec<f64> = if arg(5, 0.0) > 0.0 {
        (0..1u64 << 15).map(|i| (0.7 * (i * i + 1) as f64).sin()).collect()
    } else {
        (0..1 << 15).map(|i| ((i * 7919 + i * i * 31) % 20011) as f64 / 10005.5 - 1.0).collect()
    };
    let _unused: Vec<f64> =
        (0..1 << 15).map(|i| ((i * 7919 + i * i * 31) % 20011) as f64 / 10005.5 - 1.0).collect();
    let pt = encoder.encode(&x, 3, spec.scale).unwrap();
    let ct = SecretEncryptor::new(&secret).encrypt(&pt).unwrap().expand(&params).unwrap();
    for round in 0..3 {
        let t = Instant::now();
        let out = boot.bootstrap(&eval, &ct).unwrap();
        println!(
            "one thread {:.3} s rss {:.2} peak {:.2}",
            t.elapsed().as_secs_f64(),
            rss("VmRSS"),
            rss("VmHWM")
        );
        let slots = Decryptor::new(&secret).decode_for_self(&encoder, &out).unwrap();
        let errors: Vec<f64> = slots.iter().zip(&x).map(|(a, b)| (a.re - b).abs()).collect();
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
        let worst = errors.iter().fold(0.0, |a: f64, b| a.max(*b));
        println!(
            "{round}: level {} scale {:.6} rms {:.2} worst {:.2}",
            out.level(),
            out.scale().log2(),
            -rms.log2(),
            -worst.log2()
        );
    }
    for _ in 0..2 {
        let t = Instant::now();
        pool.install(|| boot.bootstrap(&eval, &ct).unwrap());
        println!("two threads {:.3} s", t.elapsed().as_secs_f64());
    }
}
