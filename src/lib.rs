//! The fhec compiler: convolutional networks on encrypted images.
//!
//! This facade compiles an ONNX file to a [`Plan`](plan::Plan) and gives the parts their names in one place. The stages
//! live in crates of their own: `fhec-frontend` reads ONNX, `fhec-passes` transforms, `fhec-backend` selects parameters and
//! emits, `fhec-driver` decides, `fhec-runtime` executes. The command line in `main.rs` is a thin layer over them.
//!
//! ```no_run
//! let compiled = fhec::compile("lenet.onnx".as_ref(), &fhec::Request::default())?;
//! println!("log2 N = {}", compiled.plan.expect("ran to the end").parameters.log_n);
//! # Ok::<(), fhec::CompileError>(())
//! ```

#[cfg(feature = "compiler")]
mod calibrate;

#[cfg(feature = "compiler")]
pub use calibrate::{CalibrateError, calibrate};
#[cfg(feature = "compiler")]
pub use fhec_driver::{
    Accuracy, Activation, CompileError, Compiled, Driver, Fidelity, LeastMemory, LeastTime, Objective,
    Observer, Request, Stage, Summary, compile,
};
#[cfg(feature = "compiler")]
pub use fhec_frontend as frontend;
pub use fhec_ir as ir;
pub use fhec_ir::plan;
#[cfg(feature = "compiler")]
pub use fhec_passes::{PassError, Pipeline, pipeline};
pub use fhec_runtime as runtime;
#[cfg(feature = "client")]
pub use fhec_runtime::client::Client;
pub use fhec_runtime::server::Server;
