//! Ciphertexts, encryption and, behind `client`, decryption.

mod ciphertext;
#[cfg(feature = "client")]
mod decrypt;
mod encrypt;
#[cfg(feature = "client")]
mod release;
#[cfg(feature = "client")]
mod secret_encrypt;

pub use ciphertext::{Ciphertext, ExtCiphertext, SeededCiphertext};
#[cfg(feature = "client")]
pub use decrypt::Decryptor;
pub use encrypt::Encryptor;
#[cfg(feature = "client")]
pub use release::{MAX_DECIMALS, ReleasePolicy, Released};
#[cfg(feature = "client")]
pub use secret_encrypt::SecretEncryptor;
