//! The plaintexts of one run: which ones each unit needs, and encoding them before the unit begins.
//!
//! A plaintext is encoded once in a run. A thread without a unit to execute encodes the next ones in the order of the
//! schedule; what nobody has encoded ahead, the first unit that needs it encodes itself. The [`PlaintextStore`] keeps
//! plaintexts between runs. Those that it has no room for are dropped after their last use, and together they never
//! hold more bytes than it allows: else encoding would run ahead of the execution until memory is full.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use fhec_ir::schedule::recipes::RecipeVectors;
use fhec_ir::schedule::{Kind, Recipe, Schedule, ScheduleOp};
use fhec_ir::{Node, ValueId};
use rayon::prelude::*;

use crate::engine::{Engine, Place};
use crate::error::RunError;
use crate::plaintexts::{Key, PlaintextStore};
use crate::units::Unit;

/// A plaintext that the run needs.
struct Wanted {
    recipe: Recipe,
    place: Place,
    /// How often instructions name it.
    uses: usize,
}

/// Why a plaintext cannot be had.
#[derive(Clone)]
enum Failure {
    Refused(String),
    Panicked(String),
}

/// How far a plaintext is.
enum Progress<P> {
    Open,
    /// Somebody encodes it.
    Begun,
    Ready(Arc<P>),
    Failed(Failure),
    /// Used for the last time.
    Gone,
}

struct State<P> {
    progress: Vec<Progress<P>>,
    /// Uses still to come.
    uses: Vec<usize>,
    /// Bytes of what is encoded ahead and not in the store, by plaintext.
    held: HashMap<usize, usize>,
    held_bytes: usize,
    /// The first plaintext that nobody may have begun: all before it are.
    next: usize,
}

/// The plaintexts of one run.
pub(crate) struct Plaintexts<'a, E: Engine> {
    engine: &'a E,
    store: &'a PlaintextStore<E>,
    schedule: &'a Schedule,
    vectors: RecipeVectors<'a>,
    /// In the order of their first use.
    wanted: Vec<Wanted>,
    /// Of every result of every unit, its plaintexts.
    of: Vec<Vec<Vec<usize>>>,
    /// How many of them units before each need.
    before: Vec<usize>,
    state: Mutex<State<E::Plain>>,
    arrived: Condvar,
}

/// Where an instruction's plaintexts are used.
fn place(schedule: &Schedule, node: &Node<ScheduleOp>, compact: bool) -> Option<Place> {
    let operand = schedule.ty(*node.args.first()?);
    let scale = match node.op {
        ScheduleOp::MulAcc { plain_scale, .. } => plain_scale,
        _ => operand.scale,
    };
    Some(Place { level: operand.level, scale, extended: operand.kind == Kind::Ext, compact })
}

impl<'a, E: Engine> Plaintexts<'a, E> {
    pub(crate) fn new(
        engine: &'a E,
        schedule: &'a Schedule,
        units: &[Unit],
        store: &'a PlaintextStore<E>,
    ) -> Self {
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut known = HashMap::new();
        let mut index = |recipe: &Recipe, place: Place| {
            let at = *known.entry(Key::new(recipe, place)).or_insert(wanted.len());
            if at == wanted.len() {
                wanted.push(Wanted { recipe: *recipe, place, uses: 0 });
            }
            wanted[at].uses += 1;
            at
        };
        let mut result = |id: &ValueId, compact: bool| {
            let node = schedule.node(*id);
            let place = place(schedule, node, compact);
            let recipes = node.op.recipes().iter();
            recipes.filter_map(|recipe| Some(index(recipe, place?))).collect()
        };
        let mut of: Vec<Vec<Vec<usize>>> = Vec::with_capacity(units.len());
        let mut before = vec![0; units.len()];
        for (k, unit) in units.iter().enumerate() {
            let compact = !unit.inner.is_empty();
            of.push(unit.results.iter().map(|id| result(id, compact)).collect());
            let last = of[k].iter().flatten().max().map_or(0, |last| last + 1);
            if let Some(next) = before.get_mut(k + 1..).and_then(<[usize]>::first_mut) {
                *next = last;
            }
        }
        // Ones needed before may be needed again.
        for k in 1..before.len() {
            before[k] = before[k].max(before[k - 1]);
        }
        let state = State {
            progress: wanted.iter().map(|_| Progress::Open).collect(),
            uses: wanted.iter().map(|w| w.uses).collect(),
            held: HashMap::new(),
            held_bytes: 0,
            next: 0,
        };
        let vectors = RecipeVectors::new(schedule);
        let (state, arrived) = (Mutex::new(state), Condvar::new());
        Self { engine, store, schedule, vectors, wanted, of, before, state, arrived }
    }

