//! Messages, progress, JSON, and what the process took.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::clean::{clean, clean_json};

/// How a verb talks to its user.
pub(crate) struct Context {
    pub(crate) quiet: bool,
    pub(crate) json: bool,
    pub(crate) verbose: u8,
    pub(crate) threads: usize,
    /// Whether the one JSON object was printed.
    answered: AtomicBool,
}

/// Progress shows after this time.
const PATIENCE: Duration = Duration::from_secs(2);

impl Context {
    pub(crate) fn new(quiet: bool, json: bool, verbose: u8, threads: Option<usize>) -> Self {
        Self { quiet, json, verbose, threads: threads.unwrap_or(0), answered: AtomicBool::new(false) }
    }

    /// What was asked for, for people, on standard output. Silent with `--json`, which gives it in another form.
    pub(crate) fn answer(&self, text: impl AsRef<str>) {
        if !self.json {
            print_line(text.as_ref());
        }
    }

    /// A remark on standard output, for people. Silent with `--json` or `--quiet`.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.quiet && !self.json {
            print_line(line.as_ref());
        }
    }

    /// A line on standard error, with `-v`.
    #[cfg(any(feature = "compiler", feature = "client"))]
    pub(crate) fn detail(&self, line: impl AsRef<str>) {
        if self.verbose > 0 {
            let _ = writeln!(std::io::stderr(), "{}", clean(line.as_ref()));
        }
    }

    /// A result as JSON on standard output.
    pub(crate) fn json(&self, value: &Value) {
        self.answered.store(true, Ordering::Relaxed);
        print_json(value);
    }

    /// Ends a verb: what is wrong with its result stands in it as `error` with `--json`.
    pub(crate) fn end(
        &self,
        mut result: Value,
        verdict: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let verdict = verdict();
        if self.json {
            if let Err(error) = &verdict {
                result["error"] = json!(whole(error));
            }
            self.json(&result);
        }
        verdict
    }

    /// Ends a verb that failed: a line on standard error, with `--json` an object on standard output unless there is one.
    pub(crate) fn fail(&self, error: &anyhow::Error) {
        self.report(error);
        if self.json && !self.answered.load(Ordering::Relaxed) {
            self.json(&json!({ "error": whole(error) }));
        }
    }

    /// Something to know that is no failure, on standard error.
    pub(crate) fn remark(&self, line: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "note: {}", clean(line.as_ref()));
        }
    }

    /// An error: one line, or with `-v` everything.
    pub(crate) fn report(&self, error: &anyhow::Error) {
        let mut err = std::io::stderr();
        let text = whole(error);
        let text = clean(&text);
        if self.verbose > 0 {
            let _ = writeln!(err, "fhec: {text}");
            return;
        }
        let mut lines = text.lines().map(str::trim);
        let first = lines.next().unwrap_or_default();
        // A list gives its first entry away.
        let line = lines.next().map_or(first.to_string(), |second| format!("{first} {second}"));
        let more = if lines.next().is_some() { " … (all with -v)" } else { "" };
        let _ = writeln!(err, "fhec: {line}{more}");
    }

    /// Progress of something that may take a while.
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        Progress { what, hidden: self.quiet, start: Instant::now(), bar: Mutex::new(None) }
    }
}

/// What became of an input that failed.
pub(crate) fn failure(input: &str, error: &anyhow::Error) -> Value {
    json!({ "input": input, "error": whole(error) })
}

/// A usage error as JSON on standard output: what clap says in its first lines, without its advice.
pub(crate) fn usage_error(text: &str) {
    let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let line = first.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    print_json(&json!({ "error": line }));
}

/// An error with its causes, save those that a message already quotes.
fn whole(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        _ if text.contains(&cause) => text,
        _ if cause.starts_with(&text) => cause,
        _ => format!("{text}: {cause}"),
    })
}

/// Text on standard output, ignoring a reader that has gone.
fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", clean(line));
}

/// JSON on standard output, ignoring a reader that has gone.
fn print_json(value: &Value) {
    let _ = writeln!(std::io::stdout(), "{}", clean_json(&value.to_string()));
}

/// A progress bar that shows only if the work takes longer than two seconds.
pub(crate) struct Progress {
    what: &'static str,
    hidden: bool,
    start: Instant,
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress {
    /// Tells that `done` of `total` are done; from any thread.
    pub(crate) fn set(&self, done: usize, total: usize) {
        self.set_named(self.what, done, total);
    }

    /// The same of one of several things to do.
    pub(crate) fn set_named(&self, what: &'static str, done: usize, total: usize) {
        if self.hidden || self.start.elapsed() < PATIENCE {
            return;
        }
        let Ok(mut slot) = self.bar.lock() else { return };
        let bar = slot.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
            let bar = ProgressBar::new(total as u64).with_elapsed(self.start.elapsed());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_message(what);
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Ok(slot) = self.bar.get_mut()
            && let Some(bar) = slot
        {
            bar.finish_and_clear();
        }
    }
}

/// Largest resident memory of this process so far; 0 where the system does not tell.
pub(crate) fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Bytes of so many MiB, as many as can be addressed.
pub(crate) fn mebibytes(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX).saturating_mul(1 << 20)
}

/// `1.2 GB`.
pub(crate) fn bytes(n: u64) -> String {
    let (value, unit) = match n {
        0..10_000 => return format!("{n} B"),
        10_000..10_000_000 => (n as f64 / 1e3, "kB"),
        10_000_000..10_000_000_000 => (n as f64 / 1e6, "MB"),
        _ => (n as f64 / 1e9, "GB"),
    };
    format!("{value:.1} {unit}")
}
