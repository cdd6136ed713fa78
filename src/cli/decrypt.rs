//! `fhec decrypt`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fhec_ckks::keys::SecretKey;
use fhec_ir::output::write_atomically;
use fhec_ir::plan::ClientOutput;
use fhec_runtime::boxes::Detection;
use fhec_runtime::client::Client;
use fhec_runtime::files::{Bundle, Direction, KeySetId};
use fhec_runtime::input::{InputType, LoadOptions, Picture, write_npy};
use fhec_runtime::ledger::Requests;
use serde_json::{Value, json};

use super::Context;
use super::boxes::{BoxArgs, Boxes, boxes_help};
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
#[command(after_help = concat!("\
Several files, or a folder of them as `fhec run` makes it, are decrypted one after the other; one that fails is reported,
and the rest goes on. What the network ends with that is no polynomial (softmax, arg-max, top-k, …) is run here, after
decryption; --raw gives what it is run on.
With --json there is one object: `results`, an entry for each file with `input`, `output` (the first), `outputs` by name
and `shapes` of these (numbers are flat, row-major), `top1`, `class`, perhaps `boxes` (`class`, `name`, `score`, `x0`, `y0`,
`x1`, `y1`), or `error`.

", boxes_help!(), "The picture that was encrypted is given by --picture; without one coordinates are pixels of the network's input.

A result is shown if it answers a request that was made with this key (written down in `requests` beside it).

Results carry noise that depends on the secret key; whoever sees enough exact ones may find the key. What leaves your hands
goes through --release. `flood` counts its releases in `releases` beside the key, a ciphertext each, and is refused where the
noise would leave nothing of the result. docs/security.md tells what each of them is worth.

Examples:
  fhec decrypt model.client --key keys/secret.key --input result.ct --json
  fhec decrypt model.client --key keys/secret.key --input results --classes imagenet.txt
  fhec decrypt model.client --key keys/secret.key --input result.ct --picture street.jpg --boxes found.png"))]
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
    #[command(flatten)]
    boxes: BoxArgs,
    /// The picture that was encrypted, on which --boxes draws; of several inputs one for each, in order.
    #[arg(long, value_name = "FILE", help_heading = "Boxes")]
    picture: Vec<PathBuf>,
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
    boxes: Option<Boxes>,
    /// For each input, if there are boxes and they are given.
    pictures: Vec<PathBuf>,
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
        let boxes = self.boxes(&client, &results, &bundles)?;
        let requests = (!self.any_request).then(|| Requests::beside(&self.key));
        let (folder, pictures) = (self.output_dir, self.picture);
        let session =
            Session { context, client, secret, keys, results, releaser, boxes, pictures, requests, folder };
        if let ([file], false) = (&bundles.files[..], bundles.many) {
            let outputs = session.decrypt(file, session.folder.clone())?;
            let boxes = session.find_boxes(0, file, &outputs)?;
            session.boxes.as_ref().map_or(Ok(()), Boxes::finish)?;
            session.results.lines(&outputs).iter().for_each(|line| context.answer(line));
            let top1 = session.results.top1(&outputs);
            match &session.boxes {
                Some(of) => of.lines(&boxes).iter().for_each(|line| context.answer(line)),
                None => context.say(format!("largest: {}", session.results.class_text(top1))),
            }
            if context.json {
                let entry = session.entry(file, &outputs, &boxes);
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
        let paths = Paths::new().reads([&self.spec, &self.key]).reads(&bundles.files);
        let paths = self.boxes.add_to(paths.reads(&self.results.classes).reads(&self.picture));
        let Some(folder) = &self.output_dir else { return paths.check() };
        let of = |file: &PathBuf| if bundles.many { folder.join(input_name(file)) } else { folder.clone() };
        paths.writes_in(bundles.files.iter().map(of), &output_names(results.count())).check()
    }

    /// What finds boxes, if they are asked for.
    fn boxes(&self, client: &Client, results: &Results, bundles: &Bundles) -> Result<Option<Boxes>> {
        let input = client.spec().client.inputs.first().map(InputType::from);
        let names: Vec<String> = bundles.files.iter().map(|file| input_name(file)).collect();
        let boxes = Boxes::new(&self.boxes, results, input.as_ref(), &names)?;
        match (&boxes, self.picture.len()) {
            (None, 0) => {}
            (None, _) => bail!("--picture is for boxes: ask for them by --boxes"),
            (Some(_), 0) if self.boxes.draws() => {
                bail!("--boxes draws on the picture that was encrypted: give it by --picture")
            }
            (Some(_), 0) => {}
            (Some(_), given) if given != names.len() => {
                bail!("{given} pictures for {} inputs: give one for each, in order", names.len())
            }
            (Some(boxes), _) => boxes.check_apart(Paths::new().reads(&self.picture))?,
        }
        Ok(boxes)
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

    /// The boxes in the results of a file; none if they are not asked for.
    fn find_boxes(&self, number: usize, file: &Path, outputs: &[Vec<f64>]) -> Result<Vec<Detection>> {
        let Some(boxes) = &self.boxes else { return Ok(vec![]) };
        let input = self.client.spec().client.inputs.first().map(InputType::from);
        // A picture of another size was scaled by `encrypt`, or refused.
        let options = LoadOptions { resize: true, layout: None };
        let given = self.pictures.get(number).zip(input);
        let picture = given.map(|(path, input)| Picture::open(path, &input, options)).transpose()?;
        boxes.find(outputs, picture.as_ref(), (number, &input_name(file)))
    }

    fn entry(&self, file: &Path, outputs: &[Vec<f64>], boxes: &[Detection]) -> Value {
        let mut entry = json!({ "input": input_name(file) });
        merge(&mut entry, self.results.json(outputs));
        if let Some(of) = &self.boxes {
            merge(&mut entry, json!({ "boxes": of.json(boxes) }));
        }
        entry
    }

    fn many(&self, files: &[PathBuf]) -> Result<()> {
        let (mut entries, mut failed) = (vec![], 0);
        for (number, file) in files.iter().enumerate() {
            let name = input_name(file);
            let folder = self.folder.as_ref().map(|f| f.join(&name));
            let decrypted = self.decrypt(file, folder).and_then(|outputs| {
                let boxes = self.find_boxes(number, file, &outputs)?;
                Ok((outputs, boxes))
            });
            match decrypted {
                Ok((outputs, boxes)) => {
                    let what = match &self.boxes {
                        Some(_) => format!("{} boxes", boxes.len()),
                        None => self.results.class_text(self.results.top1(&outputs)),
                    };
                    self.context.answer(format!("{name}: {what}"));
                    if self.context.json {
                        entries.push(self.entry(file, &outputs, &boxes));
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
                self.boxes.as_ref().map_or(Ok(()), Boxes::finish)?;
                if failed > 0 {
                    bail!("{failed} of {} inputs failed", files.len());
                }
                Ok(())
            },
        )
    }
}
