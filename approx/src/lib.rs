//! Polynomial approximation of functions, as CKKS needs it: activations become polynomials, and the
//! precision of a network is bounded by theirs.
//!
//! * [`minimax`]: the best weighted polynomial on a union of intervals, by the Remez exchange in big floats;
//! * [`smooth`]: the least degree that reaches an error;
//! * [`Sign`]: compositions of odd polynomials for the sign function, hence ReLU and maximum;
//! * [`catalogue`]: the compositions worth using;
//! * [`lawson`]: minimax on points in any basis;
//! * [`functions`]: activations in f64;
//! * [`Interval`] and [`Chebyshev::enclosure`]: proven bounds of what a polynomial's values can be.
//!
//! Nothing here knows of ciphertexts, levels as a resource, or networks.

mod catalogue;
mod chebyshev;
mod error;
pub mod functions;
mod interval;
mod jet;
pub mod lawson;
mod remez;
mod search;
mod sign;
mod smooth;

pub use catalogue::{Composition, catalogue};
pub use chebyshev::Chebyshev;
pub use error::FitError;
pub use interval::Interval;
pub use remez::{Minimax, Parity, minimax};
pub use sign::{Sign, odd_products};
pub use smooth::{SmoothFit, smooth};
