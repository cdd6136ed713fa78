//! The parts of a file inside its checksums, and the file around changed parts: what a hostile writer would make.
//! The formats are described in `fhec_ir::plan`, `fhec_runtime::files` and `fhec_ckks`' `wire`.

/// A file taken apart.
pub(super) enum Sealed {
    /// Plan and client files: sections under a table of digests.
    Container { head: Vec<u8>, kinds: Vec<u32>, parts: Vec<Vec<u8>> },
    /// Keys and ciphertexts: tags, a record, and objects in envelopes.
    Objects { heads: Vec<Vec<u8>>, parts: Vec<Vec<u8>> },
    /// Such a file of one object, which is in pieces.
    Pieces { heads: Vec<Vec<u8>>, parts: Vec<Vec<u8>> },
}

/// Between the parts of an opened file.
pub(super) const MARK: &[u8] = b"\n|part|\n";

/// In the first byte of an opened file: objects that are shorter than those of the original are completed by its bytes, so that
/// it need not have all residues to be whole.
pub(super) const COMPLETE: u8 = 0x80;

fn word(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(std::array::from_fn(|k| bytes[at + k])) as usize
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|k| bytes[at + k]))
}

const TAGS: usize = 112;
/// Parts of a file of objects before the first object: tags and record.
pub(super) const BEFORE_OBJECTS: usize = 2;
const ENVELOPE: usize = 48;
/// At the end of a file of objects.
const DIGEST: usize = 32;

impl Sealed {
    /// Takes a file apart that fhec wrote.
    pub(super) fn open(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"FHECDATA") {
            return Self::objects(bytes);
        }
        let table = bytes[24..].chunks(56).take(half(bytes, 12) as usize);
        let sections = table.map(|e| (half(e, 0), bytes[word(e, 8)..word(e, 8) + word(e, 16)].to_vec()));
        let (kinds, parts) = sections.unzip();
        Self::Container { head: bytes[..16].to_vec(), kinds, parts }
    }

    fn objects(bytes: &[u8]) -> Self {
        let (mut heads, mut parts) = (vec![], vec![bytes[16..TAGS].to_vec()]);
        let record = half(bytes, TAGS) as usize;
        parts.push(bytes[TAGS + 4..TAGS + 4 + record].to_vec());
        heads.push(bytes[..16].to_vec());
        let mut at = TAGS + 4 + record + 32;
        while at < bytes.len() - DIGEST {
            let head = &bytes[at..at + ENVELOPE];
            let start = at + ENVELOPE + 32;
            at = start + word(head, 40);
            heads.push(head.to_vec());
            parts.push(bytes[start..at].to_vec());
        }
        Self::Objects { heads, parts }
    }

    /// Takes a file of `count` evaluation keys apart: its object into the records of the directory and the keys. `size` tells
    /// a key's bytes from its record.
    pub(super) fn open_keys(bytes: &[u8], count: usize, size: impl Fn(&[u8]) -> usize) -> Self {
        let Sealed::Objects { heads, mut parts } = Self::objects(bytes) else {
            unreachable!("keys are objects")
        };
        let object = parts.pop().unwrap_or_default();
        let (mut at, mut sizes) = (0, vec![]);
        // The first record is their number.
        for k in 0..=count {
            let record = at + 2..at + 2 + usize::from(u16::from_le_bytes([object[at], object[at + 1]]));
            sizes.extend((k > 0).then(|| size(&object[record.clone()])));
            parts.push(object[at..record.end].to_vec());
            at = record.end;
        }
        for size in sizes {
            parts.push(object[at..at + size].to_vec());
            at += size;
        }
        assert_eq!(at, object.len(), "the keys are not of these sizes");
        Self::Pieces { heads, parts }
    }

    /// What may be changed.
    pub(super) fn parts(&self) -> &[Vec<u8>] {
        match self {
            Self::Container { parts, .. } | Self::Objects { parts, .. } | Self::Pieces { parts, .. } => parts,
        }
    }

    /// The first of the parts that are of one kind and may change places.
    pub(super) fn first_movable(&self) -> usize {
        if matches!(self, Self::Container { .. }) { 0 } else { BEFORE_OBJECTS }
    }

    /// The opened file, an input of the fuzz targets: `choice`, a byte for the target, then the parts with [`MARK`] between
    /// them. If `choice` says that objects are completed, they are cut after `most` bytes.
    pub(super) fn opened(&self, choice: u8, most: usize) -> Vec<u8> {
        let mut bytes = vec![choice];
        for (k, part) in self.parts().iter().enumerate() {
            let cut = choice & COMPLETE != 0 && k >= self.first_movable();
            bytes.extend(if k == 0 { &[][..] } else { MARK });
            bytes.extend(if cut { &part[..part.len().min(most)] } else { &part[..] });
        }
        bytes
    }

    /// A file of other parts, with right lengths and checksums. Where there are more of them than there were, they have the
    /// headers of the last.
    pub(super) fn file(&self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Container { head, kinds, .. } => {
                let mut head = head.clone();
                head[12..].copy_from_slice(&(parts.len() as u32).to_le_bytes());
                let last = kinds.last().copied().unwrap_or(1);
                let more = (1..).map(|k| last + k);
                let kinds: Vec<u32> = kinds.iter().copied().chain(more).take(parts.len()).collect();
                container(&head, &kinds, parts)
            }
            Self::Pieces { heads, .. } => {
                let object = parts.iter().skip(BEFORE_OBJECTS).copied().collect::<Vec<_>>().concat();
                objects(heads, part(parts, 0), part(parts, 1), &[&object])
            }
            Self::Objects { heads, .. } => objects(
                heads,
                part(parts, 0),
                part(parts, 1),
                parts.get(BEFORE_OBJECTS..).unwrap_or_default(),
            ),
        }
    }
}

