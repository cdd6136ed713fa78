//! `fhec decrypt`.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use fhec_ir::plan::ClientOutput;
use fhec_runtime::client::{self, Client};
use fhec_runtime::files::{Bundle, Direction};
use fhec_runtime::input::write_npy;
use serde_json::json;

use super::Context;
use super::files::load_spec;
use super::output::top1;

/// Decrypt the results of a run.
#[derive(Args)]
#[command(after_help = "\
What is printed holds the noise of the ciphertexts, and enough exact decryptions tell something about the secret key:
do not publish more digits than you need.

Example:
  fhec decrypt model.client --key keys/secret.key --input result.ct --json")]
pub(crate) struct DecryptArgs {
    /// A client file or a plan.
    spec: PathBuf,
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Encrypted results.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Show results beyond what the plan was made for, which are wrong in all likelihood.
    #[arg(long)]
    allow_out_of_range: bool,
    /// Write out0.npy, out1.npy, … to this folder.
    #[arg(short, long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

/// Writes `out0.npy`, `out1.npy`, … .
pub(crate) fn write_outputs(folder: &Path, outputs: &[(Vec<usize>, Vec<f64>)]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (k, (shape, data)) in outputs.iter().enumerate() {
        let path = folder.join(format!("out{k}.npy"));
        let write = || {
            let mut out = BufWriter::new(std::fs::File::create(&path)?);
            write_npy(&mut out, shape, data)?;
            std::io::Write::flush(&mut out)
        };
        write().with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Outputs with their shapes.
pub(crate) fn shaped(outputs: &[ClientOutput], tensors: &[Vec<f64>]) -> Vec<(Vec<usize>, Vec<f64>)> {
    outputs.iter().zip(tensors).map(|(o, t)| (o.layout.shape(), t.clone())).collect()
}

/// Warns of results that are more than half of what the plan was made for.
pub(crate) fn warn_of_bounds(outputs: &[ClientOutput], tensors: &[Vec<f64>], context: &Context) {
    for (output, tensor) in outputs.iter().zip(tensors) {
        let largest = tensor.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        if largest > output.bound / 2.0 {
            context.remark(format!(
                "output {:?} reaches {largest:.4e}, the plan was made for magnitudes of up to {:.4e}",
                output.name, output.bound
            ));
        }
    }
}

/// `name: 0.12 -3.4 …`, at most so many numbers.
pub(crate) fn line(name: &str, values: &[f64]) -> String {
    const SHOWN: usize = 16;
    let numbers: Vec<_> = values.iter().take(SHOWN).map(|x| format!("{x:.4}")).collect();
    let more = if values.len() > SHOWN { format!(" … ({} in all)", values.len()) } else { String::new() };
    format!("{name}: {}{more}", numbers.join(" "))
}

impl DecryptArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let client = Client::new(load_spec(&self.spec)?)?.allow_out_of_range(self.allow_out_of_range);
        let parameters = client.parameters();
        let (secret, id) = client::read_secret_key(&self.key, parameters)?;
        let bundle = Bundle::load(&self.input, Direction::Outputs, parameters, client.spec().plan)?;
        let tensors = client.decrypt((&secret, id), &bundle)?;
        let outputs = &client.spec().client.outputs;
        warn_of_bounds(outputs, &tensors, context);
        if let Some(folder) = &self.output_dir {
            write_outputs(folder, &shaped(outputs, &tensors))?;
        }
        for (output, tensor) in outputs.iter().zip(&tensors) {
            context.answer(line(&output.name, tensor));
        }
        let first = tensors.first().map(Vec::as_slice).unwrap_or_default();
        context.say(format!("largest: {}", top1(first)));
        if context.json {
            let mut result = json!({ "output": first, "top1": top1(first) });
            if tensors.len() > 1 {
                result["outputs"] = json!(tensors);
            }
            context.json(&result);
        }
        Ok(())
    }
}
