//! What a name for an output stands for.

use std::fs::{Metadata, Permissions};
use std::io::{self, Error, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::paths::folder_of;
use super::unfinished::Unfinished;

/// Most symbolic links from a name to its file.
const MAX_LINKS: usize = 40;

/// Where an output goes.
#[derive(Debug)]
pub enum Place {
    /// A regular file, which need not exist, at the end of all symbolic links.
    File {
        /// Its name.
        path: PathBuf,
        /// Its permissions, if it exists.
        permissions: Option<Permissions>,
    },
    /// Something to write to as it is.
    Through(PathBuf),
}

impl Place {
    /// Finds out where a file of this name goes. Nothing is changed.
    ///
    /// # Errors
    /// If the name is that of a folder or a secret key, or its folder does not exist.
    pub fn of(path: &Path) -> io::Result<Self> {
        if let Ok(metadata) = std::fs::metadata(path)
            && !metadata.is_file()
        {
            return match metadata.is_dir() {
                true => Err(Error::new(ErrorKind::IsADirectory, "this is a folder: name a file in it")),
                false => Ok(Self::Through(path.to_owned())),
            };
        }
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let folder = folder_of(&path).canonicalize()?;
            if folder.starts_with("/proc") {
                // A descriptor of this process: /dev/stdout leads here.
                return Ok(Self::Through(path));
            }
            match std::fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_symlink() => path = folder.join(std::fs::read_link(&path)?),
                Ok(metadata) => return Self::existing(path, &metadata),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return match path.file_name() {
                        Some(name) => Ok(Self::File { path: folder.join(name), permissions: None }),
                        None => Err(Error::new(ErrorKind::InvalidInput, "this names no file")),
                    };
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::InvalidInput, "too many symbolic links"))
    }

    fn existing(path: PathBuf, metadata: &Metadata) -> io::Result<Self> {
        if holds_secret_key(&path) {
            let why = "it holds a secret key, which is never overwritten: give another name";
            return Err(Error::new(ErrorKind::AlreadyExists, why));
        }
        Ok(Self::File { path, permissions: Some(metadata.permissions()) })
    }
}

/// Whether a file is a secret key, by its first bytes. Without them (unreadable, no regular file) it is none.
pub fn holds_secret_key(path: &Path) -> bool {
    /// Magic, version, and the kind of secret keys, as the runtime writes them.
    const MAGIC: &[u8; 8] = b"FHECDATA";
    const SECRET: [u8; 4] = 1u32.to_le_bytes();
    let mut head = [0; 16];
    let is_file = std::fs::metadata(path).is_ok_and(|m| m.is_file());
    let read = is_file && std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut head)).is_ok();
    read && head[..8] == *MAGIC && head[12..] == SECRET
}

/// Checks that [`write_atomically`](super::write_atomically) can write this file, before there is something to write.
///
/// # Errors
/// As that, as far as can be said now.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match Place::of(path)? {
        Place::File { path, .. } => Unfinished::create(folder_of(&path), Some(0o600)).map(drop),
        #[cfg(unix)]
        Place::Through(path) => Ok(rustix::fs::access(&path, rustix::fs::Access::WRITE_OK)?),
        #[cfg(not(unix))]
        Place::Through(_) => Ok(()),
    }
}

/// Checks that files can be written to a folder, which may have to be made first.
///
/// # Errors
/// If it is none, or the first folder above it that exists cannot be written to.
pub fn check_folder(path: &Path) -> io::Result<()> {
    let mut folder = path;
    loop {
        match std::fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => return Unfinished::create(folder, Some(0o600)).map(drop),
            Ok(_) => {
                return Err(Error::new(
                    ErrorKind::NotADirectory,
                    format!("{} is no folder", folder.display()),
                ));
            }
            // A link that leads nowhere is no place to make a folder.
            Err(error)
                if error.kind() == ErrorKind::NotFound && std::fs::symlink_metadata(folder).is_err() =>
            {
                folder = folder_of(folder);
            }
            Err(error) => return Err(error),
        }
    }
}
