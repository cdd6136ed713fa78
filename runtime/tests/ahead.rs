//! Work ahead of the units: what is encoded when, how much of it, and what becomes of errors.

#[macro_use]
mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use fhec_ir::schedule::recipes::Vector;
use fhec_ir::schedule::{PackedValue, Recipe, Schedule, ScheduleHeader, ScheduleOp, ScheduleType, random};
use fhec_ir::{Constant, Node, ValueId, Verified, verify};
use fhec_runtime::clear::{ClearEngine, ClearValue};
use fhec_runtime::engine::Place;
use fhec_runtime::{Engine, EngineError, ExecuteOptions, PlaintextStore, RunError, execute};

const SLOTS: usize = 16;

/// Bytes of a plaintext of the clear engine.
const PLAIN: usize = 8 * SLOTS;

/// x + 1 + 2 + … + `length`, one plaintext after the other.
fn chain(length: usize) -> Verified<Schedule> {
    let packed = |name: &str| PackedValue { name: name.into(), layout: random::flat(SLOTS, 1) };
    let header = ScheduleHeader {
        slots: SLOTS,
        moduli: vec![2f64.powi(50), 2f64.powi(40)],
        inputs: vec![packed("x")],
        outputs: vec![packed("y")],
        layouts: vec![random::flat(SLOTS, 1)],
        ..ScheduleHeader::default()
    };
    let mut g = Schedule::new("chain", header);
    let mut x = g.push_input(0, 0, 1, 2f64.powi(40));
    for k in 0..length {
        let value = g.add_constant(Constant::new([SLOTS], vec![k as f32 + 1.0; SLOTS]));
        let recipe = Recipe::Spread { value, row: 0, layout: 0, ct: 0 };
        x = g.push_inferred(ScheduleOp::AddPlain { recipe }, vec![x], format!("add {k}")).unwrap();
    }
    g.add_output("y#0", x);
    verify(g).unwrap()
}

/// What a run did.
#[derive(Default)]
struct Log {
    /// Plaintexts encoded, by the number in their slots.
    encoded: Vec<usize>,
    /// Of these, not used yet.
    unused: usize,
    /// The most at any time.
    most: usize,
    prepared: usize,
}

/// The clear engine, which records, and whose first instruction waits until `until` plaintexts are encoded and the
/// preparation, if one is needed, is over.
struct Recorder {
    inner: ClearEngine,
    log: Mutex<Log>,
    changed: Condvar,
    until: usize,
    /// This plaintext is refused, or encoding it panics.
    refused: Option<(usize, bool)>,
    /// The instruction that needs a preparation, and whether there is one.
    prepares: Option<(ValueId, bool)>,
    applied: AtomicUsize,
}

impl Recorder {
    fn new(schedule: &Schedule, until: usize) -> Self {
        Self {
            inner: ClearEngine::exact(schedule),
            log: Mutex::default(),
            changed: Condvar::new(),
            until,
            refused: None,
            prepares: None,
            applied: AtomicUsize::new(0),
        }
    }

    fn run(
        &self,
        schedule: &Verified<Schedule>,
        store: &PlaintextStore<Self>,
        threads: usize,
    ) -> Result<Vec<f64>, RunError> {
        let input = self.inner.input(vec![0.5; SLOTS], 1, 2f64.powi(40), 1);
        let options = ExecuteOptions { threads, ..ExecuteOptions::default() };
        let run = execute(self, schedule, vec![vec![input]], store, &options)?;
        Ok(run.outputs[0][0].slots.clone())
    }
}

impl Engine for Recorder {
    type Value = ClearValue;
    type Plain = <ClearEngine as Engine>::Plain;

    fn needs_preparation(&self, op: &ScheduleOp) -> bool {
        self.prepares.is_some() && matches!(op, ScheduleOp::AddScalar { .. })
    }

    fn prepare(&self) -> Result<(), EngineError> {
        let possible = self.prepares.is_some_and(|(_, possible)| possible);
        self.log.lock().unwrap().prepared += 1;
        self.changed.notify_all();
        if possible { Ok(()) } else { Err(EngineError::NoBootstrap) }
    }

    fn encode(&self, vector: &Vector, place: Place) -> Result<Self::Plain, EngineError> {
        let k = vector.re[0] as usize;
        if let Some((_, panics)) = self.refused.filter(|(refused, _)| *refused == k) {
            assert!(!panics, "a bug at plaintext {k}");
            return Err(EngineError::Kind(k));
        }
        let plain = self.inner.encode(vector, place);
        let mut log = self.log.lock().unwrap();
        log.encoded.push(k);
        log.unused += 1;
        log.most = log.most.max(log.unused);
        self.changed.notify_all();
        plain
    }

    fn apply(
        &self,
        id: ValueId,
        node: &Node<ScheduleOp>,
        args: &[&ClearValue],
        plains: &[Arc<Self::Plain>],
    ) -> Result<ClearValue, EngineError> {
        if self.applied.fetch_add(1, Ordering::Relaxed) == 0 {
            let log = self.log.lock().unwrap();
            let early = |log: &mut Log| {
                log.encoded.len() < self.until || self.prepares.is_some() && log.prepared == 0
            };
            drop(self.changed.wait_while(log, early).unwrap());
        }
        if self.prepares.is_some_and(|(needs, _)| needs == id) {
            assert_eq!(self.log.lock().unwrap().prepared, 1);
        }
        let result = self.inner.apply(id, node, args, plains);
        let mut log = self.log.lock().unwrap();
        log.unused = log.unused.saturating_sub(plains.len());
        result
    }

