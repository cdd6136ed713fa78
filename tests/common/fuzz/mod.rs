//! Damaged and hostile files: mutated copies of every kind of file that fhec reads, loaded by the functions that the
//! command line calls. `examples/fuzz_files.rs` runs thousands of them, `tests/fuzz.rs` a few.
//!
//! A changed file must be refused. With its checksums put right (a hostile writer's) it may load as something else, which
//! then must be usable or be refused when used. Never a panic, and never memory out of proportion.

mod files;
mod memory;
mod mutate;
mod sealed;

use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fhec::ir::tensor::random::Rng;

use mutate::{Patient, Splice};
use sealed::Sealed;

/// What loading a damaged file may come to. An `Err` beside it is a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// An error that says why.
    Rejected,
    /// What the undamaged file gives.
    Equal,
    /// Something else that is valid in itself.
    Different,
}

/// How much to do.
pub(crate) struct Options {
    /// Mutations of each file.
    pub(crate) cases: u64,
    /// The same for files that are [`LARGE`].
    pub(crate) large_cases: u64,
    /// The first of them; a case is the same in every run.
    pub(crate) first: u64,
    /// Only files whose kind contains this.
    pub(crate) only: String,
    /// Most bytes that loading a file may take beyond what the undamaged one takes.
    pub(crate) memory: usize,
    /// Longest time for one file.
    pub(crate) time: Duration,
}

/// Bytes of a file that takes long to load and to write.
const LARGE: usize = 16 << 20;

type Loaded = Result<Outcome, String>;

/// Loads a file as the command line does.
type Load<'a> = Rc<dyn Fn(&Path) -> Loaded + 'a>;

/// What guards a file against damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checksums {
    /// Nothing: it may load as something else.
    None,
    /// Its checksums, which the damage makes wrong.
    Broken,
    /// Checksums that were made right again.
    Forged,
}

/// A file and what is done with it.
struct Target<'a> {
    kind: &'static str,
    bytes: Vec<u8>,
    checksums: Checksums,
    load: Load<'a>,
}

/// What became of one kind of file.
#[derive(Default)]
struct Row {
    outcomes: BTreeMap<Outcome, u64>,
    defects: Vec<String>,
    panics: u64,
    peak: usize,
    slowest: Duration,
}

/// The message of the last panic, with its place.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Runs all cases, prints a table, and returns how many defects were found.
pub(crate) fn run(options: &Options) -> Result<usize, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let deployment = files::Deployment::new(folder.path())?;
    println!("| file | bytes | rejected | equal | different | wrong | panics | most memory | slowest |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut defects = vec![];
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        if let Ok(mut message) = PANIC.lock() {
            *message = info.to_string().replace('\n', " ");
        }
    }));
    for target in deployment.targets()?.into_iter().filter(|t| t.kind.contains(&options.only)) {
        let size = target.bytes.len();
        let kind = target.kind;
        let row = row(target, folder.path(), options)?;
        let count = |o| row.outcomes.get(&o).copied().unwrap_or(0);
        println!(
            "| {kind} | {size} | {} | {} | {} | {} | {} | {:.1} MB | {:.2} s |",
            count(Outcome::Rejected),
            count(Outcome::Equal),
            count(Outcome::Different),
            row.defects.len() as u64 - row.panics,
            row.panics,
            row.peak as f64 / 1e6,
            row.slowest.as_secs_f64(),
        );
        defects.extend(row.defects);
    }
    std::panic::set_hook(hook);
    defects.iter().take(20).for_each(|d| println!("{d}"));
    Ok(defects.len())
}

fn row(target: Target<'_>, folder: &Path, options: &Options) -> Result<Row, Box<dyn Error>> {
    let Target { kind, bytes, checksums, load } = target;
    let cases = if bytes.len() > LARGE { options.large_cases } else { options.cases };
    let sealed = (checksums == Checksums::Forged).then(|| Sealed::open(&bytes));
    let places = structure(&bytes);
    let mut patient = Patient::new(folder.join("patient.onnx"), bytes)?;
    let mut row = Row::default();
    let begin = memory::baseline();
    if load(&patient.path) != Ok(Outcome::Equal) {
        return Err(format!("{kind}: the undamaged file does not load as itself").into());
    }
    let usual = memory::growth(begin);
    for case in options.first..options.first + cases {
        let mut rng = Rng(case.wrapping_mul(0x9e37_79b9).wrapping_add(kind.len() as u64));
        let observed = |path: &Path| {
            let (begin, start) = (memory::baseline(), Instant::now());
            let result = catch_unwind(AssertUnwindSafe(|| load(path)));
            (result, memory::growth(begin), start.elapsed())
        };
        let (result, peak, time) = match &sealed {
            None => patient.with(&Splice::random(&mut rng, &patient.original, &places), observed)?,
            Some(sealed) => {
                let k = rng.range(0, sealed.parts().len() - 1);
                let part = &sealed.parts()[k];
                let changed = Splice::random(&mut rng, part, &structure(part)).applied(part);
                std::fs::write(&patient.path, sealed.with(k, &changed))?;
                observed(&patient.path)
            }
        };
        row.peak = row.peak.max(peak);
        row.slowest = row.slowest.max(time);
        let defect = match result {
            Ok(Ok(Outcome::Different)) if checksums == Checksums::Broken => Some("was accepted".into()),
            Ok(Ok(outcome)) => {
                *row.outcomes.entry(outcome).or_default() += 1;
                None
            }
            Ok(Err(defect)) => Some(defect),
            Err(_) => {
                row.panics += 1;
                Some(PANIC.lock().map_or(String::new(), |m| m.clone()))
            }
        };
        let greedy =
            (peak > usual + options.memory).then(|| format!("{peak} bytes allocated, {usual} are usual"));
        let slow = (time > options.time).then(|| format!("took {time:.1?}"));
        row.defects.extend(defect.or(greedy).or(slow).map(|d| format!("{kind}, case {case}: {d}")));
    }
    Ok(row)
}

/// Where a file keeps its structure: its beginning, and around names.
fn structure(bytes: &[u8]) -> Vec<usize> {
    let letter = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    let mut places: Vec<usize> = (0..bytes.len().min(256)).collect();
    let names = bytes.windows(4).enumerate().filter(|(_, w)| w.iter().all(letter)).map(|(k, _)| k);
    for name in names.skip_while(|k| *k < 256).take(1 << 16) {
        let from = places.last().map_or(0, |p| p + 1).max(name.saturating_sub(24));
        places.extend(from..(name + 24).min(bytes.len()));
    }
    places
}
