//! What chains with bootstraps are designed for.

use std::ops::RangeInclusive;

use fhec_backend::Chain;

use crate::request::Request;

/// Bits of the scales to try with bootstraps: less leaves no precision for the values between them, more costs a chain
/// levels or special primes.
const SCALE_BITS: [u32; 3] = [36, 38, 40];

/// Levels between bootstraps to try.
const LEVELS: RangeInclusive<u32> = 4..=16;

/// Precisions of the bootstrap to ask for, best first.
const PRECISIONS: [f64; 3] = [19.0, 18.0, 16.5];

/// What a chain with a bootstrap is designed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    /// log2 of the slots that the bootstrap keeps apart; None for all.
    pub(crate) log_slots: Option<u32>,
    /// Bits of the scale.
    pub(crate) scale_bits: u32,
    /// Levels between bootstraps.
    pub(crate) levels: u32,
    /// Of the precisions to ask for, the first that may be reached.
    first: usize,
}

impl Shape {
    /// The shape of a chain with a bootstrap and so many levels between them; others like it are hardly more precise.
    pub(crate) fn of(levels: u32, chain: &Chain) -> Self {
        let bootstrap = chain.data.bootstrap.as_ref();
        let log_slots = bootstrap.map(|b| b.log_slots).filter(|log_slots| log_slots + 1 < chain.data.log_n);
        let bits = bootstrap.map_or(f64::INFINITY, |b| -b.error.log2());
        let first = PRECISIONS.iter().position(|precision| bits >= *precision).unwrap_or(0);
        Self { log_slots, scale_bits: chain.data.scale_bits, levels, first }
    }

    /// The same with bootstraps that keep so many slots apart, a power of two.
    pub(crate) fn with_slots(self, slots: usize) -> Self {
        Self { log_slots: Some(slots.trailing_zeros()), ..self }
    }

    /// Precisions of the bootstrap to ask for, best first.
    pub(crate) fn precisions(&self) -> &'static [f64] {
        &PRECISIONS[self.first..]
    }
}

/// Every number of levels and every scale to try, with bootstraps of all slots.
pub(crate) fn dense_shapes(request: &Request) -> Vec<Shape> {
    let levels = request.levels.map_or(LEVELS, |levels| levels..=levels);
    let scales = request.scale_bits.map_or(SCALE_BITS.to_vec(), |bits| vec![bits]);
    let shape = |scale_bits| {
        levels.clone().map(move |levels| Shape { levels, scale_bits, log_slots: None, first: 0 })
    };
    scales.into_iter().flat_map(shape).collect()
}
