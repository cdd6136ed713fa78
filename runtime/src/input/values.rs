//! An input as a file has it, before it is what a network takes.

use fhec_ir::plan::{AxisOrder, ImageAxes};
use fhec_ir::text::shape_text;

use super::types::InputType;

/// The elements of one input.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// To be normalised.
    Bytes(Vec<u8>),
    /// Taken as they are.
    Numbers(Vec<f64>),
}

impl Values {
    /// The elements in the network's order, if those of a file come in this one.
    pub(super) fn reordered_from(self, order: Option<AxisOrder>, input: &InputType) -> Self {
        let axes = ImageAxes::of(&input.shape).filter(|a| order.is_some_and(|order| order != a.order));
        match (axes, self) {
            (None, values) => values,
            (Some(axes), Self::Bytes(x)) => Self::Bytes(reordered(&x, axes)),
            (Some(axes), Self::Numbers(x)) => Self::Numbers(reordered(&x, axes)),
        }
    }

    /// What the network takes.
    pub(super) fn tensor(self, input: &InputType) -> Result<Vec<f64>, String> {
        let (found, shape) = (self.len(), &input.shape);
        if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(found) {
            return Err(format!("{found} elements, the network takes {}", shape_text(shape)));
        }
        match self {
            Self::Bytes(bytes) => {
                input.normalisation.check(shape)?;
                Ok(input.normalisation.apply(&bytes, shape))
            }
            Self::Numbers(numbers) => match numbers.iter().position(|x| !x.is_finite()) {
                Some(k) => {
                    Err(format!("element {} is {}, no number", shape_text(&place(k, shape)), numbers[k]))
                }
                None => Ok(numbers),
            },
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(x) => x.len(),
            Self::Numbers(x) => x.len(),
        }
    }
}

/// Elements in the order of `axes` that come in the other one.
fn reordered<T: Copy>(from: &[T], axes: ImageAxes) -> Vec<T> {
    let ImageAxes { order, channels, height, width } = axes;
    let (rows, columns) = match order {
        AxisOrder::Chw => (height * width, channels),
        AxisOrder::Hwc => (channels, height * width),
    };
    let images = from.chunks((rows * columns).max(1));
    images.flat_map(|x| (0..columns).flat_map(move |c| x.iter().skip(c).step_by(columns).copied())).collect()
}

/// Indices of an element of a tensor.
fn place(mut k: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&d| {
            let index = k % d.max(1);
            k /= d.max(1);
            index
        })
        .collect();
    indices.reverse();
    indices
}
