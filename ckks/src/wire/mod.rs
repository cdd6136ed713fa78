//! Serialisation: a checked envelope around bulk limb data.
//!
//! Envelope, little-endian: magic `FHCK`, version of the kind (1 byte), kind (1), reserved (2, zero),
//! parameters id (32), payload length (8), BLAKE3 of those 48 bytes and the payload (32). Payloads are
//! small postcard records followed by limbs packed to whole bytes per residue; uniform halves are
//! stored as their seeds. A set of evaluation keys begins with a directory of all names and shapes, so
//! that its size in memory is known before any key is read. Reading checks everything: residues below
//! their modulus, levels in range, sizes against the payload length before anything is allocated,
//! nothing left over.

mod envelope;
mod limbs;
mod objects;
#[cfg(feature = "client")]
mod secret;
#[cfg(all(test, feature = "client"))]
mod tests;

pub use objects::{CiphertextForm, ReadKeys};

use crate::error::{Result, check_id};
use crate::params::Parameters;
use envelope::{Kind, Source};
use std::io::{Read, Write};

/// What an object adds to the envelope. Sealed: implemented for this crate's objects only.
mod sealed {
    use super::{Kind, Parameters, Result, Source, Write};
    use crate::params::ParametersId;

    pub trait Payload: Sized {
        fn kind() -> Kind;
        fn id(&self) -> ParametersId;
        fn put(&self, params: &Parameters, out: &mut dyn Write) -> Result<()>;
        fn get(params: &Parameters, source: &mut Source<'_>) -> Result<Self>;
    }
}
pub(crate) use sealed::Payload;

/// Objects that are written relative to a parameter set: ciphertexts, seeded ciphertexts, public keys
/// and sets of evaluation keys.
pub trait Serializable: Payload {
    /// Writes the object to a stream.
    ///
    /// # Errors
    /// `ParametersMismatch`, `Io`.
    fn write_to(&self, params: &Parameters, out: &mut impl Write) -> Result<()> {
        check_id(params, self.id())?;
        envelope::write(Self::kind(), params.id(), out, &mut |w| self.put(params, w))
    }

    /// Reads one object from a stream, which may go on after it.
    ///
    /// # Errors
    /// `Malformed`, `ParametersMismatch`, `Io`.
    fn read_from(params: &Parameters, input: &mut impl Read) -> Result<Self> {
        envelope::read(Self::kind(), Some(params.id()), input, &mut |s| Self::get(params, s))
    }

    /// The object as bytes.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    fn to_bytes(&self, params: &Parameters) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.write_to(params, &mut out)?;
        Ok(out)
    }

    /// Reads the object from bytes, which must hold nothing else.
    ///
    /// # Errors
    /// `Malformed`, `ParametersMismatch`.
    fn from_bytes(params: &Parameters, bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let object = Self::read_from(params, &mut rest)?;
        envelope::nothing_left(Self::kind(), rest)?;
        Ok(object)
    }
}

impl<T: Payload> Serializable for T {}
