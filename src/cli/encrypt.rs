//! `fhec encrypt`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fhec_ckks::keys::{PublicKey, SecretKey};
use fhec_ir::plan::PlanId;
use fhec_runtime::client::Client;
use fhec_runtime::files::{self, Bundle, Direction, KeySetId, RequestId};
use fhec_runtime::key_folder::check_siblings;
use fhec_runtime::ledger::Requests;
use serde_json::json;

use super::Context;
use super::bundles::{EXTENSION, file_names};
use super::files::load_spec;
use super::output::failure;
use super::paths::Paths;
use super::records::{DataArgs, inputs_help, parse_range};
use super::secrets::read_key;
use super::tasks::{Asked, Failed, Task};

/// Encrypt inputs for a plan.
#[derive(Args)]
#[command(after_help = concat!(
    inputs_help!(),
    "Of several inputs each goes into a file of its own, named after it, in the folder -o; one that fails is reported, and
the rest goes on.

Every request has a random number, which its result repeats. It is written down in the file `requests` beside the key, and
`fhec decrypt` refuses results of other requests.

Examples:
  fhec encrypt model.client --key keys/secret.key --input cat.png -o cat.ct
  fhec encrypt model.client --public keys/public.key --input test_batch.bin#17 -o frog.ct
  fhec encrypt model.client --key keys/secret.key --input test_batch.bin --range 0..100 -o inputs"
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
    /// Inputs: files or folders of them; for a network with several inputs one for each, or one .npz.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<String>,
    /// Of the inputs that a file or folder holds: FROM..TO, without TO; all if not given.
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    range: Option<std::ops::Range<usize>>,
    #[command(flatten)]
    data: DataArgs,
    /// Insist on inputs beyond what the plan was made for, at the risk of wrong results.
    #[arg(long)]
    allow_out_of_range: bool,
    /// Where to write the ciphertexts: a file, of several inputs a folder.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
}

/// What encrypts.
enum Key {
    Secret(SecretKey, KeySetId),
    Public(PublicKey, KeySetId),
}

impl EncryptArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let client = Client::new(load_spec(&self.spec)?)?.allow_out_of_range(self.allow_out_of_range);
        let paths = Paths::new().reads([&self.spec]).reads(&self.key).reads(&self.public).reads(&self.input);
        let inputs = &client.spec().client.inputs;
        let ranged = self.range.is_some();
        let asked = Asked { files: &self.input, range: self.range.clone(), labels: None, data: self.data };
        let (tasks, failed) = asked.open(inputs, context)?;
        let key = match (&self.key, &self.public) {
            (Some(path), _) => {
                let (key, id) = read_key(path, &client, context)?;
                Key::Secret(key, id)
            }
            (None, Some(path)) => {
                let (key, id) = files::read_public_key(path, client.parameters())?;
                check_siblings(path, id)?;
                Key::Public(key, id)
            }
            (None, None) => bail!("a key is needed: --key or --public"),
        };
        inputs.iter().for_each(|input| context.say(format!("input {input}")));
        let plan = client.spec().plan;
        let alone = tasks.len() == 1 && failed.is_empty() && !ranged && !self.output.is_dir();
        if let ([task], true) = (&tasks[..], alone) {
            paths.writes([&self.output]).check()?;
            let request = self.issue(plan, 1, context)?[0];
            encrypt(&client, &key, (task, request), &self.output)?;
            context.say(format!("{}: encrypted for plan {plan}", self.output.display()));
            if context.json {
                context.json(&json!({ "results": [{ "input": task.name, "file": self.output }] }));
            }
            return Ok(());
        }
        let given = tasks.len() + failed.len();
        let requests = self.issue(plan, tasks.len(), context)?;
        let tasks: Vec<_> = tasks.iter().zip(requests).collect();
        let (entries, failed) = many(&client, &key, (&tasks, failed), (&self.output, paths), context)?;
        let done = given - failed;
        context.say(format!("{}: {done} inputs encrypted for plan {plan}", self.output.display()));
        context.end(json!({ "images": done, "failed": failed, "results": entries }), || {
            if failed > 0 {
                bail!("{failed} of {given} inputs failed");
            }
            Ok(())
        })
    }

    /// Ids for so many requests, written down beside the key before anybody sees them.
    fn issue(&self, plan: PlanId, count: usize, context: &Context) -> Result<Vec<RequestId>> {
        let requests = (0..count).map(|_| RequestId::random()).collect::<Result<Vec<_>, _>>()?;
        let key = self.key.as_ref().or(self.public.as_ref()).context("a key is needed: --key or --public")?;
        if let Err(error) = Requests::beside(key).issue(plan, &requests) {
            context.remark(format!("{error}: results are decrypted with --any-request only"));
        }
        Ok(requests)
    }
}

fn encrypt(client: &Client, key: &Key, (task, request): (&Task, RequestId), output: &Path) -> Result<()> {
    let tensors = task.data.tensors(task.record)?;
    let parameters = client.parameters();
    match key {
        Key::Secret(secret, id) => {
            let values = client.encrypt_seeded(secret, &tensors)?;
            files::save_seeded(output, parameters, (client.spec().plan, *id, request), &values)?;
        }
        Key::Public(public, id) => {
            let bundle = client.encrypt_public((public.clone(), *id), &tensors)?;
            let bundle = Bundle { request, ..bundle };
            bundle.save(output, Direction::Inputs, parameters)?;
        }
    }
    Ok(())
}

/// Encrypts all inputs into a folder: what became of each, and how many failed.
fn many(
    client: &Client,
    key: &Key,
    (tasks, failed): (&[(&Task, RequestId)], Vec<Failed>),
    (folder, paths): (&Path, Paths),
    context: &Context,
) -> Result<(Vec<serde_json::Value>, usize)> {
    if folder.is_file() {
        bail!("{}: several inputs are written to a folder, this is a file", folder.display());
    }
    let names = file_names(&tasks.iter().map(|t| t.0.name.clone()).collect::<Vec<_>>(), EXTENSION);
    paths.writes_in([folder], &names).check()?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut entries: Vec<_> = failed.iter().map(|f| failure(&f.name, &f.error)).collect();
    let mut failures = entries.len();
    let progress = context.progress("encrypting");
    for (k, (&(task, request), name)) in tasks.iter().zip(names).enumerate() {
        let path = folder.join(name);
        match encrypt(client, key, (task, request), &path) {
            Ok(()) => entries.push(json!({ "input": task.name, "file": path })),
            Err(error) => {
                context.report(&error);
                entries.push(failure(&task.name, &error));
                failures += 1;
            }
        }
        progress.set(k + 1, tasks.len());
    }
    Ok((entries, failures))
}
