//! Clocks, the yardstick and a session with a bootstrap, shared by the `results` bench and the
//! `bootstrap_report` example.

use fhec_ckks::bootstrap::{BootstrapCircuit, BootstrapError, Bootstrapper};
use fhec_ckks::cipher::{Ciphertext, Decryptor, SecretEncryptor};
use fhec_ckks::encoding::Encoder;
use fhec_ckks::eval::Evaluator;
use fhec_ckks::keys::{EvaluationKeySet, KeyGenerator, SecretKey};
use fhec_ckks::params::ntt_primes;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;
use tfhe_ntt::prime64::Plan;

/// CPU time of a thread from its creation on.
pub(crate) struct ThreadClock {
    start: Instant,
    before: f64,
}

impl ThreadClock {
    /// Starts measuring this thread.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), before: cpu_seconds().unwrap_or(0.0) }
    }

    /// Seconds this thread has run since; wall time elsewhere than on Linux.
    pub(crate) fn seconds(&self) -> f64 {
        cpu_seconds().map_or_else(|| self.start.elapsed().as_secs_f64(), |now| now - self.before)
    }
}

fn cpu_seconds() -> Option<f64> {
    // The scheduler accounts for a thread when it gives way, else only at its ticks.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns * 1e-9)
}

/// A forward transform of tfhe-ntt at N = 2^16, cycling over 24 primes below 2^50: what makes figures
/// of different machines comparable.
pub(crate) struct Yardstick {
    plans: Vec<Plan>,
    limbs: Vec<Vec<u64>>,
}

impl Yardstick {
    /// Prepares tables and limbs.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let primes = ntt_primes(50, 16, 24, &[])?;
        let plan = |p: &u64| Plan::try_new(1 << 16, *p).ok_or("no plan");
        let limb = |p: &u64| (0..1u64 << 16).map(|i| i * i * 977 % p).collect();
        Ok(Self {
            plans: primes.iter().map(plan).collect::<Result<_, _>>()?,
            limbs: primes.iter().map(limb).collect(),
        })
    }

    /// Least microseconds of CPU time of several rounds.
    pub(crate) fn measure(&mut self) -> f64 {
        const ROUNDS: usize = 15;
        let round = |_| {
            let clock = ThreadClock::start();
            self.plans.iter().zip(&mut self.limbs).for_each(|(plan, limb)| plan.fwd(limb));
            clock.seconds() / self.plans.len() as f64 * 1e6
        };
        (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
    }
}

/// Uniform values in [-1, 1] from a counter, by SplitMix64.
pub(crate) fn random_slots(seed: u64, count: usize) -> Vec<f64> {
    let word = |i: u64| {
        let mut z =
            seed.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) >> 11
    };
    (0..count as u64).map(|i| word(i + 1) as f64 / (1u64 << 52) as f64 - 1.0).collect()
}

/// A secret key with everything to bootstrap under it.
pub(crate) struct Session {
    secret: SecretKey,
    encoder: Encoder,
    /// Holds the bootstrap's keys.
    pub(crate) eval: Evaluator,
    /// The bootstrap.
    pub(crate) bootstrapper: Bootstrapper,
}

impl Session {
    /// Generates the keys of `circuit` and encodes its matrices.
    pub(crate) fn new(circuit: BootstrapCircuit) -> Result<Self, BootstrapError> {
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

    /// Encrypts at the level and scale the bootstrap takes.
    pub(crate) fn encrypt(&self, slots: &[f64]) -> fhec_ckks::Result<Ciphertext> {
        let spec = self.bootstrapper.circuit().spec();
        let plaintext = self.encoder.encode(slots, spec.input_level(), spec.scale)?;
        SecretEncryptor::new(&self.secret).encrypt(&plaintext)?.expand(self.encoder.parameters())
    }

    /// Every slot's error.
    pub(crate) fn errors(&self, slots: &[f64], refreshed: &Ciphertext) -> fhec_ckks::Result<Vec<f64>> {
        let found = Decryptor::new(&self.secret).decode_for_self(&self.encoder, refreshed)?;
        Ok(slots.iter().zip(found).map(|(x, y)| (y.re - x).abs()).collect())
    }
}

/// −log2 of the root mean square of `errors`.
pub(crate) fn rms_bits(errors: &[f64]) -> f64 {
    -(errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt().log2()
}
