//! Data flow over a schedule.
//!
//! What is executed at a time is a unit ([`units`](crate::units)): one instruction, or several that are cheaper together.
//! A unit is ready when its operands are there. Of the ready ones the earliest in the schedule's order runs first: with
//! one thread that is the schedule's order, and with more it is followed closely, so that memory stays near the plan's
//! prediction. A value is freed with its last use.
//!
//! As many units run at a time as there are threads, and all share one pool for their limbs and plaintexts. So when a
//! short unit is over, its thread helps a long one that began beside it.
//!
//! A thread that finds nothing ready works ahead: it encodes plaintexts of the units to come (`ahead.rs`), and before
//! those of the first unit that needs it, it prepares the engine ([`Engine::prepare`]).

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fhec_ir::schedule::interp::group_outputs;
use fhec_ir::schedule::{Kind, Schedule, ScheduleOp};
use fhec_ir::{Node, ValueId, Verified};

use crate::ahead::{Plaintexts, panic_message};
use crate::engine::{Engine, GiantSum, RotatedSums};
use crate::error::RunError;
use crate::plaintexts::PlaintextStore;
use crate::preparation::Preparation;
use crate::resume::{self, Checkpoints, Keeper};
use crate::units::{Unit, units};

/// Most threads of a run: more only wait for each other.
pub const MAX_THREADS: usize = 256;

/// How to execute.
#[derive(Clone, Copy, Default)]
pub struct ExecuteOptions<'a> {
    /// Threads, at most [`MAX_THREADS`]; 0 for as many as the machine has cores.
    pub threads: usize,
    /// Called after each instruction with how many are done, of how many. From any thread.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

/// Results and statistics of a run.
#[derive(Debug)]
pub struct Execution<V> {
    /// Ciphertexts of every packed output.
    pub outputs: Vec<Vec<Arc<V>>>,
    /// Wall-clock time.
    pub seconds: f64,
    /// Most bytes of values alive at once, keys and plaintexts not counted.
    pub peak_value_bytes: usize,
    /// When and where each instruction ran, plaintexts included. Instructions that were executed at once share their
    /// time evenly, one after the other; the rotations, and inputs, take none.
    pub spans: Vec<Span>,
}

/// When and where an instruction ran.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Span {
    /// Seconds since the run began.
    pub start: f64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Its thread: 0 is the caller's. An instruction that used them all counts as its first thread's.
    pub worker: usize,
}

/// Sees values as they are made, on the thread that made them; inputs are not shown.
pub type Observer<'a, V> = &'a (dyn Fn(ValueId, &V) + Sync);

/// Executes `schedule` on `inputs`, the ciphertexts of every packed input.
///
/// # Errors
/// If inputs do not fit, an instruction fails, or a result is not of the type that the schedule says.
pub fn execute<E: Engine>(
    engine: &E,
    schedule: &Verified<Schedule>,
    inputs: Vec<Vec<E::Value>>,
    plaintexts: &PlaintextStore<E>,
    options: &ExecuteOptions<'_>,
) -> Result<Execution<E::Value>, RunError> {
    execute_observed(engine, schedule, inputs, plaintexts, options, &|_, _| {})
}

/// [`execute`], showing values to `observe`: all but inputs, and rotations that exist only within a sum. Its time is not
/// the instruction's.
///
/// # Errors
/// As [`execute`].
pub fn execute_observed<E: Engine>(
    engine: &E,
    schedule: &Verified<Schedule>,
    inputs: Vec<Vec<E::Value>>,
    plaintexts: &PlaintextStore<E>,
    options: &ExecuteOptions<'_>,
    observe: Observer<'_, E::Value>,
) -> Result<Execution<E::Value>, RunError> {
    execute_resumed(engine, schedule, inputs, plaintexts, options, observe, Checkpoints::default())
}

