//! JPEG, sample for sample as libjpeg-turbo decodes it by default, and Pillow with it.
//!
//! Decoders may differ in the inverse DCT and in how they bring chroma to full size; after the conversion to RGB that is
//! several grey levels. So that networks get what they were trained on, this one computes as libjpeg does: the accurate
//! integer DCT (`jidctint.c`), triangle-filtered chroma (`jdsample.c`), 16-bit colour conversion (`jdcolor.c`).
//!
//! Read are 8-bit baseline, extended and progressive files with Huffman codes (ITU-T T.81). One that ends early, or breaks
//! the rules, is refused.

mod colour;
mod frame;
mod header;
mod huffman;
mod idct;
mod scan;
mod upsample;

use super::raster::Raster;
use frame::{Colours, Frame};

/// A decoded file.
pub(super) struct Jpeg {
    /// Grey or RGB.
    pub picture: Raster,
    /// Its EXIF data, from the byte order on.
    pub exif: Option<Vec<u8>>,
}

/// Whether a file begins as a JPEG does.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
}

/// Decodes a file; width and height are at most `most`.
///
/// # Errors
/// If it is damaged, too large, or coded in another way.
pub(super) fn decode(bytes: &[u8], most: usize) -> Result<Jpeg, String> {
    let header::Read { frame, exif } = header::read(bytes, most)?;
    Ok(Jpeg { picture: picture(frame), exif })
}

fn picture(frame: Frame) -> Raster {
    let (height, width, most) = (frame.height, frame.width, frame.most_factors());
    let planes = frame.components.iter().map(|c| upsample::full_size(c, most, (height, width)));
    let planes: Vec<Vec<u8>> = planes.collect();
    let channels = if frame.colours == Colours::Grey { 1 } else { 3 };
    Raster { channels, height, width, data: colour::converted(frame.colours, &planes) }
}

#[cfg(test)]
mod tests;
