//! Runs that can be taken up again: the values from which the rest of a schedule follows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fhec_ir::ValueId;
use fhec_ir::schedule::{Schedule, ScheduleOp};

use crate::units::Unit;

/// Usual time between two checkpoints.
pub const PACE: Duration = Duration::from_secs(20);

/// Keeping takes no more than one part in so many of a run's time.
const SHARE: u32 = 20;

/// Instructions that may have to be executed again, of so many that are done one.
const AGAIN: usize = 20;

/// Where a run begins, and what is kept of it on the way.
pub struct Checkpoints<'a, V> {
    /// Ciphertexts that an earlier run of the same schedule on the same inputs kept.
    pub known: Vec<(ValueId, V)>,
    /// Called with the ciphertexts from which the rest of the run follows, in ascending order: behind bootstraps. From any
    /// thread, beside the run.
    pub keep: Option<Keep<'a, V>>,
    /// Shortest time between two calls; longer where a call takes long.
    pub pace: Duration,
}

/// See [`Checkpoints::keep`].
pub type Keep<'a, V> = &'a (dyn Fn(&[(ValueId, Arc<V>)]) + Sync);

impl<V> Default for Checkpoints<'_, V> {
    fn default() -> Self {
        Self { known: vec![], keep: None, pace: PACE }
    }
}

/// By unit, whether it has to be executed when some values are known.
pub(crate) fn needed(schedule: &Schedule, units: &[Unit], known: impl Fn(ValueId) -> bool) -> Vec<bool> {
    let mut unit_of = vec![None; schedule.len()];
    for (k, unit) in units.iter().enumerate() {
        unit.results.iter().for_each(|id| unit_of[id.index()] = Some(k));
    }
    let mut needed = vec![false; units.len()];
    let mut wanted: Vec<ValueId> = schedule.outputs.iter().map(|o| o.value).collect();
    while let Some(id) = wanted.pop() {
        if let Some(k) = unit_of[id.index()]
            && !known(id)
            && !needed[k]
        {
            needed[k] = true;
            wanted.extend(&units[k].operands);
        }
    }
    needed
}

/// Decides when to keep what.
pub(crate) struct Keeper<'a, V> {
    keep: Option<Keep<'a, V>>,
    pace: Duration,
    /// When the next checkpoint is due; None while one is written.
    due: Mutex<Option<Instant>>,
}

impl<'a, V> Keeper<'a, V> {
    pub(crate) fn new(keep: Option<Keep<'a, V>>, pace: Duration, start: Instant) -> Self {
        Self { keep, pace, due: Mutex::new(Some(start + pace)) }
    }

    /// Whether a checkpoint should be made behind a unit. Who is told so calls [`Keeper::keep`].
    pub(crate) fn is_due(&self, schedule: &Schedule, unit: &Unit) -> bool {
        let refreshes = |id: &ValueId| matches!(schedule.node(*id).op, ScheduleOp::Bootstrap { .. });
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = self.keep.is_some()
            && unit.results.iter().any(refreshes)
            && due.is_some_and(|due| due <= Instant::now());
        if is_due {
            *due = None;
        }
        is_due
    }

    /// Keeps values if there are any, and says when the next ones are due.
    pub(crate) fn keep(&self, values: Option<Vec<(ValueId, Arc<V>)>>) {
        let start = Instant::now();
        let kept = values.is_some();
        if let (Some(keep), Some(values)) = (self.keep, values) {
            keep(&values);
        }
        let pause = if kept { self.pace.max(start.elapsed() * SHARE) } else { Duration::ZERO };
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + pause);
    }
}

/// Of the ciphertexts that are there, those from which the rest of a run follows, if no more than a little of what is `done`
/// would be executed again.
pub(crate) fn worth_keeping<V>(
    schedule: &Schedule,
    units: &[Unit],
    there: Vec<(ValueId, Arc<V>)>,
    done: usize,
) -> Option<Vec<(ValueId, Arc<V>)>> {
    let known = |id: ValueId| there.binary_search_by_key(&id, |(id, _)| *id).is_ok();
    let needed = needed(schedule, units, known);
    let left: usize =
        units.iter().zip(&needed).filter(|(_, needed)| **needed).map(|(unit, _)| unit.len()).sum();
    let again = (left + done).saturating_sub(schedule.len());
    (again * AGAIN <= done).then_some(there)
}