    values_of_inner!();
}

/// The sum of the chain's plaintexts and its input.
fn sum(length: usize) -> Vec<f64> {
    vec![0.5 + (length * (length + 1) / 2) as f64; SLOTS]
}

#[test]
fn idle_threads_encode_what_comes_next_within_the_bound() {
    let (length, budget) = (60, 32 * PLAIN);
    let schedule = chain(length);
    // 28 are kept, and 4 more may lie ahead.
    for threads in [2, 4] {
        let engine = Recorder::new(&schedule, 32);
        let store = PlaintextStore::new(budget);
        assert_eq!(engine.run(&schedule, &store, threads).unwrap(), sum(length));
        assert_eq!(store.bytes(), 28 * PLAIN);
        let first = std::mem::take(&mut *engine.log.lock().unwrap());
        // Others may begin one each before they know of each other's.
        let most = 32 + threads - 1;
        assert!((32..=most).contains(&first.most), "{} at once", first.most);
        let mut sorted = first.encoded.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(1..=length), "each once: {:?}", first.encoded);

        // What is kept is not encoded again; ahead of the rest are four at most.
        let again = Recorder::new(&schedule, 4);
        assert_eq!(again.run(&schedule, &store, threads).unwrap(), sum(length));
        let second = again.log.into_inner().unwrap();
        let mut sorted = second.encoded;
        sorted.sort_unstable();
        // 29..=60, unless a thread was held up in between.
        sorted.dedup();
        assert_eq!(sorted.len(), length - 28, "{sorted:?}");
        assert!(second.most <= 4 + threads, "{} at once", second.most);
        assert_eq!((store.bytes(), store.statistics()), (28 * PLAIN, (28, 60 + 32)));
    }
}

#[test]
fn without_a_budget_or_on_one_thread_units_encode_for_themselves() {
    let schedule = chain(20);
    for (budget, threads) in [(0, 3), (1 << 20, 1)] {
        let engine = Recorder::new(&schedule, 1);
        let store = PlaintextStore::new(budget);
        assert_eq!(engine.run(&schedule, &store, threads).unwrap(), sum(20));
        assert_eq!(engine.log.into_inner().unwrap().most, 1);
    }
}

#[test]
fn a_store_for_one_run_keeps_nothing() {
    let schedule = chain(40);
    let store = PlaintextStore::for_one_run(5 * PLAIN);
    // The first instruction has one, five lie ahead.
    let engine = Recorder::new(&schedule, 6);
    assert_eq!(engine.run(&schedule, &store, 2).unwrap(), sum(40));
    let log = engine.log.into_inner().unwrap();
    assert_eq!(log.encoded.len(), 40);
    assert!((6..=7).contains(&log.most), "{} at once", log.most);
    assert_eq!(store.bytes(), 0);
}

#[test]
fn a_budget_that_holds_all_plaintexts_keeps_them() {
    let schedule = chain(20);
    for (bytes, misses) in [(20 * PLAIN, 20), (19 * PLAIN, 21)] {
        let store = PlaintextStore::new(PlaintextStore::<Recorder>::budget_for(bytes));
        for _ in 0..2 {
            Recorder::new(&schedule, 0).run(&schedule, &store, 1).unwrap();
        }
        assert_eq!(store.statistics().1, misses);
    }
}

#[test]
fn errors_reach_the_unit_that_uses_the_plaintext() {
    let schedule = chain(12);
    for (panics, threads) in [(false, 1), (false, 3), (true, 1), (true, 3)] {
        // With several threads the seventh is refused while the first instruction waits.
        let until = if threads == 1 { 1 } else { 11 };
        let engine = Recorder { refused: Some((7, panics)), ..Recorder::new(&schedule, until) };
        let error = engine.run(&schedule, &PlaintextStore::new(1 << 20), threads).unwrap_err();
        assert_eq!(engine.applied.load(Ordering::Relaxed), 6, "instructions before it run: {error}");
        let place = match &error {
            RunError::Plaintext { place, .. } if !panics => place,
            RunError::Panic { place, .. } if panics => place,
            other => panic!("{other}"),
        };
        assert!(place.contains("add 6"), "{error}");
    }
}

/// Four additions of plaintexts, one of a scalar, and one more of a plaintext.
fn chain_with_scalar() -> (Verified<Schedule>, ValueId) {
    let mut g = (*chain(5)).clone();
    let needs = g.outputs[0].value;
    g.node_mut(needs).op = ScheduleOp::AddScalar { value: 5.0 };
    (verify(g).unwrap(), needs)
}

#[test]
fn an_engine_is_prepared_beside_the_instructions_that_do_not_need_it() {
    let (schedule, needs) = chain_with_scalar();
    for (threads, possible) in [(1, true), (2, true), (3, true), (1, false), (3, false)] {
        let mut engine = Recorder { prepares: Some((needs, possible)), ..Recorder::new(&schedule, 1) };
        if threads == 1 {
            // Nobody else would end the wait.
            engine.applied = AtomicUsize::new(1);
        }
        let run = engine.run(&schedule, &PlaintextStore::new(1 << 20), threads);
        let log = engine.log.into_inner().unwrap();
        assert_eq!(log.prepared, 1);
        match run {
            Ok(slots) => assert_eq!((possible, slots), (true, sum(5))),
            Err(error) => {
                assert!(!possible && matches!(error, RunError::Prepare(EngineError::NoBootstrap)), "{error}");
            }
        }
    }
}
