//! What a command reads and writes: whether it can, before it computes, and that it overwrites nothing it reads.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fhec_ir::output::{Place, check_folder, check_writable};

use super::kind::{self, Kind};

/// Files of a command.
#[derive(Default)]
pub(crate) struct Paths {
    inputs: Vec<PathBuf>,
    outputs: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    /// Files in these that exist.
    replaced: Vec<PathBuf>,
}

impl Paths {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds files or folders that are read. Behind a `#` may be the number of a record.
    pub(crate) fn reads<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.inputs.extend(paths.into_iter().map(|p| without_record(p.as_ref())));
        self
    }

    /// Adds files that are written.
    pub(crate) fn writes<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.outputs.extend(paths.into_iter().map(|p| p.as_ref().to_owned()));
        self
    }

    /// Adds folders in which files of these names are written; they are made if they do not exist.
    #[cfg(feature = "client")]
    pub(crate) fn writes_in<P: AsRef<Path>>(
        mut self,
        folders: impl IntoIterator<Item = P>,
        names: &[String],
    ) -> Self {
        for folder in folders {
            let folder = folder.as_ref();
            // What does not exist yet overwrites nothing.
            let existing = names.iter().map(|n| folder.join(n)).filter(|p| p.exists());
            self.replaced.extend(existing);
            self.folders.push(folder.to_owned());
        }
        self
    }

    /// Checks that all that is written can be, and is nothing that is read.
    ///
    /// # Errors
    /// Names the file, and says why.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_apart()?;
        for file in self.outputs.iter().chain(&self.replaced) {
            check_writable(file).with_context(|| file.display().to_string())?;
        }
        for folder in &self.folders {
            check_folder(folder).with_context(|| folder.display().to_string())?;
        }
        Ok(())
    }

    /// Checks that nothing is written that is read, or written twice.
    ///
    /// # Errors
    /// Names the files.
    pub(crate) fn check_apart(&self) -> Result<()> {
        let inputs: Vec<_> = self.inputs.iter().map(|path| (path, identity(path))).collect();
        for file in self.outputs.iter().chain(&self.replaced) {
            let Some(id) = identity(file) else { continue };
            if let Some((input, _)) = inputs.iter().find(|(_, i)| i.as_ref() == Some(&id)) {
                bail!(
                    "{}: this is the input {}, which would be overwritten: give another name",
                    file.display(),
                    input.display()
                );
            }
            if let Some((folder, _)) = inputs.iter().find(|(folder, _)| is_data_in(file, folder)) {
                bail!(
                    "{}: this is among the inputs {}, and would be overwritten: give another name",
                    file.display(),
                    folder.display()
                );
            }
        }
        let mut targets: Vec<(PathBuf, &Path)> = Vec::new();
        for file in &self.outputs {
            let Ok(Place::File { path, .. }) = Place::of(file) else { continue };
            if let Some((_, other)) = targets.iter().find(|(p, _)| *p == path) {
                bail!("{} and {} are the same file", other.display(), file.display());
            }
            targets.push((path, file));
        }
        Ok(())
    }
}

fn without_record(path: &Path) -> PathBuf {
    let file = path.to_str().and_then(|p| p.rsplit_once('#')).map(|(file, _)| file);
    match file {
        Some(file) if !path.exists() => file.into(),
        _ => path.to_owned(),
    }
}

/// What makes two names those of one file, hard and symbolic links included; none of what is no regular file.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|m| (m.dev(), m.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|p| p.is_file())
}

/// Whether a file lies in a folder of inputs and holds data as they do.
fn is_data_in(file: &Path, folder: &Path) -> bool {
    let inside = || Some(file.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?));
    let is_data = || matches!(kind::of(file), Kind::Picture(_) | Kind::Array | Kind::Arrays);
    folder.is_dir() && inside() == Some(true) && is_data()
}

#[cfg(all(test, unix))]
mod tests {
    use super::Paths;

    #[test]
    fn what_is_read_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("in#3"), "x").unwrap();
        std::fs::write(path("records"), "x").unwrap();
        std::fs::hard_link(path("records"), path("hard")).unwrap();
        std::os::unix::fs::symlink("records", path("soft")).unwrap();
        std::fs::write(path("cat.png"), b"\x89PNG\r\n").unwrap();
        let refused = |input: &str, outputs: &[&str]| {
            let outputs = outputs.iter().map(|o| path(o));
            Paths::new().reads([path(input)]).writes(outputs).check().is_err()
        };
        for output in ["records", "hard", "soft"] {
            assert!(refused("records", &[output]) && refused("records#17", &[output]), "{output}");
        }
        assert!(refused("in#3", &["in#3"]) && !refused("in#3", &["in"]));
        assert!(refused("", &["cat.png"]) && !refused("", &["records"]));
        assert!(refused("in#3", &["new", "new"]) && refused("in#3", &["soft", "records"]));
        assert!(!refused("in#3", &["new", "records", "hard"]) && !refused("none", &["records"]));
        let null = Paths::new().reads(["/dev/null"]).writes(["/dev/null"]);
        null.check().unwrap();
        let names = ["records".to_string(), "other".to_string()];
        assert!(Paths::new().reads([path("soft")]).writes_in([folder.path()], &names).check().is_err());
        Paths::new().reads([path("soft")]).writes_in([path("results")], &names).check().unwrap();
    }
}