/// [`execute_observed`], from where an earlier run was, and with checkpoints on the way.
///
/// # Errors
/// As [`execute`]; known values that are not of the schedule's types.
pub fn execute_resumed<E: Engine>(
    engine: &E,
    schedule: &Verified<Schedule>,
    inputs: Vec<Vec<E::Value>>,
    plaintexts: &PlaintextStore<E>,
    options: &ExecuteOptions<'_>,
    observe: Observer<'_, E::Value>,
    checkpoints: Checkpoints<'_, E::Value>,
) -> Result<Execution<E::Value>, RunError> {
    let start = Instant::now();
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n.min(MAX_THREADS),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| RunError::Threads(e.to_string()))?;
    let mut units = units(schedule);
    let Checkpoints { known, keep, pace } = checkpoints;
    let ids: BTreeSet<ValueId> = known.iter().map(|(id, _)| *id).collect();
    let mut needed = resume::needed(schedule, &units, |id| ids.contains(&id)).into_iter();
    if !known.is_empty() {
        units.retain(|_| needed.next() == Some(true));
    }
    let readers = readers(schedule, &units);
    let state = initial(engine, schedule, (&units, &readers), inputs, known)?;
    let run = Run {
        engine,
        schedule,
        plaintexts: Plaintexts::new(engine, schedule, &units, plaintexts),
        preparation: Preparation::new(engine, schedule, &units),
        units,
        readers,
        threads,
        pool,
        progress: options.progress,
        observe,
        keeper: Keeper::new(keep, pace, start),
        start,
        state: Mutex::new(state),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for worker in 1..threads {
            let run = &run;
            scope.spawn(move || run.work(worker));
        }
        run.work(0);
    });
    let state = run.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.error {
        return Err(error);
    }
    let missing = || RunError::Input("an output was not computed".into());
    let outputs: Option<Vec<_>> =
        schedule.outputs.iter().map(|o| state.values[o.value.index()].clone()).collect();
    Ok(Execution {
        outputs: group_outputs(schedule, outputs.ok_or_else(missing)?),
        seconds: start.elapsed().as_secs_f64(),
        peak_value_bytes: state.peak,
        spans: state.spans,
    })
}

struct State<V> {
    /// Units whose operands are there.
    ready: BinaryHeap<Reverse<usize>>,
    /// Operands not yet there, by unit.
    missing: Vec<usize>,
    /// Uses still to come, by value.
    uses: Vec<usize>,
    values: Vec<Option<Arc<V>>>,
    running: usize,
    /// Instructions done.
    done: usize,
    bytes: usize,
    peak: usize,
    spans: Vec<Span>,
    error: Option<RunError>,
}

impl<V> State<V> {
    /// Counts a value as present for the units that read it.
    fn arrived(&mut self, users: &[usize]) {
        for user in users {
            self.missing[*user] -= 1;
            if self.missing[*user] == 0 {
                self.ready.push(Reverse(*user));
            }
        }
    }
}

/// By value, the units that read it.
fn readers(schedule: &Schedule, units: &[Unit]) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); schedule.len()];
    for (k, unit) in units.iter().enumerate() {
        unit.operands.iter().for_each(|v| readers[v.index()].push(k));
    }
    readers
}

fn initial<E: Engine>(
    engine: &E,
    schedule: &Schedule,
    (units, readers): (&[Unit], &[Vec<usize>]),
    inputs: Vec<Vec<E::Value>>,
    known: Vec<(ValueId, E::Value)>,
) -> Result<State<E::Value>, RunError> {
    let wanted: Vec<_> = schedule.header.inputs.iter().map(|p| p.layout.ciphertexts).collect();
    let given: Vec<_> = inputs.iter().map(Vec::len).collect();
    if wanted != given {
        return Err(RunError::Input(format!("{given:?} ciphertexts instead of {wanted:?}")));
    }
    let mut inputs: Vec<Vec<_>> = inputs.into_iter().map(|cts| cts.into_iter().map(Some).collect()).collect();
    let mut uses: Vec<usize> = readers.iter().map(Vec::len).collect();
    schedule.outputs.iter().for_each(|output| uses[output.value.index()] += 1);
    let left: usize = units.iter().map(Unit::len).sum();
    let inputs_in_all: usize = wanted.iter().sum();
    let mut state = State {
        ready: BinaryHeap::new(),
        missing: units.iter().map(|u| u.operands.len()).collect(),
        uses,
        values: (0..schedule.len()).map(|_| None).collect(),
        running: 0,
        done: schedule.len() - left - inputs_in_all,
        bytes: 0,
        peak: 0,
        spans: vec![Span::default(); schedule.len()],
        error: None,
    };
    for (id, node) in schedule.iter() {
        let ScheduleOp::Input { name, input, ct } = &node.op else { continue };
        let value = inputs[*input as usize][*ct as usize].take();
        let value = value.ok_or_else(|| RunError::Input(format!("{name} is used twice")))?;
        let found = engine.ty(&value);
        if found != node.ty {
            return Err(RunError::Input(format!("{name} is {found:?}, the plan takes {:?}", node.ty)));
        }
        state.bytes += engine.value_bytes(&value);
        state.values[id.index()] = Some(Arc::new(value));
        state.done += 1;
        state.arrived(&readers[id.index()]);
    }
    let computed: BTreeSet<ValueId> = units.iter().flat_map(|unit| &unit.results).copied().collect();
    for (id, value) in known {
        let (expected, found) = (schedule.ty(id), engine.ty(&value));
        if found != *expected {
            return Err(RunError::Input(format!(
                "{id} of a checkpoint is {found:?}, the plan has {expected:?}"
            )));
        }
        if state.uses[id.index()] > 0 && !computed.contains(&id) && state.values[id.index()].is_none() {
            state.bytes += engine.value_bytes(&value);
            state.values[id.index()] = Some(Arc::new(value));
            state.arrived(&readers[id.index()]);
        }
    }
    state.peak = state.bytes;
    Ok(state)
}

