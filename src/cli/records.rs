//! Inputs of networks, for all verbs that read some.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use fhec_ir::plan::{AxisOrder, ClientInput, Preprocessing};
#[cfg(feature = "compiler")]
use fhec_ir::tensor::TensorGraph;
use fhec_runtime::input::{DataSet, InputType, LoadOptions, Source, read_labels};

use super::Context;
use super::assumed::{self, OfBytes};
#[cfg(feature = "compiler")]
use super::normalisation::Prepared;
use super::scale::{Scale, ScaleArgs};

/// What inputs may be, for the help of verbs that take some; `fhec_runtime::input` has it in full.
macro_rules! inputs_help {
    () => {
        "\
Inputs: pictures (.png .jpg .webp .bmp), a folder of them (a class per subfolder), arrays (.npy, one or a batch; .npz by
the names of the inputs, and `labels`), .csv (an input per row, perhaps with its label before it or under the heading
`label`), idx files, CIFAR batches, .f32, .u8. FILE#17 is number 17 of what a file holds.
Pictures, records and arrays of uint8 are bytes, which are normalised: (x/divisor − mean)/std. All other numbers, whole
ones too, are taken as they are. Shapes must agree with the network's up to axes of length 1. Pictures and records of
another size are refused, unless the plan says how they are resized (`fhec inspect`), or --resize does. Pictures are turned
as their EXIF data says, and lose transparency.
"
    };
}
pub(crate) use inputs_help;

/// Order of axes on the command line. Documents of the values would spread --help over pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    #[value(alias = "nchw")]
    Chw,
    #[value(alias = "nhwc")]
    Hwc,
}

/// How inputs are read.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    scale: ScaleArgs,
    /// Order of the axes of arrays and rows; the network's if not given, others are transposed.
    #[arg(long, value_name = "ORDER")]
    layout: Option<Order>,
}

impl DataArgs {
    fn options(self) -> LoadOptions {
        let layout = self.layout.map(|order| match order {
            Order::Chw => AxisOrder::Chw,
            Order::Hwc => AxisOrder::Hwc,
        });
        LoadOptions { resize: self.scale() == Some(Scale::Exact), layout }
    }

    /// What is to be done about pictures of another size.
    pub(crate) fn scale(self) -> Option<Scale> {
        self.scale.scale()
    }

    /// What the inputs of a plan take.
    ///
    /// # Errors
    /// If options say otherwise than the plan.
    pub(crate) fn planned(self, inputs: &[ClientInput]) -> Result<Vec<InputType>> {
        let says = |input: &&ClientInput| input.preprocessing.changes_size();
        match self.scale() {
            Some(Scale::To(_) | Scale::Never) => {
                bail!(
                    "--resize: only without a size here; the plan says what becomes of pictures, or is compiled with it"
                )
            }
            Some(Scale::Exact) => {
                let other =
                    |i: &&ClientInput| Preprocessing::exact(&i.layout.shape()) != Some(i.preprocessing);
                if let Some(input) = inputs.iter().filter(says).find(other) {
                    bail!("--resize: the plan says what becomes of pictures: input {input}");
                }
            }
            None => {}
        }
        Ok(types(inputs))
    }

    /// Opens files for the inputs of a network.
    pub(crate) fn open(self, inputs: Vec<InputType>, files: &[String]) -> Result<DataSet> {
        let sources: Vec<Source> = files.iter().map(|f| Source::parse(f)).collect();
        Ok(DataSet::open(inputs, &sources, self.options())?)
    }

    /// The same with a file of labels.
    pub(crate) fn open_labelled(
        self,
        inputs: Vec<InputType>,
        files: &[String],
        labels: Option<&Path>,
    ) -> Result<DataSet> {
        let mut set = self.open(inputs, files)?;
        if let Some(path) = labels {
            let labels = read_labels(path).map_err(anyhow::Error::msg);
            let labels = labels.with_context(|| path.display().to_string())?;
            set.set_labels(labels).with_context(|| path.display().to_string())?;
        }
        Ok(set)
    }
}

/// What the inputs of a plan take.
pub(crate) fn types(inputs: &[ClientInput]) -> Vec<InputType> {
    inputs.iter().map(InputType::from).collect()
}

/// What the inputs of a network take.
#[cfg(feature = "compiler")]
pub(crate) fn network_types(network: &TensorGraph, prepared: &Prepared) -> Vec<InputType> {
    let Prepared { normalisations, preprocessing } = prepared;
    let inputs = network.inputs().zip(normalisations).zip(preprocessing);
    let input = inputs.map(|(((id, name), normalisation), preprocessing)| InputType {
        name: name.into(),
        shape: network.ty(id).clone(),
        normalisation: normalisation.clone(),
        preprocessing: *preprocessing,
    });
    input.collect()
}

/// Says what is assumed of records that are bytes.
pub(crate) fn remark_assumed(set: &DataSet, context: &Context) {
    let first = set.inputs().first().map(|i| &i.name);
    let of_bytes = |input| {
        let InputType { name, shape, normalisation, .. }: &InputType = input;
        OfBytes { name, shape, normalisation, first: Some(name) == first }
    };
    assumed::remark(set.byte_inputs().map(of_bytes), context);
}

/// The records of a range, or all of them.
pub(crate) fn range(set: &DataSet, range: Option<Range<usize>>) -> Result<Range<usize>> {
    let count = set.len();
    match range {
        Some(range) if range.end > count => {
            bail!("{} has {count} records, the range ends at {}", set.name(0), range.end)
        }
        Some(range) => Ok(range),
        None => Ok(0..count),
    }
}

/// `FROM..TO` on the command line.
pub(crate) fn parse_range(text: &str) -> Result<Range<usize>, String> {
    let (from, to) = text.split_once("..").ok_or("expected FROM..TO")?;
    let number = |s: &str| s.trim().parse::<usize>().map_err(|e| format!("{s:?}: {e}"));
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err("the range is empty".into()) } else { Ok(range) }
}
