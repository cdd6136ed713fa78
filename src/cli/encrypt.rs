//! `fhec encrypt`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use fhec_runtime::client::{self, Client};
use fhec_runtime::files::{self, Direction};

use super::Context;
use super::files::load_spec;
use super::records::{DataArgs, inputs_help, remark_assumed};

/// Encrypt inputs for a plan.
#[derive(Args)]
#[command(after_help = concat!(
    inputs_help!(),
    "
Examples:
  fhec encrypt model.client --key keys/secret.key --input cat.png -o cat.ct
  fhec encrypt model.client --public keys/public.key --input test_batch.bin#17 -o frog.ct"
))]
pub(crate) struct EncryptArgs {
    /// A client file or a plan.
    spec: PathBuf,
    /// The secret key: ciphertexts of half the size.
    #[arg(long, value_name = "FILE", required_unless_present = "public", conflicts_with = "public")]
    key: Option<PathBuf>,
    /// A public key instead.
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    /// One for each input of the network, in order, or one .npz for all.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
    /// Insist on inputs beyond what the plan was made for, at the risk of wrong results.
    #[arg(long)]
    allow_out_of_range: bool,
    /// Where to write the ciphertexts.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl EncryptArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let client = Client::new(load_spec(&self.spec)?)?.allow_out_of_range(self.allow_out_of_range);
        let inputs = &client.spec().client.inputs;
        let records = self.data.open(self.data.planned(inputs)?, &self.input)?;
        let tensors = records.only()?;
        remark_assumed(&records, context);
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
        inputs.iter().for_each(|input| context.say(format!("input {input}")));
        context.say(format!("{}: encrypted for plan {}", self.output.display(), client.spec().plan));
        Ok(())
    }
}
