//! Scaling pictures as Pillow does, and torchvision with it: antialiased bilinear interpolation.
//!
//! A triangle filter, as wide as the ratio of the sizes where a picture shrinks, with weights of 22 bits; first along rows,
//! then along columns, each rounded to bytes (Pillow's `Resample.c`).

use std::ops::Range;

use super::raster::Raster;

/// Bits of a weight behind the binary point: sums of bytes times weights fit 32 bits.
const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// What an output pixel is made of.
struct Taps {
    /// The first pixel.
    first: usize,
    /// Weights from there on.
    weights: Vec<i32>,
}

impl Taps {
    /// Of the outputs in `window`, where `from` pixels become `to`.
    fn of(from: usize, to: usize, window: Range<usize>) -> Vec<Self> {
        let scale = from as f64 / to as f64;
        let support = scale.max(1.0);
        let one = |k: usize| {
            let centre = (k as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            let weight = |i: usize| (1.0 - ((i as f64 - centre + 0.5) / support).abs()).max(0.0);
            let sum: f64 = (first..end).map(weight).sum();
            let fixed = |i: usize| (weight(i) / sum * f64::from(1 << WEIGHT_BITS)).round() as i32;
            Self { first, weights: (first..end).map(fixed).collect() }
        };
        window.map(one).collect()
    }

    fn end(&self) -> usize {
        self.first + self.weights.len()
    }

    /// The weighted sum of the bytes at `start`, `start + step`, …
    fn apply(&self, bytes: &[u8], start: usize, step: usize) -> u8 {
        let bytes = bytes.iter().skip(start).step_by(step);
        let sum: i32 = self.weights.iter().zip(bytes).map(|(w, x)| w * i32::from(*x)).sum();
        ((sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS).clamp(0, 255) as u8
    }
}

/// Of a picture scaled to (height, width) the part in these rows and columns. No more than that is computed, so that memory
/// is in proportion to it and the picture.
pub(super) fn scaled(
    picture: &Raster,
    (height, width): (usize, usize),
    rows: Range<usize>,
    columns: Range<usize>,
) -> Raster {
    let Raster { channels, .. } = *picture;
    let down = Taps::of(picture.height, height, rows);
    let across = Taps::of(picture.width, width, columns);
    let read = match (down.first(), down.last()) {
        (Some(first), Some(last)) => first.first..last.end(),
        _ => 0..0,
    };
    let mut narrowed = Vec::with_capacity(read.len() * across.len() * channels);
    for row in picture.data.chunks_exact(picture.width * channels).skip(read.start).take(read.len()) {
        for taps in &across {
            narrowed.extend((0..channels).map(|c| taps.apply(row, taps.first * channels + c, channels)));
        }
    }
    let length = across.len() * channels;
    let mut data = Vec::with_capacity(down.len() * length);
    for taps in &down {
        let start = (taps.first - read.start) * length;
        data.extend((0..length).map(|k| taps.apply(&narrowed, start + k, length)));
    }
    Raster { channels, height: down.len(), width: across.len(), data }
}
