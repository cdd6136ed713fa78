//! The envelope: header, length and checksum.

use crate::error::{CkksError, Result};
use crate::params::ParametersId;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};

const MAGIC: [u8; 4] = *b"FHCK";
const HEADER: usize = 48;
/// Longest postcard record in bytes.
const MAX_RECORD: usize = 1 << 12;

/// What an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A parameter set.
    Parameters = 1,
    /// A public key.
    PublicKey = 2,
    /// A set of evaluation keys.
    EvaluationKeys = 3,
    /// A secret key.
    SecretKey = 4,
    /// A ciphertext.
    Ciphertext = 5,
    /// A seeded ciphertext.
    SeededCiphertext = 6,
}

impl Kind {
    /// Name used in error messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::PublicKey => "public key",
            Self::EvaluationKeys => "evaluation keys",
            Self::SecretKey => "secret key",
            Self::Ciphertext => "ciphertext",
            Self::SeededCiphertext => "seeded ciphertext",
        }
    }

    /// Version of the kind's format.
    fn version(self) -> u8 {
        match self {
            // 2: a directory of all keys comes first.
            Self::EvaluationKeys => 2,
            _ => 1,
        }
    }

    fn malformed(self, reason: &'static str) -> CkksError {
        CkksError::Malformed { kind: self.name(), reason }
    }
}

/// Counts and hashes what is written to it.
struct Tally {
    hash: blake3::Hasher,
    length: u64,
}

impl Write for Tally {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn header(kind: Kind, id: ParametersId, length: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = kind.version();
    header[5] = kind as u8;
    header[8..40].copy_from_slice(&id.0);
    header[40..].copy_from_slice(&length.to_le_bytes());
    header
}

type Put<'a> = &'a mut dyn FnMut(&mut dyn Write) -> Result<()>;

/// Writes an envelope. `put` writes the payload and is called twice: once to measure and hash it,
/// once for good.
pub(crate) fn write(kind: Kind, id: ParametersId, out: &mut dyn Write, put: Put<'_>) -> Result<()> {
    let mut tally = Tally { hash: blake3::Hasher::new(), length: 0 };
    put(&mut tally)?;
    let header = header(kind, id, tally.length);
    // The payload is hashed before the header is known, hence payload first.
    tally.hash.update(&header);
    out.write_all(&header)?;
    out.write_all(tally.hash.finalize().as_bytes())?;
    put(out)
}

/// Length in bytes of an envelope with the payload `put` writes.
#[cfg(feature = "client")]
pub(crate) fn measure(put: Put<'_>) -> Result<usize> {
    let mut tally = Tally { hash: blake3::Hasher::new(), length: 0 };
    put(&mut tally)?;
    Ok(tally.length as usize + HEADER + 32)
}

/// A payload being read: bounded by its announced length, and hashed.
pub struct Source<'a> {
    kind: Kind,
    input: &'a mut dyn Read,
    hash: blake3::Hasher,
    remaining: u64,
    /// Parameter set named in the header.
    pub(crate) id: ParametersId,
}

impl Source<'_> {
    /// A `Malformed` error for this payload.
    pub(crate) fn malformed(&self, reason: &'static str) -> CkksError {
        self.kind.malformed(reason)
    }

    /// Refuses to go on (before allocating) unless `length` more bytes are announced.
    pub(crate) fn expect(&self, length: usize) -> Result<()> {
        if length as u64 > self.remaining {
            return Err(self.malformed("payload too short"));
        }
        Ok(())
    }

    /// Fills `buffer`.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.expect(buffer.len())?;
        read_exact(self.kind, self.input, buffer)?;
        self.hash.update(buffer);
        self.remaining -= buffer.len() as u64;
        Ok(())
    }

    /// Passes over `length` bytes.
    pub(crate) fn skip(&mut self, length: usize) -> Result<()> {
        self.expect(length)?;
        let mut left = length;
        let mut buffer = [0; 1 << 14];
        while left > 0 {
            let run = left.min(buffer.len());
            self.fill(&mut buffer[..run])?;
            left -= run;
        }
        Ok(())
    }

    /// Reads a record written by [`put_record`].
    pub(crate) fn record<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut length = [0; 2];
        self.fill(&mut length)?;
        let length = usize::from(u16::from_le_bytes(length));
        if length > MAX_RECORD {
            return Err(self.malformed("record too long"));
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        match postcard::take_from_bytes(&bytes) {
            Ok((value, [])) => Ok(value),
            _ => Err(self.malformed("unreadable record")),
        }
    }
}

/// Writes a small record as postcard with its length.
pub(crate) fn put_record<T: serde::Serialize>(out: &mut dyn Write, value: &T) -> Result<()> {
    let bytes = postcard::to_stdvec(value)
        .map_err(|_| CkksError::Malformed { kind: "record", reason: "cannot be serialised" })?;
    debug_assert!(bytes.len() <= MAX_RECORD);
    out.write_all(&(bytes.len() as u16).to_le_bytes())?;
    Ok(out.write_all(&bytes)?)
}

fn read_exact(kind: Kind, input: &mut dyn Read, buffer: &mut [u8]) -> Result<()> {
    input.read_exact(buffer).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => kind.malformed("truncated"),
        _ => e.into(),
    })
}

/// Reads an envelope of `kind`, of parameter set `id` if given, and its payload with `get`.
pub(crate) fn read<T>(
    kind: Kind,
    id: Option<ParametersId>,
    input: &mut dyn Read,
    get: &mut dyn FnMut(&mut Source<'_>) -> Result<T>,
) -> Result<T> {
    let mut head = [0; HEADER];
    read_exact(kind, input, &mut head)?;
    let mut checksum = [0; 32];
    read_exact(kind, input, &mut checksum)?;
    if head[..4] != MAGIC {
        return Err(kind.malformed("wrong magic"));
    }
    if head[5] != kind as u8 || head[6..8] != [0, 0] {
        return Err(kind.malformed("another kind of object"));
    }
    if head[4] != kind.version() {
        return Err(kind.malformed("unknown version"));
    }
    let mut found = ParametersId([0; 32]);
    found.0.copy_from_slice(&head[8..40]);
    if let Some(expected) = id
        && expected != found
    {
        return Err(CkksError::ParametersMismatch { expected, found });
    }
    let mut length = [0; 8];
    length.copy_from_slice(&head[40..]);
    let remaining = u64::from_le_bytes(length);
    let mut source = Source { kind, input, hash: blake3::Hasher::new(), remaining, id: found };
    let object = get(&mut source)?;
    if source.remaining != 0 {
        return Err(kind.malformed("payload too long"));
    }
    source.hash.update(&head);
    if *source.hash.finalize().as_bytes() != checksum {
        return Err(kind.malformed("checksum does not match"));
    }
    Ok(object)
}

/// Refuses trailing bytes.
pub(crate) fn nothing_left(kind: Kind, rest: &[u8]) -> Result<()> {
    if rest.is_empty() { Ok(()) } else { Err(kind.malformed("trailing bytes")) }
}
