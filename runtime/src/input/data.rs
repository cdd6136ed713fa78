//! What a file holds for an input: one, or many.

use std::path::{Path, PathBuf};

use fhec_ir::plan::{AxisOrder, ImageAxes};

use super::array::{Array, Dtype};
use super::cifar::Cifar;
use super::fit::fit;
use super::raster::Raster;
use super::source::{Source, extension, read_file};
use super::types::{InputType, LoadOptions};
use super::values::Values;
use super::{csv, folder, idx, npy, npz, picture};

/// Where inputs come from.
#[derive(Debug)]
enum Content {
    /// Parts of an array, in an order of axes if that is not the network's.
    Array(Array, Option<AxisOrder>),
    /// Grey pictures of an array, of another (height, width) than the network takes.
    Scaled(Array, (usize, usize)),
    Cifar(Cifar),
    Pictures(Vec<PathBuf>),
}

/// The inputs that a file or folder holds.
#[derive(Debug)]
pub(super) struct Data {
    path: PathBuf,
    content: Content,
    count: usize,
    labels: Option<Vec<usize>>,
    /// The only one that is meant.
    record: Option<usize>,
}

impl Data {
    /// Opens a file or folder for an input.
    pub(super) fn open(source: &Source, input: &InputType, options: LoadOptions) -> Result<Self, String> {
        let Source { path, record } = source;
        let (content, count, labels) = content(source, input, options)?;
        match record {
            Some(k) if *k >= count => return Err(format!("there is no record {k}, only {count}")),
            None if count == 0 => return Err("it holds no inputs".into()),
            _ => {}
        }
        let mut data = Self { path: path.clone(), content, count, labels: None, record: *record };
        labels.map_or(Ok(()), |labels| data.set_labels(labels))?;
        Ok(data)
    }

    /// Gives every input in the file its class.
    pub(super) fn set_labels(&mut self, labels: Vec<usize>) -> Result<(), String> {
        if labels.len() != self.count {
            return Err(format!("{} labels for {} inputs", labels.len(), self.count));
        }
        self.labels = Some(labels);
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        if self.record.is_some() { 1 } else { self.count }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether these are bytes, which are normalised.
    pub(super) fn is_bytes(&self) -> bool {
        match &self.content {
            Content::Array(array, _) | Content::Scaled(array, _) => array.is_bytes(),
            Content::Cifar(_) | Content::Pictures(_) => true,
        }
    }

    /// Number in the file of the k-th that is meant.
    fn number(&self, k: usize) -> usize {
        self.record.unwrap_or(k)
    }

    /// What an input is called: its file, and its number where there are several.
    pub(super) fn name(&self, k: usize) -> PathBuf {
        let k = self.number(k);
        match &self.content {
            Content::Pictures(paths) => paths.get(k).unwrap_or(&self.path).clone(),
            _ if self.count == 1 && self.record.is_none() => self.path.clone(),
            _ => format!("{}#{k}", self.path.display()).into(),
        }
    }

    /// The file of an input that is a picture.
    pub(super) fn picture(&self, k: usize) -> Option<&Path> {
        match &self.content {
            Content::Pictures(paths) => paths.get(self.number(k)).map(PathBuf::as_path),
            _ => None,
        }
    }

    /// The class of an input, where that is known.
    pub(super) fn label(&self, k: usize) -> Option<usize> {
        self.labels.as_ref()?.get(self.number(k)).copied()
    }

    /// An input as the network takes it.
    pub(super) fn tensor(
        &self,
        k: usize,
        input: &InputType,
        options: LoadOptions,
    ) -> Result<Vec<f64>, String> {
        let k = self.number(k);
        let values = match &self.content {
            Content::Array(array, order) => array.part(k, self.count).reordered_from(*order, input),
            Content::Scaled(array, (height, width)) => match array.part(k, self.count) {
                Values::Bytes(data) => {
                    let picture = Raster { channels: 1, height: *height, width: *width, data };
                    let wanted = ImageAxes::of(&input.shape).map(|a| (a.height, a.width));
                    let wanted = wanted.ok_or("the network takes no pictures")?;
                    Values::Bytes(picture.brought_to(wanted, &input.preprocessing, options.resize)?.data)
                }
                numbers => numbers,
            },
            Content::Cifar(cifar) => {
                let mut planes = cifar.planes(k);
                input.preprocessing.order_channels(&mut planes, AxisOrder::Chw);
                Values::Bytes(planes).reordered_from(Some(AxisOrder::Chw), input)
            }
            Content::Pictures(paths) => {
                let path = paths.get(k).ok_or("there is no such picture")?;
                Values::Bytes(picture::decode(&read_file(path)?, input, options.resize)?)
            }
        };
        values.tensor(input)
    }
}

type Opened = (Content, usize, Option<Vec<usize>>);

fn content(source: &Source, input: &InputType, options: LoadOptions) -> Result<Opened, String> {
    let path = &source.path;
    if path.is_dir() {
        let (pictures, labels) = folder::list(path)?;
        let count = pictures.len();
        return Ok((Content::Pictures(pictures), count, labels));
    }
    if picture::is_picture(path) {
        // Opened only when it is wanted; that there is such a file shows now.
        std::fs::metadata(path).map_err(|e| e.to_string())?;
        return Ok((Content::Pictures(vec![path.clone()]), 1, None));
    }
    let elements = input.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|n| *n > 0);
    let elements = elements.ok_or("the network's input has no elements")?;
    let bytes = read_file(path)?;
    let shaped = |array: Array, labels: Option<Vec<usize>>| -> Result<Opened, String> {
        let count = fit(array.shape(), &input.shape, options.layout, false)?;
        Ok((Content::Array(array, options.layout), count, labels))
    };
    // Rows and raw files have no shape of their own.
    let flat = |array: Array, count: usize, labels: Option<Vec<usize>>| -> Result<Opened, String> {
        Ok((Content::Array(array, options.layout), count, labels))
    };
    match extension(path).as_str() {
        "npy" => shaped(npy::parse(bytes)?, None),
        "npz" => npz::parse(bytes, &input.name).and_then(|(array, labels)| shaped(array, labels)),
        "csv" => {
            let (array, labels) = csv::parse(&bytes, elements)?;
            let rows = array.shape().first().copied().unwrap_or(0);
            flat(array, rows, labels)
        }
        "f32" | "raw" if !bytes.len().is_multiple_of(4) => Err("its length is no multiple of 4".into()),
        "f32" | "raw" => flat(Array::new(Dtype::F32, vec![bytes.len() / 4], bytes, 0)?, 1, None),
        "u8" => flat(Array::new(Dtype::U8, vec![bytes.len()], bytes, 0)?, 1, None),
        _ if idx::is_idx(&bytes) => records(idx::parse(bytes)?, input, options),
        "bin" => cifar(bytes, elements),
        // What is asked for a record must hold some.
        _ if source.record.is_some() => cifar(bytes, elements),
        _ => Err("unknown kind of input; known: .npy .npz .csv .png .jpg .webp .bmp .u8 .f32, folders of pictures, idx \
                  files, and CIFAR records in .bin"
            .into()),
    }
}

