//! The table of results in Markdown.

use std::fmt;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds of the yardstick on the machine the targets are stated for.
const NOMINAL_YARDSTICK: f64 = 178.0;

/// One operation: milliseconds of every sample.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// CPU time on one thread.
    pub(crate) cpu: Vec<f64>,
    /// Wall time on two; empty if not measured.
    pub(crate) wall: Vec<f64>,
    /// Microseconds of the yardstick just before or after the CPU time, the faster.
    pub(crate) yardstick: f64,
    /// Target for the least CPU time on a machine with the nominal yardstick.
    pub(crate) target: Option<f64>,
}

/// All rows.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

fn least_and_median(samples: &[f64]) -> [f64; 2] {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    [sorted[0], sorted[sorted.len() / 2]]
}

/// Milliseconds with three digits that mean something.
fn digits(ms: f64) -> String {
    match ms {
        _ if ms >= 100.0 => format!("{ms:.0}"),
        _ if ms >= 10.0 => format!("{ms:.1}"),
        _ if ms >= 1.0 => format!("{ms:.2}"),
        _ => format!("{ms:.3}"),
    }
}

fn pair(samples: &[f64]) -> [String; 2] {
    if samples.is_empty() { [String::new(), String::new()] } else { least_and_median(samples).map(digits) }
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let [cpu, cpu_median] = pair(&self.cpu);
        let [wall, wall_median] = pair(&self.wall);
        let target = self.target.map(|target| target * self.yardstick / NOMINAL_YARDSTICK);
        let verdict = match target {
            Some(target) if least_and_median(&self.cpu)[0] <= target => "met",
            Some(_) => "missed",
            None => "",
        };
        let target = target.map(digits).unwrap_or_default();
        let yardstick = format!("{:.0}", self.yardstick);
        [self.name.clone(), cpu, cpu_median, wall, wall_median, yardstick, target, verdict.to_owned()]
    }
}

impl Report {
    /// Adds a row and prints it.
    pub(crate) fn push(&mut self, row: Row) {
        let [name, cpu, _, wall, _, yardstick, target, verdict] = row.cells();
        let shared = if wall.is_empty() { wall } else { format!(", two threads {wall} ms") };
        let verdict = if verdict.is_empty() { verdict } else { format!(": {verdict} (target {target} ms)") };
        println!("{name}: {cpu} ms{shared}, yardstick {yardstick} µs{verdict}");
        self.rows.push(row);
    }
}

/// Output of a command's first line, if it runs and succeeds.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.lines().next().unwrap_or_default().to_owned())
}

fn commit() -> String {
    let Some(commit) = first_line("git", &["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match first_line("git", &["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} with local changes"),
    }
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    match (field("cpu family"), field("model")) {
        (Some(family), Some(number)) => format!("{model} (family {family}, model {number})"),
        _ => model,
    }
}

fn ifma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512ifma");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Year, month and day of a day counted from 1970-01-01 (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs()) as i64;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let yardsticks: Vec<f64> = self.rows.iter().map(|row| row.yardstick).collect();
        let [least, median] = if yardsticks.is_empty() { [0.0; 2] } else { least_and_median(&yardsticks) };
        writeln!(f, "# Engine times\n")?;
        writeln!(f, "Written by `cargo bench -p fhec-ckks --bench results`; not edited by hand.\n")?;
        writeln!(
            f,
            "* Machine: {}, {cores} cores, AVX-512 IFMA: {}",
            cpu_model(),
            if ifma() { "yes" } else { "no" }
        )?;
        writeln!(f, "* Date: {}", now())?;
        writeln!(f, "* Commit: {}", commit())?;
        writeln!(
            f,
            "* Yardstick: tfhe-ntt forward, N = 2^16, cycling over 24 primes below 2^50, measured beside every \
             row: {least:.0} µs (median {median:.0})\n"
        )?;
        writeln!(
            f,
            "N = 2^16. Milliseconds of CPU time on one thread and of wall time in a pool of two; microseconds \
             of the yardstick. The least CPU time is held against the target, which is stated for a yardstick \
             of {NOMINAL_YARDSTICK} µs and scaled by the row's.\n"
        )?;
        writeln!(
            f,
            "| operation | CPU min | CPU median | 2 threads min | 2 threads median | yardstick | target | |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.cells().join(" | ")))
    }
}
