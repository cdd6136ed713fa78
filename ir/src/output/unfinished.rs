//! Files that are being written.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use super::dead::remove_dead_once;
use super::lock::is_named;
use super::paths::{PREFIX, RANDOM, folder_of, sync_folder};

/// A file beside the one that it will become. Removed if it does not.
#[derive(Debug)]
pub(super) struct Unfinished(NamedTempFile);

impl Unfinished {
    /// Makes one, and removes those of dead processes.
    pub(super) fn create(folder: &Path, mode: Option<u32>) -> io::Result<Self> {
        remove_dead_once(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(".part").rand_bytes(RANDOM);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As for any new file, the process' umask takes its part.
            builder.permissions(std::fs::Permissions::from_mode(mode.unwrap_or(0o666)));
        }
        #[cfg(not(unix))]
        let _ = mode;
        loop {
            let file = builder.tempfile_in(folder)?;
            // Where there are no locks nobody will take this for dead either.
            let _ = file.as_file().lock();
            // Another process may have taken it for dead before it was locked.
            if is_named(file.as_file(), file.path()) {
                return Ok(Self(file));
            }
        }
    }

    pub(super) fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Puts the file in the place of `path`, on the disk before it is seen.
    pub(super) fn become_file(self, path: &Path) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        let _written = self.0.persist(path)?;
        sync_folder(folder_of(path));
        Ok(())
    }
}
