//! Pools and reductions.

use crate::tensor::value::{for_each_strided, strides};
use crate::tensor::{Pool, Real, Tensor, Window};

/// Image positions that window `o` of one axis covers, and how many taps it counts.
pub(crate) struct Taps {
    /// Positions inside the image, ascending.
    pub(crate) inside: Vec<usize>,
    /// Taps inside the padded image.
    pub(crate) padded: usize,
}

/// The taps of every output position of axis `k` (0: rows, 1: columns).
pub(crate) fn taps(extent: usize, out: usize, window: &Window, k: usize) -> Vec<Taps> {
    let (pad, end) = (window.pads[k], window.pads[k] + extent);
    let one = |o: usize| {
        let start = o * window.stride[k];
        let positions = (0..window.kernel[k]).map(move |t| start + t * window.dilation[k]);
        Taps {
            inside: positions.clone().filter(|p| (pad..end).contains(p)).map(|p| p - pad).collect(),
            padded: positions.filter(|&p| p < end + window.pads[k + 2]).count(),
        }
    };
    (0..out).map(one).collect()
}

/// What a window's sum is divided by.
pub(crate) fn divisor(kind: Pool, rows: &Taps, columns: &Taps) -> usize {
    match kind {
        Pool::AveragePadded => rows.padded * columns.padded,
        _ => rows.inside.len() * columns.inside.len(),
    }
}

fn pool<T: Real>(
    x: &Tensor<T>,
    window: &Window,
    out: &[usize],
    mut reduce: impl FnMut(&mut dyn Iterator<Item = T>, &Taps, &Taps) -> T,
) -> Vec<T> {
    let [h, w] = [x.shape[2], x.shape[3]];
    let (rows, columns) = (taps(h, out[2], window, 0), taps(w, out[3], window, 1));
    let mut y = Vec::with_capacity(out.iter().product());
    for image in x.data.chunks_exact(h * w) {
        for row in &rows {
            for column in &columns {
                let mut values =
                    row.inside.iter().flat_map(|&iy| column.inside.iter().map(move |&ix| image[iy * w + ix]));
                y.push(reduce(&mut values, row, column));
            }
        }
    }
    y
}

pub(super) fn max<T: Real>(x: &Tensor<T>, window: &Window, out: &[usize]) -> Vec<T> {
    pool(x, window, out, |values, _, _| values.reduce(|a, b| if b > a { b } else { a }).unwrap_or_default())
}

pub(super) fn average<T: Real>(x: &Tensor<T>, kind: Pool, window: &Window, out: &[usize]) -> Vec<T> {
    pool(x, window, out, |values, rows, columns| {
        values.fold(T::default(), |a, b| a + b) / T::from_f64(divisor(kind, rows, columns) as f64)
    })
}

/// Steps over the result of a reduction for each operand axis: 0 along reduced axes.
pub(crate) fn reduce_steps(x: &[usize], axes: &[usize]) -> Vec<isize> {
    let kept: Vec<usize> = (0..x.len()).map(|k| if axes.contains(&k) { 1 } else { x[k] }).collect();
    let steps = strides(&kept);
    (0..x.len()).map(|k| if axes.contains(&k) { 0 } else { steps[k] as isize }).collect()
}

pub(super) fn reduce<T: Real>(x: &Tensor<T>, mean: bool, axes: &[usize], out: &[usize]) -> Vec<T> {
    let mut y = vec![T::default(); out.iter().product()];
    for_each_strided(&x.shape, 0, &reduce_steps(&x.shape, axes), |i, o| y[o] += x.data[i]);
    if mean {
        let count = T::from_f64(axes.iter().map(|&k| x.shape[k]).product::<usize>() as f64);
        y.iter_mut().for_each(|y| *y = *y / count);
    }
    y
}
