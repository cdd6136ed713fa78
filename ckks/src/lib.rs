//! RNS-CKKS on encrypted slot vectors: the engine of fhec.
//!
//! ```text
//! params ─► ring ─► encoding ─► keys ─► cipher ─► eval        (each uses only what is to its left)
//! ```
//!
//! * [`params`]: checked parameter sets, prime generation, the security table, key shapes.
//! * [`ring`]: RNS polynomials, NTT, base conversion, ModUp/ModDown. Knows nothing of scales or keys.
//! * [`encoding`]: slot vectors ↔ plaintext polynomials.
//! * [`keys`], [`cipher`]: key generation, encryption, decryption.
//! * [`eval`]: the server's operations.
//!
//! Without the feature `client` no type that holds a secret key or decrypts is compiled.
//!
//! What is given: IND-CPA security of ciphertexts at 128 bits by the table in
//! [`params::security_table`]. What is not: CCA security, circuit privacy, and IND-CPA-D security of
//! decryptions other than through a release policy.

pub mod cipher;
pub mod encoding;
mod error;
pub mod eval;
pub mod keys;
pub mod params;
pub mod ring;
mod sampling;
mod wire;

pub use error::{CkksError, KeyName, Result};
pub use num_complex::Complex64;
pub use wire::Serializable;
