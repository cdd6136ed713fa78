//! Full-size bootstraps at 128-bit security: time, precision, memory.
//!
//! `cargo run --release -p fhec-ckks --example bootstrap_report -- --help`

use clap::Parser;
use fhec_ckks::KeyName;
use fhec_ckks::bootstrap::{BootstrapCircuit, BootstrapDesign, DesignRequest, KernelCosts};
use std::error::Error;
use std::time::Instant;

#[path = "../benches/common/mod.rs"]
mod common;

use common::{Session, ThreadClock, Yardstick, random_slots, rms_bits};

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

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let say = |text: String| {
        if !options.json {
            println!("{text}");
        }
    };
    let reference = Yardstick::new()?.measure();
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
        let (start, clock) = (Instant::now(), ThreadClock::start());
        let refreshed = if options.count > 2 && round % 2 == 1 {
            let refreshed = two.install(|| session.bootstrapper.bootstrap(&session.eval, &ct))?;
            wall = wall.min(start.elapsed().as_secs_f64());
            refreshed
        } else {
            let refreshed = session.bootstrapper.bootstrap(&session.eval, &ct)?;
            cpu = cpu.min(clock.seconds());
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
    let rms = rms_bits(&errors);
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
            rms,
            -worst.log2(),
            carried,
        );
        return Ok(());
    }
    println!(
        "{} bootstraps of {slots} slots: {:.2} bits rms (predicted {carried:.2}), {:.2} the worst slot\n\
         one thread {cpu:.2} s, two threads {wall:.2} s; peak memory {:.2} GB; tfhe-ntt {reference:.0} µs",
        errors.len() / slots,
        rms,
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
