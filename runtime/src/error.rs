//! What can go wrong when a plan runs.

use std::path::{Path, PathBuf};

use fhec_ckks::CkksError;
use fhec_ckks::bootstrap::BootstrapError;
use fhec_ir::plan::PlanError;
use fhec_ir::schedule::ScheduleType;

/// An engine cannot execute an instruction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The CKKS engine refuses.
    #[error(transparent)]
    Ckks(#[from] CkksError),
    /// Its bootstrap does.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// An operand is of another kind than the instruction takes.
    #[error("operand {0} is of the wrong kind")]
    Kind(usize),
    /// A bootstrap without its description.
    #[error("the parameters describe no bootstrap")]
    NoBootstrap,
    /// Slots in clear do not repeat, though the plan promises so of what it bootstraps: a bug of who made the plan.
    #[error("slots that are said to repeat after {period} differ by {difference:e}")]
    Period {
        /// Slots after which they should repeat.
        period: u32,
        /// Largest difference.
        difference: f64,
    },
}

/// A run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The parameters of the plan are refused by the engine, or are not what they claim to be.
    #[error("parameters of the plan: {0}")]
    Parameters(String),
    /// An evaluation key that the plan needs is missing.
    #[error("the evaluation keys do not fit this plan: {0}")]
    MissingKey(CkksError),
    /// Inputs are not what the plan takes.
    #[error("inputs do not fit the plan: {0}")]
    Input(String),
    /// An input is larger than what the plan was made for: results may be wrong without a sign of it.
    #[error(
        "input {input:?} reaches {found:.4}, the plan was made for magnitudes of up to {bound:.4}: results could wrap around \
         without a sign of it (compile with --input-range or --samples that cover it, or insist with --allow-out-of-range)"
    )]
    InputRange {
        /// The input.
        input: String,
        /// Its number of largest magnitude.
        found: f64,
        /// The plan's bound.
        bound: f64,
    },
    /// A result is larger than what the plan was made for.
    #[error(
        "output {output:?} reaches {found:.4e}, the plan was made for magnitudes of up to {bound:.4e}: some value has wrapped \
         around or is about to, and the results are not to be trusted (compile with --input-range or --samples that cover \
         such inputs, or see them with --allow-out-of-range)"
    )]
    OutputRange {
        /// The output.
        output: String,
        /// Its number of largest magnitude.
        found: f64,
        /// The plan's bound.
        bound: f64,
    },
    /// A result that hides nothing.
    #[error(
        "output {output:?} is in clear: a ciphertext of it does not depend on the key, as no honest evaluation gives it unless \
         the network's output is a constant (--allow-out-of-range shows it)"
    )]
    Transparent {
        /// The output.
        output: String,
    },
    /// A plaintext cannot be computed or encoded.
    #[error("plaintext of {place}: {message}")]
    Plaintext {
        /// The instruction.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// The engine cannot prepare for the schedule.
    #[error("preparing the engine: {0}")]
    Prepare(EngineError),
    /// An instruction failed.
    #[error("{place}: {source}")]
    Instruction {
        /// The instruction.
        place: String,
        /// Why.
        source: EngineError,
    },
    /// An engine's result is not of the type that the schedule states: a bug in fhec.
    #[error("internal: {place} gave {found:?}, the schedule says {expected:?}")]
    Type {
        /// The instruction.
        place: String,
        /// Type in the schedule.
        expected: ScheduleType,
        /// Type of the engine's value.
        found: ScheduleType,
    },
    /// An engine panicked: a bug in fhec.
    #[error("internal: {place} panicked: {message}")]
    Panic {
        /// The instruction.
        place: String,
        /// The panic's message.
        message: String,
    },
    /// Threads cannot be started.
    #[error("threads: {0}")]
    Threads(String),
}

/// A key or ciphertext file is refused, or cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not the kind of file that was expected.
    #[error("{}: expected {expected}, this is {found}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// The bytes are damaged.
    #[error("{}: the file is damaged: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Not what the plan takes or gives.
    #[error("{}: not of the form that the plan has: {message}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is different.
        message: String,
    },
    /// A result of a request that the client did not make.
    #[error("{}: {message}", path.display())]
    Request {
        /// The list of requests.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Made for something else.
    #[error("{}: made for another {what} ({found} instead of {expected})", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// `plan`, `parameter set` or `key set`.
        what: &'static str,
        /// Identity that was expected.
        expected: String,
        /// Identity in the file.
        found: String,
    },
    /// Keys of different sets in one folder.
    #[error(
        "{}: this is of key set {set}, but {} beside it of {other}: files of different sets were mixed",
        path.display(), sibling.display()
    )]
    Mixed {
        /// The file.
        path: PathBuf,
        /// The other file.
        sibling: PathBuf,
        /// The file's set.
        set: String,
        /// That of the other file.
        other: String,
    },
    /// The plan or client file.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The engine refuses.
    #[error("{}: {source}", path.display())]
    Ckks {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CkksError,
    },
    /// The parameters of a plan are refused.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl FileError {
    pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }

    pub(crate) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), message: message.into() }
    }

    /// Engine errors of reading are damage, mismatches of parameters and I/O keep their meaning.
    pub(crate) fn ckks(path: &Path) -> impl Fn(CkksError) -> Self {
        let path = path.to_owned();
        move |source| match source {
            CkksError::Io(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::damaged(&path, "it is truncated")
            }
            CkksError::Io(source) => Self::Io { path: path.clone(), source },
            CkksError::Malformed { .. } => Self::damaged(&path, source.to_string()),
            source => Self::Ckks { path: path.clone(), source },
        }
    }
}

/// Why a run with checkpoints failed.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The run itself.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The checkpoint cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The checkpoint is of another run.
    #[error("{} is a checkpoint of another request's run: give another file, or remove it", file.display())]
    Other {
        /// The file.
        file: PathBuf,
    },
}
