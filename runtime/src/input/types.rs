//! What an input takes, how inputs are read, and why one may be refused.

use std::path::PathBuf;

use fhec_ir::plan::{AxisOrder, ClientInput, Normalisation, Preprocessing};

/// Why an input cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A file cannot be read, or does not fit.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Files for another number of inputs.
    #[error("the network takes {} input(s) ({}), {given} given", names.len(), names.join(", "))]
    Count {
        /// The network's inputs.
        names: Vec<String>,
        /// How many files there are.
        given: usize,
    },
    /// The files of several inputs hold different numbers of them.
    #[error("{} holds {}, {} holds {}: a network with several inputs needs as many of each", a.0.display(), a.1, b.0.display(), b.1)]
    Uneven {
        /// A file and what it holds.
        a: (PathBuf, usize),
        /// Another one.
        b: (PathBuf, usize),
    },
}

impl InputError {
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(String) -> Self {
        move |message| Self::File { path: path.into(), message }
    }
}

/// What an input of a network takes.
#[derive(Clone, Debug, PartialEq)]
pub struct InputType {
    /// Name in the network.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// From bytes to numbers.
    pub normalisation: Normalisation,
    /// What becomes of pictures before.
    pub preprocessing: Preprocessing,
}

impl From<&ClientInput> for InputType {
    fn from(input: &ClientInput) -> Self {
        let ClientInput { name, layout, normalisation, preprocessing, .. } = input;
        Self {
            name: name.clone(),
            shape: layout.shape(),
            normalisation: normalisation.clone(),
            preprocessing: *preprocessing,
        }
    }
}

/// How inputs are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Scale pictures of another size instead of refusing them, for inputs that do not say what is done about it.
    pub resize: bool,
    /// Order of the axes of arrays and rows; the network's if not given. Pictures and CIFAR records have one of their own.
    pub layout: Option<AxisOrder>,
}
