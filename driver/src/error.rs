//! Why there is no plan.

use fhec_backend::EmitError;
use fhec_ir::plan::MemoryReport;
use fhec_passes::PassError;
use fhec_passes::approximate::Method;
use fhec_passes::pipeline::PASSES;

/// Why there is no plan, or why a candidate became none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The ONNX file.
    #[error(transparent)]
    Import(#[from] fhec_frontend::ImportError),
    /// A pass.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Parameters.
    #[error(transparent)]
    Chain(#[from] fhec_backend::ChainError),
    /// Emission.
    #[error(transparent)]
    Emit(#[from] fhec_backend::EmitError),
    /// No scale gives the precision asked for.
    #[error(
        "the results would have {got:.1} bits of precision, {wanted} are asked for{}: ask for less (--precision-bits) or \
         rescale the network",
        amplifier.as_ref().map_or(String::new(), |layer| format!("; most is lost in {layer}"))
    )]
    Precision {
        /// Best forecast.
        got: f64,
        /// Asked for.
        wanted: f64,
        /// The layer that loses most.
        amplifier: Option<String>,
    },
    /// No plan fits the memory.
    #[error(
        "the evaluation takes {:.2} GB at least{} (keys {:.2}, bootstrap matrices {:.2}, values {:.2}, working memory {:.2}, \
         plaintexts {:.2}), the memory budget is {:.2} GB (--memory-budget)",
        gb(least.total()), seconds.map_or(String::new(), |s| format!(", and about {s:.0} s on one thread")), gb(least.keys), gb(least.matrices), gb(least.values), gb(least.working),
        gb(least.plaintexts), gb(*budget)
    )]
    Memory {
        /// The least found.
        least: Box<MemoryReport>,
        /// Modelled seconds of it on one thread, if known.
        seconds: Option<f64>,
        /// Bytes allowed.
        budget: u64,
    },
    /// No composition is as precise as asked for.
    #[error("no composition of polynomials has a precision of alpha = {alpha}: ask for 4 to 14 (--alpha)")]
    Alpha {
        /// What was asked for.
        alpha: f64,
    },
    /// No polynomials keep what the network says.
    #[error(
        "with {method} in place of functions {changed} of {samples} samples change their class and errors are {:.1} % of the results: {}",
        100.0 * rms, match given {
            true => "allow more (--accuracy-loss), or fine-tune the network with polynomials",
            false => "without samples ranges are proven for all inputs there could be, which is too wide here: give inputs with --samples",
        }
    )]
    Approximation {
        /// The most precise ones.
        method: Method,
        /// Samples with another class.
        changed: usize,
        /// Samples.
        samples: usize,
        /// Root mean square of errors over that of results.
        rms: f64,
        /// Whether samples were given.
        given: bool,
    },
    /// The caller's objective declines every plan there is.
    #[error("the objective declines every plan that fits and is precise enough")]
    Declined,
    /// The network itself is not to be trusted.
    #[error(
        "the network diverges on {diverging} of {samples} samples: values leave the range of its polynomials and grow without \
         bound; scale it down, or give the inputs that it is made for (--input-range, --samples)"
    )]
    Diverges {
        /// Samples on which it does.
        diverging: usize,
        /// Samples tried.
        samples: usize,
    },
    /// The import is not what the file says.
    #[error(
        "output {output:?} of sample {sample} is {theirs:.6e} by the network's file, run by tract, and {ours:.6e} as fhec imported \
         it: one of them reads the file wrongly, so there is no plan; please report the file"
    )]
    Original {
        /// The output.
        output: String,
        /// Number of the sample.
        sample: usize,
        /// As imported, where they differ most.
        ours: f64,
        /// By tract.
        theirs: f64,
    },
    /// No sample bounds the values of a network with bootstraps.
    #[error(
        "none of {samples} samples bounds the network's values: they do not fit its input, or it diverges on all of \
         them; give others (--samples)"
    )]
    Samples {
        /// Samples tried.
        samples: usize,
    },
    /// A pass to stop after that does not exist.
    #[error("there is no pass {name:?}; the passes are {}", PASSES.join(", "))]
    NoSuchPass {
        /// What was asked for.
        name: String,
    },
    /// Results too large for the precision asked for, whatever the parameters are.
    #[error(
        "results of up to {largest:.3e} cannot have {wanted} bits after the binary point: scale the network down, its outputs or \
         the inputs (--input-range), or ask for less (--precision-bits)"
    )]
    Magnitude {
        /// Largest output seen.
        largest: f64,
        /// Bits asked for.
        wanted: f64,
    },
    /// Results too large for any base modulus.
    #[error(
        "results of up to {largest:.3e} do not fit a base modulus of {bits} bits at any supported scale: scale the network's \
         outputs down, or its inputs (--input-range)"
    )]
    Range {
        /// Largest output seen.
        largest: f64,
        /// Widest base modulus.
        bits: u32,
    },
}

impl CompileError {
    /// Bits that moduli are too short by for some value, if that is the reason.
    pub(crate) fn missing_bits(&self) -> Option<f64> {
        match self {
            Self::Pass(PassError::Room { missing, .. }) | Self::Emit(EmitError::Room { missing, .. }) => {
                Some(*missing)
            }
            _ => None,
        }
    }

    /// Whether another scale will not mend it.
    pub(crate) fn is_defect(&self) -> bool {
        let of_scale = matches!(self, Self::Precision { .. } | Self::Declined);
        !of_scale && self.missing_bits().is_none()
    }
}

fn gb(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}
