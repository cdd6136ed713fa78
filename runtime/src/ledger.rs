//! What a client writes down beside its keys: the requests that it made, and how often results were released with noise.
//!
//! Both are small texts, replaced as a whole while the key file is locked, so that processes at the same time do not lose
//! each other's lines.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fhec_ir::output::write_atomically;
use fhec_ir::plan::PlanId;

use crate::error::FileError;
use crate::files::{KeySetId, RequestId};

/// Most requests that are remembered: the oldest are forgotten first.
const MAX_REQUESTS: usize = 1 << 16;
/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 23;
/// Name of the list of requests, beside a key.
pub(crate) const REQUESTS_FILE: &str = "requests";
/// Name of the list of releases, beside a key.
pub(crate) const RELEASES_FILE: &str = "releases";
const REQUESTS: &str = "fhec requests 1";
const RELEASES: &str = "fhec releases 1";

/// A text beside a key.
struct Ledger {
    key: PathBuf,
    path: PathBuf,
    title: &'static str,
}

impl Ledger {
    fn beside(key: &Path, name: &str, title: &'static str) -> Self {
        Self { key: key.to_owned(), path: key.with_file_name(name), title }
    }

    /// Its lines; none if there is no such file.
    fn lines(&self) -> Result<Vec<String>, FileError> {
        let io = FileError::io(&self.path);
        match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(io(error)),
            Ok(about) if !about.is_file() || about.len() > MAX_BYTES => {
                return Err(FileError::damaged(&self.path, "this is no list of fhec"));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&self.path).map_err(io)?;
        let mut lines = text.lines();
        if lines.next() != Some(self.title) {
            return Err(FileError::damaged(&self.path, format!("its first line is not `{}`", self.title)));
        }
        Ok(lines.map(str::to_string).collect())
    }

    /// Changes the lines; no other process does meanwhile.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<String>) -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        let lock = File::open(&self.key).map_err(FileError::io(&self.key))?;
        lock.lock().map_err(FileError::io(&self.key))?;
        let mut lines = self.lines()?;
        let result = change(&mut lines)?;
        let text: String =
            [self.title].into_iter().chain(lines.iter().map(String::as_str)).collect::<Vec<_>>().join("\n");
        let write = write_atomically(&self.path, Some(0o600), |out| writeln!(out, "{text}"));
        write.map_err(FileError::io(&self.path))?;
        Ok(result)
    }
}

/// The requests made with a key: a line for each with its id, the plan, and the time in seconds since 1970.
pub struct Requests(Ledger);

impl Requests {
    /// Those beside a key file, in a file `requests`.
    pub fn beside(key: &Path) -> Self {
        Self(Ledger::beside(key, REQUESTS_FILE, REQUESTS))
    }

    /// Writes down new requests.
    ///
    /// # Errors
    /// Those of the file system; if the list is damaged.
    pub fn issue(&self, plan: PlanId, requests: &[RequestId]) -> Result<(), FileError> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
        self.0.change(|lines| {
            lines.extend(requests.iter().map(|id| format!("{id} {plan} {seconds}")));
            lines.drain(..lines.len().saturating_sub(MAX_REQUESTS));
            Ok(())
        })
    }

    /// Refuses a result of a request that is not among them.
    ///
    /// # Errors
    /// `Request` if it is not; those of the file system.
    pub fn check(&self, plan: PlanId, request: RequestId) -> Result<(), FileError> {
        let (request, plan) = (request.to_string(), plan.to_string());
        let known = |line: &String| {
            let mut words = line.split(' ');
            words.next() == Some(&request) && words.next() == Some(&plan)
        };
        if self.0.lines()?.iter().any(known) {
            return Ok(());
        }
        let message = format!(
            "request {request} is not among those made with this key: the result answers somebody else's, or one that was \
             encrypted elsewhere with the public key (--any-request takes such results)"
        );
        Err(FileError::Request { path: self.0.path.clone(), message })
    }
}

/// How many results of a key were released with noise: a line with key set, bits of security, releases that the noise is
/// made for, and releases so far.
pub struct Releases(Ledger);

impl Releases {
    /// Those beside a key file, in a file `releases`.
    pub fn beside(key: &Path) -> Self {
        Self(Ledger::beside(key, RELEASES_FILE, RELEASES))
    }

