//! What makes one candidate better than another.

use fhec_ir::plan::Plan;

use crate::summary::Summary;

/// Decides which candidate with bootstraps becomes the plan: the one of least cost that fits the memory budget and is
/// precise enough. The search lowers candidates in the order of their bounds and ends when no bound is below the least
/// cost, so a bound may not exceed the cost, and the closer it is the fewer candidates are lowered.
///
/// Without bootstraps there is nothing to weigh: the narrowest scale that is precise enough is both fastest and smallest.
/// [`accepts`](Self::accepts) is asked there, too.
pub trait Objective {
    /// What a candidate costs at least, before it is lowered: its seconds and memory are bounds from below.
    fn bound(&self, candidate: &Summary) -> f64;

    /// What a candidate costs that was lowered and fits the memory budget.
    fn cost(&self, candidate: &Summary) -> f64;

    /// Whether candidates with fewer keys take part from the beginning. Otherwise they do once the memory budget makes a
    /// candidate give something up: finding them takes longer than all the rest.
    fn wants_fewer_keys(&self) -> bool {
        false
    }

    /// Whether to take a plan that fits and is precise enough; if not, the next one is looked for.
    fn accepts(&self, plan: &Plan) -> bool {
        let _ = plan;
        true
    }
}

/// The fastest evaluation.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastTime;

impl Objective for LeastTime {
    fn bound(&self, candidate: &Summary) -> f64 {
        candidate.seconds
    }

    fn cost(&self, candidate: &Summary) -> f64 {
        candidate.seconds
    }
}

/// The evaluation that takes the least memory. Most candidates are lowered, since little is known of their memory before.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastMemory;

impl Objective for LeastMemory {
    fn bound(&self, candidate: &Summary) -> f64 {
        candidate.memory.total() as f64
    }

    fn cost(&self, candidate: &Summary) -> f64 {
        candidate.memory.total() as f64
    }

    fn wants_fewer_keys(&self) -> bool {
        true
    }
}
