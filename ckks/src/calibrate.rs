//! Measures the kernels of this machine: the table that prices operations.
//!
//! Each kernel runs as operations run it: transforms cycle over the limbs and tables of a chain, keys are larger than
//! the last-level cache, plaintexts are short and stay in a cache. Of several runs the fastest counts, since other
//! programs only ever slow one down.

use crate::cost::KernelCosts;
use crate::encoding::Encoder;
use crate::error::Result;
use crate::params::{Parameters, ParametersLiteral};
use crate::ring::{AddendOver, Digits, KeyRow, Limbs, Multiplicand, Ring, RnsPoly, rotation_element};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The ring of the table.
const LOG_N: u32 = 16;
/// Ciphertext and special primes, and limbs of a digit: those of a ciphertext half-way between two bootstraps.
const Q_LIMBS: usize = 12;
const SPECIAL: usize = 6;
const DIGIT_LIMBS: usize = 6;
/// Keys to stream: 52 MB each.
const KEYS: usize = 4;
/// Polynomials to add: 9 MB each.
const COLD: u64 = 16;
/// Plaintexts multiplied with each rotation.
const PRODUCTS: usize = 16;
/// log2 of the words of these plaintexts.
const SHORT: u32 = 13;
/// Runs of a kernel at most, and after which time no other one starts.
const RUNS: usize = 30;
const PATIENCE: Duration = Duration::from_millis(400);

/// What [`measure`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// The kernels on one thread.
    pub kernels: KernelCosts,
    /// How many times faster `threads` threads together are.
    pub speedup: f64,
    /// Threads.
    pub threads: usize,
}

/// Measures the kernels on one thread, and how much faster `threads` threads are. Takes a few seconds and 0.5 GB.
///
/// # Errors
/// None on a ring that the engine admits, as this one.
pub fn measure(threads: usize) -> Result<Calibration> {
    let lab = Lab::new()?;
    let product = lab.product();
    let read = (lab.rotations(&[]) / (KEYS * 2 * 2 * lab.limbs()) as f64).max(product);
    let kernels = KernelCosts {
        ntt: lab.transform(),
        product,
        conversion: lab.conversion(),
        read,
        add: lab.addition(),
        embed: lab.embedding()?,
        reduce: lab.reduction(),
    };
    // Each thread does all of the work; what they lose to each other is the memory.
    let alone = lab.mixture();
    let together = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(|| lab.mixture())).collect();
        all.into_iter().map(|one| one.join().unwrap_or(f64::INFINITY)).fold(0.0, f64::max)
    });
    let speedup = (threads as f64 * alone / together).clamp(1.0, threads.max(1) as f64);
    Ok(Calibration { kernels, speedup, threads })
}

/// Microseconds of this thread in the fastest of several runs.
fn fastest(mut run: impl FnMut()) -> f64 {
    run();
    let begin = Instant::now();
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let (start, before) = (Instant::now(), thread_time());
        run();
        let time = before.zip(thread_time()).map_or(start.elapsed(), |(before, after)| after - before);
        least = least.min(time.as_secs_f64() * 1e6);
        if begin.elapsed() > PATIENCE {
            break;
        }
    }
    least
}

