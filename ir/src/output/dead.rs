//! Removing what processes left behind that died while they wrote.
//!
//! Names tell that something is ours, locks that its writer lives: they are also right between containers, where numbers of
//! processes are not. Where there are no locks, nothing is removed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::lock::{LockFile, is_named};
use super::paths::{Ours, is_random, sync_folder};

/// The folder looked through last: it may hold very many files, and one is written after the other.
static LAST: Mutex<PathBuf> = Mutex::new(PathBuf::new());

/// Cleans a folder before something is written to it, unless this process did so just before.
pub(super) fn remove_dead_once(folder: &Path) {
    let Ok(mut last) = LAST.lock() else { return };
    if *last != folder {
        remove_dead(folder);
        folder.clone_into(&mut last);
    }
}

/// Removes unfinished files and folders of processes that died. What cannot be removed stays.
pub(super) fn remove_dead(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
        match name.to_str().and_then(Ours::of) {
            Some(Ours::Part(stem)) if kind.is_file() && is_random(stem) => remove_file(&entry.path()),
            Some(Ours::Part(stem) | Ours::Old(stem)) if kind.is_dir() => remove_folders(folder, stem),
            Some(Ours::Lock(stem)) if kind.is_file() => remove_folders(folder, stem),
            _ => {}
        }
    }
}

fn remove_file(path: &Path) {
    if let Ok(file) = File::open(path)
        && file.try_lock().is_ok()
        && is_named(&file, path)
    {
        let _ = std::fs::remove_file(path);
    }
}

fn remove_folders(parent: &Path, stem: &str) {
    if let Ok(Some(lock)) = LockFile::take(parent.join(Ours::Lock(stem).to_string())) {
        let _ = recover(parent, stem, &lock);
    }
}

/// Ends the replacement of a folder at which a process died: nothing is left of it but the old folder or the new one.
pub(super) fn recover(parent: &Path, stem: &str, _lock: &LockFile) -> io::Result<()> {
    let (target, old) = (parent.join(stem), parent.join(Ours::Old(stem).to_string()));
    if old.is_dir() && !target.exists() {
        std::fs::rename(&old, &target)?;
        sync_folder(parent);
    }
    for left in [old, parent.join(Ours::Part(stem).to_string())] {
        match std::fs::remove_dir_all(&left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
