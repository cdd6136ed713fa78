//! Full-size bootstraps at 128-bit security: time, precision, memory.
//!
//! `cargo run --release -p fhec-ckks --example bootstrap_report -- --help`

use clap::Parser;
use fhec_ckks::KeyName;
use fhec_ckks::bootstrap::{BootstrapCircuit, BootstrapDesign, Bootstrapper, DesignRequest, KernelCosts};
use fhec_ckks::cipher::{Ciphertext, Decryptor, SecretEncryptor};
use fhec_ckks::encoding::Encoder;
use fhec_ckks::eval::Evaluator;
use fhec_ckks::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use fhec_ckks::params::ntt_primes;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

/// Designs a parameter set, generates keys and measures bootstraps of random real slots.
#[derive(Parser)]
struct Options {
    /// log2 of the ring degree N.
    #[arg(long, default_value_t = 16)]
    log_n: u32,
    /// log2 of the number of slots [default: log2 N - 1].
    #[arg(long)]
    log_slots: Option<u32>,
    /// Levels left after the bootstrap.
    #[arg(long, default_value_t = 12)]
    levels: usize,
    /// Bits of a level, and of the scale.
    #[arg(long, default_value_t = 40.0)]
    level_bits: f64,
    /// Precision to design for, in bits rms.
    #[arg(long, default_value_t = 19.0)]
    precision: f64,
    /// Most gigabytes of keys.
    #[arg(long, default_value_t = 5.0)]
    key_gb: f64,
    /// Bootstraps whose precision is measured, each of fresh random slots.
    #[arg(long, default_value_t = 2)]
    count: usize,
    /// Print a histogram of all slots' errors.
    #[arg(long)]
    histogram: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Kilobytes of a field of /proc/self/status, in bytes; 0 elsewhere than on Linux.
fn status_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Seconds this thread has run; wall time elsewhere than on Linux.
fn thread_seconds(start: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |ns| ns * 1e-9)
}

/// Microseconds of a forward transform of tfhe-ntt at N = 2^16, cycling over 24 primes: the yardstick
/// that makes figures of different machines comparable.
fn reference_ntt() -> Result<f64, Box<dyn Error>> {
    const ROUNDS: usize = 10;
    let primes = ntt_primes(49, 16, 24, &[])?;
    let plans: Vec<_> = primes
        .iter()
        .map(|p| tfhe_ntt::prime64::Plan::try_new(1 << 16, *p).ok_or("no plan"))
        .collect::<Result<_, _>>()?;
    let mut limbs: Vec<Vec<u64>> =
        primes.iter().map(|p| (0..1u64 << 16).map(|i| i * i * 977 % p).collect()).collect();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        plans.iter().zip(&mut limbs).for_each(|(plan, limb)| plan.fwd(limb));
        best = best.min(start.elapsed().as_secs_f64() / plans.len() as f64);
    }
    Ok(best * 1e6)
}

/// Uniform values in [-1, 1] from a counter, by SplitMix64.
fn random_slots(seed: u64, count: usize) -> Vec<f64> {
    let word = |i: u64| {
        let mut z =
            seed.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) >> 11
    };
    (0..count as u64).map(|i| word(i + 1) as f64 / (1u64 << 52) as f64 - 1.0).collect()
}

struct Session {
    secret: SecretKey,
    encoder: Encoder,
    eval: Evaluator,
    bootstrapper: Bootstrapper,
}

impl Session {
    fn new(circuit: BootstrapCircuit) -> fhec_ckks::Result<Self> {
        let params = circuit.parameters().clone();
        let secret = SecretKey::generate(&params)?;
        let generator = KeyGenerator::new(&secret);
        let mut keys = EvaluationKeySet::new(&params);
        for (name, shape) in circuit.keys() {
            keys.insert(name, generator.key_with_shape(name, shape)?)?;
        }
        for (name, key) in generator.encapsulation_keys(params.max_level())? {
            keys.insert(name, key)?;
        }
        let bootstrapper = Bootstrapper::new(circuit)?;
        Ok(Self {
            encoder: Encoder::new(&params),
            eval: Evaluator::new(Arc::new(keys)),
            bootstrapper,
            secret,
        })
    }

    fn encrypt(&self, slots: &[f64]) -> fhec_ckks::Result<Ciphertext> {
        let spec = self.bootstrapper.circuit().spec();
        let plaintext = self.encoder.encode(slots, spec.input_level(), spec.scale)?;
        SecretEncryptor::new(&self.secret).encrypt(&plaintext)?.expand(self.encoder.parameters())
    }

