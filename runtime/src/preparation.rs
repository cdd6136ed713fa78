//! What an engine prepares once for all instructions that share it, while others run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use fhec_ir::schedule::Schedule;

use crate::ahead::panic_message;
use crate::engine::Engine;
use crate::error::RunError;
use crate::units::Unit;

/// The preparation of an engine in one run.
pub(crate) struct Preparation {
    /// By unit, whether it needs to be over.
    needed: Vec<bool>,
    stage: Mutex<Stage>,
    over: Condvar,
}

enum Stage {
    Due,
    Running,
    Over,
    /// Until a thread takes the error to report it.
    Failed(RunError),
}

impl Preparation {
    pub(crate) fn new(engine: &impl Engine, schedule: &Schedule, units: &[Unit]) -> Self {
        let needs =
            |unit: &Unit| unit.results.iter().any(|id| engine.needs_preparation(&schedule.node(*id).op));
        let needed: Vec<bool> = units.iter().map(needs).collect();
        let stage = if needed.contains(&true) { Stage::Due } else { Stage::Over };
        Self { needed, stage: Mutex::new(stage), over: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // Stages are assigned as wholes, so a panic elsewhere leaves a consistent one.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether unit `k` needs it.
    pub(crate) fn needed(&self, k: usize) -> bool {
        self.needed[k]
    }

    /// The first unit that needs it, if nobody has begun.
    pub(crate) fn due(&self) -> Option<usize> {
        let due = matches!(*self.lock(), Stage::Due);
        self.needed.iter().position(|needed| *needed).filter(|_| due)
    }

    /// Prepares the engine on `pool` unless somebody has begun. True if it did.
    pub(crate) fn run(&self, engine: &impl Engine, pool: &rayon::ThreadPool) -> bool {
        {
            let mut stage = self.lock();
            if !matches!(*stage, Stage::Due) {
                return false;
            }
            *stage = Stage::Running;
        }
        let prepared = catch_unwind(AssertUnwindSafe(|| pool.install(|| engine.prepare())));
        *self.lock() = match prepared {
            Ok(Ok(())) => Stage::Over,
            Ok(Err(error)) => Stage::Failed(RunError::Prepare(error)),
            Err(panic) => {
                let (place, message) = ("the preparation of the engine".into(), panic_message(&*panic));
                Stage::Failed(RunError::Panic { place, message })
            }
        };
        self.over.notify_all();
        true
    }

    /// Returns when the engine is prepared, by this thread if nobody has begun. From no thread of the pool: others wait there
    /// for the same.
    ///
    /// # Errors
    /// If it cannot be prepared.
    pub(crate) fn wait(&self, engine: &impl Engine, pool: &rayon::ThreadPool) -> Result<(), RunError> {
        self.run(engine, pool);
        let running = |stage: &mut Stage| matches!(stage, Stage::Running);
        let stage = self.over.wait_while(self.lock(), running);
        let mut stage = stage.unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Failed(error) => {
                *stage = Stage::Due;
                Err(error)
            }
            _ => Ok(()),
        }
    }
}
