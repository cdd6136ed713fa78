//! Slot vectors of a batch of images, and the arithmetic on them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::image::Facts;
use crate::noise::Variance;
use crate::schedule::recipes::Vector;

/// Slots that are worked on at once: those of a few images and of a plaintext stay in the first-level cache.
const TILE: usize = 512;

/// Images whose operands stay in the second-level cache while they are multiplied.
const GROUP: usize = 4;

/// The facts of the slots of one image.
struct FactsOf<'a>(&'a [f64]);

impl NullaryFnOnce for FactsOf<'_> {
    type Output = Facts;

    #[inline(always)]
    fn call(self) -> Facts {
        const LANES: usize = 8;
        let slots = self.0;
        let (mut squares, mut largest) = ([0.0; LANES], [0f64; LANES]);
        let chunks = slots.chunks_exact(LANES);
        for chunk in chunks.clone().chain([chunks.remainder()]) {
            for (k, x) in chunk.iter().enumerate() {
                squares[k] += x * x;
                largest[k] = largest[k].max(x.abs());
            }
        }
        let mean = squares.iter().sum::<f64>() / slots.len().max(1) as f64;
        // The maximum passes over what is no number, the sum does not.
        let largest = if mean.is_nan() { f64::INFINITY } else { largest.into_iter().fold(0.0, f64::max) };
        Facts { rms: mean.sqrt(), largest }
    }
}

/// Slots of all images, one after the other; of a pair all of the one vector, then all of the other.
struct Slots {
    data: Vec<f64>,
    facts: OnceLock<Vec<Facts>>,
}

/// A value of the schedule for a batch of images. A rotation is but another way to read the slots.
#[derive(Clone)]
pub(super) struct Value {
    slots: Arc<Slots>,
    /// Slot s is read at s + `step`.
    step: usize,
    /// Per image: variance of the error polynomial's coefficients that the slots do not show yet.
    pub(super) pending: Vec<Variance>,
}

impl Value {
    pub(super) fn new(data: Vec<f64>, pending: Vec<Variance>) -> Self {
        Self { slots: Arc::new(Slots { data, facts: OnceLock::new() }), step: 0, pending }
    }

    /// The same slots with other noise to come.
    pub(super) fn with_pending(self, pending: Vec<Variance>) -> Self {
        Self { pending, ..self }
    }

    /// The value rotated by `step` more, in vectors of `slots` slots.
    pub(super) fn rotated(self, step: usize, slots: usize) -> Self {
        Self { step: (self.step + step) % slots, ..self }
    }

    /// Facts of every image.
    pub(super) fn facts(&self) -> &[Facts] {
        self.slots.facts.get_or_init(|| {
            let slots = self.slots.data.len() / self.pending.len().max(1);
            let images = self.slots.data.chunks_exact(slots.max(1));
            images.map(|x| Arch::new().dispatch(FactsOf(x))).collect()
        })
    }

    /// Facts of the difference between two images, in vectors of `slots` slots, and the slot where it is largest.
    pub(super) fn difference(&self, a: usize, b: usize, slots: usize) -> (Facts, usize) {
        let image = |k: usize| &self.slots.data[k * slots..][..slots];
        let difference: Vec<f64> = image(a).iter().zip(image(b)).map(|(a, b)| a - b).collect();
        let at = (0..slots).max_by(|i, j| difference[*i].abs().total_cmp(&difference[*j].abs())).unwrap_or(0);
        (FactsOf(&difference).call(), (at + slots - self.step) % slots)
    }

    /// By image, the largest difference between slots that are `period` of `slots` apart.
    pub(super) fn unevenness(&self, slots: usize, period: usize) -> Vec<f64> {
        let images = self.slots.data.chunks_exact(slots.max(1));
        let largest = |x: &[f64]| {
            let later = x.get(period..).unwrap_or(&[]);
            x.iter().zip(later).fold(0f64, |most, (a, b)| most.max((a - b).abs()))
        };
        images.map(largest).collect()
    }

    /// Slots of all images.
    pub(super) fn len(&self) -> usize {
        self.slots.data.len()
    }

    /// The two vectors of a pair, without what is known of their noise.
    pub(super) fn halves(self, buffer: impl FnOnce() -> Vec<f64>) -> [Self; 2] {
        let step = self.step;
        let half = self.len() / 2;
        let mut first = Arc::try_unwrap(self.slots).map_or_else(|shared| shared.data.clone(), |own| own.data);
        let mut second = buffer();
        second.copy_from_slice(&first[half..]);
        first.truncate(half);
        [first, second].map(|data| Self { step, ..Self::new(data, vec![]) })
    }

    /// The buffer, if nobody else reads it.
    pub(super) fn into_buffer(self) -> Option<Vec<f64>> {
        Arc::into_inner(self.slots).map(|s| s.data)
    }

