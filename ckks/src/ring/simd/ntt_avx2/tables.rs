//! Twiddle tables.

use super::arith::centred;
use crate::ring::modulus::Modulus;

/// Smallest degree handled.
const MIN_N: usize = 32;

/// Twiddles of one modulus and degree, for both directions.
pub(crate) struct Tables {
    pub(super) n: usize,
    pub(super) modulus: Modulus,
    pub(super) lazy: bool,
    /// The centred twiddle of block i of the stage with m blocks at m + i.
    pub(super) twiddles: Vec<f64>,
}

impl Tables {
    /// Tables for the primitive 2n-th root `psi`, or `None` if the kernels do not serve the modulus,
    /// the degree or this machine.
    pub(crate) fn new(modulus: &Modulus, n: usize, psi: u64) -> Option<Self> {
        if !modulus.avx2 || n < MIN_N {
            return None;
        }
        let bits = n.trailing_zeros();
        let root = modulus.shoup(psi);
        let mut twiddles = vec![0.0; n];
        let mut power = 1;
        for k in 0..n {
            twiddles[k.reverse_bits() >> (usize::BITS - bits)] = centred(power, modulus.q);
            power = root.mul(power, modulus.q);
        }
        Some(Self { n, modulus: *modulus, lazy: modulus.q < 1 << 48, twiddles })
    }
}
