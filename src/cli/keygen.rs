//! `fhec keygen`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fhec_runtime::client::{self, Client};
use fhec_runtime::files;
use serde_json::json;

use super::Context;
use super::files::load_spec;
use super::output::{bytes, peak_rss_bytes};

/// Generate the keys for a plan.
#[derive(Args)]
#[command(after_help = "\
Writes three files into the folder:
  secret.key        decrypts; readable by you only; never leaves this machine
  public.key        lets others encrypt for you
  evaluation.keys   for the server; useless without the secret key

Example:
  fhec keygen model.client -o keys")]
pub(crate) struct KeygenArgs {
    /// A client file or a plan.
    spec: PathBuf,
    /// Folder to write the keys to; made if it does not exist.
    #[arg(short, long, value_name = "DIR", alias = "output")]
    output_dir: PathBuf,
    /// Overwrite existing keys.
    #[arg(long)]
    force: bool,
}

impl KeygenArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let client = Client::new(load_spec(&self.spec)?)?;
        let file = |name: &str| self.output_dir.join(name);
        let secret = file("secret.key");
        if secret.exists() && !self.force {
            bail!("{} exists; --force overwrites it, and what it encrypted is lost", secret.display());
        }
        std::fs::create_dir_all(&self.output_dir).with_context(|| self.output_dir.display().to_string())?;
        let start = Instant::now();
        let progress = context.progress("generating keys");
        let keys = client.generate_keys(Some(&|done, total| progress.set(done, total)))?;
        let seconds = start.elapsed().as_secs_f64();
        drop(progress);
        client::write_secret_key(&secret, &keys.secret, keys.id)?;
        files::write_public_key(&file("public.key"), client.parameters(), &keys.public, keys.id)?;
        files::write_evaluation_keys(&file("evaluation.keys"), &keys.evaluation, keys.id)?;
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
