//! Data flow over a schedule.
//!
//! An instruction is ready when its operands are there; of the ready ones the earliest in the schedule's order
//! runs first, so that with one thread the order is the schedule's and with more it is followed closely, and
//! memory stays near the plan's prediction. A value is freed with its last use. As long as there are enough
//! instructions for all threads each runs one; when there are fewer, an instruction gets the whole pool to
//! split its limbs and plaintexts.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fhec_ir::schedule::interp::{group_outputs, remaining_uses};
use fhec_ir::schedule::recipes::RecipeVectors;
use fhec_ir::schedule::{Kind, Recipe, Schedule, ScheduleOp};
use fhec_ir::{Node, ValueId, Verified};
use rayon::prelude::*;

use crate::engine::{Engine, Place};
use crate::error::RunError;
use crate::plaintexts::PlaintextStore;

/// How to execute.
#[derive(Clone, Copy, Default)]
pub struct ExecuteOptions<'a> {
    /// Threads; 0 for as many as the machine has cores.
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
    /// Time of each instruction on its thread, plaintexts included.
    pub instruction_seconds: Vec<f32>,
}

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
    let start = Instant::now();
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| RunError::Threads(e.to_string()))?;
    let state = initial(engine, schedule, inputs)?;
    pool.install(|| engine.prepare(schedule)).map_err(RunError::Prepare)?;
    let run = Run {
        engine,
        schedule,
        plaintexts,
        vectors: RecipeVectors::new(schedule),
        users: schedule.users(),
        threads,
        pool,
        progress: options.progress,
        state: Mutex::new(state),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| run.work());
        }
        run.work();
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
        instruction_seconds: state.seconds,
    })
}

struct State<V> {
    /// Instructions whose operands are there.
    ready: BinaryHeap<Reverse<ValueId>>,
    /// Operands not yet there, by instruction.
    missing: Vec<usize>,
    /// Uses still to come, by value.
    uses: Vec<usize>,
    values: Vec<Option<Arc<V>>>,
    running: usize,
    done: usize,
    bytes: usize,
    peak: usize,
    seconds: Vec<f32>,
    error: Option<RunError>,
}

fn initial<E: Engine>(
    engine: &E,
    schedule: &Schedule,
    inputs: Vec<Vec<E::Value>>,
) -> Result<State<E::Value>, RunError> {
    let wanted: Vec<_> = schedule.header.inputs.iter().map(|p| p.layout.ciphertexts).collect();
    let given: Vec<_> = inputs.iter().map(Vec::len).collect();
    if wanted != given {
        return Err(RunError::Input(format!("{given:?} ciphertexts instead of {wanted:?}")));
    }
    let mut inputs: Vec<Vec<_>> = inputs.into_iter().map(|cts| cts.into_iter().map(Some).collect()).collect();
    let mut state = State {
        ready: BinaryHeap::new(),
        missing: schedule.iter().map(|(_, n)| n.args.len()).collect(),
        uses: remaining_uses(schedule),
        values: (0..schedule.len()).map(|_| None).collect(),
        running: 0,
        done: 0,
        bytes: 0,
        peak: 0,
        seconds: vec![0.0; schedule.len()],
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
    }
    state.peak = state.bytes;
    let users = schedule.users();
    for (id, node) in schedule.iter() {
        if matches!(node.op, ScheduleOp::Input { .. }) {
            for user in &users[id.index()] {
                state.missing[user.index()] -= 1;
                if state.missing[user.index()] == 0 {
                    state.ready.push(Reverse(*user));
                }
            }
        }
    }
    Ok(state)
}

struct Run<'a, E: Engine> {
    engine: &'a E,
    schedule: &'a Schedule,
    plaintexts: &'a PlaintextStore<E>,
    vectors: RecipeVectors<'a>,
    users: Vec<Vec<ValueId>>,
    threads: usize,
    pool: rayon::ThreadPool,
    progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
    state: Mutex<State<E::Value>>,
    changed: Condvar,
}

