//! Components at the size of the picture, as libjpeg's "fancy upsampling" makes them (`jdsample.c`).
//!
//! A component of half the size lies between the pixels: each is 3/4 of the nearer sample and 1/4 of the farther one.
//! Roundings alternate. Other ratios repeat samples.

use super::frame::Component;
use super::idct;

/// Samples of a component, at its own size.
struct Plane {
    width: usize,
    data: Vec<u8>,
}

impl Plane {
    fn of(component: &Component) -> Self {
        let ([width, height], [columns, _]) = (component.size, component.blocks);
        let mut data = vec![0; width * height];
        let quantisers = component.quantisers.unwrap_or([1; 64]);
        for (k, block) in component.coefficients.chunks_exact(64).enumerate() {
            let (top, left) = (k / columns * 8, k % columns * 8);
            if top >= height || left >= width {
                continue;
            }
            let samples = idct::samples(block, &quantisers);
            let length = (width - left).min(8);
            for (row, out) in samples.chunks_exact(8).zip(data.chunks_exact_mut(width).skip(top)) {
                out[left..left + length].copy_from_slice(&row[..length]);
            }
        }
        Self { width, data }
    }

    fn height(&self) -> usize {
        self.data.len() / self.width
    }

    fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.width..][..self.width]
    }
}

/// A component at the size (height, width) of the picture, where `most` are the largest sampling factors.
pub(super) fn full_size(component: &Component, most: [usize; 2], (height, width): (usize, usize)) -> Vec<u8> {
    let plane = Plane::of(component);
    let ratio = [0, 1].map(|k| most[k] / component.factors[k]);
    let wide = plane.width > 2;
    let mut out = Vec::with_capacity(height * width);
    for y in 0..height {
        let near = plane.row(y / ratio[1]);
        // The neighbour of a row of half height: the one before for the first of its pair.
        let far = match y % 2 {
            0 => plane.row((y / 2).saturating_sub(1).min(plane.height() - 1)),
            _ => plane.row((y / 2 + 1).min(plane.height() - 1)),
        };
        match ratio {
            [1, 1] => out.extend_from_slice(&near[..width]),
            [2, 1] if wide => {
                let row: Vec<u32> = near.iter().map(|x| u32::from(*x)).collect();
                doubled(&row, (2, [1, 2]), width, &mut out);
            }
            [1, 2] => {
                let bias = 1 + (y % 2) as u32;
                let pixel = |(a, b): (&u8, &u8)| ((3 * u32::from(*a) + u32::from(*b) + bias) >> 2) as u8;
                out.extend(near.iter().zip(far).map(pixel).take(width));
            }
            [2, 2] if wide => {
                let sum = |(a, b): (&u8, &u8)| 3 * u32::from(*a) + u32::from(*b);
                let row: Vec<u32> = near.iter().zip(far).map(sum).collect();
                doubled(&row, (4, [8, 7]), width, &mut out);
            }
            [h, _] => out.extend((0..width).map(|x| near[x / h])),
        }
    }
    out
}

/// A row of twice the samples, divided by 2^bits; `biases` are those of even and of odd pixels.
fn doubled(row: &[u32], (bits, biases): (u32, [u32; 2]), width: usize, out: &mut Vec<u8>) {
    let last = row.len() - 1;
    let pixel = |x: usize| {
        let (k, bias) = (x / 2, biases[x % 2]);
        let far = if x.is_multiple_of(2) { k.saturating_sub(1) } else { (k + 1).min(last) };
        ((3 * row[k] + row[far] + bias) >> bits) as u8
    };
    out.extend((0..width).map(pixel));
}
