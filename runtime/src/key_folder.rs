//! The folder of a client's keys: its files belong together.

use std::path::Path;

#[cfg(feature = "client")]
use fhec_ir::output::FolderSwap;

#[cfg(feature = "client")]
use crate::client::{self, Client, Keys};
use crate::error::FileError;
use crate::files::{self, KeySetId};
#[cfg(feature = "client")]
use crate::ledger;

/// File of the secret key.
pub const SECRET: &str = "secret.key";
/// File of the public key.
pub const PUBLIC: &str = "public.key";
/// File of the keys for the server.
pub const EVALUATION: &str = "evaluation.keys";

/// All files of a key folder. New keys replace them all: requests and releases are of the old ones.
#[cfg(feature = "client")]
const FILES: [&str; 5] = [SECRET, PUBLIC, EVALUATION, ledger::REQUESTS_FILE, ledger::RELEASES_FILE];

/// A key folder that is being made: it has its name, and all files, or none of them.
#[cfg(feature = "client")]
pub struct KeyFolder(FolderSwap);

#[cfg(feature = "client")]
impl KeyFolder {
    /// Begins a folder of keys at `path`, in the place of another one if `replace`. Nobody else can meanwhile.
    ///
    /// # Errors
    /// As [`FolderSwap::begin`].
    pub fn begin(path: &Path, replace: bool) -> Result<Self, FileError> {
        FolderSwap::begin(path, &FILES, replace).map(Self).map_err(FileError::io(path))
    }

    /// Writes the keys, then puts the folder in its place.
    ///
    /// # Errors
    /// Those of the file system: then there is what there was before.
    pub fn save(self, client: &Client, keys: &Keys) -> Result<(), FileError> {
        let path = |name: &str| self.0.folder().join(name);
        client::write_secret_key(&path(SECRET), &keys.secret, keys.id)?;
        files::write_public_key(&path(PUBLIC), client.parameters(), &keys.public, keys.id)?;
        files::write_evaluation_keys(&path(EVALUATION), &keys.evaluation, keys.id)?;
        let folder = self.0.folder().to_owned();
        self.0.commit().map_err(FileError::io(&folder))
    }
}

/// Checks that the key files beside `path` are of its set. Files that are not there, or are no key files, say nothing.
///
/// # Errors
/// Names a file of another set.
pub fn check_siblings(path: &Path, set: KeySetId) -> Result<(), FileError> {
    for name in [SECRET, PUBLIC, EVALUATION] {
        let sibling = path.with_file_name(name);
        if let Some(other) = files::key_set_of(&sibling).filter(|other| *other != set) {
            return Err(FileError::Mixed {
                path: path.to_owned(),
                sibling,
                set: files::hex(&set.0),
                other: files::hex(&other.0),
            });
        }
    }
    Ok(())
}
