//! Folders of pictures.

use std::fs;
use std::path::{Path, PathBuf};

use super::picture::is_picture;

/// The pictures of a folder and, if they lie in subfolders, what class each is of: the number of its subfolder among
/// all of them. Both are sorted by name; what is hidden, or no picture, is passed over.
pub(super) fn list(folder: &Path) -> Result<(Vec<PathBuf>, Option<Vec<usize>>), String> {
    let (classes, pictures) = entries(folder)?;
    if !pictures.is_empty() {
        return match classes.first() {
            None => Ok((pictures, None)),
            Some(class) => {
                Err(format!("pictures beside the subfolder {}: is that a class?", class.display()))
            }
        };
    }
    let (mut pictures, mut labels) = (vec![], vec![]);
    for (label, class) in classes.iter().enumerate() {
        let (_, of_class) = entries(class)?;
        if of_class.is_empty() {
            // Passing over it would give the classes after it other numbers than those of training.
            return Err(format!("the subfolder {} holds no pictures", class.display()));
        }
        labels.extend(of_class.iter().map(|_| label));
        pictures.extend(of_class);
    }
    if pictures.is_empty() { Err("it holds no pictures".into()) } else { Ok((pictures, Some(labels))) }
}

/// Subfolders and pictures, sorted.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    let (mut folders, mut pictures) = (vec![], vec![]);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            folders.push(path);
        } else if is_picture(&path) {
            pictures.push(path);
        }
    }
    folders.sort();
    pictures.sort();
    Ok((folders, pictures))
}
