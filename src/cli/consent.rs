//! Asking before memory is taken that a file from elsewhere asks for.

use std::io::{IsTerminal, Write};

use anyhow::{Result, bail};

use super::output::{bytes, mebibytes};

/// Budget where there is memory enough, in bytes.
const USUAL: u64 = 8 << 30;

/// Memory that may be taken without a question: half of what this machine has left, at most 8 GiB.
fn budget(given: Option<u64>) -> u64 {
    given.map_or_else(|| available().map_or(USUAL, |n| (n / 2).min(USUAL)), |mib| mebibytes(mib) as u64)
}

/// Memory that this machine has left; None where the system does not tell.
fn available() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.saturating_mul(1024))
}

/// Asks before keys of this size are generated, unless they fit the budget in MiB or `yes` was said before.
///
/// # Errors
/// If the answer is no, or there is nobody to ask.
pub(crate) fn ask_for_keys(size: u64, given: Option<u64>, yes: bool) -> Result<()> {
    let budget = budget(given);
    if yes || size <= budget {
        return Ok(());
    }
    let (size, budget) = (bytes(size), bytes(budget));
    let needed = format!("these keys take {size} of memory, more than {budget}");
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        bail!("{needed}: --yes generates them, --memory-budget MIB says what may be taken");
    }
    let mut err = std::io::stderr();
    let _ = write!(err, "{needed}. Generate them? [y/N] ");
    let _ = err.flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("no keys were generated");
    }
    Ok(())
}
