//! From files to network inputs: what every verb takes as an input is decided here.
//!
//! | file | holds |
//! |---|---|
//! | `x.npy` | one tensor, or a batch of them: an array with one axis more, in front |
//! | `x.npz` | such arrays by the names of the inputs, and perhaps one named `labels` |
//! | `x.csv` | a tensor per row, row-major; perhaps with a label (see `csv.rs`) |
//! | `x.png`, `.jpg`, `.jpeg`, `.webp`, `.bmp` | a picture: grey or RGB as the network has 1 or 3 channels |
//! | a folder | the pictures in it, or those in its subfolders, each a class; sorted by name |
//! | an idx file, by what it begins with | a tensor per record |
//! | any other file | CIFAR records: 1 or 2 label bytes, then planes |
//! | `x.f32`, `x.raw`, `x.u8` | one tensor, row-major: little-endian floats, or bytes |
//!
//! All but pictures may be compressed with gzip. `FILE#17` is number 17 of what a file holds.
//!
//! **Bytes and numbers.** Pictures, records and arrays of `uint8` hold *bytes*, which are normalised: (x/divisor − mean)/std
//! with the numbers of the input ([`Normalisation`](fhec_ir::plan::Normalisation)). Everything else, whole numbers of other types among it, holds
//! *numbers*, which are taken as they are.
//!
//! **Shapes** agree up to axes of length 1; nothing is reshaped otherwise, save records of bytes for networks that take
//! a flat vector. Axes come in the network's order; [`LoadOptions::layout`] says that those of a file come in the other one.
//!
//! Memory is bounded by the length of files: sizes that a header claims are compared with it before they are used, and
//! nothing unpacks to more than [`MAX_FILE`].

mod array;
mod cifar;
mod csv;
mod data;
mod dataset;
mod fit;
mod folder;
mod idx;
mod jpeg;
mod npy;
mod npz;
mod picture;
mod raster;
mod resample;
mod shown;
mod source;
mod steps;
mod types;
mod values;

pub use data::read_labels;
pub use dataset::DataSet;
pub use npy::write_npy;
pub use shown::Picture;
pub use source::{MAX_FILE, Source};
pub use steps::Placement;
pub use types::{InputError, InputType, LoadOptions};

/// Reads an input of a network: a row-major tensor of the input's shape.
///
/// # Errors
/// If the file cannot be read, does not fit the input, or holds several without saying which.
pub fn load(
    source: &Source,
    input: impl Into<InputType>,
    options: LoadOptions,
) -> Result<Vec<f64>, InputError> {
    let set = DataSet::open(vec![input.into()], std::slice::from_ref(source), options)?;
    Ok(set.only()?.swap_remove(0))
}

#[cfg(test)]
mod tests;
