//! Files of many small images: CIFAR batches and idx files.

use std::io::Read;
use std::path::Path;

use super::picture;
use super::raw::{MAX_FILE, planes, read_file};

/// A file of equally long records, read whole.
#[derive(Debug)]
pub struct RecordFile {
    bytes: Vec<u8>,
    start: usize,
    /// Label bytes before each record.
    labels: usize,
    size: usize,
    /// (height, width) of the records and of the network, where they differ.
    scaling: Option<[(usize, usize); 2]>,
}

impl RecordFile {
    /// Opens a file whose records are tensors of the given shape, or with `resize` grey pictures of any size in an idx file.
    ///
    /// # Errors
    /// If its records are of another size.
    pub fn open(path: &Path, shape: &[usize], resize: bool) -> Result<Self, String> {
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|n| *n > 0);
        let size = size.ok_or("the network's input has no elements")?;
        let bytes = inflate(read_file(path)?)?;
        if let (true, (1, height, width), Some((extents, _))) = (resize, planes(shape), idx_header(&bytes)?)
            && let [_, h, w] = extents[..]
            && (h, w) != (height, width)
        {
            let size = h.checked_mul(w).filter(|n| *n > 0).ok_or("its records have no pixels")?;
            return Ok(Self { scaling: Some([(h, w), (height, width)]), ..Self::from_bytes(bytes, size)? });
        }
        Self::from_bytes(bytes, size)
    }

    fn from_bytes(bytes: Vec<u8>, size: usize) -> Result<Self, String> {
        if let Some((extents, start)) = idx_header(&bytes)? {
            let record = extents[1..].iter().try_fold(1usize, |n, &d| n.checked_mul(d));
            if record != Some(size) {
                let hint = if extents.len() == 3 { "; --resize scales pictures" } else { "" };
                return Err(format!("records of {:?} bytes, the network takes {size}{hint}", &extents[1..]));
            }
            if extents[0].checked_mul(size) != Some(bytes.len() - start) {
                return Err(format!("{} records are announced, the length does not fit", extents[0]));
            }
            return Ok(Self { bytes, start, labels: 0, size, scaling: None });
        }
        // CIFAR-10 has one label byte, CIFAR-100 two.
        let labels = (1..=2).find(|l| !bytes.is_empty() && bytes.len().is_multiple_of(size + l));
        let labels = labels.ok_or_else(|| {
            format!("neither an idx file nor CIFAR records of 1 or 2 label bytes and {size} bytes")
        })?;
        Ok(Self { bytes, start: 0, labels, size, scaling: None })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        (self.bytes.len() - self.start) / (self.labels + self.size)
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a record, without labels, scaled where the file was opened so.
    ///
    /// # Errors
    /// If there is no such record.
    pub fn record(&self, k: usize) -> Result<Vec<u8>, String> {
        let at = self.at(k)? + self.labels;
        let bytes = self.bytes[at..at + self.size].to_vec();
        match self.scaling {
            None => Ok(bytes),
            Some([from, to]) => picture::scaled(bytes, from, to),
        }
    }

    /// The (last, finest) label of a record of a CIFAR file.
    ///
    /// # Errors
    /// If there is no such record.
    pub fn label(&self, k: usize) -> Result<Option<u8>, String> {
        let at = self.at(k)?;
        Ok((self.labels > 0).then(|| self.bytes[at + self.labels - 1]))
    }

    fn at(&self, k: usize) -> Result<usize, String> {
        if k < self.len() {
            Ok(self.start + k * (self.labels + self.size))
        } else {
            Err(format!("there is no record {k}, only {}", self.len()))
        }
    }
}

/// Reads the labels of an idx file of bytes, compressed or not.
///
/// # Errors
/// If it is no such file.
pub fn read_labels(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = inflate(read_file(path)?)?;
    match idx_header(&bytes)? {
        Some((extents, start)) if extents.len() == 1 && extents[0] == bytes.len() - start => {
            Ok(bytes[start..].to_vec())
        }
        _ => Err("no idx file of labels".into()),
    }
}

/// Extents and header length of an idx file of bytes; none if it is no idx file.
fn idx_header(bytes: &[u8]) -> Result<Option<(Vec<usize>, usize)>, String> {
    let [0, 0, kind, rank, rest @ ..] = bytes else { return Ok(None) };
    if *kind != 8 || !(1..=4).contains(rank) {
        return Ok(None);
    }
    let rank = *rank as usize;
    let extents = rest.get(..4 * rank).ok_or("the idx header is truncated")?;
    let extent = |c: &[u8]| u32::from_be_bytes([c[0], c[1], c[2], c[3]]) as usize;
    Ok(Some((extents.chunks_exact(4).map(extent).collect(), 4 + 4 * rank)))
}

/// Decompresses gzip; other bytes stay as they are.
fn inflate(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(bytes.as_slice());
    decoder.take(MAX_FILE + 1).read_to_end(&mut out).map_err(|e| format!("gzip: {e}"))?;
    if out.len() as u64 > MAX_FILE { Err("it unpacks to more than 1 GiB".into()) } else { Ok(out) }
}

#[cfg(test)]
impl RecordFile {
    pub(super) fn test(bytes: Vec<u8>, size: usize) -> Result<Self, String> {
        Self::from_bytes(inflate(bytes)?, size)
    }
}
