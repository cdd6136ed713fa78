//! Does an array fit an input?

use fhec_ir::plan::{AxisOrder, ImageAxes};
use fhec_ir::text::shape_text;

/// Shape of an input whose axes come in another order; as it is if that is the network's, not said, or of no image.
fn stored(shape: &[usize], order: Option<AxisOrder>) -> Vec<usize> {
    let mut stored = shape.to_vec();
    let Some((axes, order)) = ImageAxes::of(shape).zip(order) else { return stored };
    let image = shape.len() - 3;
    match order {
        _ if order == axes.order => {}
        AxisOrder::Chw => stored[image..].rotate_right(1),
        AxisOrder::Hwc => stored[image..].rotate_left(1),
    }
    stored
}

/// Extents that are not 1.
fn extents(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|d| *d != 1).collect()
}

/// How many inputs of shape `wanted` an array of shape `found` is.
fn count(found: &[usize], wanted: &[usize]) -> Option<usize> {
    let wanted = extents(wanted);
    if extents(found) == wanted {
        return Some(1);
    }
    let (batch, each) = found.split_first()?;
    (extents(each) == wanted).then_some(*batch)
}

/// How many inputs an array holds: one, or with one axis more in front a batch of them. Shapes agree up to axes of
/// length 1. `flat`: whether the inputs of a batch may also be flattened, for a network that takes a vector.
///
/// # Errors
/// Says how the shapes differ and, where that helps, what to do.
pub(super) fn fit(
    found: &[usize],
    wanted: &[usize],
    layout: Option<AxisOrder>,
    flat: bool,
) -> Result<usize, String> {
    let shape = stored(wanted, layout);
    if let Some(count) = count(found, &shape) {
        return Ok(count);
    }
    if flat
        && let (Some((batch, each)), [length]) = (found.split_first(), &extents(wanted)[..])
        && each.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) == Some(*length)
    {
        return Ok(*batch);
    }
    Err(mismatch(found, &shape, wanted, layout))
}

/// How shapes differ that do not fit.
fn mismatch(found: &[usize], shape: &[usize], wanted: &[usize], layout: Option<AxisOrder>) -> String {
    let axes = ImageAxes::of(wanted);
    let takes = if layout.is_some() && shape != wanted {
        format!("the network takes {}, which --layout makes {}", shape_text(wanted), shape_text(shape))
    } else {
        format!("the network takes {}", shape_text(wanted))
    };
    let both = format!("it has the shape {}, {takes}", shape_text(found));
    if let (None, Some(axes)) = (layout, axes) {
        let (other, flag, words) = match axes.order {
            AxisOrder::Chw => (AxisOrder::Hwc, "hwc", "height, width, channels"),
            AxisOrder::Hwc => (AxisOrder::Chw, "chw", "channels, height, width"),
        };
        if count(found, &stored(wanted, Some(other))).is_some() {
            return format!("{both}: if its axes are {words}, --layout {flag} transposes");
        }
    }
    // The same picture with other channels, alone or in a batch.
    if let (Some(axes), &[.., a, b, c]) = (axes, found) {
        let hwc = layout.unwrap_or(axes.order) == AxisOrder::Hwc;
        let (channels, size) = if hwc { (c, (a, b)) } else { (a, (b, c)) };
        if size == (axes.height, axes.width) && channels != axes.channels && found.len() <= 4 {
            let plural = if channels == 1 { "" } else { "s" };
            return format!("{both}: {channels} channel{plural} instead of {}", axes.channels);
        }
    }
    let elements = |shape: &[usize]| shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    match (elements(found), elements(wanted)) {
        (Some(a), Some(b)) if a == b => format!("{both}: as many numbers, but in another shape; reshape it"),
        (Some(a), Some(b)) => format!("{both}: {a} numbers instead of {b}"),
        _ => both,
    }
}
