//! Writing files: the one place that decides what a name may be replaced by.
//!
//! 1. Readers of a regular file see the old one or the whole new one: content goes to a file beside it, which is synced and
//!    renamed.
//! 2. A name that is a symbolic link stays one: the file that it leads to is replaced.
//! 3. What is no regular file (a device, a FIFO, a terminal) stays what it is and is written to.
//! 4. A file that holds a secret key is never overwritten.
//! 5. A file that exists keeps its permissions; one with a mode of its own (0600 for secret keys) gets that.
//! 6. What a process that died left unfinished is removed when something is next written to that folder.

mod dead;
mod folder;
mod lock;
mod paths;
mod place;
mod unfinished;
mod wiped;

use std::io::{self, Write};
use std::path::Path;

pub use folder::FolderSwap;
pub use place::{Place, check_folder, check_writable, holds_secret_key};

use unfinished::Unfinished;
use wiped::Wiped;

/// Writes a file by the rules above. On Unix `mode` sets the permissions, else those of the file that is replaced or those
/// of a new file are used. What is buffered of a file with a mode is wiped.
///
/// # Errors
/// Those of the file system and of `content`, and if the name is that of a secret key or a folder.
pub fn write_atomically(
    path: &Path,
    mode: Option<u32>,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match Place::of(path)? {
        Place::Through(path) => through(&path, content),
        Place::File { path, permissions } => {
            let unfinished = Unfinished::create(paths::folder_of(&path), mode)?;
            let mut out = Wiped::new(unfinished.file());
            content(&mut out)?;
            out.finish()?;
            if let (None, Some(permissions)) = (mode, permissions) {
                unfinished.file().set_permissions(permissions)?;
            }
            unfinished.become_file(&path)
        }
    }
}

/// Writes to what is no regular file, or has no name to replace.
fn through(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A redirected output is a regular file that others write to as well: what is there stays.
    let append = std::fs::metadata(path)?.is_file();
    let file = std::fs::OpenOptions::new().write(true).append(append).open(path)?;
    let mut out = Wiped::new(&file);
    content(&mut out)?;
    out.finish()
}

#[cfg(all(test, unix))]
mod tests;
