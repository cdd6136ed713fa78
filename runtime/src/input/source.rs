//! Names of inputs, and reading files of bounded length.

use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file that is read, and most that one unpacks to.
pub const MAX_FILE: u64 = 1 << 30;

/// An input as the command line names it: a file or folder, and the number of an input in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Number after a `#`.
    pub record: Option<usize>,
}

impl Source {
    /// Splits `FILE#17`.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('#') {
            Some((path, number)) if !path.is_empty() => match number.parse() {
                Ok(record) => Self { path: path.into(), record: Some(record) },
                Err(_) => Self { path: text.into(), record: None },
            },
            _ => Self { path: text.into(), record: None },
        }
    }
}

/// Reads a file of bounded length; unpacks it if it is compressed with gzip.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let bytes = read_bounded(file).map_err(|e| e.to_string())?.ok_or("it is larger than 1 GiB")?;
    inflate(bytes)
}

/// Decompresses gzip; other bytes stay as they are.
pub(super) fn inflate(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let unpacked = read_bounded(flate2::read::MultiGzDecoder::new(bytes.as_slice()));
    unpacked.map_err(|e| format!("gzip: {e}"))?.ok_or_else(|| "it unpacks to more than 1 GiB".into())
}

/// All that a reader gives; None if that is more than [`MAX_FILE`].
pub(super) fn read_bounded(reader: impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_FILE).then_some(bytes))
}

/// The extension in small letters, without one of compression.
pub(super) fn extension(path: &Path) -> String {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("").to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_string())
}
