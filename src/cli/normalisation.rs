//! What becomes of pictures and bytes before they are inputs, for all verbs that read a network.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use fhec_frontend::{Import, InputHint};
use fhec_ir::plan::{ChannelOrder, ImageAxes, Normalisation, Preprocessing, Resize, parse_size, pixels};
use fhec_ir::text::shape_text;
use serde::Deserialize;

use super::Context;
use super::scale::Scale;
use super::shapes::ShapeArgs;

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
    /// What the first input's bytes are divided by before; 255 if not given, 1 where the network takes integers.
    #[arg(long, value_name = "D", help_heading = "Compilation")]
    divisor: Option<f64>,
    /// What pictures for the first input become. `imagenet`: the shorter side to 256, centre crop 224 (for networks of other
    /// sizes in proportion), RGB, torchvision's mean and deviation. Other options say otherwise.
    #[arg(long, value_name = "NAME", help_heading = "Compilation")]
    preset: Option<Preset>,
    /// Cut the centre of pictures, of the network's size; what is smaller gets a border of zeros. Follows from --resize to
    /// another size.
    #[arg(long, value_name = "N|WxH", num_args = 0..=1, require_equals = true, help_heading = "Compilation")]
    crop: Option<Option<Crop>>,
    /// Order of the channels of pictures; rgb if not given.
    #[arg(long, value_name = "ORDER", help_heading = "Compilation")]
    channels: Option<Channels>,
    /// A TOML file with `mean`, `std`, `divisor`, `preset`, `resize`, `crop` and `channels` instead; MODEL.toml beside the
    /// network if there is one.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["mean", "std", "divisor", "preset", "crop", "channels"],
        help_heading = "Compilation"
    )]
    pub(crate) norm: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shapes: ShapeArgs,
}

/// What many networks share. Documents of the values would spread --help over pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preset {
    Imagenet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Channels {
    Rgb,
    Bgr,
}

/// A size to cut, (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Crop((usize, usize));

impl std::str::FromStr for Crop {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let size = if text.contains('x') { parse_size(text)? } else { (pixels(text)?, pixels(text)?) };
        Ok(Self(size))
    }
}

impl TryFrom<String> for Crop {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Whether a file wants a crop, and perhaps of what size.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum CropKey {
    Wanted(bool),
    Side(usize),
    Size(Crop),
}

/// What is said, in a file or by options.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    mean: Vec<f64>,
    std: Vec<f64>,
    divisor: Option<f64>,
    preset: Option<Preset>,
    resize: Option<Scale>,
    crop: Option<CropKey>,
    channels: Option<Channels>,
}

impl Rules {
    fn read(path: &Path) -> Result<Self> {
        let rules: Self = toml::from_str(&std::fs::read_to_string(path)?)?;
        if rules.mean.is_empty() != rules.std.is_empty() {
            bail!("`mean` and `std` belong together");
        }
        Ok(rules)
    }

    /// What these say, and what `less` says of other things.
    fn before(self, less: Self) -> Self {
        // Who gives mean and deviation, or a preset, states the whole formula.
        let whole = !self.mean.is_empty() || self.preset.is_some();
        let less = if whole {
            Self { mean: vec![], std: vec![], divisor: None, preset: None, ..less }
        } else {
            less
        };
        Self {
            mean: if whole { self.mean } else { less.mean },
            std: if whole { self.std } else { less.std },
            divisor: self.divisor.or(less.divisor),
            preset: self.preset.or(less.preset),
            resize: self.resize.or(less.resize),
            crop: self.crop.or(less.crop),
            channels: self.channels.or(less.channels),
        }
    }