/// Time this thread has run; None where the system does not tell.
fn thread_time() -> Option<Duration> {
    // The scheduler accounts for a thread when it gives way, else only at its ticks.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

struct Lab {
    params: Parameters,
    /// A ciphertext and its decomposition.
    parts: [RnsPoly; 2],
    digits: Digits,
    keys: Vec<Vec<KeyRow>>,
    /// More than caches hold.
    cold: Vec<RnsPoly>,
    shorts: Vec<RnsPoly>,
}

impl Lab {
    fn new() -> Result<Self> {
        let q: Vec<u32> = [50].into_iter().chain([40; Q_LIMBS - 1]).collect();
        let params = Parameters::new(&ParametersLiteral::from_bits(LOG_N, &q, &[50; SPECIAL])?)?;
        let ring = params.ring();
        let parts = [0, 1].map(|k| filled(ring, ring.uninit(Q_LIMBS, 0), k));
        let digits = ring.mod_up(&parts[1], SPECIAL, DIGIT_LIMBS);
        let polynomial = |k| filled(ring, ring.uninit(Q_LIMBS, SPECIAL), k);
        let row = |k: usize| KeyRow::new(ring, &polynomial(2 * k as u64), &polynomial(2 * k as u64 + 1));
        let keys =
            (0..KEYS).map(|k| (0..digits.len()).map(|j| row(k * digits.len() + j)).collect()).collect();
        let short = |k| filled(ring, ring.uninit_short(1 << SHORT, Q_LIMBS, SPECIAL), k);
        let shorts = (0..PRODUCTS as u64).map(short).collect();
        let cold = (0..COLD).map(polynomial).collect();
        Ok(Self { parts, digits, keys, cold, shorts, params })
    }

    fn ring(&self) -> &Ring {
        self.params.ring()
    }

    fn limbs(&self) -> usize {
        Q_LIMBS + SPECIAL
    }

    /// Rotations by all keys, each multiplied with the given plaintexts: microseconds.
    fn rotations(&self, plaintexts: &[RnsPoly]) -> f64 {
        fastest(|| self.rotate(plaintexts))
    }

    fn rotate(&self, plaintexts: &[RnsPoly]) {
        let ring = self.ring();
        let rotations: Vec<_> = self
            .keys
            .iter()
            .enumerate()
            .map(|(k, rows)| Some((&rows[..], rotation_element(ring.n(), 1 << k))))
            .collect();
        // One sum per plaintext, over all rotations; one empty sum makes the rotations alone.
        let sum = |p| (0..KEYS).map(|k| (k, Multiplicand::InForm(p))).collect();
        let mut groups: Vec<Vec<(usize, Multiplicand<'_>)>> = plaintexts.iter().map(sum).collect();
        if groups.is_empty() {
            groups.push(vec![]);
        }
        let [c0, c1] = &self.parts;
        let addend = AddendOver::Q([Some(c0), Some(c1)]);
        black_box(ring.rotated_sums((c1, &self.digits), addend, &rotations, &groups));
    }

    fn product(&self) -> f64 {
        let (all, half) = (&self.shorts[..], &self.shorts[..PRODUCTS / 2]);
        let products = (PRODUCTS / 2 * KEYS * 2 * self.limbs()) as f64;
        (self.rotations(all) - self.rotations(half)).max(0.0) / products
    }

    fn transform(&self) -> f64 {
        let ring = self.ring();
        let mut x = filled(ring, ring.uninit(Q_LIMBS, SPECIAL), 7);
        let run = || {
            for (i, limb) in x.limbs_mut().into_iter().enumerate() {
                ring.ntt(i).forward(limb);
            }
            for (i, limb) in x.limbs_mut().into_iter().enumerate() {
                ring.ntt(i).inverse(limb);
            }
        };
        fastest(run) / (2 * self.limbs()) as f64
    }

    fn conversion(&self) -> f64 {
        let ring = self.ring();
        let converter = ring.converter(Limbs { start: 0, end: DIGIT_LIMBS, special: 0 });
        let ys: Vec<&[u64]> = (0..DIGIT_LIMBS).map(|i| self.parts[0].limb(i)).collect();
        let targets = self.limbs() - DIGIT_LIMBS;
        let mut out = ring.uninit(targets, 0);
        let run = || {
            let limbs = out.limbs_mut().into_iter().enumerate();
            converter.convert(
                ring.all_moduli(),
                &ys,
                limbs.map(|(i, limb)| (DIGIT_LIMBS + i, limb)).collect(),
            );
        };
        fastest(run) / (DIGIT_LIMBS * targets) as f64
    }

    fn addition(&self) -> f64 {
        let ring = self.ring();
        let mut sum = filled(ring, ring.uninit(Q_LIMBS, SPECIAL), 8);
        let all = &self.cold;
        fastest(|| all.iter().for_each(|x| ring.add_assign(&mut sum, x))) / (all.len() * self.limbs()) as f64
    }

    /// Encoding on one limb, less the work on that limb.
    fn embedding(&self) -> Result<f64> {
        let encoder = Encoder::new(&self.params);
        let slots: Vec<f64> = (0..self.params.slots()).map(|i| (0.7 * i as f64).sin()).collect();
        encoder.encode(&slots, 0, 2f64.powi(40))?;
        let whole = fastest(|| drop(black_box(encoder.encode(&slots, 0, 2f64.powi(40)))));
        Ok((whole - self.transform() - self.reduction()).max(0.0))
    }

    fn reduction(&self) -> f64 {
        let ring = self.ring();
        let small: Vec<i64> = (0..ring.n() as i64).map(|i| (i - 1000) * 0x0123_4567).collect();
        let mut x = ring.uninit(Q_LIMBS, SPECIAL);
        let run = || {
            for (i, limb) in x.limbs_mut().into_iter().enumerate() {
                crate::ring::simd::reduce_signed(ring.modulus(i), limb, &small);
            }
        };
        fastest(run) / self.limbs() as f64
    }

    /// A mixture as in a convolution: a decomposition, rotations with products, and a ModDown of both parts.
    fn mixture(&self) -> f64 {
        let ring = self.ring();
        fastest(|| {
            black_box(ring.mod_up(&self.parts[1], SPECIAL, DIGIT_LIMBS));
            self.rotate(&self.shorts);
            self.cold[..2].iter().for_each(|x| drop(black_box(ring.mod_down_ref(x, 1))));
        })
    }
}

/// Residues that differ.
fn filled(ring: &Ring, mut poly: RnsPoly, seed: u64) -> RnsPoly {
    let q_limbs = poly.q_limbs();
    for (i, limb) in poly.limbs_mut().into_iter().enumerate() {
        let q = ring.modulus(ring.index(q_limbs, i)).q;
        let mut x = seed.wrapping_add(i as u64);
        limb.fill_with(|| {
            x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
            (x >> 8) % q
        });
    }
    poly
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_takes_time() {
        let Calibration { kernels, speedup, threads } = measure(1).unwrap();
        let KernelCosts { ntt, product, conversion, read, add, embed, reduce } = kernels;
        for time in [ntt, conversion, read, add, embed, reduce, speedup] {
            assert!(time.is_finite() && time > 0.0, "{kernels:?} {speedup}");
        }
        assert!(product >= 0.0 && threads == 1);
    }
}