    /// The slots in their order, in the value's own buffer if nobody else reads it, else in one that `buffer` makes.
    pub(super) fn into_slots(self, slots: usize, buffer: impl FnOnce() -> Vec<f64>) -> Vec<f64> {
        if self.step > 0 || Arc::strong_count(&self.slots) > 1 {
            let mut copy = buffer();
            self.combine(&mut copy, slots, |y, x| *y = x);
            return copy;
        }
        Arc::try_unwrap(self.slots).map_or_else(|shared| shared.data.clone(), |own| own.data)
    }

    /// Combines the slots of every image, in their order, with those in `y`.
    pub(super) fn combine(&self, y: &mut [f64], slots: usize, f: impl Fn(&mut f64, f64)) {
        let images = y.chunks_exact_mut(slots).zip(self.slots.data.chunks_exact(slots));
        for (y, x) in images {
            let (head, tail) = x.split_at(self.step);
            let (front, back) = y.split_at_mut(slots - self.step);
            front.iter_mut().zip(tail).for_each(|(y, x)| f(y, *x));
            back.iter_mut().zip(head).for_each(|(y, x)| f(y, *x));
        }
    }
}

/// A plaintext.
pub(super) struct Plain {
    /// Its slot vector, or the real part of a pair.
    pub(super) re: Factors,
    /// The imaginary part of a pair.
    pub(super) im: Option<Factors>,
    /// Root mean square, see [`Vector::rms`].
    pub(super) rms: f64,
}

impl Plain {
    /// A plaintext of `slots` slots.
    pub(super) fn new(vector: &Vector, slots: usize) -> Self {
        let factors = |part: &Arc<[f64]>| Factors::new(part.clone(), slots);
        Self { re: factors(&vector.re), im: vector.im.as_ref().map(factors), rms: vector.rms() }
    }
}

/// A slot vector to multiply by.
pub(super) struct Factors {
    /// One period, or a tile where the period is shorter.
    slots: Arc<[f64]>,
    /// By tile: whether it has a slot other than 0.
    used: Vec<bool>,
}

impl Factors {
    /// A vector of `slots` slots or of a power of two below.
    fn new(vector: Arc<[f64]>, slots: usize) -> Self {
        let tile = TILE.min(slots);
        let slots = if vector.len() < tile { vector.repeat(tile / vector.len()).into() } else { vector };
        let used = slots.chunks_exact(tile).map(|t| t.iter().any(|x| *x != 0.0)).collect();
        Self { slots, used }
    }

    /// Adds the plaintext to every image.
    pub(super) fn add_to(&self, y: &mut [f64]) {
        for y in y.chunks_exact_mut(self.slots.len()) {
            y.iter_mut().zip(&*self.slots).for_each(|(y, p)| *y += p);
        }
    }

    /// The slots from `start`, the beginning of a tile; none if all are 0.
    fn tile(&self, start: usize, length: usize) -> Option<&[f64]> {
        let start = start & (self.slots.len() - 1);
        self.used[start / length].then(|| &self.slots[start..start + length])
    }
}

/// y = Σ plaintext ⊙ x for every image, in the order of the terms; on all threads or on this one.
pub(super) fn multiply_accumulate(y: &mut [f64], terms: &[(&Value, &Factors)], slots: usize, parallel: bool) {
    let length = TILE.min(slots);
    let sum = |(group, y): (usize, &mut [f64])| {
        for start in (0..slots).step_by(length) {
            let tile = start..start + length;
            Arch::new().dispatch(SumTile { y, terms, first: group * GROUP * slots, tile, slots });
        }
    };
    if parallel {
        y.par_chunks_mut(GROUP * slots).enumerate().for_each(sum);
    } else {
        y.chunks_mut(GROUP * slots).enumerate().for_each(sum);
    }
}

/// A tile of the sums of a few images, which begin at `first`.
struct SumTile<'a> {
    y: &'a mut [f64],
    terms: &'a [(&'a Value, &'a Factors)],
    first: usize,
    tile: Range<usize>,
    slots: usize,
}

impl NullaryFnOnce for SumTile<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { y, terms, first, tile, slots } = self;
        let length = tile.len();
        y.chunks_exact_mut(slots).for_each(|y| y[tile.clone()].fill(0.0));
        for (value, plain) in terms {
            let Some(plain) = plain.tile(tile.start, length) else { continue };
            let at = (tile.start + value.step) & (slots - 1);
            let whole = length.min(slots - at);
            let images = y.chunks_exact_mut(slots).zip(value.slots.data[first..].chunks_exact(slots));
            for (y, x) in images {
                let y = &mut y[tile.clone()];
                axpy(&mut y[..whole], &plain[..whole], &x[at..at + whole]);
                axpy(&mut y[whole..], &plain[whole..], &x[..length - whole]);
            }
        }
    }
}

/// y += p ⊙ x.
#[inline(always)]
fn axpy(y: &mut [f64], p: &[f64], x: &[f64]) {
    y.iter_mut().zip(p).zip(x).for_each(|((y, p), x)| *y += x * p);
}
