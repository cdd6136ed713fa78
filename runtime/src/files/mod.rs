//! Key and ciphertext files.
//!
//! ```text
//! magic "FHECDATA" | version u32 | kind u32 | parameters 32 | key set 32 | plan 32 | n u32 | record of n bytes
//! BLAKE3 of all of the above
//! engine objects, each in its own checked envelope
//! BLAKE3 of all of the above, and nothing after it
//! ```
//! The three identities say what a file was made for: mixing keys of one client with ciphertexts of another, or
//! ciphertexts for one plan with another plan, is an error that says so instead of garbage. Keys carry no plan. The record
//! of ciphertexts has names and counts and the id of the request, which a result repeats. The digest at the end binds the
//! objects, their order and their names.
//!
//! All of this stops mistakes, not attackers: whoever forges a file recomputes its digests. A key set's identity commits to
//! the public key and to the seeds of the evaluation keys, so that keys of another client under this one's name are
//! noticed; that the other halves of keys were replaced, or that an id was taken over into forged ciphertexts, cannot be
//! seen without the secret key.
//!
//! Counts, names, levels and sizes are compared with the plan before memory is taken for what follows.

mod bundle;
mod checkpoint;
mod format;
mod keys;

pub use bundle::{Bundle, Direction, RequestId, save_seeded};
pub use checkpoint::Checkpoint;
pub use format::KeySetId;
#[cfg(feature = "client")]
pub(crate) use format::{Kind, NO_PLAN, Tags, open, write};
pub(crate) use format::{hex, key_set_of};
pub use keys::{read_evaluation_keys, read_public_key, write_evaluation_keys, write_public_key};