    /// From bytes to numbers of an input of a shape.
    fn normalisation(&self, hint: &InputHint) -> Result<Normalisation, String> {
        let states = !self.mean.is_empty() || self.preset.is_some();
        if let (Some(integer), true, None) = (hint.integer, states, self.divisor) {
            return Err(format!(
                "it takes {integer} numbers, which the network normalises itself: mean and deviation are not for it \
                 (a divisor of 1 or 255 insists)"
            ));
        }
        let usual = if hint.integer.is_some() { 1.0 } else { 255.0 };
        let (mean, std) = match self.preset {
            Some(Preset::Imagenet) if self.mean.is_empty() => {
                (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225])
            }
            _ => (self.mean.clone(), self.std.clone()),
        };
        let divisor = self.divisor.unwrap_or(usual);
        let normalisation = Normalisation { divisor, mean, std };
        // That it is the usual one was said, not assumed.
        if normalisation == Normalisation::default() && self.divisor.is_some() {
            return Ok(Normalisation { mean: vec![0.0], std: vec![1.0], ..normalisation });
        }
        Ok(normalisation)
    }

    /// What becomes of pictures for an input of a shape.
    fn preprocessing(&self, shape: &[usize]) -> Result<Preprocessing, String> {
        let mut steps = match self.preset {
            Some(Preset::Imagenet) => Preprocessing::imagenet(shape)?,
            None => Preprocessing::default(),
        };
        let size = ImageAxes::of(shape).map(|a| (a.height, a.width));
        let exact = size.map(|(height, width)| Resize::Exact { height, width });
        match self.resize {
            None => {}
            Some(Scale::Never) => steps.resize = None,
            Some(Scale::Exact) => {
                let exact = Preprocessing::exact(shape);
                let exact = exact.ok_or("resizing is for pictures, the network takes none")?;
                steps = Preprocessing { channels: steps.channels, ..exact };
            }
            Some(Scale::To(resize)) => {
                steps.resize = Some(resize);
                let boxed = size.map(|(height, width)| Resize::Letterbox { height, width });
                steps.crop = ![exact, boxed].contains(&Some(resize));
            }
        }
        let cut = |(height, width): (usize, usize)| match size {
            Some(size) if size == (height, width) => Ok(true),
            Some((h, w)) => {
                Err(format!("a crop of {width}x{height} leaves another size than the network's {w}x{h}"))
            }
            None => Err("a crop is for pictures, the network takes none".into()),
        };
        match self.crop {
            None => {}
            Some(CropKey::Wanted(wanted)) => steps.crop = wanted,
            Some(CropKey::Side(side)) => steps.crop = cut((side, side))?,
            Some(CropKey::Size(Crop(size))) => steps.crop = cut(size)?,
        }
        if let Some(channels) = self.channels {
            steps.channels = match channels {
                Channels::Rgb => ChannelOrder::Rgb,
                Channels::Bgr => ChannelOrder::Bgr,
            };
        }
        Ok(steps)
    }
}

/// What becomes of pictures and bytes, by input.
pub(crate) struct Prepared {
    pub(crate) normalisations: Vec<Normalisation>,
    pub(crate) preprocessing: Vec<Preprocessing>,
}

impl NormArgs {
    /// What options, or a file beside the network, say about its first input. Other inputs' bytes are divided by 255, or
    /// left as they are where the network takes integers; their pictures are scaled if that is asked for without a size.
    pub(crate) fn of(&self, model: &Path, import: &Import, resize: Option<Scale>) -> Result<Prepared> {
        let rules = self.rules(model, resize)?;
        let mut prepared = Prepared { normalisations: vec![], preprocessing: vec![] };
        for (k, (id, name)) in import.graph.inputs().enumerate() {
            let shape = import.graph.ty(id);
            let hint = import.inputs.get(k).cloned().unwrap_or_default();
            let named = || format!("input {name} {}", shape_text(shape));
            let others = match resize {
                Some(Scale::Exact) if Preprocessing::exact(shape).is_some() => {
                    Rules { resize, ..Rules::default() }
                }
                _ => Rules::default(),
            };
            let rules = if k == 0 { &rules } else { &others };
            let normalisation = rules.normalisation(&hint).map_err(anyhow::Error::msg).with_context(named)?;
            let fits = normalisation.check(shape).map_err(anyhow::Error::msg);
            fits.with_context(|| format!("normalisation of {}", named()))?;
            let steps = rules.preprocessing(shape).and_then(|s| s.check(shape).map(|()| s));
            prepared.preprocessing.push(steps.map_err(anyhow::Error::msg).with_context(named)?);
            prepared.normalisations.push(normalisation);
        }
        Ok(prepared)
    }

    fn rules(&self, model: &Path, resize: Option<Scale>) -> Result<Rules> {
        let given = Rules {
            mean: self.mean.clone(),
            std: self.std.clone(),
            divisor: self.divisor,
            preset: self.preset,
            resize,
            crop: self.crop.map(|size| size.map_or(CropKey::Wanted(true), CropKey::Size)),
            channels: self.channels,
        };
        let beside = || Some(model.with_extension("toml")).filter(|p| p.is_file());
        let Some(path) = self.norm.clone().or_else(beside) else { return Ok(given) };
        Ok(given.before(Rules::read(&path).with_context(|| path.display().to_string())?))
    }
}

impl Prepared {
    /// Remarks on inputs that want bytes as they are: those of integers, and those that the network seems to normalise.
    pub(crate) fn remark_raw(&self, import: &Import, context: &Context) {
        let inputs = import.graph.inputs().zip(&import.inputs).zip(&self.normalisations);
        for (((_, name), hint), normalisation) in inputs {
            let raw = *normalisation == Normalisation { divisor: 1.0, mean: vec![], std: vec![] };
            if let (Some(integer), true) = (hint.integer, raw) {
                context.remark(format!(
                    "input {name} takes {integer} numbers: bytes are taken as they are, 0 to 255"
                ));
            } else if let (Some(node), false) = (&hint.normalises, raw) {
                context.remark(format!(
                    "input {name}: the network seems to normalise bytes itself (`{node}`), yet they become \
                     {normalisation} before; --divisor 1 takes them as they are"
                ));
            }
        }
    }
}
