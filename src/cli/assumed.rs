//! What is said about inputs that are bytes where nobody said how they are normalised.

use fhec_ir::plan::{ImageAxes, Normalisation};
use fhec_ir::text::shape_text;

use super::Context;

/// An input that is given as bytes, or may be.
pub(crate) struct OfBytes<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: &'a [usize],
    pub(crate) normalisation: &'a Normalisation,
    /// Whether it is the network's first, which options are for.
    pub(crate) first: bool,
}

impl OfBytes<'_> {
    /// Whether it looks as if it were a picture.
    pub(crate) fn is_picture(&self) -> bool {
        ImageAxes::of(self.shape).is_some_and(|a| a.channels == 1 || a.channels == 3)
    }
}

/// Says what is assumed of these inputs. What is normalised in the usual way because someone said so has mean 0 and
/// deviation 1.
pub(crate) fn remark<'a>(inputs: impl Iterator<Item = OfBytes<'a>>, context: &Context) {
    for OfBytes { name, shape, normalisation, first } in inputs {
        if *normalisation != Normalisation::default() {
            continue;
        }
        let advice = if first {
            "give --mean and --std if the network was trained with them"
        } else {
            "--mean and --std are for the first input"
        };
        context.remark(format!("input {name} {}: bytes/255; {advice}", shape_text(shape)));
    }
}
