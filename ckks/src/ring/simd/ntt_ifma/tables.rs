//! Twiddle tables.

use crate::ring::modulus::{Modulus, Shoup};

/// Smallest degree handled.
const MIN_N: usize = 64;
/// Twiddle vectors stored per run of 64 words, each for its eight groups of eight: word j of its block
/// in the layer with as many blocks per group. The other four vectors of the last three layers, (2, 1)
/// and (4, 1), (4, 2), (4, 3), are products of these with constants.
const VECTORS: [(usize, usize); STORED] = [(1, 0), (2, 0), (4, 0)];
/// Their number.
pub(super) const STORED: usize = 3;

/// Twiddles of one modulus and degree, both directions.
pub(crate) struct Tables {
    pub(super) n: usize,
    pub(super) modulus: Modulus,
    pub(super) lazy: bool,
    pub(super) forward: Direction,
    pub(super) inverse: Direction,
}

/// Twiddles of one direction.
pub(super) struct Direction {
    /// (w, ⌊w·2^52/p⌋) of block i of the stage with m blocks at 2(m + i), for m < N/8.
    pub(super) upper: Vec<u64>,
    /// Per run of 64 words, the words of [`VECTORS`]; quotients are derived.
    pub(super) lower: Vec<u64>,
    /// ι, κ, κι with κ² = ι = w[1].
    pub(super) derived: [Factor; 3],
    /// The factor 1, for quotients.
    pub(super) one: Factor,
}

/// A constant c with c/p to 104 bits.
#[derive(Clone, Copy)]
pub(super) struct Factor {
    pub(super) c: u64,
    pub(super) high: u64,
    pub(super) low: u64,
}

impl Factor {
    fn new(c: u64, p: u64) -> Self {
        let shifted = u128::from(c) << 52;
        let rest = (shifted % u128::from(p)) << 52;
        Self { c, high: (shifted / u128::from(p)) as u64, low: (rest / u128::from(p)) as u64 }
    }
}

impl Direction {
    fn new(modulus: &Modulus, w: &[u64]) -> Self {
        let n = w.len();
        let pair = |w: u64| [w, Shoup::new(w, modulus.q).w52];
        let upper = w[..n / 8].iter().flat_map(|w| pair(*w)).collect();
        let mut lower = Vec::with_capacity(n / 8 * STORED);
        for run in 0..n / 64 {
            for (blocks, j) in VECTORS {
                lower.extend((0..8).map(|group| w[(n / 8 + 8 * run + group) * blocks + j]));
            }
        }
        let factor = |c| Factor::new(c, modulus.q);
        Self { upper, lower, derived: [w[1], w[2], w[3]].map(factor), one: factor(1) }
    }
}

impl Tables {
    /// Tables for the primitive 2n-th root `psi`, or `None` if the kernels do not serve the modulus,
    /// the degree or this machine.
    pub(crate) fn new(modulus: &Modulus, n: usize, psi: u64) -> Option<Self> {
        if !modulus.ifma || n < MIN_N {
            return None;
        }
        let bits = n.trailing_zeros();
        let reversed = |root: u64| {
            let root = modulus.shoup(root);
            let mut w = vec![0; n];
            let mut power = 1;
            for k in 0..n {
                w[k.reverse_bits() >> (usize::BITS - bits)] = power;
                power = root.mul(power, modulus.q);
            }
            w
        };
        let lazy = modulus.q < (1 << 52) / 48;
        Some(Self {
            n,
            modulus: *modulus,
            lazy,
            forward: Direction::new(modulus, &reversed(psi)),
            inverse: Direction::new(modulus, &reversed(modulus.inv(psi))),
        })
    }
}
