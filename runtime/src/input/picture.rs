//! Pictures: PNG, JPEG, WebP, BMP.

use std::io::Cursor;
use std::path::Path;

use fhec_ir::plan::{AxisOrder, ImageAxes};
use fhec_ir::text::shape_text;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageReader, Limits};

use super::source::extension;

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

/// Decodes a picture for an input of this shape, in its order of axes. What is transparent, and how a camera was held,
/// is not looked at.
pub(super) fn decode(bytes: &[u8], shape: &[usize], resize: bool) -> Result<Vec<u8>, String> {
    let ImageAxes { order, channels, height, width } = ImageAxes::of(shape).ok_or_else(|| {
        format!("a picture has height and width, the network takes {}: give an array", shape_text(shape))
    })?;
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EXTENT);
    limits.max_image_height = Some(MAX_EXTENT);
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    let mut picture = reader.decode().map_err(|e| e.to_string())?;
    let size = (picture.height() as usize, picture.width() as usize);
    if size != (height, width) {
        let (h, w) = size;
        if !resize {
            return Err(format!(
                "the picture is {h}×{w}, the network takes {height}×{width}; --resize scales it"
            ));
        }
        picture = picture.resize_exact(extent(width)?, extent(height)?, FilterType::Triangle);
    }
    match channels {
        1 => Ok(picture.to_luma8().into_raw()),
        3 => {
            let pixels = picture.to_rgb8().into_raw();
            Ok(match order {
                AxisOrder::Hwc => pixels,
                AxisOrder::Chw => (0..3).flat_map(|c| pixels.iter().skip(c).step_by(3).copied()).collect(),
            })
        }
        n => Err(format!("a picture has 1 or 3 channels, the network takes {n}")),
    }
}

/// Scales a grey picture, (height, width) to (height, width), as [`decode`] does.
pub(super) fn scaled(pixels: Vec<u8>, from: (usize, usize), to: (usize, usize)) -> Result<Vec<u8>, String> {
    let picture =
        GrayImage::from_raw(extent(from.1)?, extent(from.0)?, pixels).ok_or("the picture is truncated")?;
    Ok(imageops::resize(&picture, extent(to.1)?, extent(to.0)?, FilterType::Triangle).into_raw())
}

fn extent(x: usize) -> Result<u32, String> {
    u32::try_from(x).ok().filter(|x| *x <= MAX_EXTENT).ok_or_else(|| format!("{x} pixels are too many"))
}
