//! Asking the system for memory before work begins that cannot end without it.

use std::hint::black_box;
use std::path::Path;

/// The system does not give so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is too little memory: {0} bytes are wanted")]
pub struct TooLittle(pub u64);

/// Asks for so many bytes and gives them back. Where they are refused, be it for a limit (`ulimit -v`) or for want of them, the
/// work itself would be the end of the process.
///
/// # Errors
/// If they are refused.
pub fn probe(bytes: u64) -> Result<(), TooLittle> {
    let mut asked = Vec::<u8>::new();
    let refused = usize::try_from(bytes).map_or(true, |n| asked.try_reserve_exact(n).is_err());
    // The request is made though nobody uses what it gives.
    black_box(&mut asked);
    if refused { Err(TooLittle(bytes)) } else { Ok(()) }
}

/// Bytes that this process may yet use before others have to give some up: what the machine has left, or the control group that
/// the process is in. None where the system does not tell.
pub fn available() -> Option<u64> {
    let machine =
        std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| kibibytes(&text, "MemAvailable:"));
    let group = std::fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| left_to_group(&text));
    machine.into_iter().chain(group).min()
}

/// The number of a line of `/proc/meminfo`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// What the limit of the process' control group leaves, or of a group above it.
fn left_to_group(groups: &str) -> Option<u64> {
    // Version 2 of control groups has one line for all controllers.
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mut folder = Path::new("/sys/fs/cgroup").join(path);
    let mut least: Option<u64> = None;
    while folder.starts_with("/sys/fs/cgroup") {
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
        let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
        if let (Some(most), Some(now)) = (number("memory.max"), number("memory.current")) {
            // Pages of files count as used, and are given up first.
            let files = read("memory.stat").and_then(|text| {
                text.lines().find_map(|line| line.strip_prefix("inactive_file "))?.trim().parse::<u64>().ok()
            });
            let left = most.saturating_sub(now.saturating_sub(files.unwrap_or(0)));
            least = Some(least.map_or(left, |least| least.min(left)));
        }
        if !folder.pop() {
            break;
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::{TooLittle, available, kibibytes, probe};

    #[test]
    fn what_is_left_is_told() {
        assert_eq!(kibibytes("MemFree: 1 kB\nMemAvailable:   20 kB\n", "MemAvailable:"), Some(20 << 10));
        assert_eq!(kibibytes("MemAvailable: much", "MemAvailable:"), None);
        assert!(available().is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn what_nobody_has_is_refused() {
        assert_eq!(probe(0), Ok(()));
        assert_eq!(probe(1 << 20), Ok(()));
        assert_eq!(probe(1 << 60), Err(TooLittle(1 << 60)));
        assert_eq!(probe(u64::MAX), Err(TooLittle(u64::MAX)));
    }
}
