//! What replacing functions costs.

use std::fmt;

use fhec_ir::plan::Plan;
use fhec_passes::approximate::{Method, Replacement};

/// What approximating the functions of a network costs in clear.
#[derive(Clone, Debug, PartialEq)]
pub struct Fidelity {
    /// What stands for |x|.
    pub method: Method,
    /// Samples compared.
    pub samples: usize,
    /// Of these the samples with the same class, or where classes are no matter with small errors.
    pub agreeing: usize,
    /// Samples with the right class before and after, if there are labels.
    pub correct: Option<(usize, usize)>,
    /// By output, root of the mean square of errors over that of results.
    pub relative_rms: Vec<f64>,
    /// By output, the largest error.
    pub largest_error: Vec<f64>,
    /// What was replaced by what.
    pub replaced: Vec<Replacement>,
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, samples, agreeing, correct, relative_rms, replaced, .. } = self;
        write!(f, "{} replaced, those with kinks by {method}", replaced.len())?;
        let rms = relative_rms.iter().fold(0.0, |most: f64, x| most.max(*x));
        write!(
            f,
            "; {agreeing} of {samples} samples keep their class, errors are {:.2} % of the results",
            100.0 * rms
        )?;
        match correct {
            Some((before, after)) => write!(f, "; {before} were right, {after} are"),
            None => Ok(()),
        }
    }
}

impl Fidelity {
    /// Whether results differ by more than any usual goal allows.
    pub fn is_doubtful(&self) -> bool {
        let changed = (self.samples - self.agreeing) as f64 / self.samples.max(1) as f64;
        let single = self.relative_rms.len() == 1;
        single && changed > DOUBTFUL_CHANGES
            || self.relative_rms.iter().any(|rms| *rms > DOUBTFUL_RMS || rms.is_nan())
    }

    /// −log2 of the root of the mean square of errors over that of results, of the worst output.
    pub(crate) fn bits(&self) -> f64 {
        -self.relative_rms.iter().fold(0.0, |most: f64, rms| most.max(*rms)).log2()
    }

    /// Adds what approximation costs to the errors that a plan promises.
    pub(crate) fn add_to(&self, plan: &mut Plan) {
        // One image in many more may be worse than all of the samples.
        let unlike = if self.samples >= MANY { UNLIKE.0 } else { UNLIKE.1 };
        for (output, error) in plan.client.outputs.iter_mut().zip(&self.largest_error) {
            output.error += error * unlike;
        }
    }
}

/// By how much errors on other images may exceed the largest on the samples, if there are many of them, and if not.
const UNLIKE: (f64, f64) = (1.5, 3.0);

/// Shares of samples that change their class, and of results, that are remarked on.
const DOUBTFUL_CHANGES: f64 = 0.02;
const DOUBTFUL_RMS: f64 = 0.1;

/// Samples that tell how large errors get.
const MANY: usize = 400;
