//! Tensor IR: the network as it was trained.
//!
//! # Semantics
//! A value is a dense real tensor of static shape, row-major. By convention axis 0 is the batch, axis 1 the
//! channels, the rest space, but no op outside the spatial ones (convolutions and pools, always 4-D NCHW)
//! depends on it. Element-wise binary ops want equal shapes: broadcasting is written out with
//! [`TensorOp::Expand`]. Constants enter through [`TensorOp::Constant`] or as attributes.
//!
//! What only clients evaluate after decryption ([`TensorOp::Client`]) stands at the end of networks. No pass knows it: import
//! puts it into a graph of its own, the tail, whose inputs are the encrypted outputs.
//!
//! # Invariants
//! * **T1** a node has as many operands as its op takes.
//! * **T2** the type of a node is the shape that [`infer_shape`](infer::infer_shape) computes from its operands.
//! * **T3** attributes are in range: strides, dilations and group counts at least 1, axes below the rank,
//!   permutations are permutations, parameters of functions finite, constants of the shape that the op's
//!   documentation gives.
//! * **T4** no extent is 0 and no value has more than 2^31 elements.

pub mod basis;
pub mod bounds;
mod checked;
mod client;
pub mod infer;
pub mod interp;
pub(crate) mod kernels;
pub mod linear;
mod node;
mod op;
#[doc(hidden)]
pub mod random;
pub mod value;

pub use basis::is_even_but_linear;
pub use checked::{InferError, Shape};
pub use client::{ClientOp, Comparison, Function};
pub use infer::infer_shape;
pub use interp::{RunError, run, run_observed};
pub use kernels::{activation, eval_op};
pub use op::{Activation, Basis, Pool, ReduceKind, TensorGraph, TensorOp, Window};
pub use value::{Real, Tensor};
