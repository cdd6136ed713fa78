//! What is to be chosen from.

use fhec_backend::Chain;
use fhec_ir::plan::{MemoryReport, PlacementReport};
use fhec_passes::place;

use crate::summary::Summary;

/// A chain with the bootstraps placed on it.
pub(crate) struct Candidate {
    pub(crate) chain: Chain,
    /// Of the pass `place`.
    pub(crate) config: place::Config,
    pub(crate) report: PlacementReport,
    /// Which of the packed networks was placed: they differ in the rotations of linear maps.
    pub(crate) packing: usize,
    /// Bytes of the values that live at once, at least.
    pub(crate) value_bytes: u64,
}

impl Candidate {
    /// The candidate in numbers; its own number is given by the search.
    pub(crate) fn summary(&self) -> Summary {
        let bootstrap = self.chain.bootstrap.unwrap_or_default();
        Summary {
            number: 0,
            log_n: self.chain.data.log_n,
            levels: self.report.levels,
            scale_bits: self.chain.data.scale_bits,
            bootstraps: self.report.bootstraps,
            pairs: self.report.pairs,
            slots: self.report.slots,
            bootstrap_bits: self.chain.data.bootstrap.as_ref().map_or(f64::INFINITY, |b| -b.error.log2()),
            seconds: self.report.seconds,
            memory: MemoryReport {
                keys: bootstrap.key_bytes,
                matrices: bootstrap.matrix_bytes,
                values: self.value_bytes,
                ..MemoryReport::default()
            },
        }
    }
}
