//! Replacing a whole folder.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use super::dead::{recover, remove_dead};
use super::lock::LockFile;
use super::paths::{Ours, folder_of, sync_folder};

/// A folder whose files belong together and are replaced together: a complete new one is made beside it and takes its name.
///
/// A process that dies meanwhile leaves the old folder or the new one, whole; what else is left of it goes with the next
/// one. (Where the system cannot exchange two folders there is a moment in which the old one lies beside under another
/// name; the next one puts it back.)
#[derive(Debug)]
pub struct FolderSwap {
    target: PathBuf,
    unfinished: PathBuf,
    old: PathBuf,
    // Goes last.
    _lock: LockFile,
}

fn refuse<T>(kind: ErrorKind, why: impl Into<String>) -> Result<T> {
    Err(Error::new(kind, why.into()))
}

impl FolderSwap {
    /// Begins to replace the folder `path`, which need not exist. `known` are the names that it may hold, of which it may
    /// hold one only if it is to be replaced.
    ///
    /// # Errors
    /// Those of the file system; if the folder holds other files, or some and is not to be replaced; if another process is
    /// at it; or if it cannot be renamed, being a mount point or the folder that this process works in.
    pub fn begin(path: &Path, known: &[&str], replace: bool) -> Result<Self> {
        let target = match path.canonicalize() {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => {
                return refuse(ErrorKind::NotFound, "it is a symbolic link that leads nowhere");
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let name = path.file_name().ok_or(error)?;
                std::fs::create_dir_all(folder_of(path))?;
                folder_of(path).canonicalize()?.join(name)
            }
            Err(error) => return Err(error),
        };
        let (Some(parent), Some(name)) = (target.parent(), target.file_name().and_then(|n| n.to_str()))
        else {
            return refuse(ErrorKind::InvalidInput, "this cannot be the name of a folder of keys");
        };
        let beside = |ours: Ours<'_>| parent.join(ours.to_string());
        let Some(lock) = LockFile::take(beside(Ours::Lock(name)))? else {
            return refuse(ErrorKind::WouldBlock, "another process is writing it");
        };
        recover(parent, name, &lock)?;
        if target.exists() {
            check_replaceable(&target, parent, known, replace)?;
        }
        let unfinished = beside(Ours::Part(name));
        std::fs::create_dir(&unfinished)?;
        let old = beside(Ours::Old(name));
        Ok(Self { target, unfinished, old, _lock: lock })
    }

    /// Where to write the new files.
    pub fn folder(&self) -> &Path {
        &self.unfinished
    }

    /// Puts the new folder in the place of the old one. The files in it have been synced by who wrote them.
    ///
    /// # Errors
    /// Those of the file system; the old folder is still there.
    pub fn commit(self) -> Result<()> {
        let exists = self.target.exists();
        if exists {
            std::fs::set_permissions(&self.unfinished, std::fs::metadata(&self.target)?.permissions())?;
        }
        sync_folder(&self.unfinished);
        if !exists || !exchange(&self.unfinished, &self.target) {
            if exists {
                std::fs::rename(&self.target, &self.old)?;
            }
            std::fs::rename(&self.unfinished, &self.target).inspect_err(|_| {
                let _ = std::fs::rename(&self.old, &self.target);
            })?;
        }
        sync_folder(folder_of(&self.target));
        // What is replaced goes when this is dropped.
        Ok(())
    }
}

impl Drop for FolderSwap {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.unfinished);
        if self.target.exists() {
            let _ = std::fs::remove_dir_all(&self.old);
        }
    }
}

/// Exchanges two folders at once, where the system and the file system can.
fn exchange(a: &Path, b: &Path) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (a, b);
        false
    }
}

/// Checks that a folder holds nothing but what may be replaced, and can be renamed.
fn check_replaceable(target: &Path, parent: &Path, known: &[&str], replace: bool) -> Result<()> {
    if !target.is_dir() {
        return refuse(ErrorKind::NotADirectory, "this is no folder");
    }
    remove_dead(target);
    let mut exists = None;
    for entry in std::fs::read_dir(target)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = entry.file_type()?.is_file() && known.iter().any(|k| name == *k);
        if !ours {
            return refuse(
                ErrorKind::DirectoryNotEmpty,
                format!("it holds {}, which is no key: give a folder of its own", name.display()),
            );
        }
        exists = Some(name);
    }
    if let (Some(name), false) = (exists, replace) {
        let path = Path::new(&name).display().to_string();
        return refuse(
            ErrorKind::AlreadyExists,
            format!("{path} exists; --force overwrites it, and what it encrypted is lost"),
        );
    }
    if std::env::current_dir().is_ok_and(|here| here == target) {
        return refuse(ErrorKind::ResourceBusy, "this is the working folder: give one in it");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if std::fs::metadata(target)?.dev() != std::fs::metadata(parent)?.dev() {
            return refuse(ErrorKind::ResourceBusy, "this is a mount point: give a folder in it");
        }
    }
    #[cfg(not(unix))]
    let _ = parent;
    Ok(())
}
