//! Files of public and evaluation keys.

use std::path::Path;

use fhec_ckks::keys::{EvaluationKeySet, PublicKey};
use fhec_ckks::params::{KeyShape, Parameters};
use fhec_ckks::{CkksError, KeyName, Serializable};

use super::format::{KeySetId, Kind, NO_PLAN, Tags, expect_same, open, write};
use crate::error::FileError;

fn half(bytes: &[u8; 32]) -> [u8; 16] {
    std::array::from_fn(|k| bytes[k])
}

impl KeySetId {
    /// The identity of keys that belong together.
    ///
    /// # Errors
    /// If they are of other parameters.
    pub fn of(
        parameters: &Parameters,
        public: &PublicKey,
        evaluation: &EvaluationKeySet,
    ) -> Result<Self, CkksError> {
        let public = half(blake3::hash(&public.to_bytes(parameters)?).as_bytes());
        let evaluation = half(&evaluation.fingerprint()?);
        Ok(Self(std::array::from_fn(|k| if k < 16 { public[k] } else { evaluation[k - 16] })))
    }

    fn public(&self) -> [u8; 16] {
        half(&self.0)
    }

    fn evaluation(&self) -> [u8; 16] {
        std::array::from_fn(|k| self.0[16 + k])
    }
}

/// Writes a public key of the set `id`.
///
/// # Errors
/// Those of the file system.
pub fn write_public_key(
    path: &Path,
    parameters: &Parameters,
    key: &PublicKey,
    id: KeySetId,
) -> Result<(), FileError> {
    let tags = Tags { parameters: parameters.id().0, keys: id, plan: NO_PLAN };
    write(path, Kind::Public, &tags, &[], |mut out| key.write_to(parameters, &mut out))
}

/// Reads a public key.
///
/// # Errors
/// If the file is no public key for these parameters, or the key is not of the set that the file names.
pub fn read_public_key(path: &Path, parameters: &Parameters) -> Result<(PublicKey, KeySetId), FileError> {
    let mut file = open(path, Kind::Public, parameters)?;
    let key: PublicKey = file.object(parameters)?;
    let id = file.tags.keys;
    file.end()?;
    let bytes = key.to_bytes(parameters).map_err(FileError::ckks(path))?;
    expect_same(path, "key set", &id.public(), &half(blake3::hash(&bytes).as_bytes()))?;
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

/// Reads the keys for a server, and of them only those that `needs` asks for ([`Server::key_needs`]).
///
/// [`Server::key_needs`]: crate::server::Server::key_needs
///
/// # Errors
/// If the file holds no evaluation keys for these parameters, one is missing, or they are not of the set that the file names.
pub fn read_evaluation_keys(
    path: &Path,
    parameters: &Parameters,
    needs: &[(KeyName, KeyShape)],
) -> Result<(EvaluationKeySet, KeySetId), FileError> {
    let mut file = open(path, Kind::Evaluation, parameters)?;
    let read = EvaluationKeySet::read_needed(parameters, &mut file.input, needs);
    let keys = read.map_err(FileError::ckks(path))?;
    let id = file.tags.keys;
    file.end()?;
    expect_same(path, "key set", &id.evaluation(), &half(&keys.fingerprint))?;
    Ok((keys.set, id))
}
