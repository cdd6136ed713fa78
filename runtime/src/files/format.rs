//! The frame of key and ciphertext files: header, objects, and a digest of all of it.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use fhec_ckks::Serializable;
use fhec_ckks::params::Parameters;
use fhec_ir::output::write_atomically;
use fhec_ir::plan::PlanId;
use serde::{Deserialize, Serialize};

use crate::error::FileError;

const MAGIC: [u8; 8] = *b"FHECDATA";
const VERSION: u32 = 2;
/// Longest record: names and counts of packed values.
const MAX_RECORD: usize = 1 << 20;

/// Identity of a set of keys made together: half a digest of its public key, and half one of its evaluation keys' seeds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct KeySetId(pub [u8; 32]);

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    Secret = 1,
    Public = 2,
    Evaluation = 3,
    Inputs = 4,
    Outputs = 5,
    Checkpoint = 6,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Secret, Self::Public, Self::Evaluation, Self::Inputs, Self::Outputs, Self::Checkpoint];

    fn name(self) -> &'static str {
        match self {
            Self::Secret => "a secret key",
            Self::Public => "a public key",
            Self::Evaluation => "evaluation keys",
            Self::Inputs => "encrypted inputs",
            Self::Outputs => "encrypted outputs",
            Self::Checkpoint => "a checkpoint of a run",
        }
    }

    /// Keys are made for parameters, not for a plan.
    fn is_key(self) -> bool {
        matches!(self, Self::Secret | Self::Public | Self::Evaluation)
    }
}

/// The identities in a file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tags {
    pub(crate) parameters: [u8; 32],
    pub(crate) keys: KeySetId,
    /// Zero for keys.
    pub(crate) plan: PlanId,
}

pub(crate) const NO_PLAN: PlanId = PlanId([0; 32]);

pub(crate) fn hex(id: &[u8]) -> String {
    id[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// Compares identities, of at least 8 bytes.
pub(crate) fn expect_same<const N: usize>(
    path: &Path,
    what: &'static str,
    expected: &[u8; N],
    found: &[u8; N],
) -> Result<(), FileError> {
    if expected == found {
        return Ok(());
    }
    Err(FileError::Mismatch { path: path.to_owned(), what, expected: hex(expected), found: hex(found) })
}

fn header(kind: Kind, tags: &Tags, record: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((kind as u32).to_le_bytes());
    bytes.extend(tags.parameters);
    bytes.extend(tags.keys.0);
    bytes.extend(tags.plan.0);
    bytes.extend((record.len() as u32).to_le_bytes());
    bytes.extend(record);
    let digest = blake3::hash(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}

/// Hashes what is read or written through it.
pub(crate) struct Hashed<T> {
    inner: T,
    hasher: blake3::Hasher,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: blake3::Hasher::new() }
    }

    fn digest(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes a file, atomically; `content` writes the objects.
pub(crate) fn write(
    path: &Path,
    kind: Kind,
    tags: &Tags,
    record: &[u8],
    content: impl FnOnce(&mut dyn Write) -> Result<(), fhec_ckks::CkksError>,
) -> Result<(), FileError> {
    let mode = matches!(kind, Kind::Secret).then_some(0o600);
    let mut failure = None;
    let written = write_atomically(path, mode, |out| {
        let mut out = Hashed::new(out);
        out.write_all(&header(kind, tags, record))?;
        content(&mut out).map_err(|e| match e {
            fhec_ckks::CkksError::Io(e) => e,
            other => {
                failure = Some(other);
                io::Error::other("the engine refuses")
            }
        })?;
        let digest = out.digest();
        out.inner.write_all(&digest)
    });
    match (written, failure) {
        (_, Some(error)) => Err(FileError::ckks(path)(error)),
        (Err(error), None) => Err(FileError::io(path)(error)),
        (Ok(()), None) => Ok(()),
    }
}

/// An open file whose header was checked.
pub(crate) struct Opened {
    path: PathBuf,
    pub(crate) input: Hashed<BufReader<File>>,
    pub(crate) tags: Tags,
    pub(crate) record: Vec<u8>,
}

/// Opens a file of the given kind and parameters.
pub(crate) fn open(path: &Path, kind: Kind, parameters: &Parameters) -> Result<Opened, FileError> {
    let file = File::open(path).map_err(FileError::io(path))?;
    let mut input = Hashed::new(BufReader::with_capacity(1 << 20, file));
    let mut fixed = [0u8; 116];
    let read = read_up_to(&mut input, &mut fixed).map_err(FileError::io(path))?;
    let wrong =
        |found: &str| FileError::Kind { path: path.to_owned(), expected: kind.name(), found: found.into() };
    if read < 8 || fixed[..8] != MAGIC {
        return Err(wrong("something else"));
    }
    if read < fixed.len() {
        return Err(FileError::damaged(path, "it is truncated"));
    }
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|k| fixed[at + k]));
    let id = |at: usize| -> [u8; 32] { std::array::from_fn(|k| fixed[at + k]) };
    if word(8) != VERSION {
        let message =
            format!("a file of format version {}; this fhec reads version {VERSION}: make it again", word(8));
        return Err(wrong(&message));
    }
    let length = word(112) as usize;
    if length > MAX_RECORD {
        return Err(FileError::damaged(path, "its header is too long"));
    }
    let mut rest = vec![0u8; length + 32];
    if read_up_to(&mut input, &mut rest).map_err(FileError::io(path))? < rest.len() {
        return Err(FileError::damaged(path, "it is truncated"));
    }
    let (record, digest) = rest.split_at(length);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&fixed).update(record);
    if hasher.finalize().as_bytes()[..] != *digest {
        return Err(FileError::damaged(path, "the header's checksum is wrong"));
    }
    if word(12) != kind as u32 {
        let found = Kind::ALL.into_iter().find(|k| *k as u32 == word(12));
        return Err(wrong(found.map_or("something else", Kind::name)));
    }
    let tags = Tags { parameters: id(16), keys: KeySetId(id(48)), plan: PlanId(id(80)) };
    expect_same(path, "parameter set", &parameters.id().0, &tags.parameters)?;
    if kind.is_key() && (tags.plan != NO_PLAN || length != 0) {
        return Err(FileError::damaged(path, "a key file that names a plan or values"));
    }
    Ok(Opened { path: path.to_owned(), record: record.to_vec(), input, tags })
}