fn objects(heads: &[Vec<u8>], tags: &[u8], record: &[u8], payloads: &[&[u8]]) -> Vec<u8> {
    let length = (record.len() as u32).to_le_bytes();
    let mut bytes = [&heads[0][..], tags, &length, record].concat();
    bytes.extend(blake3::hash(&bytes).as_bytes());
    for (k, payload) in payloads.iter().enumerate() {
        let Some(head) = heads[1..].get(k).or(heads[1..].last()) else { break };
        let mut head = head.clone();
        head[40..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        let hash = blake3::Hasher::new().update(payload).update(&head).finalize();
        bytes.extend([&head[..], &hash.as_bytes()[..], payload].concat());
    }
    bytes.extend(blake3::hash(&bytes).as_bytes());
    bytes
}

fn part<'a>(parts: &[&'a [u8]], k: usize) -> &'a [u8] {
    parts.get(k).copied().unwrap_or_default()
}

fn container(head: &[u8], kinds: &[u32], parts: &[&[u8]]) -> Vec<u8> {
    const ALIGNMENT: usize = 64;
    let (mut table, mut end) = (vec![], 24 + 56 * parts.len() + 32);
    for (kind, part) in kinds.iter().zip(parts) {
        let start = end.next_multiple_of(ALIGNMENT);
        table.extend(kind.to_le_bytes());
        table.extend([0; 4]);
        table.extend((start as u64).to_le_bytes());
        table.extend((part.len() as u64).to_le_bytes());
        table.extend(blake3::hash(part).as_bytes());
        end = start + part.len();
    }
    let mut bytes = [head, &(end as u64).to_le_bytes(), &table].concat();
    bytes.extend(blake3::hash(&bytes).as_bytes());
    for part in parts {
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes.extend(*part);
    }
    bytes
}

#[test]
fn unchanged_parts_give_the_file_back() {
    let head = [&b"FHECPLAN"[..], &1u32.to_le_bytes(), &2u32.to_le_bytes()].concat();
    let file = container(&head, &[1, 2], &[b"one", b"another"]);
    assert_eq!(Sealed::open(&file).file(&[b"one", b"another"]), file);
}
