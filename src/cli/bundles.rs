//! Files of ciphertexts, one of them or a folder of one for each input.

use std::collections::HashMap;
#[cfg(feature = "client")]
use std::path::Component;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Extension of the files in folders.
pub(crate) const EXTENSION: &str = "ct";

/// Ciphertext files to work on.
pub(crate) struct Bundles {
    pub(crate) files: Vec<PathBuf>,
    /// Several files or a folder were given: what is made of them goes into a folder.
    pub(crate) many: bool,
}

impl Bundles {
    /// Files, and of folders those named `….ct`, sorted.
    pub(crate) fn open(inputs: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for input in inputs {
            if !input.is_dir() {
                files.push(input.clone());
                continue;
            }
            let named = || input.display().to_string();
            let entries = std::fs::read_dir(input).with_context(named)?;
            let mut found = entries.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
            found.retain(|p| p.extension().is_some_and(|e| e == EXTENSION) && p.is_file());
            if found.is_empty() {
                bail!("{}: it holds no .{EXTENSION} files", named());
            }
            found.sort();
            files.extend(found);
        }
        let many = files.len() > 1 || inputs.iter().any(|i| i.is_dir());
        Ok(Self { files, many })
    }

    /// Where to write what is made of each: to `output`, or to files of the same names in it.
    pub(crate) fn outputs(&self, output: &Path) -> Result<Vec<PathBuf>> {
        if !self.many && !output.is_dir() {
            return Ok(vec![output.to_path_buf()]);
        }
        std::fs::create_dir_all(output).with_context(|| output.display().to_string())?;
        let name = |p: &PathBuf| p.file_name().map(PathBuf::from).unwrap_or_default();
        let names: Vec<PathBuf> = self.files.iter().map(name).collect();
        let mut seen = HashMap::new();
        for (name, file) in names.iter().zip(&self.files) {
            if let Some(other) = seen.insert(name, file) {
                bail!("{} and {} have the same name: run them apart", file.display(), other.display());
            }
        }
        Ok(names.iter().map(|name| output.join(name)).collect())
    }
}

/// What the input of a ciphertext file is called.
pub(crate) fn input_name(path: &Path) -> String {
    let name =
        if path.extension().is_some_and(|e| e == EXTENSION) { path.file_stem() } else { path.file_name() };
    name.map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// File names for what is made of records: what they are called, with nothing in it that folders or shells mind, numbers
/// of equal length so that they sort, each once, and an extension.
#[cfg(feature = "client")]
pub(crate) fn file_names(records: &[String], extension: &str) -> Vec<String> {
    let number = |name: &str| name.rsplit_once('#').and_then(|(_, n)| n.parse::<usize>().ok());
    let digits = records.iter().filter_map(|r| number(r)).max().unwrap_or(0).to_string().len();
    let parts = |name: &str| -> Vec<String> {
        let (file, number) = match (name.rsplit_once('#'), number(name)) {
            (Some((file, _)), Some(number)) => (file, format!("-{number:0digits$}")),
            _ => (name, String::new()),
        };
        let normal = Path::new(file).components().filter_map(|c| match c {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        });
        let mut parts: Vec<String> = normal.collect();
        match parts.last_mut() {
            Some(last) => last.push_str(&number),
            None => parts.push(format!("record{number}")),
        }
        parts
    };
    let tame = |text: &str| -> String {
        let tame = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        text.trim_start_matches('.').chars().map(tame).collect()
    };
    let all: Vec<Vec<String>> = records.iter().map(|r| parts(r)).collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    let last = |parts: &'_ Vec<String>| parts.len() - 1;
    all.iter().for_each(|parts| *uses.entry(&parts[last(parts)]).or_default() += 1);
    let mut taken: HashMap<String, usize> = HashMap::new();
    let name = |parts: &Vec<String>| {
        let alone = uses[parts[last(parts)].as_str()] == 1;
        let wanted = tame(&if alone { parts[last(parts)].clone() } else { parts.join("_") });
        let mut name = wanted.clone();
        loop {
            let count = taken.entry(name.clone()).or_default();
            *count += 1;
            if *count == 1 {
                return format!("{name}.{extension}");
            }
            let number = *count;
            name = format!("{wanted}-{number}");
        }
    };
    all.iter().map(name).collect()
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::file_names;

    fn names(records: &[&str]) -> Vec<String> {
        file_names(&records.iter().map(ToString::to_string).collect::<Vec<_>>(), super::EXTENSION)
    }

    #[test]
    fn records_have_files_of_their_own() {
        assert_eq!(names(&["pics/cat.png", "dog.jpg"]), ["cat.png.ct", "dog.jpg.ct"]);
        assert_eq!(names(&["a/batch.bin#9", "a/batch.bin#10"]), ["batch.bin-09.ct", "batch.bin-10.ct"]);
        assert_eq!(names(&["/p/cats/1.png", "/p/dogs/1.png"]), ["p_cats_1.png.ct", "p_dogs_1.png.ct"]);
        assert_eq!(names(&["x.png", "x.png", "x.png"]), ["x.png.ct", "x.png-2.ct", "x.png-3.ct"]);
        assert_eq!(names(&["../a b;c.png"]), ["a_b_c.png.ct"]);
        assert_eq!(names(&["..", ".hidden"]), ["record.ct", "hidden.ct"]);
    }
}