    /// Counts `count` more; gives how many are left. The first call fixes `bits` and `releases` for a key.
    ///
    /// # Errors
    /// `Request` if there are not as many left, or the noise was made for other numbers before; those of the file system.
    pub fn count(&self, keys: KeySetId, (bits, releases): (u32, u32), count: u32) -> Result<u32, FileError> {
        let refuse = |message: String| FileError::Request { path: self.0.path.clone(), message };
        let set: String = keys.0[..16].iter().map(|b| format!("{b:02x}")).collect();
        self.0.change(|lines| {
            let at = lines.iter().position(|line| line.starts_with(&set));
            let used = match at {
                None => 0,
                Some(at) => {
                    let numbers: Result<Vec<u32>, _> = lines[at].split(' ').skip(1).map(str::parse).collect();
                    match numbers.as_deref() {
                        Ok(&[b, r, used]) if (b, r) == (bits, releases) => used,
                        Ok([b, r, _]) => {
                            return Err(refuse(format!(
                                "this key's results are released with flood:{b},{r}, no other"
                            )));
                        }
                        _ => return Err(FileError::damaged(&self.0.path, format!("line {}", at + 2))),
                    }
                }
            };
            let Some(used) = used.checked_add(count).filter(|used| *used <= releases) else {
                let left = releases.saturating_sub(used);
                return Err(refuse(format!("{left} of {releases} releases are left, {count} are asked for")));
            };
            let line = format!("{set} {bits} {releases} {used}");
            match at {
                Some(at) => lines[at] = line,
                None => lines.push(line),
            }
            Ok(releases - used)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_remembered_up_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("secret.key");
        std::fs::write(&key, "").unwrap();
        let requests = Requests::beside(&key);
        let id = |k: usize| RequestId(std::array::from_fn(|i| (k >> (8 * i.min(7))) as u8));
        let (plan, other) = (PlanId([1; 32]), PlanId([2; 32]));
        assert!(matches!(requests.check(plan, id(0)), Err(FileError::Request { .. })));
        requests.issue(plan, &[id(0)]).unwrap();
        requests.check(plan, id(0)).unwrap();
        assert!(requests.check(other, id(0)).is_err() && requests.check(plan, id(1)).is_err());
        let many: Vec<_> = (1..=MAX_REQUESTS).map(id).collect();
        requests.issue(plan, &many).unwrap();
        assert!(requests.check(plan, id(0)).is_err());
        requests.check(plan, id(MAX_REQUESTS)).unwrap();
        assert!(std::fs::metadata(folder.path().join("requests")).unwrap().len() < MAX_BYTES);
        std::fs::write(folder.path().join("requests"), "something else").unwrap();
        assert!(matches!(requests.check(plan, id(1)), Err(FileError::Damaged { .. })));
    }

    #[test]
    fn requests_of_several_threads_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("secret.key");
        std::fs::write(&key, "").unwrap();
        let plan = PlanId([1; 32]);
        let id = |k: u8| RequestId([k; 16]);
        std::thread::scope(|s| {
            (0..8).for_each(|k| {
                let key = &key;
                s.spawn(move || Requests::beside(key).issue(plan, &[id(k)]).unwrap());
            });
        });
        (0..8).for_each(|k| Requests::beside(&key).check(plan, id(k)).unwrap());
    }

    #[test]
    fn releases_are_counted_down() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("secret.key");
        std::fs::write(&key, "").unwrap();
        let releases = Releases::beside(&key);
        let set = KeySetId([3; 32]);
        assert_eq!(releases.count(set, (4, 3), 2).unwrap(), 1);
        let refused = |bits, total, count| releases.count(set, (bits, total), count).unwrap_err().to_string();
        assert!(refused(4, 3, 2).contains("1 of 3 releases are left"));
        assert!(refused(5, 3, 1).contains("flood:4,3, no other"));
        assert_eq!(releases.count(set, (4, 3), 1).unwrap(), 0);
        assert!(refused(4, 3, 1).contains("0 of 3"));
        assert_eq!(releases.count(KeySetId([4; 32]), (9, 9), 1).unwrap(), 8);
    }
}
