//! RNS-CKKS on encrypted slot vectors: the engine of fhec.
//!
//! ```text
//! ring ─► params ─► noise ─► encoding ─► keys ─► cipher ─► eval ─► poly ─► bootstrap
//! ```
//!
//! Each uses only what is to its left.
//!
//! * [`ring`]: RNS polynomials, NTT, base conversion, ModUp/ModDown. Knows nothing of parameter sets, scales or keys.
//! * [`params`]: checked parameter sets, prime generation, the security table, names and shapes of keys.
//! * [`noise`]: the estimated error that plaintexts and ciphertexts carry.
//! * [`encoding`]: slot vectors ↔ plaintext polynomials.
//! * [`keys`], [`cipher`]: key generation, encryption, decryption.
//! * [`eval`]: the server's operations.
//! * [`poly`]: polynomials on ciphertexts.
//! * [`bootstrap`]: exhausted ciphertexts get levels back; the search for chains that do it cheaply.
//! * [`cost`], [`calibrate`]: modelled times of operations, and the kernels of this machine.
//!
//! Without the feature `client` no type that holds a secret key or decrypts is compiled (the doc
//! tests of such a build check that).
//!
//! ```
//! # #[cfg(feature = "client")] {
//! use fhec_ckks::cipher::{Decryptor, SecretEncryptor};
//! use fhec_ckks::encoding::Encoder;
//! use fhec_ckks::eval::Evaluator;
//! use fhec_ckks::keys::{KeyGenerator, KeyRequest, SecretKey};
//! use fhec_ckks::params::{Parameters, ParametersLiteral};
//! use fhec_ckks::KeyName;
//! use std::sync::Arc;
//!
//! # fn main() -> fhec_ckks::Result<()> {
//! // Client: log2 N = 13, two levels, one special prime; 175 of 214 bits used.
//! let params = Parameters::new(&ParametersLiteral::from_bits(13, &[45, 40, 40], &[50])?)?;
//! let secret = SecretKey::generate(&params)?;
//! let request = |key| KeyRequest { key, level: 2 };
//! let keys = KeyGenerator::new(&secret)
//!     .evaluation_keys([KeyName::Relinearization, KeyName::Rotation(1)].map(request))?;
//! let encoder = Encoder::new(&params);
//! let plaintext = encoder.encode(&[1.0, 2.0, 3.0, 4.0], 2, 2f64.powi(40))?;
//! let upload = SecretEncryptor::new(&secret).encrypt(&plaintext)?;
//!
//! // Server: x·rot(x, 1).
//! let eval = Evaluator::new(Arc::new(keys));
//! let x = upload.expand(&params)?;
//! let y = eval.mul_relin_rescale(&x, &eval.rotate(&x, 1)?)?;
//!
//! // Client.
//! let slots = Decryptor::new(&secret).decode_for_self(&encoder, &y)?;
//! assert!((slots[0].re - 2.0).abs() < 1e-6 && (slots[3].re - 4.0).abs() < 1e-6);
//! # Ok(()) }
//! # main().unwrap(); }
//! ```
//!
//! What is given: IND-CPA security of ciphertexts at 128 bits by the table in
//! [`params::security_table`]. What is not: CCA security, circuit privacy, and IND-CPA-D security of
//! decryptions other than through a release policy.

#![cfg_attr(not(feature = "client"), doc = "```compile_fail\nuse fhec_ckks::keys::SecretKey;\n```")]
#![cfg_attr(not(feature = "client"), doc = "```compile_fail\nuse fhec_ckks::keys::KeyGenerator;\n```")]
#![cfg_attr(not(feature = "client"), doc = "```compile_fail\nuse fhec_ckks::cipher::Decryptor;\n```")]
#![cfg_attr(not(feature = "client"), doc = "```compile_fail\nuse fhec_ckks::cipher::SecretEncryptor;\n```")]
#![cfg_attr(not(feature = "client"), doc = "```\nuse fhec_ckks::cipher::Encryptor;\n```")]

pub mod bootstrap;
pub mod calibrate;
pub mod cipher;
pub mod cost;
pub mod encoding;
mod error;
pub mod eval;
pub mod keys;
pub mod noise;
pub mod params;
pub mod poly;
pub mod ring;
mod sampling;
mod wire;

pub use error::{CkksError, Result};
pub use num_complex::Complex64;
pub use params::KeyName;
pub use wire::{CiphertextForm, ReadKeys, Serializable};