    fn lock(&self) -> MutexGuard<'_, State<E::Plain>> {
        // Panics of engines are caught outside the lock, so the state is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plaintexts of unit `k`, by result, encoded now as far as nobody did before; in parallel on `pool`. To be called
    /// once for each unit and from no thread of the pool: it waits for those that others are encoding.
    ///
    /// # Errors
    /// If one cannot be evaluated or encoded.
    pub(crate) fn take(
        &self,
        (k, unit): (usize, &Unit),
        pool: Option<&rayon::ThreadPool>,
    ) -> Result<Vec<Vec<Arc<E::Plain>>>, RunError> {
        let mut mine: Vec<usize> = Vec::new();
        {
            let mut state = self.lock();
            for at in self.of[k].iter().flatten() {
                if matches!(state.progress[*at], Progress::Open) && self.begin(&mut state, *at) {
                    mine.push(*at);
                }
            }
        }
        match pool {
            Some(pool) if !mine.is_empty() => {
                pool.install(|| mine.par_iter().for_each(|at| self.encode(*at, false)));
            }
            _ => mine.iter().for_each(|at| self.encode(*at, false)),
        }
        let under_way = |state: &mut State<E::Plain>| {
            self.of[k].iter().flatten().any(|at| matches!(state.progress[*at], Progress::Begun))
        };
        let state = self.arrived.wait_while(self.lock(), under_way);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let mut plains = Vec::with_capacity(unit.results.len());
        for (id, wanted) in unit.results.iter().zip(&self.of[k]) {
            let place = || self.schedule.describe(*id);
            let of_result = wanted.iter().map(|at| match &state.progress[*at] {
                Progress::Ready(plain) => Ok(plain.clone()),
                Progress::Failed(Failure::Refused(message)) => {
                    Err(RunError::Plaintext { place: place(), message: message.clone() })
                }
                Progress::Failed(Failure::Panicked(message)) => {
                    Err(RunError::Panic { place: place(), message: message.clone() })
                }
                Progress::Open | Progress::Begun | Progress::Gone => {
                    Err(RunError::Plaintext { place: place(), message: "it is used up".into() })
                }
            });
            plains.push(of_result.collect::<Result<Vec<_>, _>>()?);
        }
        for at in self.of[k].iter().flatten() {
            state.used(*at);
        }
        Ok(plains)
    }

    /// Encodes the next plaintext in the schedule's order that nobody has begun, if a unit before `limit` needs it.
    /// False if there is none, or as many bytes are ahead as the store allows.
    pub(crate) fn ahead(&self, limit: usize, pool: &rayon::ThreadPool) -> bool {
        let Some(at) = self.next(limit) else { return false };
        pool.install(|| self.encode(at, true));
        true
    }

    /// The first plaintext, in the order of use, that is neither begun nor in the store.
    fn next(&self, limit: usize) -> Option<usize> {
        let end = self.before.get(limit).map_or(self.wanted.len(), |before| *before);
        let mut state = self.lock();
        while state.next < end {
            let at = state.next;
            if matches!(state.progress[at], Progress::Open) {
                if state.held_bytes >= self.store.ahead_bytes() {
                    return None;
                }
                if self.begin(&mut state, at) {
                    state.next += 1;
                    return Some(at);
                }
            }
            state.next += 1;
        }
        None
    }

    /// Marks an open plaintext as begun; false if the store has it.
    fn begin(&self, state: &mut State<E::Plain>, at: usize) -> bool {
        let Wanted { recipe, place, uses } = &self.wanted[at];
        let known = self.store.find(&Key::new(recipe, *place));
        let begun = known.is_none();
        state.progress[at] = known.map_or(Progress::Begun, Progress::Ready);
        if !begun {
            (0..*uses).for_each(|_| self.vectors.release(recipe));
        }
        begun
    }

    /// Encodes a plaintext that is marked as begun.
    fn encode(&self, at: usize, ahead: bool) {
        let Wanted { recipe, place, uses } = &self.wanted[at];
        let work = || {
            let vector = self.vectors.get(recipe);
            (0..*uses).for_each(|_| self.vectors.release(recipe));
            self.engine.encode(&vector?, *place).map_err(|e| e.to_string())
        };
        let encoded = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(plain)) => Ok(Arc::new(plain)),
            Ok(Err(message)) => Err(Failure::Refused(message)),
            Err(panic) => Err(Failure::Panicked(panic_message(&*panic))),
        };
        let mut state = self.lock();
        state.progress[at] = match encoded {
            Ok(plain) => {
                let bytes = self.engine.plain_bytes(&plain);
                let kept = self.store.keep(Key::new(recipe, *place), &plain, bytes);
                if ahead && !kept {
                    state.held.insert(at, bytes);
                    state.held_bytes += bytes;
                }
                Progress::Ready(plain)
            }
            Err(failure) => Progress::Failed(failure),
        };
        drop(state);
        self.arrived.notify_all();
    }
}

impl<P> State<P> {
    /// Counts a use of a plaintext, and forgets it after the last one.
    fn used(&mut self, at: usize) {
        self.uses[at] -= 1;
        if self.uses[at] == 0 {
            self.progress[at] = Progress::Gone;
            self.held_bytes -= self.held.remove(&at).unwrap_or(0);
        }
    }
}

/// What a panic says.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown".into())
}
