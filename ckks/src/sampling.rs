//! Random residues and errors from ChaCha20 streams.

use crate::error::{CkksError, Result};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// A public or secret 256-bit seed.
pub(crate) type Seed = [u8; 32];

/// What a stream is used for; part of the nonce, so streams of one seed never overlap.
#[derive(Clone, Copy)]
pub(crate) enum Domain {
    /// The uniform halves of keys.
    Key = 1,
    /// The uniform half of a fresh ciphertext.
    Ciphertext = 2,
    /// Secret randomness: keys, errors, ephemeral values.
    Secret = 3,
}

const BUFFER: usize = 4096;

/// A ChaCha20 keystream read as little-endian words; its state is wiped on drop.
pub(crate) struct Prng {
    cipher: ChaCha20,
    buffer: Zeroizing<[u8; BUFFER]>,
    at: usize,
}

/// 32 bytes from the operating system.
pub(crate) fn os_seed() -> Result<Zeroizing<Seed>> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|e| CkksError::Random(e.to_string()))?;
    Ok(seed)
}

impl Prng {
    /// The stream of `seed` for (`domain`, `major`, `minor`).
    pub(crate) fn new(seed: &Seed, domain: Domain, major: u32, minor: u32) -> Self {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&(domain as u32).to_le_bytes());
        nonce[4..8].copy_from_slice(&major.to_le_bytes());
        nonce[8..].copy_from_slice(&minor.to_le_bytes());
        Self {
            cipher: ChaCha20::new(seed.into(), &nonce.into()),
            buffer: Zeroizing::new([0; BUFFER]),
            at: BUFFER,
        }
    }

    /// A stream for secrets, freshly seeded by the operating system.
    pub(crate) fn from_os() -> Result<Self> {
        Ok(Self::new(&*os_seed()?, Domain::Secret, 0, 0))
    }

    /// The next word of the keystream.
    #[inline]
    pub(crate) fn next_u64(&mut self) -> u64 {
        if self.at == BUFFER {
            self.buffer.fill(0);
            self.cipher.apply_keystream(self.buffer.as_mut());
            self.at = 0;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.buffer[self.at..][..8]);
        self.at += 8;
        u64::from_le_bytes(word)
    }

    /// Fills `limb` with uniform residues modulo q: words masked to q's width, rejected if ≥ q.
    /// The procedure is part of the wire format of seeded objects.
    pub(crate) fn fill_uniform(&mut self, limb: &mut [u64], q: u64) {
        let mask = u64::MAX >> q.leading_zeros();
        for x in limb {
            *x = loop {
                let candidate = self.next_u64() & mask;
                if candidate < q {
                    break candidate;
                }
            };
        }
    }

    /// A uniform element of {-1, 0, 1}, without a secret-dependent branch (bias below 2^-62).
    #[inline]
    pub(crate) fn ternary(&mut self) -> i8 {
        ((u128::from(self.next_u64()) * 3) >> 64) as i8 - 1
    }
}

/// Discrete Gaussian over the integers by inversion of a cumulative table, scanned in full for every
/// sample so that timing does not depend on the value. Truncated where the tail is below 2^-64
/// (about 9.4 σ).
pub(crate) struct Gaussian {
    /// thresholds[k] = 2^64·P(|x| > k), decreasing.
    thresholds: Vec<u64>,
}

impl Gaussian {
    /// Table for standard deviation `sigma`.
    pub(crate) fn new(sigma: f64) -> Self {
        let weight = |k: i32| {
            let rho = (-f64::from(k * k) / (2.0 * sigma * sigma)).exp();
            if k == 0 { rho } else { 2.0 * rho }
        };
        let bound = (9.4 * sigma).ceil() as i32;
        let total: f64 = (0..=bound).rev().map(weight).sum();
        let mut tail = 0.0;
        let mut thresholds: Vec<u64> = (1..=bound)
            .rev()
            .map(|k| {
                tail += weight(k);
                (tail / total * 2f64.powi(64)) as u64
            })
            .collect();
        thresholds.reverse();
        Self { thresholds }
    }