fn cifar(bytes: Vec<u8>, elements: usize) -> Result<Opened, String> {
    let cifar = Cifar::new(bytes, elements)?;
    let (count, labels) = (cifar.len(), cifar.labels());
    Ok((Content::Cifar(cifar), count, Some(labels)))
}

/// The records of an idx file, scaled if that is asked for and they are grey pictures of another size.
fn records(array: Array, input: &InputType, options: LoadOptions) -> Result<Opened, String> {
    let axes = ImageAxes::of(&input.shape).filter(|a| a.channels == 1);
    let sizes = axes.map(|a| (a.height, a.width)).zip(match array.shape() {
        &[count, h, w] => Some((count, (h, w))),
        _ => None,
    });
    if let Some((to, (count, from))) = sizes
        && from != to
    {
        return match options.resize || input.preprocessing.changes_size() {
            true if from.0 > 0 && from.1 > 0 => Ok((Content::Scaled(array, from), count, None)),
            true => Err("its records have no pixels".into()),
            false => Err(format!(
                "its pictures are {}×{}, the network takes {}×{}; --resize scales them",
                from.0, from.1, to.0, to.1
            )),
        };
    }
    let count = fit(array.shape(), &input.shape, options.layout, true)?;
    Ok((Content::Array(array, options.layout), count, None))
}

/// Reads the labels of classes: an idx or .npy file of a list.
///
/// # Errors
/// If it is no such file.
pub fn read_labels(path: &Path) -> Result<Vec<usize>, String> {
    let bytes = read_file(path)?;
    let array = match extension(path).as_str() {
        "npy" => npy::parse(bytes)?,
        _ if idx::is_idx(&bytes) => idx::parse(bytes)?,
        _ => return Err("no file of labels: an idx file or .npy is wanted".into()),
    };
    array.labels()
}
