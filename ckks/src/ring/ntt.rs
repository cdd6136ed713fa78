//! Negacyclic NTT of one limb.
//!
//! Word i of the transform is a(ψ^(2·brv(i)+1)), brv the bit reversal of log2 N bits and ψ the
//! primitive 2N-th root of [`super::root`], which is the one `tfhe-ntt` uses. Two consequences are
//! used throughout: the root for a shorter ring of degree N' is ψ^(N/N'), so the transform of
//! b(X^g) is the short transform of b with every word repeated g = N/N' times; and order and root
//! are part of the wire format ([`crate::params::Parameters::id`] names them "ntt1").

use super::modulus::{Modulus, Shoup};
use super::root::primitive_root;
use super::simd;
use tfhe_ntt::prime64::Plan;

/// Shortest transform `tfhe-ntt` offers.
pub(crate) const MIN_LOG_N: u32 = 4;

enum Engine {
    /// Own IFMA kernels.
    #[cfg(target_arch = "x86_64")]
    Ifma(Box<simd::NttTables>),
    /// Own AVX2 kernels, where IFMA is missing.
    #[cfg(target_arch = "x86_64")]
    Avx2(Box<simd::NttAvx2Tables>),
    /// `tfhe-ntt`: portable, with AVX2 and AVX-512 paths of its own.
    Portable(Box<Plan>),
}

/// Tables of one (modulus, ring degree) pair.
pub struct NttTable {
    engine: Engine,
    modulus: Modulus,
    n_inv: Shoup,
}

impl NttTable {
    /// Tables for degree 2^`log_n` ≥ 16; `None` if q has no 2N-th root of unity.
    pub(crate) fn new(modulus: Modulus, log_n: u32) -> Option<Self> {
        let n_inv = modulus.shoup(modulus.inv(1 << log_n));
        #[cfg(target_arch = "x86_64")]
        if modulus.ifma || modulus.avx2 {
            let psi = primitive_root(&modulus, log_n)?;
            if let Some(tables) = simd::NttTables::new(&modulus, 1 << log_n, psi) {
                return Some(Self { engine: Engine::Ifma(Box::new(tables)), modulus, n_inv });
            }
            let tables = simd::NttAvx2Tables::new(&modulus, 1 << log_n, psi);
            if let Some(tables) = tables.filter(|_| !modulus.ifma) {
                return Some(Self { engine: Engine::Avx2(Box::new(tables)), modulus, n_inv });
            }
        }
        let plan = Plan::try_new(1 << log_n, modulus.q)?;
        Some(Self { engine: Engine::Portable(Box::new(plan)), modulus, n_inv })
    }

    /// Coefficients → evaluations, in place; input and output below q.
    pub fn forward(&self, limb: &mut [u64]) {
        match &self.engine {
            #[cfg(target_arch = "x86_64")]
            Engine::Ifma(tables) => tables.forward(limb, None),
            #[cfg(target_arch = "x86_64")]
            Engine::Avx2(tables) => tables.forward(limb, None),
            Engine::Portable(plan) => plan.fwd(limb),
        }
    }

    /// Coefficients `source` → evaluations `limb`.
    pub(crate) fn forward_from(&self, limb: &mut [u64], source: &[u64]) {
        match &self.engine {
            #[cfg(target_arch = "x86_64")]
            Engine::Ifma(tables) => tables.forward(limb, Some(source)),
            #[cfg(target_arch = "x86_64")]
            Engine::Avx2(tables) => tables.forward(limb, Some(source)),
            Engine::Portable(plan) => {
                limb.copy_from_slice(source);
                plan.fwd(limb);
            }
        }
    }

    /// Evaluations → coefficients, in place.
    pub fn inverse(&self, limb: &mut [u64]) {
        self.inverse_scaled(limb, None, self.n_inv);
    }

    /// N^-1·c as the constant for [`Self::inverse_scaled`].
    pub(crate) fn scaled_by(&self, c: u64) -> Shoup {
        self.modulus.shoup(self.modulus.mul(self.n_inv.w, c % self.modulus.q))
    }

