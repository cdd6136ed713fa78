//! Convolutions and matrix products: direct, one output row at a time, so that the row stays in cache while
//! every tap is added to it.

use std::ops::Range;

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use crate::tensor::{Real, Tensor, Window};

/// Output positions o < `out` of one axis for which o·stride + tap·dilation − pad lies inside the image, and the
/// image position of the first of them.
pub(crate) fn valid_range(
    extent: usize,
    out: usize,
    stride: usize,
    offset: usize,
    pad: usize,
) -> (Range<usize>, usize) {
    let first = pad.saturating_sub(offset).div_ceil(stride);
    let end = match (extent + pad).checked_sub(offset) {
        Some(room) => room.div_ceil(stride).min(out),
        None => 0,
    };
    if first >= end { (0..0, 0) } else { (first..end, first * stride + offset - pad) }
}

/// Output channels and pixels that are summed up at once, in cache.
const CHANNELS: usize = 4;
const PIXELS: usize = 32;

pub(super) fn conv<T: Real>(
    x: &Tensor<T>,
    window: &Window,
    groups: usize,
    weight: &[T],
    bias: Option<&[T]>,
    out: &[usize],
) -> Vec<T> {
    let [c, o] = [x.shape[1], out[1]];
    let (per_group, out_group) = (c / groups, o / groups);
    let taps = window.kernel[0] * window.kernel[1];
    let mut y = vec![T::default(); out.iter().product()];
    if y.is_empty() {
        return y;
    }
    let grid = Grid::new(window, [x.shape[2], x.shape[3]], [out[2], out[3]]);
    let (image, plane) = (x.shape[2] * x.shape[3], out[2] * out[3]);
    for (x, y) in x.data.chunks(c * image).zip(y.chunks_mut(o * plane)) {
        let images: Vec<Vec<T>> = x.par_chunks(image).map(|image| grid.spread(image)).collect();
        y.par_chunks_mut(out_group * plane).enumerate().for_each(|(group, y)| {
            let images = &images[group * per_group..][..per_group];
            y.par_chunks_mut(CHANNELS * plane).enumerate().for_each(|(block, y)| {
                let first = group * out_group + block * CHANNELS;
                let count = y.len() / plane;
                let weight = &weight[first * per_group * taps..][..count * per_group * taps];
                let bias = |k: usize| bias.map_or(T::default(), |b| b[first + k.min(count - 1)]);
                let bias = std::array::from_fn(bias);
                Arch::new().dispatch(Block {
                    y,
                    images,
                    grid: &grid,
                    weight: &interleaved(weight, count),
                    bias,
                });
            });
        });
    }
    y
}

/// Weights [channel, …] as […, channel], with 0 for channels that there are not.
fn interleaved<T: Real>(weight: &[T], count: usize) -> Vec<[T; CHANNELS]> {
    let each = weight.len() / count;
    let at = |k: usize, o: usize| if o < count { weight[o * each + k] } else { T::default() };
    (0..each).map(|k| std::array::from_fn(|o| at(k, o))).collect()
}

/// Where pixels lie so that a tap of the kernel reads neighbours for neighbours, across rows: images are padded, and pixels of each
/// remainder by the strides lie together.
struct Grid {
    stride: [usize; 2],
    pads: [usize; 2],
    image: [usize; 2],
    out: [usize; 2],
    /// Rows and columns of each remainder.
    extent: [usize; 2],
    /// Where the taps' pixels begin.
    taps: Vec<usize>,
}

impl Grid {
    fn new(window: &Window, image: [usize; 2], out: [usize; 2]) -> Self {
        let Window { kernel, stride, dilation, pads } = *window;
        let extent = [0, 1].map(|k| out[k] + (kernel[k] - 1) * dilation[k] / stride[k]);
        let tap = |ty: usize, tx: usize| {
            let at = [ty * dilation[0], tx * dilation[1]];
            let phase = at[0] % stride[0] * stride[1] + at[1] % stride[1];
            (phase * extent[0] + at[0] / stride[0]) * extent[1] + at[1] / stride[1]
        };
        let taps = (0..kernel[0]).flat_map(|ty| (0..kernel[1]).map(move |tx| (ty, tx)));
        let taps = taps.map(|(ty, tx)| tap(ty, tx)).collect();
        Self { stride, pads: [pads[0], pads[1]], image, out, extent, taps }
    }

    /// An image, padded and in remainders, with room to read beyond its end.
    fn spread<T: Real>(&self, image: &[T]) -> Vec<T> {
        let Self { stride, pads, image: [h, w], extent: [rows, columns], .. } = *self;
        let mut spread = vec![T::default(); stride[0] * stride[1] * rows * columns + PIXELS];
        for y in 0..h {
            let at = y + pads[0];
            if at / stride[0] >= rows {
                break;
            }
            for phase in 0..stride[1] {
                let row = ((at % stride[0] * stride[1] + phase) * rows + at / stride[0]) * columns;
                let first = pads[1].saturating_sub(phase).div_ceil(stride[1]);
                for (k, value) in spread[row..][..columns].iter_mut().enumerate().skip(first) {
                    let Some(pixel) = image[y * w..][..w].get(k * stride[1] + phase - pads[1]) else { break };
                    *value = *pixel;
                }
            }
        }
        spread
    }
}

