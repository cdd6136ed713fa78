//! The inputs of a network, one after the other.

use std::path::PathBuf;

use fhec_ir::plan::ImageAxes;

use super::data::Data;
use super::shown::Picture;
use super::source::{Source, extension};
use super::types::{InputError, InputType, LoadOptions};

/// Files that hold what a network takes, as many times as there are *records*: of each input of the network one.
#[derive(Debug)]
pub struct DataSet {
    inputs: Vec<InputType>,
    data: Vec<Data>,
    options: LoadOptions,
}

impl DataSet {
    /// Opens a file for each input of a network, or one `.npz` for all. Pictures are decoded only when they are wanted.
    ///
    /// # Errors
    /// If a file cannot be read or does not fit, or files hold different numbers of records.
    pub fn open(
        inputs: Vec<InputType>,
        sources: &[Source],
        options: LoadOptions,
    ) -> Result<Self, InputError> {
        let sources: Vec<&Source> = match sources {
            [all] if extension(&all.path) == "npz" => inputs.iter().map(|_| all).collect(),
            each => each.iter().collect(),
        };
        if inputs.len() != sources.len() || inputs.is_empty() {
            let names = inputs.into_iter().map(|i| i.name).collect();
            return Err(InputError::Count { names, given: sources.len() });
        }
        if options.layout.is_some() && inputs.iter().all(|i| ImageAxes::of(&i.shape).is_none()) {
            let message = "--layout is for images, the network takes none".to_string();
            return Err(InputError::file(&sources[0].path)(message));
        }
        let open = |(input, source): (&InputType, &&Source)| {
            Data::open(source, input, options).map_err(InputError::file(&source.path))
        };
        let data = inputs.iter().zip(&sources).map(open).collect::<Result<Vec<_>, _>>()?;
        if let Some(other) = data.iter().find(|d| d.len() != data[0].len()) {
            let (a, b) = (&data[0], other);
            return Err(InputError::Uneven { a: (a.path().into(), a.len()), b: (b.path().into(), b.len()) });
        }
        Ok(Self { inputs, data, options })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.data.first().map_or(0, Data::len)
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The inputs of the network.
    pub fn inputs(&self) -> &[InputType] {
        &self.inputs
    }

    /// The inputs that are given as bytes, which are normalised.
    pub fn byte_inputs(&self) -> impl Iterator<Item = &InputType> {
        self.inputs.iter().zip(&self.data).filter(|(_, data)| data.is_bytes()).map(|(input, _)| input)
    }

    /// Gives every record that the first file holds its class, instead of those that are known.
    ///
    /// # Errors
    /// If it holds more of them, or fewer.
    pub fn set_labels(&mut self, labels: Vec<usize>) -> Result<(), InputError> {
        let Some(data) = self.data.first_mut() else { return Ok(()) };
        let path = data.path().to_path_buf();
        data.set_labels(labels).map_err(InputError::file(path))
    }

    /// What a record is called: `FILE`, `FILE#17`, or the picture's name; of several inputs all.
    pub fn name(&self, record: usize) -> String {
        let mut names: Vec<String> = self.data.iter().map(|d| d.name(record).display().to_string()).collect();
        names.dedup();
        names.join(" ")
    }

    /// The class of a record, where that is known.
    pub fn label(&self, record: usize) -> Option<usize> {
        self.data.iter().find_map(|d| d.label(record))
    }

    /// A record as the network takes it: a row-major tensor for each input.
    ///
    /// # Errors
    /// If there is no such record, or it does not fit.
    pub fn tensors(&self, record: usize) -> Result<Vec<Vec<f64>>, InputError> {
        if record >= self.len() {
            let path = self.data.first().map_or_else(PathBuf::new, |d| d.path().into());
            return Err(InputError::file(path)(format!("there is no record {record}, only {}", self.len())));
        }
        let tensor = |(input, data): (&InputType, &Data)| {
            data.tensor(record, input, self.options).map_err(InputError::file(data.name(record)))
        };
        self.inputs.iter().zip(&self.data).map(tensor).collect()
    }

    /// The picture that a record is for the first input: the file as it is, or what the network sees of it.
    ///
    /// # Errors
    /// If there is no such record, or no picture.
    pub fn picture(&self, record: usize) -> Result<Picture, InputError> {
        let first = self.inputs.first().zip(self.data.first());
        match first.and_then(|(input, data)| data.picture(record).map(|path| (input, path))) {
            Some((input, path)) => Picture::open(path, input, self.options),
            None => {
                let tensors = self.tensors(record)?;
                let seen = tensors.first().zip(self.inputs.first()).ok_or_else(|| "no input".to_string());
                let seen = seen.and_then(|(tensor, input)| Picture::of_input(tensor, input));
                seen.map_err(InputError::file(self.name(record)))
            }
        }
    }

    /// The only record.
    ///
    /// # Errors
    /// If there are several.
    pub fn only(&self) -> Result<Vec<Vec<f64>>, InputError> {
        match (self.len(), self.data.first()) {
            (1, _) | (_, None) => self.tensors(0),
            (n, Some(data)) => Err(InputError::file(data.path())(format!(
                "it holds {n} inputs: name one of them, for instance {}",
                data.name(0).display()
            ))),
        }
    }
}
