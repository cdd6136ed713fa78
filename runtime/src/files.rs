//! Key and ciphertext files.
//!
//! ```text
//! magic "FHECDATA" | version u32 | kind u32 | parameters 32 | key set 32 | plan 32 | n u32 | record of n bytes
//! BLAKE3 of all of the above
//! engine objects, each in its own checked envelope, and nothing after the last
//! ```
//! The three identities say what a file was made for: mixing keys of one client with ciphertexts of another, or
//! ciphertexts for one plan with another plan, is an error that says so instead of garbage. (It is a check against
//! mistakes: whoever forges files can forge identities.) Keys carry no plan.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use fhec_ckks::Serializable;
use fhec_ckks::cipher::{Ciphertext, SeededCiphertext};
use fhec_ckks::keys::{EvaluationKeySet, PublicKey};
use fhec_ckks::params::Parameters;
use fhec_ir::output::write_atomically;
use fhec_ir::plan::PlanId;
use serde::{Deserialize, Serialize};

use crate::error::FileError;

const MAGIC: [u8; 8] = *b"FHECDATA";
const VERSION: u32 = 1;
/// Longest record: names and counts of packed values.
const MAX_RECORD: usize = 1 << 20;

/// Identity of a set of keys made together: digest of its public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct KeySetId(pub [u8; 32]);

impl KeySetId {
    /// The identity of the set that `key` belongs to.
    ///
    /// # Errors
    /// If the key is of other parameters.
    pub fn of(parameters: &Parameters, key: &PublicKey) -> Result<Self, fhec_ckks::CkksError> {
        Ok(Self(*blake3::hash(&key.to_bytes(parameters)?).as_bytes()))
    }
}

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
}

impl Kind {
    const ALL: [Self; 5] = [Self::Secret, Self::Public, Self::Evaluation, Self::Inputs, Self::Outputs];

    fn name(self) -> &'static str {
        match self {
            Self::Secret => "a secret key",
            Self::Public => "a public key",
            Self::Evaluation => "evaluation keys",
            Self::Inputs => "encrypted inputs",
            Self::Outputs => "encrypted outputs",
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

pub(crate) fn hex(id: &[u8; 32]) -> String {
    id[..8].iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn expect_same(
    path: &Path,
    what: &'static str,
    expected: &[u8; 32],
    found: &[u8; 32],
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
        out.write_all(&header(kind, tags, record))?;
        content(out).map_err(|e| match e {
            fhec_ckks::CkksError::Io(e) => e,
            other => {
                failure = Some(other);
                std::io::Error::other("the engine refuses")
            }
        })
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
    pub(crate) input: BufReader<File>,
    pub(crate) tags: Tags,
    pub(crate) record: Vec<u8>,
}

/// Opens a file of the given kind and parameters.
pub(crate) fn open(path: &Path, kind: Kind, parameters: &Parameters) -> Result<Opened, FileError> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(path).map_err(FileError::io(path))?);
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
        return Err(wrong(&format!("format version {}", word(8))));
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

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
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

    /// Checks that nothing is left.
    pub(crate) fn end(mut self) -> Result<(), FileError> {
        match read_up_to(&mut self.input, &mut [0]).map_err(FileError::io(&self.path))? {
            0 => Ok(()),
            _ => Err(FileError::damaged(&self.path, "bytes follow its end")),
        }
    }
}

/// Writes a public key.
///
/// # Errors
/// Those of the file system.
pub fn write_public_key(path: &Path, parameters: &Parameters, key: &PublicKey) -> Result<(), FileError> {
    let keys = KeySetId::of(parameters, key).map_err(FileError::ckks(path))?;
    let tags = Tags { parameters: parameters.id().0, keys, plan: NO_PLAN };
    write(path, Kind::Public, &tags, &[], |mut out| key.write_to(parameters, &mut out))
}

/// Reads a public key.
///
/// # Errors
/// If the file is no public key for these parameters.
pub fn read_public_key(path: &Path, parameters: &Parameters) -> Result<(PublicKey, KeySetId), FileError> {
    let mut file = open(path, Kind::Public, parameters)?;
    let key: PublicKey = file.object(parameters)?;
    let tags = file.tags;
    file.end()?;
    let id = KeySetId::of(parameters, &key).map_err(FileError::ckks(path))?;
    expect_same(path, "key set", &tags.keys.0, &id.0)?;
    Ok((key, id))
}

/// Writes the keys for a server.
///
/// # Errors
/// Those of the file system.
pub fn write_evaluation_keys(path: &Path, keys: &EvaluationKeySet, id: KeySetId) -> Result<(), FileError> {
    let parameters = keys.parameters();
    let tags = Tags { parameters: parameters.id().0, keys: id, plan: NO_PLAN };
    write(path, Kind::Evaluation, &tags, &[], |mut out| keys.write_to(parameters, &mut out))
}

/// Reads the keys for a server.
///
/// # Errors
/// If the file holds no evaluation keys for these parameters.
pub fn read_evaluation_keys(
    path: &Path,
    parameters: &Parameters,
) -> Result<(EvaluationKeySet, KeySetId), FileError> {
    let mut file = open(path, Kind::Evaluation, parameters)?;
    let keys = file.object(parameters)?;
    let id = file.tags.keys;
    file.end()?;
    Ok((keys, id))
}

/// Whether ciphertexts go into a network or come out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Inputs,
    /// Back.
    Outputs,
}

