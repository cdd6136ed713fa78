//! What is left for the client: softmax and arg-max at the very end of a network.

use std::fmt;

use fhec_ir::tensor::Tensor;
use fhec_ir::tensor::value::strides;

/// One step that the client applies to a decrypted output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TailStep {
    /// exp(x)/Σexp(x), the sum over the axes.
    Softmax {
        /// Axes, ascending.
        axes: Vec<usize>,
    },
    /// x − ln Σexp(x), the sum over the axes.
    LogSoftmax {
        /// Axes, ascending.
        axes: Vec<usize>,
    },
    /// Index of the largest element along an axis.
    ArgMax {
        /// The axis.
        axis: usize,
        /// Keep the axis with extent 1.
        keep: bool,
        /// Of equal maxima take the last instead of the first.
        last: bool,
    },
}

impl fmt::Display for TailStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |axes: &[usize]| axes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Softmax { axes } => write!(f, "softmax (axis {})", list(axes)),
            Self::LogSoftmax { axes } => write!(f, "log-softmax (axis {})", list(axes)),
            Self::ArgMax { axis, .. } => write!(f, "arg-max (axis {axis})"),
        }
    }
}

impl TailStep {
    /// Applies the step.
    ///
    /// # Panics
    /// If an axis lies beyond the rank.
    pub fn apply(&self, x: &Tensor<f64>) -> Tensor<f64> {
        match self {
            Self::Softmax { axes } => normalised(x, axes, |v, max, sum| (v - max).exp() / sum),
            Self::LogSoftmax { axes } => normalised(x, axes, |v, max, sum| v - max - sum.ln()),
            Self::ArgMax { axis, keep, last } => arg_max(x, *axis, *keep, *last),
        }
    }
}

/// For every element: the group of elements it is normalised with.
fn groups(x: &Tensor<f64>, axes: &[usize]) -> Vec<usize> {
    let strides = strides(&x.shape);
    let key = |i: usize| {
        (0..x.shape.len())
            .filter(|k| !axes.contains(k))
            .fold(0, |key, k| key * x.shape[k] + i / strides[k] % x.shape[k])
    };
    (0..x.data.len()).map(key).collect()
}

fn normalised(x: &Tensor<f64>, axes: &[usize], f: impl Fn(f64, f64, f64) -> f64) -> Tensor<f64> {
    let groups = groups(x, axes);
    let count = groups.iter().max().map_or(0, |m| m + 1);
    let (mut max, mut sum) = (vec![f64::NEG_INFINITY; count], vec![0.0; count]);
    groups.iter().zip(&x.data).for_each(|(&g, &v)| max[g] = f64::max(max[g], v));
    groups.iter().zip(&x.data).for_each(|(&g, &v)| sum[g] += (v - max[g]).exp());
    let data = groups.iter().zip(&x.data).map(|(&g, &v)| f(v, max[g], sum[g])).collect();
    Tensor::new(x.shape.clone(), data)
}

fn arg_max(x: &Tensor<f64>, axis: usize, keep: bool, last: bool) -> Tensor<f64> {
    let groups = groups(x, &[axis]);
    let stride = strides(&x.shape)[axis];
    let count = x.data.len() / x.shape[axis];
    let mut best = vec![(f64::NEG_INFINITY, 0usize); count];
    for (i, (&g, &v)) in groups.iter().zip(&x.data).enumerate() {
        if v > best[g].0 || last && v == best[g].0 {
            best[g] = (v, i / stride % x.shape[axis]);
        }
    }
    let mut shape = x.shape.clone();
    if keep {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    Tensor::new(shape, best.into_iter().map(|b| b.1 as f64).collect())
}
