//! `fhec keygen`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use fhec_runtime::client::Client;
use fhec_runtime::key_folder::KeyFolder;
use serde_json::json;

use super::consent::ask_for_keys;
use super::files::load_spec;
use super::memory;
use super::output::{bytes, peak_rss_bytes};
use super::{Context, secrets};

/// Generate the keys for a plan.
#[derive(Args)]
#[command(after_help = "\
Writes three files into the folder:
  secret.key        decrypts; readable by you only; never leaves this machine
  public.key        lets others encrypt for you
  evaluation.keys   for the server; useless without the secret key
They appear together, as a new folder: whatever happens meanwhile there are the old keys or the new ones, whole. A folder that
holds other files is refused. Of two that write the same folder one is refused.

Example:
  fhec keygen model.client -o keys")]
pub(crate) struct KeygenArgs {
    /// A client file or a plan.
    spec: PathBuf,
    /// Folder to write the keys to; made if it does not exist.
    #[arg(short, long, value_name = "DIR", alias = "output")]
    output_dir: PathBuf,
    /// Replace existing keys; what they encrypted is lost.
    #[arg(long)]
    force: bool,
    /// Generate keys of any size without a question.
    #[arg(long)]
    yes: bool,
    /// Most memory that keys may take without a question, in MiB; half of what the machine has left if not given, at most
    /// 8192.
    #[arg(long, value_name = "MIB")]
    memory_budget: Option<u64>,
}

impl KeygenArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let client = Client::new(load_spec(&self.spec)?)?;
        let size = client.key_bytes()?;
        ask_for_keys(size, self.memory_budget, self.yes)?;
        memory::ask(size, "the set of keys")?;
        let folder = KeyFolder::begin(&self.output_dir, self.force)?;
        secrets::protect();
        let start = Instant::now();
        let progress = context.progress("generating keys");
        let keys = client.generate_keys(Some(&|done, total| progress.set(done, total)))?;
        let seconds = start.elapsed().as_secs_f64();
        drop(progress);
        folder.save(&client, &keys)?;
        let size = keys.evaluation.bytes() as u64;
        context.say(format!(
            "{}: {} evaluation keys, {} in memory, {seconds:.1} s",
            self.output_dir.display(),
            keys.evaluation.len(),
            bytes(size)
        ));
        if context.json {
            context.json(&json!({
                "keys": keys.evaluation.len(), "key_bytes": size, "seconds": seconds,
                "peak_rss_bytes": peak_rss_bytes(),
            }));
        }
        Ok(())
    }
}