impl Direction {
    fn kind(self) -> Kind {
        match self {
            Self::Inputs => Kind::Inputs,
            Self::Outputs => Kind::Outputs,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct BundleRecord {
    /// Names and numbers of ciphertexts.
    values: Vec<(String, u32)>,
    /// Uniform halves as seeds.
    seeded: bool,
}

/// All ciphertexts of a network's inputs or outputs, with what they were made for.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// The plan.
    pub plan: PlanId,
    /// The keys.
    pub keys: KeySetId,
    /// Packed values by name, in order.
    pub values: Vec<(String, Vec<Ciphertext>)>,
}

impl Bundle {
    /// Writes the bundle.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, path: &Path, direction: Direction, parameters: &Parameters) -> Result<(), FileError> {
        let names = self.values.iter().map(|(name, cts)| (name.as_str(), cts.len()));
        save(path, direction.kind(), parameters, (self.plan, self.keys), names, false, &mut |out| {
            self.values.iter().flat_map(|(_, cts)| cts).try_for_each(|ct| ct.write_to(parameters, out))
        })
    }

    /// Reads a bundle for `plan`.
    ///
    /// # Errors
    /// If the file is no such bundle, or for other parameters or another plan.
    pub fn load(
        path: &Path,
        direction: Direction,
        parameters: &Parameters,
        plan: PlanId,
    ) -> Result<Self, FileError> {
        let mut file = open(path, direction.kind(), parameters)?;
        expect_same(path, "plan", &plan.0, &file.tags.plan.0)?;
        let record = postcard::take_from_bytes::<BundleRecord>(&file.record);
        let Ok((BundleRecord { values: names, seeded }, [])) = record else {
            return Err(FileError::damaged(path, "its table of contents is malformed"));
        };
        let mut values = Vec::with_capacity(names.len());
        for (name, count) in names {
            // Grows with what is in the file, not with what it claims.
            let mut cts = Vec::new();
            for _ in 0..count {
                cts.push(if seeded {
                    let ct: SeededCiphertext = file.object(parameters)?;
                    ct.expand(parameters).map_err(FileError::ckks(path))?
                } else {
                    file.object(parameters)?
                });
            }
            values.push((name, cts));
        }
        let keys = file.tags.keys;
        file.end()?;
        Ok(Self { plan, keys, values })
    }
}

/// Writes fresh ciphertexts with seeds for their uniform halves: half the size.
///
/// # Errors
/// Those of the file system.
pub fn save_seeded(
    path: &Path,
    parameters: &Parameters,
    (plan, keys): (PlanId, KeySetId),
    values: &[(String, Vec<SeededCiphertext>)],
) -> Result<(), FileError> {
    let names = values.iter().map(|(name, cts)| (name.as_str(), cts.len()));
    save(path, Kind::Inputs, parameters, (plan, keys), names, true, &mut |out| {
        values.iter().flat_map(|(_, cts)| cts).try_for_each(|ct| ct.write_to(parameters, out))
    })
}

fn save<'n>(
    path: &Path,
    kind: Kind,
    parameters: &Parameters,
    (plan, keys): (PlanId, KeySetId),
    names: impl Iterator<Item = (&'n str, usize)>,
    seeded: bool,
    content: &mut dyn FnMut(&mut &mut dyn Write) -> Result<(), fhec_ckks::CkksError>,
) -> Result<(), FileError> {
    let values = names.map(|(name, count)| (name.to_string(), count as u32)).collect();
    let record = postcard::to_stdvec(&BundleRecord { values, seeded })
        .map_err(|e| FileError::damaged(path, e.to_string()))?;
    let tags = Tags { parameters: parameters.id().0, keys, plan };
    write(path, kind, &tags, &record, |mut out| content(&mut out))
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
