//! The passes of fhec. A pass is a pure function from graph to graph with a `Config`; the pipeline lists them in
//! order. Each has a folder of its name here and one of test cases under `tests/cases/`.
//!
//! No pass knows another one that runs after it. What several of them build on stands below all: plans of linear maps and
//! their prices ([`maps`]), what is assumed of bootstraps while no parameters are chosen ([`nominal`]). Where an earlier
//! pass has to know what later ones will make of its choices, a function that tells is handed to it ([`estimate`]).

pub mod absorb;
pub mod approximate;
pub mod assign_layout;
pub mod canonicalize;
pub mod compose_rotations;
pub mod error;
pub mod estimate;
pub mod lower;
pub mod maps;
pub mod minimize_rotations;
pub mod nominal;
pub mod open_rows;
pub mod pipeline;
pub mod place;
mod rescale;
pub mod settings;

pub use error::{PassError, Refusal};
pub use pipeline::Pipeline;
pub use settings::Settings;
