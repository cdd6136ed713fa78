//! Measures kernels, operations and bootstraps at N = 2^16 and writes them as a table.
//!
//! `cargo bench -p fhec-ckks --bench results [-- --quick --out PATH]`

mod common;
mod report;

use clap::Parser;
use common::{Session, ThreadClock, Yardstick, random_slots, rms_bits};
use fhec_ckks::KeyName;
use fhec_ckks::bootstrap::{BootstrapCircuit, BootstrapDesign, DesignRequest, KernelCosts};
use fhec_ckks::cipher::{Ciphertext, SecretEncryptor};
use fhec_ckks::encoding::{Encoder, Plaintext};
use fhec_ckks::eval::Evaluator;
use fhec_ckks::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use fhec_ckks::params::{Parameters, ParametersLiteral};
use report::{Report, Row};
use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const SCALE: f64 = (1u64 << 40) as f64;
/// Samples of a row, and CPU seconds of one.
const SAMPLES: usize = 9;
const SAMPLE_SECONDS: f64 = 0.05;
/// Timed bootstraps per row; one more comes first and fills the pool of buffers.
const BOOTSTRAPS: usize = 3;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Times operations of the engine at N = 2^16 and writes a Markdown table.
#[derive(Parser)]
struct Options {
    /// Leave out the bootstraps (5 GB of keys, minutes).
    #[arg(long)]
    quick: bool,
    /// Where to write.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/RESULTS.md"))]
    out: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Times operations and collects rows.
struct Lab {
    two: rayon::ThreadPool,
    yardstick: Yardstick,
    report: Report,
}

impl Lab {
    /// `runs` samples of `repeats` runs of `f` each, in milliseconds a run: CPU time on this thread,
    /// where the engine is serial.
    fn alone(runs: usize, repeats: usize, f: &mut impl FnMut()) -> Vec<f64> {
        let sample = |_| {
            let clock = ThreadClock::start();
            (0..repeats).for_each(|_| f());
            clock.seconds() * 1e3 / repeats as f64
        };
        (0..runs).map(sample).collect()
    }

    /// As [`Lab::alone`], wall time with two threads.
    fn together(&self, runs: usize, repeats: usize, f: &mut (impl FnMut() + Send)) -> Vec<f64> {
        let sample = |_| {
            let start = Instant::now();
            self.two.install(|| (0..repeats).for_each(|_| f()));
            start.elapsed().as_secs_f64() * 1e3 / repeats as f64
        };
        (0..runs).map(sample).collect()
    }

    /// A row for `f`; with `shared`, on two threads as well. The first run is not timed.
    fn row<T>(
        &mut self,
        name: String,
        target: Option<f64>,
        shared: bool,
        mut f: impl FnMut() -> fhec_ckks::Result<T> + Send,
    ) -> Outcome<()> {
        f()?;
        let mut f = || drop(black_box(f()));
        let before = self.yardstick.measure();
        let once = Self::alone(1, 1, &mut f)[0] * 1e-3;
        let repeats = ((SAMPLE_SECONDS / once.max(1e-9)).ceil() as usize).max(1);
        let cpu = Self::alone(SAMPLES, repeats, &mut f);
        let yardstick = before.min(self.yardstick.measure());
        let wall = if shared { self.together(SAMPLES, repeats, &mut f) } else { Vec::new() };
        self.report.push(Row { name, cpu, wall, yardstick, target });
        Ok(())
    }
}

/// Keys, encoder and ciphertexts of one chain.
struct Setup {
    params: Parameters,
    encoder: Encoder,
    secret: SecretKey,
}

impl Setup {
    /// q_0 and the special primes of 50 bits, levels of 40: the chain of the `engine` bench.
    fn new() -> Outcome<Self> {
        let q: Vec<u32> = [50].into_iter().chain([40; 23]).collect();
        let params = Parameters::new(&ParametersLiteral::from_bits(16, &q, &[50; 8])?)?;
        let secret = SecretKey::generate(&params)?;
        Ok(Self { encoder: Encoder::new(&params), params, secret })
    }

    fn encrypt(&self, level: usize) -> Outcome<Ciphertext> {
        let plaintext = self.encoder.encode(&[0.5, 0.25], level, SCALE)?;
        Ok(SecretEncryptor::new(&self.secret).encrypt(&plaintext)?.expand(&self.params)?)
    }