/// The set that a file of keys claims to be of; None if it is no such file.
pub(crate) fn key_set_of(path: &Path) -> Option<KeySetId> {
    let file = std::fs::metadata(path).is_ok_and(|m| m.is_file()).then(|| File::open(path).ok())??;
    let mut fixed = [0u8; 80];
    let mut input = BufReader::new(file);
    let whole = read_up_to(&mut input, &mut fixed).is_ok_and(|n| n == fixed.len());
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|k| fixed[at + k]));
    let is_key = Kind::ALL.into_iter().any(|kind| kind.is_key() && kind as u32 == word(12));
    let ours = whole && fixed[..8] == MAGIC && word(8) == VERSION && is_key;
    ours.then(|| KeySetId(std::array::from_fn(|k| fixed[48 + k])))
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

impl Opened {
    /// Reads the next object.
    pub(crate) fn object<T: Serializable>(&mut self, parameters: &Parameters) -> Result<T, FileError> {
        T::read_from(parameters, &mut self.input).map_err(FileError::ckks(&self.path))
    }

    /// Checks the digest of all that was read, and that nothing is left.
    pub(crate) fn end(mut self) -> Result<(), FileError> {
        let (expected, mut found) = (self.input.digest(), [0; 33]);
        match read_up_to(&mut self.input.inner, &mut found).map_err(FileError::io(&self.path))? {
            0..32 => Err(FileError::damaged(&self.path, "it is truncated")),
            32 if found[..32] == expected => Ok(()),
            32 => Err(FileError::damaged(
                &self.path,
                "its objects are not those, or not in the order, that it was written with",
            )),
            _ => Err(FileError::damaged(&self.path, "bytes follow its end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use fhec_ckks::params::insecure_test_params;

    use super::*;

    #[test]
    fn key_files_name_neither_plan_nor_values() {
        let parameters = insecure_test_params(5, &[45, 38], &[49]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let refused = |plan: PlanId, record: &[u8]| {
            let tags = Tags { parameters: parameters.id().0, keys: KeySetId([3; 32]), plan };
            write(&path, Kind::Evaluation, &tags, record, |_| Ok(())).unwrap();
            matches!(open(&path, Kind::Evaluation, &parameters), Err(FileError::Damaged { .. }))
        };
        assert!(!refused(NO_PLAN, &[]));
        assert!(refused(PlanId([1; 32]), &[]));
        assert!(refused(NO_PLAN, &[0]));
    }
}
