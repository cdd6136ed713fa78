//! Pictures that results are shown on.

use std::path::Path;

use fhec_ir::plan::{AxisOrder, ImageAxes};

use super::picture;
use super::source::read_file;
use super::steps::Placement;
use super::types::{InputError, InputType, LoadOptions};

/// A picture in colour, upright, and where the pixels of an input lie in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Red, green and blue of each pixel, row by row.
    pub data: Vec<u8>,
    /// Where the input has its pixels.
    pub placement: Placement,
}

impl Picture {
    /// Reads a picture of which an input is made.
    ///
    /// # Errors
    /// If it cannot be read or does not fit the input.
    pub fn open(path: &Path, input: &InputType, options: LoadOptions) -> Result<Self, InputError> {
        let open = || -> Result<Self, String> {
            let picture = picture::upright(&read_file(path)?)?;
            let (height, width) = (picture.height, picture.width);
            let wanted = size(input)?;
            let placement = Placement::of((height, width), wanted, &input.preprocessing, options.resize)?;
            Ok(Self { height, width, data: picture.data, placement })
        };
        open().map_err(InputError::file(path))
    }

    /// What an input looks like that was no picture file: bytes by the normalisation.
    ///
    /// # Errors
    /// If the input takes no pictures.
    pub fn of_input(tensor: &[f64], input: &InputType) -> Result<Self, String> {
        let (height, width) = size(input)?;
        let axes = ImageAxes::of(&input.shape).filter(|a| a.channels == 1 || a.channels == 3);
        let axes = axes.ok_or("the network takes no pictures")?;
        let mut bytes = input.normalisation.invert(tensor, &input.shape);
        bytes.resize(height * width * axes.channels, 0);
        if axes.channels == 3 {
            input.preprocessing.order_channels(&mut bytes, axes.order);
        }
        let plane = height * width;
        let at = |pixel: usize, channel: usize| match axes {
            ImageAxes { channels: 1, .. } => bytes[pixel],
            ImageAxes { order: AxisOrder::Chw, .. } => bytes[channel * plane + pixel],
            _ => bytes[pixel * 3 + channel],
        };
        let data = (0..plane).flat_map(|pixel| [0, 1, 2].map(|channel| at(pixel, channel))).collect();
        Ok(Self { height, width, data, placement: Placement::IDENTITY })
    }
}

/// (height, width) of the pictures that an input takes.
fn size(input: &InputType) -> Result<(usize, usize), String> {
    let axes = ImageAxes::of(&input.shape).ok_or("the network takes no pictures")?;
    Ok((axes.height, axes.width))
}