    fn evaluator(&self, names: &[KeyName], level: usize) -> Outcome<Evaluator> {
        let generator = KeyGenerator::new(&self.secret);
        let shape = self.params.key_shape(level);
        let mut set = EvaluationKeySet::new(&self.params);
        for name in names {
            set.insert(*name, generator.key_with_shape(*name, shape)?)?;
        }
        Ok(Evaluator::new(Arc::new(set)))
    }
}

/// The engine's own transforms, cycling over 24 primes.
fn transforms(lab: &mut Lab) -> Outcome<()> {
    for bits in [40, 50] {
        let params = Parameters::new(&ParametersLiteral::from_bits(16, &[bits; 24], &[50, 50])?)?;
        let ring = params.ring();
        let limb = |q: u64| (0..ring.n() as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % q).collect();
        let mut limbs: Vec<Vec<u64>> = params.q().iter().map(|q| limb(*q)).collect();
        let mut at = 0;
        let mut next = || {
            at = (at + 1) % 24;
            at
        };
        lab.row(format!("NTT forward, {bits}-bit primes"), None, false, || {
            let at = next();
            ring.ntt(at).forward(&mut limbs[at]);
            Ok(())
        })?;
        lab.row(format!("NTT inverse, {bits}-bit primes"), None, false, || {
            let at = next();
            ring.ntt(at).inverse(&mut limbs[at]);
            Ok(())
        })?;
    }
    Ok(())
}

fn key_switches(lab: &mut Lab, setup: &Setup) -> Outcome<()> {
    for limbs in [6, 10, 16, 24] {
        let level = limbs - 1;
        let shape = setup.params.key_shape(level);
        let name = |what: &str| format!("{what}, {limbs} limbs");
        let target = match limbs {
            6 => Some(7.0),
            10 => Some(12.0),
            _ => None,
        };
        let eval = setup.evaluator(&[KeyName::Rotation(1), KeyName::Relinearization], level)?;
        let ct = setup.encrypt(level)?;
        let what = format!("rotate (K = {}, {} digits)", shape.special, shape.digits());
        lab.row(name(&what), target, true, || eval.rotate(black_box(&ct), 1))?;
        let hoisted = eval.hoist(&ct)?;
        lab.row(name("hoisted rotation, ModDown included"), None, true, || {
            eval.rotate_hoisted(black_box(&hoisted), 1)
        })?;
        lab.row(name("hoisted rotation, left over QP"), None, true, || {
            eval.rotate_hoisted_ext(black_box(&hoisted), 1)
        })?;
        let square = eval.square(&ct)?;
        lab.row(name("relinearise and rescale"), None, true, || {
            eval.relinearize_rescale(black_box(&square))
        })?;
    }
    Ok(())
}

/// Σ ct·pt of 16 terms.
fn accumulations(lab: &mut Lab, setup: &Setup) -> Outcome<()> {
    let slots = setup.params.slots();
    let eval = setup.evaluator(&[], 0)?;
    for (limbs, (what, period)) in
        [6, 10].into_iter().flat_map(|l| [("full", slots), ("periodic 2^10", 1 << 10)].map(|p| (l, p)))
    {
        let values = random_slots(1, period);
        let terms: Vec<(Ciphertext, Plaintext)> = (0..16)
            .map(|_| {
                let plaintext = setup.encoder.encode(&values, limbs - 1, SCALE)?;
                Ok((setup.encrypt(limbs - 1)?, plaintext))
            })
            .collect::<Outcome<_>>()?;
        lab.row(format!("multiply-accumulate, 16 {what} plaintexts, {limbs} limbs"), None, true, || {
            eval.mul_acc(terms.iter().map(|(c, p)| (c, p)))
        })?;
    }
    Ok(())
}

/// A bootstrap of 2^`log_slots` slots; its keys are dropped on return.
fn bootstrap(lab: &mut Lab, log_slots: u32, target: Option<f64>) -> Outcome<()> {
    let request = DesignRequest {
        log_n: 16,
        log_slots,
        levels: 12,
        level_bits: 40.0,
        precision: 19.0,
        key_bytes: Some(5_000_000_000),
    };
    let design = BootstrapDesign::search(&request, &KernelCosts::default())?;
    println!("2^{log_slots} slots: {:?}, keys {:.2} GB", design.spec, design.key_bytes as f64 / 1e9);
    let circuit = BootstrapCircuit::new(&design.parameters, &design.spec)?;
    let session = lab.two.install(|| Session::new(circuit))?;
    let slots = random_slots(u64::from(log_slots), 1 << log_slots);
    let ct = session.encrypt(&slots)?;
    let refreshed = session.bootstrapper.bootstrap(&session.eval, &ct)?;
    let bits = rms_bits(&session.errors(&slots, &refreshed)?);
    let mut run = || drop(black_box(session.bootstrapper.bootstrap(&session.eval, &ct)));
    let before = lab.yardstick.measure();
    let cpu = Lab::alone(BOOTSTRAPS, 1, &mut run);
    let yardstick = before.min(lab.yardstick.measure());
    let wall = lab.together(BOOTSTRAPS, 1, &mut run);
    let name = format!(
        "bootstrap, 2^{log_slots} real slots, 12 levels of 40 bits left ({bits:.1} bits rms, {:.1} GB of keys)",
        design.key_bytes as f64 / 1e9
    );
    lab.report.push(Row { name, cpu, wall, yardstick, target });
    Ok(())
}

fn main() -> Outcome<()> {
    // `cargo test --all-targets` runs benches too, without this.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("measures under `cargo bench` only");
        return Ok(());
    }
    let options = Options::parse();
    let two = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
    let mut lab = Lab { two, yardstick: Yardstick::new()?, report: Report::default() };
    transforms(&mut lab)?;
    let setup = Setup::new()?;
    key_switches(&mut lab, &setup)?;
    accumulations(&mut lab, &setup)?;
    drop(setup);
    if !options.quick {
        for (log_slots, target) in [(15, Some(3500.0)), (14, None), (12, None)] {
            bootstrap(&mut lab, log_slots, target)?;
        }
    }
    std::fs::write(&options.out, lab.report.to_string())?;
    println!("wrote {}", options.out.display());
    Ok(())
}
