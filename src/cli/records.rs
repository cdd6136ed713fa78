//! Files of records, for verbs that go through many of them.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use fhec_ir::plan::{ClientInput, ClientSection};
use fhec_runtime::input::{RecordFile, read_labels, record_tensor};

/// The records of a file that the one input of a network takes, and their labels.
pub(crate) struct Records<'a> {
    file: &'a str,
    input: &'a ClientInput,
    records: RecordFile,
    listed: Option<Vec<u8>>,
}

impl<'a> Records<'a> {
    /// Opens a file, and an idx file of labels. With `resize` pictures of another size are scaled.
    pub(crate) fn open(
        client: &'a ClientSection,
        file: &'a str,
        labels: Option<&Path>,
        resize: bool,
    ) -> Result<Self> {
        let [input] = client.inputs.as_slice() else {
            bail!("records are for networks with one input, this has {}", client.inputs.len())
        };
        let records = RecordFile::open(file.as_ref(), &input.layout.shape(), resize);
        let records = records.map_err(|e| anyhow!("{file}: {e}"))?;
        let listed = match labels {
            Some(path) => Some(read_labels(path).map_err(|e| anyhow!("{}: {e}", path.display()))?),
            None => None,
        };
        Ok(Self { file, input, records, listed })
    }

    /// The records of a range, or all of them.
    pub(crate) fn range(&self, range: Option<Range<usize>>) -> Result<Range<usize>> {
        let count = self.records.len();
        match range {
            Some(range) if range.end > count => {
                bail!("{} has {count} records, the range ends at {}", self.file, range.end)
            }
            Some(range) => Ok(range),
            None if count == 0 => bail!("{} has no records", self.file),
            None => Ok(0..count),
        }
    }

    /// What a record should be, where that is known.
    pub(crate) fn label(&self, record: usize) -> Option<usize> {
        let label = match &self.listed {
            Some(labels) => labels.get(record).copied(),
            None => self.records.label(record).ok().flatten(),
        };
        label.map(usize::from)
    }

    /// A record as the network takes it.
    pub(crate) fn tensor(&self, record: usize) -> Result<Vec<f64>> {
        record_tensor(&self.records, record, self.input).map_err(|e| anyhow!("{}#{record}: {e}", self.file))
    }
}
