//! The parts of a file inside its checksums, and the file around changed parts: what a hostile writer would make.
//! The formats are described in `fhec_ir::plan`, `fhec_runtime::files` and `fhec_ckks`' `wire`.

/// A file taken apart.
pub(super) enum Sealed {
    /// Plan and client files: sections under a table of digests.
    Container { head: Vec<u8>, kinds: Vec<u32>, parts: Vec<Vec<u8>> },
    /// Keys and ciphertexts: tags, a record, and objects in envelopes.
    Objects { heads: Vec<Vec<u8>>, parts: Vec<Vec<u8>> },
}

fn word(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(std::array::from_fn(|k| bytes[at + k])) as usize
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|k| bytes[at + k]))
}

const TAGS: usize = 112;
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

    /// What may be changed.
    pub(super) fn parts(&self) -> &[Vec<u8>] {
        match self {
            Self::Container { parts, .. } | Self::Objects { parts, .. } => parts,
        }
    }

    /// The file with another part in the place of one, with right lengths and checksums.
    pub(super) fn with(&self, changed: usize, part: &[u8]) -> Vec<u8> {
        let parts = self.parts().iter().enumerate();
        let parts: Vec<&[u8]> = parts.map(|(k, p)| if k == changed { part } else { p }).collect();
        match self {
            Self::Container { head, kinds, .. } => container(head, kinds, &parts),
            Self::Objects { heads, .. } => {
                let mut bytes =
                    [&heads[0][..], parts[0], &(parts[1].len() as u32).to_le_bytes(), parts[1]].concat();
                bytes.extend(blake3::hash(&bytes).as_bytes());
                for (head, payload) in heads[1..].iter().zip(&parts[2..]) {
                    let mut head = head.clone();
                    head[40..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
                    let hash = blake3::Hasher::new().update(payload).update(&head).finalize();
                    bytes.extend([&head[..], &hash.as_bytes()[..], payload].concat());
                }
                bytes.extend(blake3::hash(&bytes).as_bytes());
                bytes
            }
        }
    }
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
    let sealed = Sealed::open(&file);
    assert_eq!(sealed.with(1, b"another"), file);
}
