//! Files read into memory, and weights inside them.

use std::fs::File;
use std::io::{self, Error, ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::Weights;

/// Bytes of a file, wherever they are.
pub(super) type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Bytes that numbers can be read from in place.
struct Aligned {
    /// Eight bytes each.
    words: Vec<u64>,
    length: usize,
}

impl Aligned {
    fn zeroed(length: usize) -> io::Result<Self> {
        let mut words: Vec<u64> = Vec::new();
        let count = length.div_ceil(8);
        let refused = |_| Error::new(ErrorKind::OutOfMemory, format!("no memory for its {length} bytes"));
        words.try_reserve_exact(count).map_err(refused)?;
        words.resize(count, 0);
        Ok(Self { words, length })
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.length]
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }
}

/// Reads a regular file. It is not mapped: whoever shortened it would crash the process, and could change what was checked.
pub(super) fn load(path: &Path) -> io::Result<Bytes> {
    // Before it is opened, which waits at a FIFO.
    if std::fs::metadata(path)?.is_file() {
        return read(&File::open(path)?);
    }
    Err(Error::new(ErrorKind::InvalidInput, "this is no regular file"))
}

fn read(mut file: &File) -> io::Result<Bytes> {
    let length = file.metadata()?.len();
    let length = usize::try_from(length).map_err(|_| Error::from(ErrorKind::FileTooLarge))?;
    let mut loaded = Aligned::zeroed(length)?;
    let changed = || Error::new(ErrorKind::UnexpectedEof, "it was changed while it was read");
    file.read_exact(loaded.bytes_mut()).map_err(|e| match e.kind() {
        ErrorKind::UnexpectedEof => changed(),
        _ => e,
    })?;
    match file.read(&mut [0])? {
        0 => Ok(Arc::new(loaded)),
        _ => Err(changed()),
    }
}

/// Numbers in a range of a file's bytes; the cast was checked when this was made.
struct LoadedWeights {
    bytes: Bytes,
    range: Range<usize>,
}

impl AsRef<[f32]> for LoadedWeights {
    fn as_ref(&self) -> &[f32] {
        bytemuck::try_cast_slice(&(*self.bytes).as_ref()[self.range.clone()]).unwrap_or(&[])
    }
}

/// The f32 numbers in `range`: in place where alignment and byte order allow, else copied.
pub(super) fn weights(bytes: &Bytes, range: Range<usize>) -> Weights {
    let raw = &(**bytes).as_ref()[range.clone()];
    if cfg!(target_endian = "little") && bytemuck::try_cast_slice::<u8, f32>(raw).is_ok() {
        return Weights::shared(Arc::new(LoadedWeights { bytes: bytes.clone(), range }));
    }
    raw.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
}

/// The f64 numbers in `range`, copied: they are few.
pub(super) fn doubles(bytes: &Bytes, range: Range<usize>) -> Weights {
    let raw = &(**bytes).as_ref()[range];
    raw.chunks_exact(8)
        .map(|c| f64::from_le_bytes(std::array::from_fn(|k| c[k])))
        .collect::<Vec<f64>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::{load, weights};

    #[test]
    fn a_file_that_is_cut_meanwhile_stays_what_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        let bytes: Vec<u8> = (0..100_001u32).map(|k| k as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let loaded = load(&path).unwrap();
        let numbers = weights(&loaded, 4..100_000);
        // Of a mapped file this would be the end of the process.
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert_eq!((*loaded).as_ref(), bytes);
        let copied: Vec<f32> =
            bytes[4..100_000].chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
        assert!(numbers.iter().map(|x| x.to_bits()).eq(copied.iter().map(|x| x.to_bits())));
        assert_eq!((*load(&path).unwrap()).as_ref(), [0u8; 0]);
        assert!(load(folder.path()).is_err());
    }
}
