//! `fhec calibrate`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fhec_ir::output::write_atomically;
use serde_json::{Value, json};

use super::Context;
use super::paths::Paths;

/// Measure this machine's kernels for predictions of time.
#[derive(Args)]
#[command(after_help = "\
Takes a few seconds. Other programs that run meanwhile falsify it.

Examples:
  fhec calibrate -o here.toml
  fhec model.onnx -o model.plan --costs here.toml")]
pub(crate) struct CalibrateArgs {
    /// Where to write the table; printed if not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl CalibrateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        Paths::new().writes(&self.output).check()?;
        let threads = match context.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let table = fhec::calibrate(threads)?;
        match &self.output {
            Some(path) => {
                let text = table.to_toml();
                write_atomically(path, None, |out| out.write_all(text.as_bytes()))
                    .with_context(|| path.display().to_string())?;
                context.say(format!(
                    "{}: {}, {threads} threads are {:.2} times as fast as one",
                    path.display(),
                    table.machine,
                    table.speedup
                ));
            }
            None => context.answer(table.to_toml().trim_end()),
        }
        if context.json {
            let numbers = table.entries().into_iter().map(|(name, x)| (name.to_string(), json!(x)));
            let mut all: serde_json::Map<String, Value> = numbers.collect();
            all.insert("machine".into(), json!(table.machine));
            all.insert("date".into(), json!(table.date));
            context.json(&Value::Object(all));
        }
        Ok(())
    }
}