impl<E: Engine> Run<'_, E> {
    fn lock(&self) -> MutexGuard<'_, State<E::Value>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes instructions until all are done or one failed.
    fn work(&self) {
        while let Some((id, args, alone)) = self.next() {
            let start = Instant::now();
            let node = self.schedule.node(id);
            let job = || self.instruction(id, node, &args, alone);
            // A panic must not leave the other threads waiting for this one.
            let result =
                catch_unwind(AssertUnwindSafe(|| if alone { self.pool.install(job) } else { job() }));
            let result = result.unwrap_or_else(|panic| {
                let place = self.schedule.describe(id);
                Err(RunError::Panic { place, message: panic_message(&*panic) })
            });
            drop(args);
            self.finish(id, result, start.elapsed().as_secs_f32());
        }
    }

    /// The next instruction with its operands, and whether there is too little else to do for the other threads.
    #[allow(clippy::type_complexity)]
    fn next(&self) -> Option<(ValueId, Vec<Arc<E::Value>>, bool)> {
        let mut state = self.lock();
        loop {
            if state.error.is_some() || state.done == self.schedule.len() {
                self.changed.notify_all();
                return None;
            }
            if let Some(Reverse(id)) = state.ready.pop() {
                state.running += 1;
                let args = &self.schedule.node(id).args;
                let args: Vec<_> = args.iter().filter_map(|a| state.values[a.index()].clone()).collect();
                let alone = self.threads > 1 && state.running + state.ready.len() < self.threads;
                return Some((id, args, alone));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn instruction(
        &self,
        id: ValueId,
        node: &Node<ScheduleOp>,
        args: &[Arc<E::Value>],
        alone: bool,
    ) -> Result<E::Value, RunError> {
        let place = || self.schedule.describe(id);
        let plains =
            self.plains(node, alone).map_err(|message| RunError::Plaintext { place: place(), message })?;
        let args: Vec<&E::Value> = args.iter().map(|a| &**a).collect();
        let value = self.engine.apply(id, node, &args, &plains);
        let value = value.map_err(|source| RunError::Instruction { place: place(), source })?;
        let (expected, found) = (node.ty, self.engine.ty(&value));
        let same = found.kind == expected.kind
            && found.level == expected.level
            && found.scale.to_bits() == expected.scale.to_bits();
        if same { Ok(value) } else { Err(RunError::Type { place: place(), expected, found }) }
    }

    fn plains(&self, node: &Node<ScheduleOp>, alone: bool) -> Result<Vec<Arc<E::Plain>>, String> {
        let recipes = node.op.recipes();
        let Some(first) = node.args.first() else { return Ok(vec![]) };
        let operand = self.schedule.ty(*first);
        let scale = match node.op {
            ScheduleOp::MulAcc { plain_scale, .. } => plain_scale,
            _ => operand.scale,
        };
        let place = Place { level: operand.level, scale, extended: operand.kind == Kind::Ext };
        let get = |recipe: &Recipe| self.plaintexts.get(self.engine, &self.vectors, recipe, place);
        if alone { recipes.par_iter().map(get).collect() } else { recipes.iter().map(get).collect() }
    }

    fn finish(&self, id: ValueId, result: Result<E::Value, RunError>, seconds: f32) {
        let mut freed = Vec::new();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.running -= 1;
        state.seconds[id.index()] = seconds;
        match result {
            Err(error) => {
                state.error.get_or_insert(error);
            }
            Ok(value) => {
                state.done += 1;
                state.bytes += self.engine.value_bytes(&value);
                state.peak = state.peak.max(state.bytes);
                state.values[id.index()] = Some(Arc::new(value));
                for used in self.schedule.node(id).args.iter().chain([&id]) {
                    if *used != id {
                        state.uses[used.index()] -= 1;
                    }
                    if state.uses[used.index()] == 0
                        && let Some(value) = state.values[used.index()].take()
                    {
                        state.bytes -= self.engine.value_bytes(&value);
                        freed.push(value);
                    }
                }
                for user in &self.users[id.index()] {
                    state.missing[user.index()] -= 1;
                    if state.missing[user.index()] == 0 {
                        state.ready.push(Reverse(*user));
                    }
                }
            }
        }
        let done = state.done;
        drop(guard);
        self.changed.notify_all();
        // Large buffers go back outside the lock.
        drop(freed);
        if let Some(progress) = self.progress {
            progress(done, self.schedule.len());
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown".into())
}
