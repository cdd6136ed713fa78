//! Watching a compilation.

use std::time::Duration;

use fhec_passes::pipeline::{Program, Timing};

use crate::error::CompileError;
use crate::fidelity::Fidelity;
use crate::summary::Summary;

/// A kind of work that takes time. A stage may begin more than once; [`Bounds`](Self::Bounds) and
/// [`Design`](Self::Design) run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The passes before `place`, which is where placements start from; done are passes.
    Packing,
    /// Running samples in clear for the ranges of functions' operands.
    Ranges,
    /// Trying how precisely functions have to be replaced; done are tries.
    Approximation,
    /// Comparing the imported network with its file.
    Original,
    /// Running samples in clear for the magnitudes of values.
    Bounds,
    /// Designing chains with bootstraps; done are chains.
    Design,
    /// Placing the network on these chains; done are placements.
    Placement,
    /// Lowering candidates and fitting them to the memory budget; done are candidates, of those that are known so far.
    Search,
    /// Making a plan: order, predictions, and a run in clear for the precision.
    Emission,
}

/// Sees what a compilation does as it goes on; nothing it does changes a decision. All methods do nothing unless they are
/// written.
///
/// A closure of a program and its timing is an observer of the passes.
///
/// The threads of a compilation tell of events one at a time, and wait for the method to return: it may not wait for
/// work on the same thread pool.
pub trait Observer: Send {
    /// A stage begins.
    fn stage_began(&mut self, stage: Stage) {
        let _ = stage;
    }

    /// So much of a stage is done, of so much in all.
    fn stage_progress(&mut self, stage: Stage, done: usize, total: usize) {
        let _ = (stage, done, total);
    }

    /// A stage ends; it took so long.
    fn stage_ended(&mut self, stage: Stage, took: Duration) {
        let _ = (stage, took);
    }

    /// The functions of the network were replaced.
    fn approximated(&mut self, fidelity: &Fidelity) {
        let _ = fidelity;
    }

    /// A candidate was enumerated.
    fn candidate_considered(&mut self, candidate: &Summary) {
        let _ = candidate;
    }

    /// A candidate was lowered and fits the memory budget.
    fn candidate_lowered(&mut self, candidate: &Summary) {
        let _ = candidate;
    }

    /// A candidate cannot be lowered, does not fit, is not precise enough, or is declined.
    fn candidate_refused(&mut self, candidate: &Summary, why: &CompileError) {
        let _ = (candidate, why);
    }

    /// A candidate became the plan.
    fn candidate_taken(&mut self, candidate: &Summary) {
        let _ = candidate;
    }

    /// No candidate has the bits of precision that were asked for, so one that has fewer became the plan. `amplifier` says where
    /// most are lost.
    fn less_precise(&mut self, got: f64, wanted: f64, amplifier: Option<&str>) {
        let _ = (got, wanted, amplifier);
    }

    /// The imported network is not compared with its file: why.
    fn original_not_run(&mut self, why: &str) {
        let _ = why;
    }

    /// A pass made this program. Told once the result is known, of each pass on the way to it in order: passes may run
    /// more often, until ring and layouts fit each other and for every candidate that is lowered.
    fn pass_finished(&mut self, program: &Program, timing: Timing) {
        let _ = (program, timing);
    }
}

impl<F: FnMut(&Program, Timing) + Send> Observer for F {
    fn pass_finished(&mut self, program: &Program, timing: Timing) {
        self(program, timing);
    }
}