    /// Evaluations `source` (or `limb` itself) → coefficients times c, at no extra cost; `factor` from
    /// [`Self::scaled_by`].
    pub(crate) fn inverse_scaled(&self, limb: &mut [u64], source: Option<&[u64]>, factor: Shoup) {
        match &self.engine {
            #[cfg(target_arch = "x86_64")]
            Engine::Ifma(tables) => tables.inverse_scaled(limb, source, factor),
            #[cfg(target_arch = "x86_64")]
            Engine::Avx2(tables) => tables.inverse_scaled(limb, source, factor),
            Engine::Portable(plan) => {
                if let Some(source) = source {
                    limb.copy_from_slice(source);
                }
                plan.inv(limb);
                simd::mul_const_assign(&self.modulus, limb, factor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ntt_primes;

    #[test]
    fn the_root_is_that_of_tfhe_ntt() {
        for bits in [20, 33, 40, 50] {
            for q in ntt_primes(bits, 10, 4, &[]).unwrap() {
                let m = Modulus::new(q);
                for log_n in [4, 7, 10] {
                    let mut x = vec![0; 1 << log_n];
                    x[1] = 1;
                    Plan::try_new(1 << log_n, q).unwrap().fwd(&mut x);
                    assert_eq!(primitive_root(&m, log_n), Some(x[0]));
                }
                let two_adic = (q - 1).trailing_zeros();
                assert_eq!(primitive_root(&m, two_adic), None);
            }
        }
    }

    fn random(n: usize, q: u64) -> Vec<u64> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(99991);
            (state >> 7) % q
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn own_kernels_and_tfhe_ntt_agree() {
        for bits in [20, 40, 46, 47, 48, 49, 50] {
            let large: &[u32] = if matches!(bits, 40 | 48 | 50) { &[15, 16, 17] } else { &[] };
            for &log_n in [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14].iter().chain(large) {
                let Ok(primes) = ntt_primes(bits, log_n, if log_n < 14 { 2 } else { 1 }, &[]) else {
                    continue;
                };
                for q in primes {
                    agree(q, log_n);
                }
            }
        }
    }

    fn agree(q: u64, log_n: u32) {
        let n = 1usize << log_n;
        let slow = NttTable::new(Modulus::portable(q), log_n).unwrap();
        assert!(matches!(slow.engine, Engine::Portable(_)));
        let fast = [Modulus::new(q), Modulus::avx2_only(q)].map(|m| NttTable::new(m, log_n).unwrap());
        let factor = slow.scaled_by(q - 2);
        let extremes = random(n, 3).iter().map(|x| [0, q / 2, q - 1][*x as usize]).collect();
        for input in [random(n, q), extremes, vec![q - 1; n], vec![0; n]] {
            let mut values = input.clone();
            slow.forward(&mut values);
            let mut scaled = values.clone();
            slow.inverse_scaled(&mut scaled, None, factor);
            assert!(scaled.iter().zip(&input).all(|(y, x)| *y == slow.modulus.mul(*x, q - 2)));
            for t in &fast {
                let (mut in_place, mut moved) = (input.clone(), vec![1; n]);
                t.forward(&mut in_place);
                t.forward_from(&mut moved, &input);
                assert!(in_place == values && moved == values, "forward, {q}, 2^{log_n}");
                t.inverse_scaled(&mut in_place, None, factor);
                t.inverse_scaled(&mut moved, Some(&values), factor);
                assert!(in_place == scaled && moved == scaled, "inverse, {q}, 2^{log_n}");
            }
        }
    }

    /// Times of the transforms; run with --ignored --nocapture in a release build.
    #[test]
    #[ignore = "a measurement"]
    fn transform_times() {
        let log_n = 16;
        for bits in [40, 50] {
            let primes = ntt_primes(bits, log_n, 12, &[]).unwrap();
            for (name, modulus) in [
                ("tfhe-ntt", Modulus::portable as fn(u64) -> Modulus),
                ("avx2", Modulus::avx2_only),
                ("best", Modulus::new),
            ] {
                let tables: Vec<_> =
                    primes.iter().map(|q| NttTable::new(modulus(*q), log_n).unwrap()).collect();
                let mut limbs: Vec<_> = primes.iter().map(|q| random(1 << log_n, *q)).collect();
                // The best round over all tables, per transform.
                let mut time = |f: &dyn Fn(&NttTable, &mut [u64])| {
                    let once = |limbs: &mut [Vec<u64>]| {
                        let start = std::time::Instant::now();
                        tables.iter().zip(limbs).for_each(|(t, x)| f(t, x));
                        start.elapsed().as_secs_f64() * 1e6 / tables.len() as f64
                    };
                    (0..30).map(|_| once(&mut limbs)).fold(f64::MAX, f64::min)
                };
                let (forward, inverse) = (time(&|t, x| t.forward(x)), time(&|t, x| t.inverse(x)));
                println!("{bits} bits {name:8} forward {forward:5.0} us, inverse {inverse:5.0} us");
            }
        }
    }
}
