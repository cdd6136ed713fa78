//! How the rest of the crate tells an [`Observer`] what it does.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::observer::{Observer, Stage};

/// Who hears of events, from any thread.
pub(crate) trait Audience: Sync {
    fn hear(&self, event: &dyn Fn(&mut dyn Observer));
}

impl Audience for Mutex<&mut dyn Observer> {
    fn hear(&self, event: &dyn Fn(&mut dyn Observer)) {
        // An observer that panicked once is its own problem.
        event(&mut **self.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Tells the observer of events. (Behind a trait, since the lifetime of a mutex's contents could not be shortened.)
#[derive(Clone, Copy)]
pub(crate) struct Watch<'c>(&'c dyn Audience);

impl<'c> Watch<'c> {
    pub(crate) fn new(audience: &'c dyn Audience) -> Self {
        Self(audience)
    }

    /// Tells of an event.
    pub(crate) fn tell(&self, event: impl Fn(&mut dyn Observer)) {
        self.0.hear(&event);
    }

    /// Does the work of a stage.
    pub(crate) fn stage<T>(&self, stage: Stage, work: impl FnOnce(&Steps<'_>) -> T) -> T {
        self.tell(|o| o.stage_began(stage));
        let start = Instant::now();
        let result = work(&Steps { watch: *self, stage, done: Mutex::new(0) });
        let took = start.elapsed();
        self.tell(|o| o.stage_ended(stage, took));
        result
    }
}

/// Counts what is done of a stage.
pub(crate) struct Steps<'c> {
    watch: Watch<'c>,
    stage: Stage,
    done: Mutex<usize>,
}

impl Steps<'_> {
    /// One more is done, of so many.
    pub(crate) fn step(&self, total: usize) {
        // Held while the observer is told, so that the counts it sees rise.
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        self.watch.tell(|o| o.stage_progress(self.stage, *done, total));
    }
}
