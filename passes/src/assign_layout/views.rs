//! Layouts under which the very same slots are another tensor.

use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::tensor::Window;

/// The layout after a permutation of the axes.
pub fn transposed(layout: &Layout, perm: &[usize]) -> Layout {
    Layout { axes: perm.iter().map(|&k| layout.axes[k].clone()).collect(), ..layout.clone() }
}

/// The layout of the row-major reshaping of a value, if its digits can be regrouped.
pub fn reshaped(layout: &Layout, shape: &[usize]) -> Option<Layout> {
    let mut axes = Vec::new();
    let (mut old, mut new) = (layout.axes.as_slice(), shape);
    while !(old.is_empty() && new.is_empty()) {
        let (mut i, mut j) = (0, 0);
        let product = |extents: &mut dyn Iterator<Item = usize>| extents.product::<usize>();
        loop {
            let a = product(&mut old[..i].iter().map(|x| x.extent));
            let b = product(&mut new[..j].iter().copied());
            if a == b && (i > 0 || j > 0) {
                break;
            }
            if (a <= b && i < old.len()) || j == new.len() {
                i += 1;
            } else {
                j += 1;
            }
            if i > old.len() || j > new.len() {
                return None;
            }
        }
        axes.extend(regrouped(&old[..i], &new[..j])?);
        (old, new) = (&old[i..], &new[j..]);
    }
    Some(Layout { axes, ..layout.clone() })
}

/// Deals the digits of adjacent axes out to axes of the given extents with the same product.
fn regrouped(old: &[Axis], new: &[usize]) -> Option<Vec<Axis>> {
    let mut digits = Vec::new();
    let top = old.iter().position(|a| a.extent > 1);
    for (k, axis) in old.iter().enumerate().rev().filter(|(_, a)| a.extent > 1) {
        let mut left = axis.extent;
        for f in &axis.factors {
            let extent = f.extent.min(left);
            // Only the most significant axis may leave digits partly used: below it the gap would show.
            if extent == 0 || (left % extent != 0 && Some(k) != top) {
                return None;
            }
            if extent > 1 {
                digits.push(Factor { extent, stride: f.stride });
            }
            left = left.div_ceil(extent);
        }
        if left > 1 {
            return None;
        }
    }
    let mut digits = digits.into_iter();
    let mut pending = digits.next();
    let mut axes = Vec::new();
    let last = new.iter().position(|&d| d > 1);
    for (k, &extent) in new.iter().enumerate().rev() {
        let mut factors = Vec::new();
        let mut covered = 1;
        while covered < extent {
            let f = pending?;
            let need = extent.div_ceil(covered);
            if Some(k) == last || need.is_multiple_of(f.extent) {
                factors.push(f);
                covered *= f.extent;
                pending = digits.next();
            } else if f.extent.is_multiple_of(need) {
                factors.push(Factor { extent: need, stride: f.stride });
                covered *= need;
                pending = Some(Factor { extent: f.extent / need, stride: f.stride * need });
            } else {
                return None;
            }
        }
        if factors.is_empty() {
            factors.push(Factor { extent: 1, stride: 1 });
        }
        axes.push(Axis { extent, factors });
    }
    axes.reverse();
    Some(axes)
}

/// For a window along axis `k` of (H, W): the shift between its taps and the axis of the results, which stay where the first
/// tap of their window is. None if the taps are not equally far apart everywhere.
pub fn windowed(axis: &Axis, out: usize, window: &Window, k: usize) -> Option<(Factor, Axis)> {
    let (kernel, stride, dilation) = (window.kernel[k], window.stride[k], window.dilation[k]);
    if let Some(pitch) = axis.uniform_stride() {
        let shift = Factor { extent: kernel, stride: pitch * dilation };
        return Some((shift, Axis::strided(out, pitch * stride)));
    }
    // A window inside one group of sub-channels: index y·stride + tap has the tap in its lowest digit only.
    let (low, rest) = axis.factors.split_first()?;
    if !low.extent.is_multiple_of(stride) || (kernel - 1) * dilation >= stride {
        return None;
    }
    let mut factors = vec![Factor { extent: low.extent / stride, stride: low.stride * stride }];
    factors.extend(rest);
    factors.retain(|f| f.extent > 1);
    Some((Factor { extent: kernel, stride: low.stride * dilation }, Axis { extent: out, factors }))
}

/// The shifts whose sum adds up a whole axis at its first index. None if digits are only partly used.
pub fn summed(axis: &Axis) -> Option<Vec<Factor>> {
    if let Some(stride) = axis.uniform_stride() {
        return Some(vec![Factor { extent: axis.extent, stride }]);
    }
    let full = axis.factors.iter().map(|f| f.extent).product::<usize>() == axis.extent;
    full.then(|| axis.factors.clone())
}