    fn errors(&self, slots: &[f64], refreshed: &Ciphertext) -> fhec_ckks::Result<Vec<f64>> {
        let found = Decryptor::new(&self.secret).decode_for_self(&self.encoder, refreshed)?;
        Ok(slots.iter().zip(found).map(|(x, y)| (y.re - x).abs()).collect())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let say = |text: String| {
        if !options.json {
            println!("{text}");
        }
    };
    let reference = reference_ntt()?;
    let request = DesignRequest {
        log_n: options.log_n,
        log_slots: options.log_slots.unwrap_or(options.log_n.saturating_sub(1)),
        levels: options.levels,
        level_bits: options.level_bits,
        precision: options.precision,
        key_bytes: Some((options.key_gb * 1e9) as usize),
    };
    let start = Instant::now();
    let design = BootstrapDesign::search(&request, &KernelCosts::default())?;
    let params = design.parameters.clone();
    let top = params.key_shape(params.max_level());
    say(format!(
        "designed in {:.1} s: N = 2^{}, {} limbs + {} special primes in {} digits, log QP {:.1}, {:.1} bits of \
         security\n{:?}\npredicted: {:.2} bits, {:.2} s on one thread; keys {:.2} GB",
        start.elapsed().as_secs_f64(),
        params.log_n(),
        top.q_limbs(),
        top.special,
        top.digits(),
        params.log_qp(),
        params.security_bits(),
        design.spec,
        design.precision,
        design.seconds,
        design.key_bytes as f64 / 1e9,
    ));
    let two = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
    let start = Instant::now();
    let circuit = BootstrapCircuit::new(&params, &design.spec)?;
    let rotations = circuit.keys().iter().filter(|(name, _)| matches!(name, KeyName::Rotation(_))).count();
    let session = two.install(|| Session::new(circuit))?;
    let matrices = session.bootstrapper.bytes() as f64 / 1e9;
    say(format!(
        "set up in {:.1} s: {rotations} rotation keys, {matrices:.2} GB of matrices",
        start.elapsed().as_secs_f64()
    ));

    let slots = 1 << request.log_slots;
    let mut errors = Vec::with_capacity(options.count * slots);
    let (mut cpu, mut wall) = (f64::INFINITY, f64::INFINITY);
    let mut carried = f64::INFINITY;
    // A first one fills the pool of buffers.
    for round in 0..options.count.max(2) {
        let x = random_slots(round as u64, slots);
        let ct = session.encrypt(&x)?;
        // Precision on both kinds of run; times of the last, which find their buffers in the pool.
        let (start, before) = (Instant::now(), thread_seconds(Instant::now()));
        let refreshed = if options.count > 2 && round % 2 == 1 {
            let refreshed = two.install(|| session.bootstrapper.bootstrap(&session.eval, &ct))?;
            wall = wall.min(start.elapsed().as_secs_f64());
            refreshed
        } else {
            let refreshed = session.bootstrapper.bootstrap(&session.eval, &ct)?;
            cpu = cpu.min(thread_seconds(start) - before);
            refreshed
        };
        carried = refreshed.precision_bits();
        errors.extend(session.errors(&x, &refreshed)?);
        if options.count <= 2 {
            let start = Instant::now();
            two.install(|| session.bootstrapper.bootstrap(&session.eval, &ct))?;
            wall = wall.min(start.elapsed().as_secs_f64());
        } else if round % 10 == 9 {
            say(format!("{} bootstraps", round + 1));
        }
    }
    let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    let worst = errors.iter().fold(0.0, |a: f64, b| a.max(*b));
    let peak = status_bytes("VmHWM");
    if options.json {
        println!(
            "{{\"n\": {}, \"slots\": {slots}, \"log_qp\": {:.1}, \"levels_left\": {}, \"level_bits\": {}, \
             \"rms_bits\": {:.2}, \"worst_bits\": {:.2}, \"predicted_bits\": {:.2}, \"cpu_seconds\": {cpu:.3}, \
             \"wall_seconds_2\": {wall:.3}, \"peak_rss_bytes\": {peak}, \"reference_ntt_us\": {reference:.1}}}",
            params.n(),
            params.log_qp(),
            options.levels,
            options.level_bits,
            -rms.log2(),
            -worst.log2(),
            carried,
        );
        return Ok(());
    }
    println!(
        "{} bootstraps of {slots} slots: {:.2} bits rms (predicted {carried:.2}), {:.2} the worst slot\n\
         one thread {cpu:.2} s, two threads {wall:.2} s; peak memory {:.2} GB; tfhe-ntt {reference:.0} µs",
        errors.len() / slots,
        -rms.log2(),
        -worst.log2(),
        peak as f64 / 1e9,
    );
    if options.histogram {
        print_histogram(&errors);
    }
    Ok(())
}

/// Errors by half bits.
fn print_histogram(errors: &[f64]) {
    let mut counts = std::collections::BTreeMap::new();
    for error in errors {
        let bucket = (-2.0 * error.max(2f64.powi(-40)).log2()).floor() as i64;
        *counts.entry(bucket).or_insert(0u64) += 1;
    }
    println!("bits right  slots");
    for (bucket, count) in counts {
        let share = count as f64 / errors.len() as f64;
        println!(
            "{:>10.1}  {count:>9}  {}",
            bucket as f64 / 2.0,
            "#".repeat((share * 200.0).ceil() as usize)
        );
    }
}
