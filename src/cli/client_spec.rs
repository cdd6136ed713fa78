//! `fhec client-spec`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::Context;
use super::files::load_spec;
use super::paths::Paths;

/// Split off what a client needs of a plan.
#[derive(Args)]
#[command(after_help = "\
The client file holds parameters, the list of keys to generate, and how inputs are packed and outputs unpacked.
It is a few kilobytes; weights and schedule stay in the plan.

Example:
  fhec client-spec model.plan -o model.client")]
pub(crate) struct ClientSpecArgs {
    /// The plan.
    plan: PathBuf,
    /// Where to write the client file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl ClientSpecArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        Paths::new().reads([&self.plan]).writes([&self.output]).check()?;
        let spec = load_spec(&self.plan)?;
        spec.save(&self.output)?;
        context.say(format!("{}: client of plan {}", self.output.display(), spec.plan));
        Ok(())
    }
}
