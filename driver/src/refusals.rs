//! Why candidates were refused: what is said if none is left.

use fhec_ir::plan::MemoryReport;

use crate::error::CompileError;
use crate::request::Request;

/// What came closest to being a plan.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    declined: bool,
    /// Most bits after the binary point of those that are not precise enough.
    precision: Option<(f64, Option<String>)>,
    /// The least memory of what does not fit, and how long it would take.
    least: Option<(MemoryReport, Option<f64>)>,
    /// Any other reason, the last one.
    other: Option<CompileError>,
}

impl Refusals {
    /// Remembers a refusal.
    pub(crate) fn note(&mut self, why: CompileError) {
        match why {
            CompileError::Declined => self.declined = true,
            CompileError::Precision { got, amplifier, .. } => {
                if self.precision.as_ref().is_none_or(|(best, _)| got > *best) {
                    self.precision = Some((got, amplifier));
                }
            }
            CompileError::Memory { least: memory, seconds, .. } => {
                let least = self.least.filter(|(least, _)| least.total() <= memory.total());
                self.least = least.or(Some((*memory, seconds)));
            }
            other => self.other = Some(other),
        }
    }

    /// The least bytes of what does not fit the memory budget.
    pub(crate) fn least_bytes(&self) -> Option<u64> {
        self.least.map(|(memory, _)| memory.total())
    }

    /// Why there is no plan: what the candidate lacks that came closest to one.
    pub(crate) fn into_error(self, request: &Request) -> CompileError {
        let wanted = request.precision_bits;
        match self {
            Self { declined: true, .. } => CompileError::Declined,
            Self { precision: Some((got, amplifier)), .. } => {
                CompileError::Precision { got, wanted, amplifier }
            }
            Self { least: Some((least, seconds)), .. } => {
                CompileError::Memory { least: Box::new(least), seconds, budget: request.memory_budget }
            }
            Self { other: Some(other), .. } => other,
            Self { .. } => CompileError::Precision { got: f64::NEG_INFINITY, wanted, amplifier: None },
        }
    }
}
