//! Small damage to files: bytes changed, cut, repeated, inserted, fields set to extremes.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fhec::ir::tensor::random::Rng;

use super::sealed::Sealed;

/// A change: `remove` bytes at `at` give way to `insert`.
#[derive(Clone, Debug)]
pub(super) struct Splice {
    at: usize,
    remove: usize,
    insert: Vec<u8>,
}

impl Splice {
    /// Some damage that changes the bytes. Half of it hits `places`, where the format keeps its structure.
    pub(super) fn random(rng: &mut Rng, bytes: &[u8], places: &[usize]) -> Self {
        let end = bytes.len();
        loop {
            let kind = rng.range(0, 7);
            let at = match rng.once_in(2) {
                // What shifts a large file does so near its end.
                _ if kind >= 4 && end > super::LARGE => rng.range(end - (1 << 16), end),
                true if !places.is_empty() => *rng.pick(places),
                _ => rng.range(0, end),
            };
            let few = rng.range(1, 16);
            let piece = bytes[at..(at + few).min(end)].to_vec();
            let random: Vec<u8> = (0..few).map(|_| rng.bits() as u8).collect();
            let (remove, insert) = match kind {
                0 => (1, piece.iter().take(1).map(|b| b ^ (1 << rng.range(0, 7))).collect()),
                1 => (few, random),
                2 | 3 => {
                    let width = 1 << rng.range(0, 3);
                    (width, extreme(rng)[..width].to_vec())
                }
                4 => (few, vec![]),
                5 => (0, piece.repeat(rng.range(1, 4))),
                6 => (0, random),
                _ => (end, vec![]),
            };
            let splice = Self { at, remove: remove.min(end - at), insert };
            if bytes[at..at + splice.remove] != splice.insert[..] {
                return splice;
            }
        }
    }

    /// The changed bytes.
    pub(super) fn applied(&self, bytes: &[u8]) -> Vec<u8> {
        [&bytes[..self.at], &self.insert, &bytes[self.at + self.remove..]].concat()
    }
}

/// A file of other parts, as a hostile writer makes it: one part damaged, a few of them, or parts swapped, repeated, left out
/// and damaged.
pub(super) fn hostile(rng: &mut Rng, sealed: &Sealed) -> Vec<u8> {
    let mut parts = sealed.parts().to_vec();
    let first = sealed.first_movable().min(parts.len() - 1);
    let moved = rng.once_in(4);
    if moved {
        let [a, b] = [0; 2].map(|_| rng.range(first, parts.len() - 1));
        match rng.range(0, 3) {
            0 if a != b => parts.swap(a, b),
            0 | 1 => parts.insert(b, parts[a].clone()),
            2 => drop(parts.remove(a)),
            _ => parts[b] = parts[a].clone(),
        }
    }
    let damaged = match rng.range(0, 3) {
        0 => rng.range(2, 4),
        _ => usize::from(!moved),
    };
    for _ in 0..damaged {
        let k = rng.range(0, parts.len().saturating_sub(1));
        if let Some(part) = parts.get_mut(k) {
            *part = Splice::random(rng, part, &structure(part)).applied(part);
        }
    }
    sealed.file(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Where bytes have structure: at their beginning, and around names.
pub(super) fn structure(bytes: &[u8]) -> Vec<usize> {
    let letter = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    let mut places: Vec<usize> = (0..bytes.len().min(256)).collect();
    let names = bytes.windows(4).enumerate().filter(|(_, w)| w.iter().all(letter)).map(|(k, _)| k);
    for name in names.skip_while(|k| *k < 256).take(1 << 16) {
        let from = places.last().map_or(0, |p| p + 1).max(name.saturating_sub(24));
        places.extend(from..(name + 24).min(bytes.len()));
    }
    places
}

/// Numbers at the ends of their ranges, as little-endian words and as varints.
fn extreme(rng: &mut Rng) -> [u8; 8] {
    let words = [0, 1, 0x7f, 0x80, u64::MAX, u64::MAX >> 1, u64::MAX - 1, 1 << 31, 1 << 40];
    let varints = [
        *b"\xff\xff\xff\xff\xff\xff\xff\x7f",
        *b"\xff\xff\xff\xff\x0f\0\0\0",
        *b"\x80\x80\x80\x80\x01\0\0\0",
    ];
    match rng.once_in(3) {
        true => *rng.pick(&varints),
        false => rng.pick(&words).to_le_bytes(),
    }
}

/// A file that is damaged in place and repaired from memory: nothing but the changed bytes is written.
pub(super) struct Patient {
    pub(super) path: PathBuf,
    pub(super) original: Vec<u8>,
    file: File,
}

impl Patient {
    /// A copy of `original` at `path`.
    pub(super) fn new(path: PathBuf, original: Vec<u8>) -> io::Result<Self> {
        std::fs::write(&path, &original)?;
        let file = OpenOptions::new().write(true).open(&path)?;
        Ok(Self { path, original, file })
    }

    fn write(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at as u64))?;
        self.file.write_all(bytes)
    }

    /// Runs `f` on the file with one change.
    pub(super) fn with<T>(&mut self, splice: &Splice, f: impl FnOnce(&Path) -> T) -> io::Result<T> {
        let (at, end, original) = (splice.at, splice.at + splice.remove, std::mem::take(&mut self.original));
        self.write(at, &splice.insert)?;
        let same_length = splice.insert.len() == splice.remove;
        if !same_length {
            self.write(at + splice.insert.len(), &original[end..])?;
            self.file.set_len((original.len() + splice.insert.len() - splice.remove) as u64)?;
        }
        let result = f(&self.path);
        self.write(at, if same_length { &original[at..end] } else { &original[at..] })?;
        self.file.set_len(original.len() as u64)?;
        self.original = original;
        Ok(result)
    }
}
