//! A buffered writer that leaves nothing of what went through it in memory.

use std::fs::File;
use std::io::{self, Write};

use zeroize::{Zeroize, Zeroizing};

const CAPACITY: usize = 1 << 20;

/// Buffers what is written to a file; the buffer never moves and is wiped.
pub(super) struct Wiped<'f> {
    file: &'f File,
    buffer: Zeroizing<Vec<u8>>,
}

impl<'f> Wiped<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        Self { file, buffer: Zeroizing::new(Vec::with_capacity(CAPACITY)) }
    }

    fn empty(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.buffer);
        // Up to its length is all that was written to it since it was last wiped.
        self.buffer.as_mut_slice().zeroize();
        self.buffer.clear();
        written
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.empty()
    }
}

impl Write for Wiped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CAPACITY {
            self.empty()?;
        }
        if bytes.len() >= CAPACITY {
            return self.file.write(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.empty()
    }
}
