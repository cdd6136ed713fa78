//! Pictures: PNG, JPEG, WebP, BMP.
//!
//! A picture is turned as its EXIF orientation says, and has one channel or three as the network has: grey is
//! ITU-R 601, (19595 R + 38470 G + 7471 B)/2^16 rounded, as Pillow's `L`; grey pictures for networks in colour are repeated.
//! Transparency is dropped, the colours below it stay as they are stored (Pillow's `convert("RGB")`). Of 16 bits the upper 8
//! are taken. JPEGs in CMYK become RGB as in Pillow, without regard to a colour profile. Profiles are never applied.

use std::io::Cursor;
use std::path::Path;

use fhec_ir::plan::{AxisOrder, ImageAxes};
use fhec_ir::text::shape_text;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageReader, Limits, RgbImage};

use super::jpeg;
use super::raster::Raster;
use super::source::extension;
use super::types::InputType;
use crate::memory::probe;

/// Extensions of pictures.
const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "bmp"];
/// Largest width and height.
const MAX_EXTENT: u32 = 1 << 14;
/// Most bytes of memory for decoding.
const MAX_ALLOCATION: u64 = 1 << 29;

/// Whether a file is called a picture.
pub(super) fn is_picture(path: &Path) -> bool {
    EXTENSIONS.contains(&extension(path).as_str())
}

/// Makes of a picture the bytes of an input, in its order of axes and channels. `scale` scales what has another size if the
/// input does not say what is done about that.
pub(super) fn decode(bytes: &[u8], input: &InputType, scale: bool) -> Result<Vec<u8>, String> {
    let shape = &input.shape;
    let axes = ImageAxes::of(shape).ok_or_else(|| {
        format!("a picture has height and width, the network takes {}: give an array", shape_text(shape))
    })?;
    if axes.channels != 1 && axes.channels != 3 {
        return Err(format!("a picture has 1 or 3 channels, the network takes {}", axes.channels));
    }
    let picture = read(bytes)?;
    let picture = if axes.channels == 1 { grey(picture) } else { colour(picture) };
    let picture = picture.brought_to((axes.height, axes.width), &input.preprocessing, scale)?;
    let mut pixels = picture.data;
    if axes.channels == 3 {
        input.preprocessing.order_channels(&mut pixels, AxisOrder::Hwc);
        if axes.order == AxisOrder::Chw {
            pixels = (0..3).flat_map(|c| pixels.iter().skip(c).step_by(3).copied()).collect();
        }
    }
    Ok(pixels)
}

/// Decodes a picture, upright and in colour.
pub(super) fn upright(bytes: &[u8]) -> Result<Raster, String> {
    read(bytes).map(colour)
}

/// Decodes a picture and turns it upright.
fn read(bytes: &[u8]) -> Result<DynamicImage, String> {
    let (mut picture, orientation) =
        if jpeg::is_jpeg(bytes) { read_jpeg(bytes)? } else { read_other(bytes)? };
    // A file whose EXIF data is damaged, or that has none, is upright.
    picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(picture)
}

fn read_jpeg(bytes: &[u8]) -> Result<(DynamicImage, Option<Orientation>), String> {
    let jpeg::Jpeg { picture: Raster { channels, height, width, data }, exif } =
        jpeg::decode(bytes, MAX_EXTENT as usize)?;
    let (width, height) = (width as u32, height as u32);
    let picture = match channels {
        1 => GrayImage::from_raw(width, height, data).map(DynamicImage::ImageLuma8),
        _ => RgbImage::from_raw(width, height, data).map(DynamicImage::ImageRgb8),
    };
    let picture = picture.ok_or("the JPEG is truncated")?;
    Ok((picture, exif.and_then(|exif| Orientation::from_exif_chunk(&exif))))
}

fn read_other(bytes: &[u8]) -> Result<(DynamicImage, Option<Orientation>), String> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EXTENT);
    limits.max_image_height = Some(MAX_EXTENT);
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    if decoder.total_bytes() > MAX_ALLOCATION {
        return Err("the picture is too large".into());
    }
    // Decoded, and in other channels.
    probe(2 * decoder.total_bytes()).map_err(|e| e.to_string())?;
    let orientation = decoder.orientation().ok();
    Ok((DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?, orientation))
}

/// The upper bytes of numbers of 16 bits.
fn upper(x: &[u16]) -> Vec<u8> {
    x.iter().map(|x| (x >> 8) as u8).collect()
}

fn colour(picture: DynamicImage) -> Raster {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let data = match picture {
        DynamicImage::ImageLuma16(_)
        | DynamicImage::ImageLumaA16(_)
        | DynamicImage::ImageRgb16(_)
        | DynamicImage::ImageRgba16(_) => upper(&picture.to_rgb16()),
        picture => picture.into_rgb8().into_raw(),
    };
    Raster { channels: 3, height, width, data }
}

fn grey(picture: DynamicImage) -> Raster {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let data = match &picture {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageLumaA8(_) => picture.to_luma8().into_raw(),
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) => upper(&picture.to_luma16()),
        _ => colour(picture).data.as_chunks().0.iter().map(luma).collect(),
    };
    Raster { channels: 1, height, width, data }
}

fn luma([r, g, b]: &[u8; 3]) -> u8 {
    let sum = 19595 * u32::from(*r) + 38470 * u32::from(*g) + 7471 * u32::from(*b);
    ((sum + (1 << 15)) >> 16) as u8
}
