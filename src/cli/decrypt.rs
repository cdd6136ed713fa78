//! `fhec decrypt`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fhec_ckks::keys::SecretKey;
use fhec_ir::output::write_atomically;
use fhec_ir::plan::ClientOutput;
use fhec_runtime::client::Client;
use fhec_runtime::files::{Bundle, Direction, KeySetId};
use fhec_runtime::input::write_npy;
use fhec_runtime::ledger::Requests;
use serde_json::{Value, json};

use super::Context;
use super::bundles::{Bundles, input_name};
use super::figures::merge;
use super::files::load_spec;
use super::output::failure;
use super::paths::Paths;
use super::release::Releaser;
use super::results::{ResultArgs, Results};
use super::secrets::read_key;

/// Decrypt the results of a run.
#[derive(Args)]
#[command(after_help = "\
Several files, or a folder of them as `fhec run` makes it, are decrypted one after the other; one that fails is reported,
and the rest goes on. What the network ends with that is no polynomial (softmax, arg-max, top-k, …) is run here, after
decryption; --raw gives what it is run on.
With --json there is one object: `results`, an entry for each file with `input`, `output` (the first), `outputs` by name
and `shapes` of these (numbers are flat, row-major), `top1`, `class`, or `error`.

A result is shown if it answers a request that was made with this key (written down in `requests` beside it).

Results carry noise that depends on the secret key; whoever sees enough exact ones may find the key. What leaves your hands
goes through --release. `flood` counts its releases in `releases` beside the key, a ciphertext each, and is refused where the
noise would leave nothing of the result. docs/security.md tells what each of them is worth.

Examples:
  fhec decrypt model.client --key keys/secret.key --input result.ct --json
  fhec decrypt model.client --key keys/secret.key --input results --classes imagenet.txt")]
pub(crate) struct DecryptArgs {
    /// A client file or a plan.
    spec: PathBuf,
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Encrypted results: files or folders of them.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<PathBuf>,
    #[command(flatten)]
    results: ResultArgs,
    /// Show results beyond what the plan was made for, which are wrong in all likelihood.
    #[arg(long)]
    allow_out_of_range: bool,
    /// Take results of requests that were not made with this key: of those who encrypt with the public key.
    #[arg(long)]
    any_request: bool,
    /// Write out0.npy, out1.npy, … to this folder; of several inputs, to folders in it named after them.
    #[arg(short, long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

/// Names of the files of so many outputs.
pub(crate) fn output_names(count: usize) -> Vec<String> {
    (0..count).map(|k| format!("out{k}.npy")).collect()
}

/// Writes `out0.npy`, `out1.npy`, … .
pub(crate) fn write_outputs(folder: &Path, outputs: &[(Vec<usize>, Vec<f64>)]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (name, (shape, data)) in output_names(outputs.len()).iter().zip(outputs) {
        let path = folder.join(name);
        let written = write_atomically(&path, None, |mut out| write_npy(&mut out, shape, data));
        written.with_context(|| path.display().to_string())?;
    }
    Ok(())
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

struct Session<'a> {
    context: &'a Context,
    client: Client,
    secret: SecretKey,
    keys: KeySetId,
    results: Results,
    releaser: Releaser,
    /// None if results of any request are taken.
    requests: Option<Requests>,
    folder: Option<PathBuf>,
}

impl DecryptArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let client = Client::new(load_spec(&self.spec)?)?.allow_out_of_range(self.allow_out_of_range);
        let results = Results::new(&client.spec().client, &self.results)?;
        let bundles = Bundles::open(&self.input)?;
        self.check_paths(&bundles, &results)?;
        let (secret, keys) = read_key(&self.key, &client, context)?;
        let outputs = &client.spec().client.outputs;
        let releaser = Releaser::new(self.results.release, outputs, Some((&self.key, keys)))?;
        if results.class_alone() && self.output_dir.is_some() {
            bail!("--release argmax gives no numbers to write: leave --output-dir out");
        }
        let requests = (!self.any_request).then(|| Requests::beside(&self.key));
        let folder = self.output_dir;
        let session = Session { context, client, secret, keys, results, releaser, requests, folder };
        if let ([file], false) = (&bundles.files[..], bundles.many) {
            let outputs = session.decrypt(file, session.folder.clone())?;
            session.results.lines(&outputs).iter().for_each(|line| context.answer(line));
            let top1 = session.results.top1(&outputs);
            context.say(format!("largest: {}", session.results.class_text(top1)));
            if context.json {
                let entry = session.entry(file, &outputs);
                let mut result = json!({ "results": [entry] });
                merge(&mut result, session.results.json(&outputs));
                context.json(&result);
            }
            return Ok(());
        }
        session.many(&bundles.files)
    }

    /// Checks that results can be written, over nothing that is read.
    fn check_paths(&self, bundles: &Bundles, results: &Results) -> Result<()> {
        let Some(folder) = &self.output_dir else { return Ok(()) };
        let of = |file: &PathBuf| if bundles.many { folder.join(input_name(file)) } else { folder.clone() };
        let paths = Paths::new().reads([&self.spec, &self.key]).reads(&bundles.files);
        let paths = paths.reads(&self.results.classes);
        paths.writes_in(bundles.files.iter().map(of), &output_names(results.count())).check()
    }
}

impl Session<'_> {
    /// What is shown of a file, which is written to a folder if one is given.
    fn decrypt(&self, file: &Path, folder: Option<PathBuf>) -> Result<Vec<Vec<f64>>> {
        let spec = self.client.spec();
        let expected = (spec.plan, &spec.client);
        let bundle = Bundle::load(file, Direction::Outputs, self.client.parameters(), expected)?;
        // A result for other keys is refused as such below.
        if let Some(requests) = self.requests.as_ref().filter(|_| bundle.keys == self.keys) {
            let known = requests.check(spec.plan, bundle.request);
            known.with_context(|| file.display().to_string())?;
        }
        let raw = self.client.decrypt((&self.secret, self.keys), &bundle)?;
        warn_of_bounds(&spec.client.outputs, &raw, self.context);
        let raw = self.releaser.release(raw, self.context)?;
        let outputs = self.results.of(&raw)?;
        if let Some(folder) = folder {
            write_outputs(&folder, &self.results.shaped(&outputs))?;
        }
        Ok(outputs)
    }

    fn entry(&self, file: &Path, outputs: &[Vec<f64>]) -> Value {
        let mut entry = json!({ "input": input_name(file) });
        merge(&mut entry, self.results.json(outputs));
        entry
    }

    fn many(&self, files: &[PathBuf]) -> Result<()> {
        let (mut entries, mut failed) = (vec![], 0);
        for file in files {
            let name = input_name(file);
            let folder = self.folder.as_ref().map(|f| f.join(&name));
            match self.decrypt(file, folder) {
                Ok(outputs) => {
                    let top1 = self.results.top1(&outputs);
                    self.context.answer(format!("{name}: {}", self.results.class_text(top1)));
                    if self.context.json {
                        entries.push(self.entry(file, &outputs));
                    }
                }
                Err(error) => {
                    self.context.report(&error);
                    entries.push(failure(&name, &error));
                    failed += 1;
                }
            }
        }
        self.context.end(
            json!({ "images": files.len() - failed, "failed": failed, "results": entries }),
            || {
                if failed > 0 {
                    bail!("{failed} of {} inputs failed", files.len());
                }
                Ok(())
            },
        )
    }
}
