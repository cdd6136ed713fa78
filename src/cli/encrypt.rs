//! `fhec encrypt`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use fhec_ir::plan::ClientInput;
use fhec_runtime::client::{self, Client};
use fhec_runtime::files::{self, Direction};
use fhec_runtime::input::{self, LoadOptions, Source};

use super::Context;
use super::files::load_spec;

/// Encrypt inputs for a plan.
#[derive(Args)]
#[command(after_help = "\
Inputs: .npy (float32, float64, uint8), .f32, .u8, .png, .jpg, and FILE#17 for record 17 of a CIFAR batch or an idx
file (gzip or not). Bytes and pictures are normalised with the plan's mean and deviation.

Examples:
  fhec encrypt model.client --key keys/secret.key --input cat.png -o cat.ct
  fhec encrypt model.client --public keys/public.key --input test_batch.bin#17 -o frog.ct")]
pub(crate) struct EncryptArgs {
    /// A client file or a plan.
    spec: PathBuf,
    /// The secret key: ciphertexts of half the size.
    #[arg(long, value_name = "FILE", required_unless_present = "public", conflicts_with = "public")]
    key: Option<PathBuf>,
    /// A public key instead.
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    /// One for each input of the network, in order.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<String>,
    /// Scale pictures of another size.
    #[arg(long)]
    resize: bool,
    /// Insist on inputs beyond what the plan was made for, at the risk of wrong results.
    #[arg(long)]
    allow_out_of_range: bool,
    /// Where to write the ciphertexts.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Reads one file for each input of a network.
pub(crate) fn load_inputs(inputs: &[ClientInput], sources: &[String], resize: bool) -> Result<Vec<Vec<f64>>> {
    if inputs.len() != sources.len() {
        let names: Vec<_> = inputs.iter().map(|i| i.name.as_str()).collect();
        bail!("the network takes {} input(s) ({}), {} given", inputs.len(), names.join(", "), sources.len());
    }
    let load = |(input, source): (&ClientInput, &String)| {
        Ok(input::load(&Source::parse(source), input, LoadOptions { resize })?)
    };
    inputs.iter().zip(sources).map(load).collect()
}

impl EncryptArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let client = Client::new(load_spec(&self.spec)?)?.allow_out_of_range(self.allow_out_of_range);
        let tensors = load_inputs(&client.spec().client.inputs, &self.input, self.resize)?;
        let parameters = client.parameters();
        match (&self.key, &self.public) {
            (Some(path), _) => {
                let (secret, id) = client::read_secret_key(path, parameters)?;
                let values = client.encrypt_seeded(&secret, &tensors)?;
                files::save_seeded(&self.output, parameters, (client.spec().plan, id), &values)?;
            }
            (None, Some(path)) => {
                let keys = files::read_public_key(path, parameters)?;
                client.encrypt_public(keys, &tensors)?.save(&self.output, Direction::Inputs, parameters)?;
            }
            (None, None) => bail!("a key is needed: --key or --public"),
        }
        context.say(format!("{}: encrypted for plan {}", self.output.display(), client.spec().plan));
        Ok(())
    }
}
