//! Folders of files, and names in them that are ours.

use std::fs::File;
use std::path::Path;

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Brings a folder's list of names to the disk, where the system can.
pub(super) fn sync_folder(path: &Path) {
    // Not every file system lets folders be opened and synced; then there is nothing better to do.
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

/// What names of ours begin with.
pub(super) const PREFIX: &str = ".fhec-";
/// Random characters in the names of unfinished files.
pub(super) const RANDOM: usize = 8;

/// What a name in a folder says, if it is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ours<'n> {
    /// Behind the prefix and before `.part`: an unfinished file if random, an unfinished folder of this name.
    Part(&'n str),
    /// A folder of this name that is being replaced.
    Old(&'n str),
    /// The lock of whoever replaces the folder of this name.
    Lock(&'n str),
}

impl<'n> Ours<'n> {
    pub(super) fn of(name: &'n str) -> Option<Self> {
        let (stem, kind) = name.strip_prefix(PREFIX)?.rsplit_once('.')?;
        match kind {
            "part" => Some(Self::Part(stem)),
            "old" => Some(Self::Old(stem)),
            "lock" => Some(Self::Lock(stem)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Ours<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Part(stem) => write!(f, "{PREFIX}{stem}.part"),
            Self::Old(stem) => write!(f, "{PREFIX}{stem}.old"),
            Self::Lock(stem) => write!(f, "{PREFIX}{stem}.lock"),
        }
    }
}

/// Whether a stem is that of an unfinished file.
pub(super) fn is_random(stem: &str) -> bool {
    stem.len() == RANDOM && stem.bytes().all(|b| b.is_ascii_alphanumeric())
}
