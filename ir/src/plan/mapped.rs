//! Files mapped into memory, and weights inside them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::Weights;

/// Bytes of a file, wherever they are.
pub(super) type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Maps a file read-only. An empty file gives no bytes.
#[allow(unsafe_code)]
pub(super) fn map(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(Arc::new(Vec::new()));
    }
    // SAFETY: the map is private to this process and only read. fhec replaces files by renaming and never writes
    // into them; another program that shortens a plan while it is used can crash the process, as it could for
    // any mapped file, and changed bytes are at worst wrong weights: no value read from the map is trusted after
    // it was checked, except as numbers.
    Ok(Arc::new(unsafe { memmap2::Mmap::map(&file)? }))
}

/// Numbers in a range of mapped bytes; the cast was checked when this was made.
struct MappedWeights {
    bytes: Bytes,
    range: Range<usize>,
}

impl AsRef<[f32]> for MappedWeights {
    fn as_ref(&self) -> &[f32] {
        bytemuck::try_cast_slice(&(*self.bytes).as_ref()[self.range.clone()]).unwrap_or(&[])
    }
}

/// The f32 numbers in `range`: in place where alignment and byte order allow, else copied.
pub(super) fn weights(bytes: &Bytes, range: Range<usize>) -> Weights {
    let raw = &(**bytes).as_ref()[range.clone()];
    if cfg!(target_endian = "little") && bytemuck::try_cast_slice::<u8, f32>(raw).is_ok() {
        return Weights::shared(Arc::new(MappedWeights { bytes: bytes.clone(), range }));
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
