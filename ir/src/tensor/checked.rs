//! What shape inference refuses with, and shapes that several operators share.

/// Extents of a tensor's axes.
pub type Shape = Vec<usize>;

/// A broken invariant of a node: its number and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {message}")]
pub struct InferError {
    /// `T1`, `T3` or `T4`.
    pub invariant: &'static str,
    /// What is wrong.
    pub message: String,
}

pub(super) type Checked<T = ()> = Result<T, InferError>;

pub(super) fn t1<T>(message: impl Into<String>) -> Checked<T> {
    Err(InferError { invariant: "T1", message: message.into() })
}

pub(super) fn t3<T>(message: impl Into<String>) -> Checked<T> {
    Err(InferError { invariant: "T3", message: message.into() })
}

pub(super) fn ensure(ok: bool, message: impl FnOnce() -> String) -> Checked {
    if ok { Ok(()) } else { t3(message()) }
}

/// Extent of an axis.
pub(super) fn axis_extent(x: &[usize], axis: usize) -> Checked<usize> {
    match x.get(axis) {
        Some(&extent) => Ok(extent),
        None => t3(format!("axis {axis} of shape {x:?}")),
    }
}

/// The shape with another extent of an axis.
pub(super) fn with_axis(x: &[usize], axis: usize, extent: usize) -> Shape {
    let mut out = x.to_vec();
    out[axis] = extent;
    out
}

/// Axes are ascending, at least one, and exist.
pub(super) fn axes_of(x: &[usize], axes: &[usize]) -> Checked {
    let ascending = axes.windows(2).all(|a| a[0] < a[1]);
    ensure(ascending && !axes.is_empty() && axes.iter().all(|&a| a < x.len()), || {
        format!("axes {axes:?} of shape {x:?}")
    })
}

/// The shape of a reduction over axes.
pub(super) fn reduced(x: &[usize], axes: &[usize], keep: bool) -> Checked<Shape> {
    axes_of(x, axes)?;
    let kept = x.iter().enumerate().filter_map(|(k, &d)| match axes.contains(&k) {
        true if keep => Some(1),
        true => None,
        false => Some(d),
    });
    Ok(kept.collect())
}
