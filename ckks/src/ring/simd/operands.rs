//! What kernels take besides plain limbs.

use crate::ring::modulus::Modulus;

/// Words handled at a time by the accumulations: two tiles of sums stay in the first-level cache.
pub(crate) const TILE: usize = 512;

/// One right-hand factor of a multiply-accumulate: a full limb, or a short one of which each word
/// stands for 2^`log_repeat` consecutive words (`log_repeat` ≥ 1).
#[derive(Clone, Copy)]
pub(crate) enum Factor<'a> {
    Full(&'a [u64]),
    Repeated { short: &'a [u64], log_repeat: u32 },
}

impl<'a> Factor<'a> {
    /// A limb, full or short, for products with limbs of `n` words.
    pub(crate) fn new(limb: &'a [u64], n: usize) -> Self {
        match (n / limb.len()).trailing_zeros() {
            0 => Self::Full(limb),
            log_repeat => Self::Repeated { short: limb, log_repeat },
        }
    }

    /// log2 of how often each word stands.
    pub(crate) fn log_repeat(&self) -> u32 {
        match self {
            Self::Full(_) => 0,
            Self::Repeated { log_repeat, .. } => *log_repeat,
        }
    }

    /// The words, each once.
    pub(super) fn words(&self) -> &'a [u64] {
        match self {
            Self::Full(words) | Self::Repeated { short: words, .. } => words,
        }
    }

    pub(super) fn covers(&self, n: usize) -> bool {
        match self {
            Self::Full(limb) => limb.len() == n,
            Self::Repeated { short, log_repeat } => *log_repeat >= 1 && short.len() << log_repeat == n,
        }
    }
}

/// What to add to an inner product: two polynomials' limbs, either may be absent, times a constant c < q; and what the
/// outputs hold.
#[derive(Clone, Copy)]
pub(crate) struct Addend<'a> {
    pub(crate) limbs: [Option<&'a [u64]>; 2],
    pub(crate) factor: u64,
    pub(crate) outputs: bool,
}

/// An automorphism through which digits and addends are read: word 8v + l of the output is made
/// from word 8·(t_v >> 3) + lane(t_v & 7, l) of theirs.
#[derive(Clone, Copy)]
pub(crate) struct Image<'a> {
    /// One entry t_v per eight words of the output.
    pub(crate) blocks: &'a [u32],
    /// Words 2i and 2i + 1 come from such words again, in either order.
    pub(crate) lanes: &'a [[u64; 8]; 8],
}

/// A target limb of a base conversion, with the constants of its modulus, in the modulus' form.
pub(crate) struct Target<'a> {
    pub(crate) m: &'a Modulus,
    pub(crate) out: &'a mut [u64],
    /// By source.
    pub(crate) hats: &'a [u64],
    pub(crate) minus: u64,
}
