//! The passes of fhec. A pass is a pure function from graph to graph with a `Config`; the pipeline lists them in
//! order. Each has a folder of its name here and one of test cases under `tests/cases/`.

pub mod absorb;
pub mod approximate;
pub mod assign_layout;
pub mod canonicalize;
pub mod compose_steps;
pub mod error;
pub mod lower;
pub mod minimize_rotations;
pub mod pipeline;
pub mod place;

pub use error::{PassError, Refusal};
pub use pipeline::Pipeline;
