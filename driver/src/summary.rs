//! A candidate in numbers: what watchers are told of and objectives judge.

use std::fmt;

use fhec_ir::plan::MemoryReport;

/// A candidate in numbers. Until it is lowered, seconds and memory are bounds from below; afterwards they are predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Candidates of a compilation are numbered from 0 on as they are enumerated.
    pub number: usize,
    /// log2 of the ring degree.
    pub log_n: u32,
    /// Levels between bootstraps; without bootstraps, of the inputs.
    pub levels: u32,
    /// Bits of the scale.
    pub scale_bits: u32,
    /// Ciphertexts that are bootstrapped.
    pub bootstraps: u64,
    /// Bootstraps of two of them at once.
    pub pairs: u64,
    /// Slots of a ciphertext that bootstraps keep apart; 0 without bootstraps.
    pub slots: u64,
    /// Bits of precision of a bootstrap of values of size 1; infinite without bootstraps.
    pub bootstrap_bits: f64,
    /// Modelled seconds of an evaluation on one thread.
    pub seconds: f64,
    /// Memory of an evaluation. Until the candidate is lowered, that of the bootstrap's keys and matrices.
    pub memory: MemoryReport,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N = 2^{}, {} levels of {} bits", self.log_n, self.levels, self.scale_bits)?;
        if self.slots > 0 {
            write!(f, ", {} bootstraps of 2^{} slots", self.bootstraps, self.slots.ilog2())?;
        }
        write!(f, ", {:.2} s, {:.2} GB", self.seconds, self.memory.total() as f64 / 1e9)
    }
}
