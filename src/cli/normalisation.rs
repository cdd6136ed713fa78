//! How bytes become inputs, for all verbs that read a network.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fhec_ir::plan::{ImageAxes, Normalisation};
use fhec_ir::tensor::TensorGraph;
use fhec_ir::text::shape_text;
use serde::Deserialize;

use super::Context;

/// Options for it.
#[derive(Args, Clone, Debug)]
pub(crate) struct NormArgs {
    /// Mean of the first input by channel, or one for all: bytes become (x/255 − mean)/std.
    #[arg(
        long,
        value_name = "M,M,…",
        value_delimiter = ',',
        allow_hyphen_values = true,
        requires = "std",
        help_heading = "Compilation"
    )]
    mean: Vec<f64>,
    /// Standard deviation of the first input by channel, or one for all.
    #[arg(
        long,
        value_name = "S,S,…",
        value_delimiter = ',',
        requires = "mean",
        help_heading = "Compilation"
    )]
    std: Vec<f64>,
    /// A TOML file with `mean`, `std` and `divisor` instead; MODEL.toml beside the network if there is one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mean", "std"], help_heading = "Compilation")]
    norm: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NormFile {
    #[serde(default)]
    mean: Vec<f64>,
    #[serde(default)]
    std: Vec<f64>,
    divisor: Option<f64>,
}

/// The normalisations of a network's inputs, in order.
pub(crate) struct Normalisations {
    pub(crate) all: Vec<Normalisation>,
    /// Whether someone stated that of the first.
    stated: bool,
}

impl NormArgs {
    /// What options, or a file beside the network, say about its first input. Other inputs' bytes are divided by 255.
    pub(crate) fn of(&self, model: &Path, network: &TensorGraph) -> Result<Normalisations> {
        let (first, stated) = match self.file(model) {
            Some(path) => {
                let read = || {
                    let file: NormFile = toml::from_str(&std::fs::read_to_string(&path)?)?;
                    if file.mean.is_empty() != file.std.is_empty() {
                        bail!("`mean` and `std` belong together");
                    }
                    let divisor = file.divisor.unwrap_or(Normalisation::default().divisor);
                    Ok(Normalisation { divisor, mean: file.mean, std: file.std })
                };
                (read().with_context(|| path.display().to_string())?, true)
            }
            None => {
                let options = Normalisation {
                    mean: self.mean.clone(),
                    std: self.std.clone(),
                    ..Normalisation::default()
                };
                (options, !self.mean.is_empty())
            }
        };
        let mut all = vec![Normalisation::default(); network.inputs().count()];
        if let (Some((id, name)), Some(of_first)) = (network.inputs().next(), all.first_mut()) {
            let shape = network.ty(id);
            let fits = first.check(shape).map_err(anyhow::Error::msg);
            fits.with_context(|| format!("normalisation of input {name} {}", shape_text(shape)))?;
            *of_first = first;
        }
        Ok(Normalisations { all, stated })
    }

    /// The file that says it; what options say goes before one beside the network.
    fn file(&self, model: &Path) -> Option<PathBuf> {
        let beside = || Some(model.with_extension("toml")).filter(|p| self.mean.is_empty() && p.is_file());
        self.norm.clone().or_else(beside)
    }
}

impl Normalisations {
    /// Remarks on what is assumed of inputs that are given as bytes, by name and shape.
    pub(crate) fn remark<'a>(
        &self,
        network: &TensorGraph,
        bytes: impl Iterator<Item = (&'a str, &'a [usize])>,
        context: &Context,
    ) {
        let first = network.inputs().next().map(|(_, name)| name);
        for (name, shape) in bytes {
            let advice = match (Some(name) == first, self.stated) {
                (true, true) => continue,
                (true, false) => "give --mean and --std if the network was trained with them",
                (false, _) => "--mean and --std are for the first input",
            };
            context.remark(format!("input {name} {}: bytes/255; {advice}", shape_text(shape)));
        }
    }
}

/// The inputs that look as if they were pictures, by name and shape.
pub(crate) fn pictures(network: &TensorGraph) -> impl Iterator<Item = (&str, &[usize])> {
    let inputs = network.inputs().map(|(id, name)| (name, &network.ty(id)[..]));
    inputs.filter(|(_, shape)| ImageAxes::of(shape).is_some_and(|a| a.channels == 1 || a.channels == 3))
}
