//! Convolutions and matrix products: direct, one output row at a time, so that the row stays in cache while
//! every tap is added to it.

use std::ops::Range;

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

/// y += w·x over strided x.
fn axpy<T: Real>(y: &mut [T], w: T, x: &[T], stride: usize) {
    if stride == 1 {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y += w * x);
    } else {
        y.iter_mut().zip(x.iter().step_by(stride)).for_each(|(y, &x)| *y += w * x);
    }
}

pub(super) fn conv<T: Real>(
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
    let per_group = c / groups;
    let columns: Vec<_> = (0..kx).map(|t| valid_range(w, ow, stride[1], t * dilation[1], pads[1])).collect();
    let mut y = vec![T::default(); out.iter().product()];
    y.par_chunks_mut(oh * ow).enumerate().for_each(|(plane, y)| {
        let (n, oc) = (plane / o, plane % o);
        let first_channel = oc / (o / groups) * per_group;
        if let Some(bias) = bias {
            y.fill(bias[oc]);
        }
        let weight = &weight[oc * per_group * ky * kx..][..per_group * ky * kx];
        for (oy, row) in y.chunks_exact_mut(ow).enumerate() {
            for ic in 0..per_group {
                let image = &x.data[(n * c + first_channel + ic) * h * w..][..h * w];
                for ty in 0..ky {
                    let Some(iy) = (oy * stride[0] + ty * dilation[0]).checked_sub(pads[0]) else { continue };
                    if iy >= h {
                        break;
                    }
                    let image_row = &image[iy * w..][..w];
                    for tx in 0..kx {
                        let (range, start) = columns[tx].clone();
                        if !range.is_empty() {
                            let tap = weight[(ic * ky + ty) * kx + tx];
                            axpy(&mut row[range], tap, &image_row[start..], stride[1]);
                        }
                    }
                }
            }
        }
    });
    y
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