    /// One sample.
    #[inline]
    pub(crate) fn sample(&self, prng: &mut Prng) -> i64 {
        let uniform = prng.next_u64();
        let magnitude: i64 = self.thresholds.iter().map(|t| i64::from(uniform < *t)).sum();
        // One more word for the sign keeps the magnitude's 64 bits independent of it.
        let sign = -((prng.next_u64() & 1) as i64);
        (magnitude ^ sign) - sign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(words: impl IntoIterator<Item = i64>) -> String {
        let mut hasher = blake3::Hasher::new();
        words.into_iter().for_each(|w| {
            hasher.update(&w.to_le_bytes());
        });
        hasher.finalize().to_hex()[..32].to_string()
    }

    /// Seeded objects in files mean what they say only as long as these streams stay. Secret samples may change, but not
    /// unseen.
    #[test]
    fn streams_give_known_answers() {
        let seed: Seed = std::array::from_fn(|k| k as u8);
        let mut prng = Prng::new(&seed, Domain::Key, 1, 2);
        // The keystream of ChaCha20 (RFC 8439) for the nonce 1, 1, 2 in words.
        assert_eq!(prng.next_u64(), 0x18f7678a53af2fe3);
        let mut limb = vec![0; 1000];
        prng.fill_uniform(&mut limb, (1 << 40) + 15);
        let mut prng = Prng::new(&seed, Domain::Secret, 0, 0);
        let gaussian = Gaussian::new(3.19);
        let found = [
            digest(limb.iter().map(|x| *x as i64)),
            digest((0..1000).map(|_| i64::from(prng.ternary()))),
            digest((0..1000).map(|_| gaussian.sample(&mut prng))),
        ];
        assert_eq!(
            found,
            [
                "c5dc4aff3843be024921aa1d1da59662",
                "e0f00c1c8b3cf8d9d6cd154e9972b364",
                "19ed757080bc70caa630739753b34ba9"
            ]
        );
    }

    #[test]
    fn gaussian_has_the_right_moments_and_bound() {
        let gaussian = Gaussian::new(3.19);
        let mut prng = Prng::new(&[1; 32], Domain::Secret, 0, 0);
        let n = 400_000;
        let samples: Vec<i64> = (0..n).map(|_| gaussian.sample(&mut prng)).collect();
        let mean = samples.iter().sum::<i64>() as f64 / f64::from(n);
        let square = |x: &i64| (x * x) as f64;
        let sigma = (samples.iter().map(square).sum::<f64>() / f64::from(n)).sqrt();
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((sigma - 3.19).abs() < 0.02, "{sigma}");
        assert!(samples.iter().all(|x| x.abs() <= 30));
        let zeros = samples.iter().filter(|x| **x == 0).count() as f64 / f64::from(n);
        assert!((zeros - 0.12506).abs() < 0.003, "{zeros}");
    }

    #[test]
    fn uniform_and_ternary_are_balanced_and_streams_differ() {
        let mut prng = Prng::new(&[2; 32], Domain::Key, 0, 0);
        let q = (1 << 40) + 15;
        let mut limb = vec![0; 20_000];
        prng.fill_uniform(&mut limb, q);
        assert!(limb.iter().all(|x| *x < q));
        let mean = limb.iter().map(|x| *x as f64).sum::<f64>() / 20_000.0 / q as f64;
        assert!((mean - 0.5).abs() < 0.02);
        let mut counts = [0; 3];
        (0..30_000).for_each(|_| counts[(prng.ternary() + 1) as usize] += 1);
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
        let first = |domain, major, minor| Prng::new(&[2; 32], domain, major, minor).next_u64();
        let words = [
            first(Domain::Key, 0, 0),
            first(Domain::Key, 0, 1),
            first(Domain::Key, 1, 0),
            first(Domain::Ciphertext, 0, 0),
            Prng::from_os().unwrap().next_u64(),
        ];
        (1..5).for_each(|i| assert!(!words[..i].contains(&words[i])));
    }
}
