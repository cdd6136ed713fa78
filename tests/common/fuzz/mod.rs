//! Damaged and hostile files: mutated copies of every kind of file that fhec reads, loaded by the functions that the
//! command line calls. `examples/fuzz_files.rs` runs thousands of them, `tests/fuzz.rs` a few.
//!
//! A changed file must be refused. With its checksums put right (a hostile writer's) it may load as something else, which
//! then must be usable or be refused when used. Never a panic, and never memory out of proportion.

mod files;
mod inputs;
mod memory;
mod mutate;
mod sealed;
pub(crate) mod seeds;
mod small;
mod tables;

use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fhec::ir::tensor::random::Rng;

use mutate::{Patient, Splice, hostile, structure};
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
    /// The `fhec` program, for files that only the command line reads.
    pub(crate) program: Option<PathBuf>,
}

/// Bytes of a file that takes long to load and to write.
const LARGE: usize = 16 << 20;

type Loaded = Result<Outcome, String>;

/// An error is what a damaged file should give, unless it is one of fhec itself.
fn refused(error: &impl std::fmt::Display) -> Loaded {
    let text = error.to_string();
    if text.contains("internal") { Err(text) } else { Ok(Outcome::Rejected) }
}

/// Goes on with what was loaded, or gives the refusal.
macro_rules! accept {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return super::refused(&error),
        }
    };
}
use accept;

fn same(equal: bool) -> Outcome {
    if equal { Outcome::Equal } else { Outcome::Different }
}

/// Loads a file as the command line does.
type Load<'a> = Rc<dyn Fn(&Path) -> Loaded + 'a>;

/// What guards a file against damage.
enum Checksums {
    /// Nothing: it may load as something else.
    None,
    /// Its checksums, which the damage makes wrong.
    Broken,
    /// Checksums that are made right again around the parts of the file.
    Forged(Sealed),
}

/// A file and what is done with it.
struct Target<'a> {
    kind: String,
    /// By which readers know some files.
    extension: &'static str,
    bytes: Vec<u8>,
    checksums: Checksums,
    load: Load<'a>,
}

impl<'a> Target<'a> {
    /// A file without checksums.
    fn unguarded(kind: &str, extension: &'static str, bytes: Vec<u8>, load: Load<'a>) -> Self {
        Self { kind: kind.into(), extension, bytes, checksums: Checksums::None, load }
    }

    /// A file with checksums, as it is and inside them.
    fn guarded(kind: &str, bytes: Vec<u8>, load: Load<'a>) -> [Self; 2] {
        let hostile = Self::hostile(kind, bytes.clone(), Sealed::open(&bytes), load.clone());
        let broken = Self { kind: kind.into(), extension: "file", bytes, checksums: Checksums::Broken, load };
        [broken, hostile]
    }

    /// A file changed inside its checksums.
    fn hostile(kind: &str, bytes: Vec<u8>, sealed: Sealed, load: Load<'a>) -> Self {
        let (kind, checksums) = (format!("{kind}, hostile"), Checksums::Forged(sealed));
        Self { kind, extension: "file", bytes, checksums, load }
    }
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
    let (levelled, bootstrapped) = (small::Small::levelled()?, small::Small::bootstrapped()?);
    let mut targets = deployment.targets()?;
    targets.extend(levelled.targets(folder.path())?);
    targets.extend(bootstrapped.targets(folder.path())?);
    targets.extend(inputs::targets()?);
    targets.extend(tables::targets(options.program.as_deref())?);
    println!("| file | bytes | rejected | equal | different | wrong | panics | most memory | slowest |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut defects = vec![];
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        if let Ok(mut message) = PANIC.lock() {
            *message = info.to_string().replace('\n', " ");
        }
    }));
    for target in targets.into_iter().filter(|t| t.kind.contains(&options.only)) {
        let size = target.bytes.len();
        let kind = target.kind.clone();
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
    let Target { kind, extension, bytes, checksums, load } = target;
    let cases = if bytes.len() > LARGE { options.large_cases } else { options.cases };
    let places = structure(&bytes);
    let mut patient = Patient::new(folder.join("patient").with_extension(extension), bytes)?;
    let mut row = Row::default();
    let begin = memory::baseline();
    match load(&patient.path) {
        Ok(Outcome::Equal) => {}
        other => return Err(format!("{kind}: the undamaged file does not load as itself: {other:?}").into()),
    }
    let usual = memory::growth(begin);
    for case in options.first..options.first + cases {
        let mut rng = Rng(case.wrapping_mul(0x9e37_79b9).wrapping_add(kind.len() as u64));
        let observed = |path: &Path| {
            let (begin, start) = (memory::baseline(), Instant::now());
            let result = catch_unwind(AssertUnwindSafe(|| load(path)));
            (result, memory::growth(begin), start.elapsed())
        };
        let (result, peak, time) = match &checksums {
            Checksums::None | Checksums::Broken => {
                patient.with(&Splice::random(&mut rng, &patient.original, &places), observed)?
            }
            Checksums::Forged(sealed) => {
                std::fs::write(&patient.path, hostile(&mut rng, sealed))?;
                observed(&patient.path)
            }
        };
        row.peak = row.peak.max(peak);
        row.slowest = row.slowest.max(time);
        let defect = match result {
            Ok(Ok(Outcome::Different)) if matches!(checksums, Checksums::Broken) => {
                Some("was accepted".into())
            }
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
