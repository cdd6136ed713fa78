//! The same network again and again: memory must not grow, nothing may be left behind.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use fhec::plan::Plan;
use fhec::runtime::input::{LoadOptions, Source, load};
use fhec::{Client, Server};

/// A plan and a file that its only input is read from.
pub(crate) struct Soak {
    pub(crate) plan: PathBuf,
    pub(crate) input: PathBuf,
}

impl Soak {
    /// Runs all of `fhec infer` in this process: the plan is read, keys are made, the input is encrypted, evaluated, decrypted.
    pub(crate) fn infer(&self) -> Result<Vec<f64>, Box<dyn Error>> {
        let (plan, id) = Plan::load(&self.plan)?;
        let client = Client::new(plan.client_spec()?)?;
        let keys = client.generate_keys(None)?;
        let source = Source { path: self.input.clone(), record: None };
        let input = load(&source, &client.spec().client.inputs[0], LoadOptions::default())?;
        let encrypted = client.encrypt((&keys.secret, keys.id), &[input])?;
        let evaluation = (keys.evaluation.clone(), keys.id);
        let server = Server::new((Arc::new(plan), id), client.parameters(), evaluation, 1 << 28)?;
        let result = server.run(encrypted, &Default::default())?.outputs;
        Ok(client.decrypt((&keys.secret, keys.id), &result)?.swap_remove(0))
    }

    /// Runs `fhec infer` as a process with a folder of its own for temporary files, in which it also works.
    pub(crate) fn process(&self, program: &Path, folder: &Path) -> Result<Output, Box<dyn Error>> {
        let mut command = Command::new(program);
        command.current_dir(folder).env("TMPDIR", folder).arg("infer").arg(&self.plan);
        command.arg("--input").arg(&self.input).arg("--json");
        let output = command.output()?;
        if output.status.success() {
            return Ok(output);
        }
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// Memory of this process now, in bytes; None where the system does not tell.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

/// Names of what lies in a folder.
pub(crate) fn left(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let entries = std::fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