struct Run<'a, E: Engine> {
    engine: &'a E,
    schedule: &'a Schedule,
    plaintexts: Plaintexts<'a, E>,
    preparation: Preparation,
    units: Vec<Unit>,
    readers: Vec<Vec<usize>>,
    threads: usize,
    pool: rayon::ThreadPool,
    progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
    observe: Observer<'a, E::Value>,
    keeper: Keeper<'a, E::Value>,
    start: Instant,
    state: Mutex<State<E::Value>>,
    changed: Condvar,
}

/// A unit to be run.
struct Job<'r, V> {
    k: usize,
    unit: &'r Unit,
    operands: Vec<Arc<V>>,
}

impl<E: Engine> Run<'_, E> {
    fn lock(&self) -> MutexGuard<'_, State<E::Value>> {
        // Panics of engines are caught outside the lock, so the state is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs units until all are done or one failed.
    fn work(&self, worker: usize) {
        while let Some(job) = self.next() {
            let start = self.start.elapsed().as_secs_f64();
            let result = self.caught(job.unit, || self.results(&job));
            let span = Span { start, seconds: self.start.elapsed().as_secs_f64() - start, worker };
            let unit = job.unit;
            drop(job);
            let result = result.and_then(|values| {
                self.caught(unit, || {
                    unit.results.iter().zip(&values).for_each(|(id, value)| (self.observe)(*id, value));
                    Ok(values)
                })
            });
            self.finish(unit, result, span);
        }
    }

    /// Makes a panic an error: it must not leave the other threads waiting for this one.
    fn caught(
        &self,
        unit: &Unit,
        job: impl FnOnce() -> Result<Vec<E::Value>, RunError>,
    ) -> Result<Vec<E::Value>, RunError> {
        catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| {
            let place = self.schedule.describe(unit.results[0]);
            Err(RunError::Panic { place, message: panic_message(&*panic) })
        })
    }

    fn next(&self) -> Option<Job<'_, E::Value>> {
        let mut ahead = true;
        let mut state = self.lock();
        loop {
            if state.error.is_some() || state.done == self.schedule.len() {
                self.changed.notify_all();
                return None;
            }
            if let Some(Reverse(k)) = state.ready.pop() {
                state.running += 1;
                let unit = &self.units[k];
                let operands = unit.operands.iter().filter_map(|v| state.values[v.index()].clone()).collect();
                return Some(Job { k, unit, operands });
            }
            if ahead {
                drop(state);
                ahead = self.work_ahead();
                state = self.lock();
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                ahead = true;
            }
        }
    }

    /// Does a part of what units to come need. False if there is nothing to do now.
    fn work_ahead(&self) -> bool {
        let due = self.preparation.due();
        self.plaintexts.ahead(due.unwrap_or(usize::MAX), &self.pool)
            || due.is_some() && self.preparation.run(self.engine, &self.pool)
    }

    /// The unit's results, in order.
    fn results(&self, job: &Job<'_, E::Value>) -> Result<Vec<E::Value>, RunError> {
        let Job { k, unit, operands } = job;
        let place = |id: ValueId| self.schedule.describe(id);
        let pool = (self.threads > 1).then_some(&self.pool);
        if self.preparation.needed(*k) {
            self.preparation.wait(self.engine, &self.pool)?;
        }
        let plains = self.plaintexts.take((*k, unit), pool)?;
        // Room for others ahead.
        self.changed.notify_all();
        let of = |id: &ValueId| &*operands[unit.operands.binary_search(id).expect("operands are listed")];
        let first = unit.results[0];
        let compute = || {
            if let ([], [a, b]) = (&unit.inner[..], &unit.results[..]) {
                let pair = [a, b].map(|id| (*id, self.schedule.node(*id)));
                return self.engine.bootstrap_pair(pair.map(|(id, node)| (id, node, of(&node.args[0]))));
            }
            let node = self.schedule.node(first);
            if unit.inner.is_empty() {
                let args: Vec<&E::Value> = node.args.iter().map(of).collect();
                return self.engine.apply(first, node, &args, &plains[0]).map(|value| vec![value]);
            }
            let operands = unit.operands.iter().map(|id| (*id, of(id))).collect();
            if node.op == ScheduleOp::Add {
                let sum = GiantSum { schedule: self.schedule, sum: first, giants: &unit.inner, operands };
                return self.engine.giant_sum(&sum).map(|value| vec![value]);
            }
            self.engine.rotated_sums(&RotatedSums {
                schedule: self.schedule,
                rotations: &unit.inner,
                results: &unit.results,
                digits: operands,
                plains: &plains,
            })
        };
        let values = match pool {
            Some(pool) => pool.install(compute),
            None => compute(),
        };
        let values = values.map_err(|source| RunError::Instruction { place: place(first), source })?;
        for (id, value) in unit.results.iter().zip(&values) {
            let (expected, found) = (*self.schedule.ty(*id), self.engine.ty(value));
            let same = found.kind == expected.kind
                && found.level == expected.level
                && found.scale.to_bits() == expected.scale.to_bits();
            if !same {
                return Err(RunError::Type { place: place(*id), expected, found });
            }
        }
        Ok(values)
    }

    /// The ciphertexts that are still to be read.
    fn ciphertexts(&self, state: &State<E::Value>) -> Vec<(ValueId, Arc<E::Value>)> {
        let is_kept = |(id, node): &(ValueId, &Node<ScheduleOp>)| {
            let is_input = matches!(node.op, ScheduleOp::Input { .. });
            !is_input && node.ty.kind == Kind::Ct && state.uses[id.index()] > 0
        };
        let kept = self.schedule.iter().filter(is_kept);
        kept.filter_map(|(id, _)| Some((id, state.values[id.index()].clone()?))).collect()
    }

    fn finish(&self, unit: &Unit, result: Result<Vec<E::Value>, RunError>, span: Span) {
        let mut freed = Vec::new();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.running -= 1;
        match result {
            Err(error) => {
                state.error.get_or_insert(error);
            }
            Ok(values) => {
                state.done += unit.len();
                let seconds = span.seconds / unit.results.len() as f64;
                for (k, (id, value)) in unit.results.iter().zip(values).enumerate() {
                    let start = span.start + k as f64 * seconds;
                    state.spans[id.index()] = Span { start, seconds, ..span };
                    state.bytes += self.engine.value_bytes(&value);
                    state.values[id.index()] = Some(Arc::new(value));
                    state.arrived(&self.readers[id.index()]);
                }
                state.peak = state.peak.max(state.bytes);
                unit.operands.iter().for_each(|used| state.uses[used.index()] -= 1);
                for used in unit.operands.iter().chain(&unit.results) {
                    if state.uses[used.index()] == 0
                        && let Some(value) = state.values[used.index()].take()
                    {
                        state.bytes -= self.engine.value_bytes(&value);
                        freed.push(value);
                    }
                }
            }
        }
        let done = state.done;
        let due = state.error.is_none() && self.keeper.is_due(self.schedule, unit);
        let there = due.then(|| self.ciphertexts(state));
        drop(guard);
        self.changed.notify_all();
        // Large buffers go back outside the lock.
        drop(freed);
        if let Some(there) = there {
            self.keeper.keep(resume::worth_keeping(self.schedule, &self.units, there, done));
        }
        if let Some(progress) = self.progress {
            progress(done, self.schedule.len());
        }
    }
}
