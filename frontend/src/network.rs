//! What import gives.

use std::path::PathBuf;

use fhec_ir::Verified;
use fhec_ir::plan::parse_classes;
use fhec_ir::tensor::{Real, Tensor, TensorGraph};
use fhec_ir::tensor::{RunError, run};
use tract_onnx::pb::StringStringEntryProto;

use crate::hints::InputHint;

/// An imported network.
#[derive(Clone, Debug)]
pub struct Import {
    /// What is evaluated on ciphertexts.
    pub graph: Verified<TensorGraph>,
    /// What the client computes after decryption: its inputs are the outputs of `graph`, its outputs those of the network.
    /// None if these are the outputs of `graph`.
    pub tail: Option<Verified<TensorGraph>>,
    /// Names of classes that the file has; none if it has none.
    pub classes: Vec<String>,
    /// What is known of the inputs, in order; nothing if there are none.
    pub inputs: Vec<InputHint>,
    /// Files beside the model that hold its weights.
    pub weight_files: Vec<PathBuf>,
}

impl Import {
    /// A network without a tail, and without names.
    pub fn new(graph: Verified<TensorGraph>) -> Self {
        Self { graph, tail: None, classes: vec![], inputs: vec![], weight_files: vec![] }
    }

    /// Names of the network's outputs, in order.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.tail.as_ref().unwrap_or(&self.graph).outputs.iter().map(|o| o.name.as_str())
    }

    /// Runs the network in clear on one tensor per input.
    ///
    /// # Errors
    /// If the inputs do not fit.
    pub fn run<T: Real>(&self, inputs: &[Tensor<T>]) -> Result<Vec<Tensor<T>>, RunError> {
        self.finish(run(&self.graph, inputs)?)
    }

    /// The network's outputs from what [`Import::graph`] gives.
    ///
    /// # Errors
    /// If that does not fit.
    pub fn finish<T: Real>(&self, raw: Vec<Tensor<T>>) -> Result<Vec<Tensor<T>>, RunError> {
        self.tail.as_ref().map_or_else(|| Ok(raw.clone()), |tail| run(tail, &raw))
    }
}

/// Under which names exporters write names of classes, the likeliest first.
const CLASS_KEYS: [&str; 6] = ["names", "classes", "class_names", "labels", "id2label", "categories"];

/// Names of classes among a file's notes. What cannot be read as such was not meant so.
pub(crate) fn classes(notes: &[StringStringEntryProto]) -> Vec<String> {
    let of_key = |key: &str| {
        let text = notes.iter().find(|n| n.key.eq_ignore_ascii_case(key))?.value.trim();
        // A single line is a list only if it is written as one or has commas.
        let listed = text.starts_with(['{', '[']) || text.lines().count() > 1;
        let names = if listed { parse_classes(text) } else { parse_classes(&text.replace(',', "\n")) };
        names.ok().filter(|names| names.len() > 1)
    };
    CLASS_KEYS.iter().find_map(|key| of_key(key)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_classes_are_found_in_notes() {
        let note = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
        let found = |notes: &[StringStringEntryProto]| classes(notes).join(" ");
        assert_eq!(found(&[note("stride", "32"), note("names", "{0: 'person', 1: 'car'}")]), "person car");
        assert_eq!(found(&[note("Labels", "cat, dog")]), "cat dog");
        assert_eq!(found(&[note("classes", "[\"cat\", \"dog\"]"), note("labels", "no list")]), "cat dog");
        assert_eq!(found(&[note("labels", "see the data sheet")]), "");
        assert_eq!(found(&[note("names", "{broken")]), "");
    }
}
