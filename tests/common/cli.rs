//! The command line in a folder of its own.

use std::path::PathBuf;
use std::process::{Command, Output};

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn fhec(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fhec"));
        command.current_dir(self.0.path()).args(line.split_whitespace()).output().unwrap()
    }

    pub(crate) fn ok(&self, line: &str) -> String {
        let output = self.fhec(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "fhec {line}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with exit code 1 and a line that says why, beside notes.
    pub(crate) fn fails(&self, line: &str, why: &str) {
        let output = self.fhec(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "fhec {line}: {stderr}");
        assert!(stderr.contains(why), "fhec {line}: {stderr}");
        // Remarks may come before it.
        let lines = stderr.lines().filter(|line| !line.starts_with("note: "));
        assert_eq!(lines.count(), 1, "fhec {line}: {stderr}");
    }
}

pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}
