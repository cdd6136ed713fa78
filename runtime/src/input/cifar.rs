//! CIFAR batches: records of label bytes and planes.

/// A file of equally long records.
#[derive(Debug)]
pub(super) struct Cifar {
    bytes: Vec<u8>,
    /// Label bytes before each record.
    labels: usize,
    size: usize,
}

impl Cifar {
    /// The records of a file, each of `size` bytes and one label (CIFAR-10) or two (CIFAR-100).
    pub(super) fn new(bytes: Vec<u8>, size: usize) -> Result<Self, String> {
        let fits = |labels: &usize| {
            size.checked_add(*labels).is_some_and(|n| !bytes.is_empty() && bytes.len().is_multiple_of(n))
        };
        let labels = (1..=2).find(fits).ok_or_else(|| {
            format!("neither an idx file nor CIFAR records of 1 or 2 label bytes and {size} bytes")
        })?;
        Ok(Self { bytes, labels, size })
    }

    /// Number of records.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / (self.labels + self.size)
    }

    /// Label bytes and bytes of a record.
    fn record(&self, k: usize) -> (&[u8], &[u8]) {
        let length = self.labels + self.size;
        let record = self.bytes.get(k * length..(k + 1) * length).unwrap_or_default();
        record.split_at_checked(self.labels).unwrap_or_default()
    }

    /// The planes of a record.
    pub(super) fn planes(&self, k: usize) -> Vec<u8> {
        self.record(k).1.to_vec()
    }

    /// The label of each record: the last, finest one.
    pub(super) fn labels(&self) -> Vec<usize> {
        (0..self.len()).map(|k| self.record(k).0.last().copied().unwrap_or(0).into()).collect()
    }
}