/// The outputs of a few channels. Sums are taken in the order of the weights, without fused operations: to the same bits on
/// every processor.
struct Block<'b, T> {
    y: &'b mut [T],
    images: &'b [Vec<T>],
    grid: &'b Grid,
    weight: &'b [[T; CHANNELS]],
    bias: [T; CHANNELS],
}

impl<T: Real> NullaryFnOnce for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { y, images, grid, weight, bias } = self;
        let [oh, ow] = grid.out;
        let columns = grid.extent[1];
        for start in (0..oh * columns).step_by(PIXELS) {
            let mut sums = bias.map(|b| [b; PIXELS]);
            let mut weights = weight.iter();
            for image in images {
                for tap in &grid.taps {
                    let Some(x) = image.get(start + tap..).and_then(|x| x.first_chunk::<PIXELS>()) else {
                        // Beyond the last row: nothing of it is kept.
                        weights.next();
                        continue;
                    };
                    let Some([w0, w1, w2, w3]) = weights.next().copied() else { return };
                    let [s0, s1, s2, s3] = &mut sums;
                    for k in 0..PIXELS {
                        s0[k] += w0 * x[k];
                        s1[k] += w1 * x[k];
                        s2[k] += w2 * x[k];
                        s3[k] += w3 * x[k];
                    }
                }
            }
            let end = (start + PIXELS).min(oh * columns);
            for (plane, sums) in y.chunks_mut(oh * ow).zip(&sums) {
                let mut at = start;
                while at < end {
                    let (row, column) = (at / columns, at % columns);
                    let rest = end.min((row + 1) * columns) - at;
                    let count = rest.min(ow.saturating_sub(column));
                    plane[row * ow + column.min(ow)..][..count].copy_from_slice(&sums[at - start..][..count]);
                    at += rest;
                }
            }
        }
    }
}

pub(super) fn conv_transpose<T: Real>(
    x: &Tensor<T>,
    window: &Window,
    groups: usize,
    weight: &[T],
    bias: Option<&[T]>,
    out: &[usize],
) -> Vec<T> {
    let [c, h, w] = [x.shape[1], x.shape[2], x.shape[3]];
    let [o, oh, ow] = [out[1], out[2], out[3]];
    let Window { kernel: [ky, kx], stride, dilation, pads } = *window;
    let (in_group, out_group) = (c / groups, o / groups);
    let mut y = vec![T::default(); out.iter().product()];
    y.par_chunks_mut(oh * ow).enumerate().for_each(|(plane, y)| {
        let (n, oc) = (plane / o, plane % o);
        if let Some(bias) = bias {
            y.fill(bias[oc]);
        }
        for ic in oc / out_group * in_group..(oc / out_group + 1) * in_group {
            let image = &x.data[(n * c + ic) * h * w..][..h * w];
            let taps = &weight[(ic * out_group + oc % out_group) * ky * kx..][..ky * kx];
            for ty in 0..ky {
                // The transpose reads where a convolution would write: the same ranges with roles swapped.
                let (rows, first_y) = valid_range(oh, h, stride[0], ty * dilation[0], pads[0]);
                for (k, iy) in rows.enumerate() {
                    let row = &mut y[(first_y + k * stride[0]) * ow..][..ow];
                    for tx in 0..kx {
                        let (columns, first_x) = valid_range(ow, w, stride[1], tx * dilation[1], pads[1]);
                        let tap = taps[ty * kx + tx];
                        let targets = row[first_x.min(ow)..].iter_mut().step_by(stride[1]);
                        targets.zip(&image[iy * w..][columns]).for_each(|(y, &x)| *y += tap * x);
                    }
                }
            }
        }
    });
    y
}

pub(super) fn gemm<T: Real>(x: &Tensor<T>, weight: &[T], bias: Option<&[T]>, out: &[usize]) -> Vec<T> {
    let outputs = out[out.len() - 1];
    let inputs = x.shape[x.shape.len() - 1];
    let mut y = vec![T::default(); out.iter().product()];
    y.par_chunks_mut(outputs).zip(x.data.par_chunks(inputs)).for_each(|(y, x)| {
        for (o, y) in y.iter_mut().enumerate() {
            let row = &weight[o * inputs..][..inputs];
            let sum = row.iter().zip(x).fold(T::default(), |sum, (&w, &x)| sum + w * x);
            *y = bias.map_or(sum, |b| sum + b[o]);
        }
    });
    y
}
