//! The envelope of plan and client files: sections with lengths and digests. See the module above for the format.

use std::io::{self, Write};
use std::ops::Range;

/// BLAKE3 digest.
pub type Digest = [u8; 32];

/// How bytes fail to be an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Fewer bytes than the header says.
    #[error("it is truncated ({found} of {expected} bytes)")]
    Truncated {
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// More bytes than the header says.
    #[error("{0} bytes follow its end")]
    Trailing(u64),
    /// The header's digest is wrong.
    #[error("the header's checksum is wrong")]
    Header,
    /// The section table is not of the canonical form.
    #[error("the section table is malformed")]
    Table,
    /// A section's digest is wrong.
    #[error("the checksum of section {0} is wrong")]
    Section(&'static str),
}

/// A section's kind as a number, and its name.
pub(super) type Kind = (u32, &'static str);

pub(super) const ALIGNMENT: u64 = 64;
const FIXED: usize = 24;
const ENTRY: usize = 56;

/// A section's content as something that can write itself, twice with the same bytes.
pub(super) type Payload<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

fn header_len(sections: usize) -> usize {
    FIXED + ENTRY * sections + 32
}

struct Measure {
    hasher: blake3::Hasher,
    length: u64,
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The header of a file with the given sections, with its digest at the end.
pub(super) fn header(
    magic: [u8; 8],
    version: u32,
    sections: &[(Kind, Payload<'_>)],
) -> io::Result<(Vec<u8>, Digest)> {
    let mut table = Vec::with_capacity(ENTRY * sections.len());
    let mut end = header_len(sections.len()) as u64;
    for ((kind, _), payload) in sections {
        let mut measure = Measure { hasher: blake3::Hasher::new(), length: 0 };
        payload(&mut measure)?;
        let offset = end.next_multiple_of(ALIGNMENT);
        table.extend(kind.to_le_bytes());
        table.extend(0u32.to_le_bytes());
        table.extend(offset.to_le_bytes());
        table.extend(measure.length.to_le_bytes());
        table.extend(measure.hasher.finalize().as_bytes());
        end = offset + measure.length;
    }
    let mut bytes = Vec::with_capacity(header_len(sections.len()));
    bytes.extend(magic);
    bytes.extend(version.to_le_bytes());
    bytes.extend((sections.len() as u32).to_le_bytes());
    bytes.extend(end.to_le_bytes());
    bytes.extend(table);
    let digest = *blake3::hash(&bytes).as_bytes();
    bytes.extend(digest);
    Ok((bytes, digest))
}

/// Writes a whole file.
pub(super) fn write(
    out: &mut dyn Write,
    magic: [u8; 8],
    version: u32,
    sections: &[(Kind, Payload<'_>)],
) -> io::Result<Digest> {
    let (bytes, digest) = header(magic, version, sections)?;
    out.write_all(&bytes)?;
    let mut at = bytes.len() as u64;
    for (i, (_, payload)) in sections.iter().enumerate() {
        let entry = &bytes[FIXED + ENTRY * i..];
        let (offset, length) = (u64_at(entry, 8), u64_at(entry, 16));
        out.write_all(&vec![0; (offset - at) as usize])?;
        payload(out)?;
        at = offset + length;
    }
    Ok(digest)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|k| bytes[at + k]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|k| bytes[at + k]))
}

/// What [`parse`] finds.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Format version, not checked.
    pub(super) version: u32,
    /// Digest of the header.
    pub(super) digest: Digest,
    /// Byte ranges of the sections.
    pub(super) sections: Vec<Range<usize>>,
}

/// Version number of a file that starts with `magic`.
pub(super) fn version_of(bytes: &[u8], magic: [u8; 8]) -> Option<u32> {
    (bytes.len() >= 12 && bytes[..8] == magic).then(|| u32_at(bytes, 8))
}

/// Checks the envelope of `bytes`, which must hold exactly the sections `kinds`. The magic was checked before.
pub(super) fn parse(bytes: &[u8], kinds: &[Kind]) -> Result<Parsed, Damage> {
    let found = bytes.len() as u64;
    let header = header_len(kinds.len());
    if bytes.len() < header {
        return Err(Damage::Truncated { found, expected: header as u64 });
    }
    let (head, digest) = bytes[..header].split_at(header - 32);
    let digest: Digest = std::array::from_fn(|k| digest[k]);
    if u32_at(head, 12) as usize != kinds.len() {
        return Err(Damage::Table);
    }
    if *blake3::hash(head).as_bytes() != digest {
        return Err(Damage::Header);
    }
    let expected = u64_at(head, 16);
    if found < expected {
        return Err(Damage::Truncated { found, expected });
    }
    if found > expected {
        return Err(Damage::Trailing(found - expected));
    }
    let mut end = header;
    let mut sections = Vec::with_capacity(kinds.len());
    for (i, (kind, name)) in kinds.iter().enumerate() {
        let entry = &head[FIXED + ENTRY * i..];
        let (offset, length) = (u64_at(entry, 8), u64_at(entry, 16));
        let start = end.next_multiple_of(ALIGNMENT as usize);
        let range = usize::try_from(length).ok().and_then(|l| Some(start..start.checked_add(l)?));
        let range = range.filter(|r| r.end <= bytes.len() && offset == start as u64);
        let range = range.ok_or(Damage::Table)?;
        if u32_at(entry, 0) != *kind || u32_at(entry, 4) != 0 || bytes[end..start].iter().any(|b| *b != 0) {
            return Err(Damage::Table);
        }
        if blake3::hash(&bytes[range.clone()]).as_bytes()[..] != entry[24..56] {
            return Err(Damage::Section(name));
        }
        end = range.end;
        sections.push(range);
    }
    if end != bytes.len() {
        return Err(Damage::Table);
    }
    Ok(Parsed { version: u32_at(head, 8), digest, sections })
}
