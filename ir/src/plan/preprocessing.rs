//! What becomes of a picture before its bytes are normalised.
//!
//! Steps in order, as torchvision's presets take them: resize, centre crop, order of channels. What is not a matter of the
//! network (how a camera was held, grey or colour, transparency) is the reader's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::image::{AxisOrder, ImageAxes};

/// Longest side that a picture is resized to.
pub const MAX_SIDE: usize = 1 << 13;

/// The size that a picture is scaled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resize {
    /// The shorter side to so many pixels, the longer one in proportion.
    ShortSide(usize),
    /// To this size, whatever the proportions.
    Exact {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// As large as fits into this size in proportion; the rest is a border of grey (114), as YOLO has it.
    Letterbox {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

/// The colour of a letterbox' border.
const LETTERBOX_GREY: u8 = 114;

impl Resize {
    /// (height, width) of a picture of a size with pixels after scaling; the longer side is rounded down.
    pub fn of(self, (height, width): (usize, usize)) -> (usize, usize) {
        let long = |short: usize, long: usize, side: usize| side.saturating_mul(long) / short.max(1);
        match self {
            Self::Exact { height, width } => (height, width),
            Self::ShortSide(side) if width <= height => (long(width, height, side), side),
            Self::ShortSide(side) => (side, long(height, width, side)),
            Self::Letterbox { height: rows, width: columns } => {
                let rounded = |a: usize, b: usize, by: usize| {
                    let (product, by) = (a.saturating_mul(b), by.max(1));
                    (product.saturating_mul(2).saturating_add(by) / by.saturating_mul(2)).max(1)
                };
                match rows.saturating_mul(width) <= columns.saturating_mul(height) {
                    true => (rows, rounded(width, rows, height)),
                    false => (rounded(height, columns, width), columns),
                }
            }
        }
    }

    fn sides(self) -> [usize; 2] {
        match self {
            Self::ShortSide(side) => [side; 2],
            Self::Exact { height, width } | Self::Letterbox { height, width } => [height, width],
        }
    }
}

/// `short:256` or, width first, `224x224` and `letterbox:320x320`.
impl FromStr for Resize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(side) = text.strip_prefix("short:") {
            return Ok(Self::ShortSide(pixels(side)?));
        }
        match text.strip_prefix("letterbox:") {
            Some(size) => parse_size(size).map(|(height, width)| Self::Letterbox { height, width }),
            None => parse_size(text).map(|(height, width)| Self::Exact { height, width }),
        }
    }
}

/// As it is read.
impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortSide(side) => write!(f, "short:{side}"),
            Self::Exact { height, width } => write!(f, "{width}x{height}"),
            Self::Letterbox { height, width } => write!(f, "letterbox:{width}x{height}"),
        }
    }
}

/// (height, width) of `WxH`.
///
/// # Errors
/// If it is no such text.
pub fn parse_size(text: &str) -> Result<(usize, usize), String> {
    let (width, height) = text
        .split_once('x')
        .ok_or_else(|| format!("{text:?} is no size: width x height is wanted, as in 224x224"))?;
    Ok((pixels(height)?, pixels(width)?))
}

/// A number of pixels.
///
/// # Errors
/// If it is none, or there are too many.
pub fn pixels(text: &str) -> Result<usize, String> {
    let number = text.trim().parse::<usize>().map_err(|_| format!("{text:?} is no number of pixels"))?;
    if (1..=MAX_SIDE).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{number} pixels: 1 to {MAX_SIDE} may be"))
    }
}

/// Order of the channels of a picture in colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red, as OpenCV reads them.
    Bgr,
}

/// What becomes of a picture for an input, in order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Whether it is scaled first, by antialiased bilinear interpolation. A picture of a size that does not fit is refused
    /// otherwise.
    pub resize: Option<Resize>,
    /// Whether its centre is cut out, of the input's size; what is smaller lies in the middle of zeros, or of a letterbox' grey.
    pub crop: bool,
    /// Order of its channels in the input.
    pub channels: ChannelOrder,
}

impl Preprocessing {
    /// Scaling to the size of an input of this shape, if that is a picture.
    pub fn exact(shape: &[usize]) -> Option<Self> {
        let ImageAxes { height, width, .. } = picture(shape).ok()?;
        Some(Self { resize: Some(Resize::Exact { height, width }), ..Self::default() })
    }

    /// What torchvision's ImageNet presets do, 256 → 224, in the proportion of an input of this shape.
    ///
    /// # Errors
    /// If that is no picture.
    pub fn imagenet(shape: &[usize]) -> Result<Self, String> {
        let ImageAxes { height, width, .. } = picture(shape)?;
        let side = (height.max(width).saturating_mul(8) + 3) / 7;
        Ok(Self { resize: Some(Resize::ShortSide(side)), crop: true, channels: ChannelOrder::Rgb })
    }

    /// What surrounds a picture in the middle of an input; None if it has to be of the input's size.
    pub fn border(&self) -> Option<u8> {
        match self.resize {
            Some(Resize::Letterbox { .. }) => Some(LETTERBOX_GREY),
            _ => self.crop.then_some(0),
        }
    }

    /// Whether pictures of another size may fit.
    pub fn changes_size(&self) -> bool {
        self.resize.is_some() || self.crop
    }

    /// Whether it fits an input of this shape, and what it makes is of bounded size.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        if *self == Self::default() {
            return Ok(());
        }
        let ImageAxes { channels, height, width, .. } = picture(shape)?;
        if self.channels == ChannelOrder::Bgr && channels != 3 {
            return Err("an order of channels is for 3 of them".into());
        }
        let Some(resize) = self.resize else { return Ok(()) };
        if resize.sides().iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
            return Err(format!("a picture is resized to 1 to {MAX_SIDE} pixels"));
        }
        let fits = match resize {
            _ if self.crop => true,
            Resize::ShortSide(side) => side == height.min(width),
            Resize::Exact { .. } | Resize::Letterbox { .. } => resize.sides() == [height, width],
        };
        if fits {
            Ok(())
        } else {
            Err(format!(
                "resizing to {resize} does not give {width}x{height}, which the network takes: crop it"
            ))
        }
    }

    /// The steps in words, for an input of this shape; empty if there are none.
    pub fn describe(&self, shape: &[usize]) -> String {
        let Ok(axes) = picture(shape) else { return String::new() };
        let side = |height: usize, width: usize| match height == width {
            true => height.to_string(),
            false => format!("{width}×{height}"),
        };
        let mut steps = Vec::new();
        match self.resize {
            Some(Resize::ShortSide(n)) => steps.push(format!("short side {n}")),
            Some(Resize::Exact { height, width }) => steps.push(format!("resize {width}×{height}")),
            Some(Resize::Letterbox { height, width }) => steps.push(format!("letterbox {width}×{height}")),
            None => {}
        }
        if self.crop {
            steps.push(format!("centre crop {}", side(axes.height, axes.width)));
        }
        if *self != Self::default() {
            steps.push(self.channel_name(axes.channels).into());
        }
        steps.join(" → ")
    }

    /// The colours of an input of so many channels.
    pub fn channel_name(&self, channels: usize) -> &'static str {
        match self.channels {
            _ if channels == 1 => "grey",
            ChannelOrder::Rgb => "RGB",
            ChannelOrder::Bgr => "BGR",
        }
    }

    /// Puts the channels of bytes in an order of axes, red first, into the input's order.
    pub fn order_channels(&self, bytes: &mut [u8], order: AxisOrder) {
        if self.channels == ChannelOrder::Rgb || !bytes.len().is_multiple_of(3) {
            return;
        }
        match order {
            AxisOrder::Hwc => bytes.chunks_exact_mut(3).for_each(<[u8]>::reverse),
            AxisOrder::Chw => {
                let plane = bytes.len() / 3;
                let (red, rest) = bytes.split_at_mut(plane);
                red.swap_with_slice(&mut rest[plane..]);
            }
        }
    }
}

/// Where an input has its picture.
///
/// # Errors
/// If it takes none.
fn picture(shape: &[usize]) -> Result<ImageAxes, String> {
    let axes = ImageAxes::of(shape).filter(|a| a.channels == 1 || a.channels == 3);
    axes.ok_or_else(|| {
        format!("the input {} is no picture of 1 or 3 channels", crate::text::shape_text(shape))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_torchvision() {
        assert_eq!(Resize::ShortSide(72).of((135, 180)), (72, 96));
        assert_eq!(Resize::ShortSide(256).of((375, 500)), (256, 341));
        assert_eq!(Resize::ShortSide(256).of((500, 375)), (341, 256));
        let boxed = Resize::Letterbox { height: 320, width: 320 };
        assert_eq!(boxed.of((480, 640)), (240, 320));
        assert_eq!(boxed.of((640, 479)), (320, 240));
        assert_eq!(boxed.of((1, 1000)), (1, 320));
        assert_eq!(boxed.of((20, 20)), (320, 320));
        for (size, short) in [(224, 256), (299, 342), (64, 73), (384, 439)] {
            let imagenet = Preprocessing::imagenet(&[1, 3, size, size]).unwrap();
            assert_eq!(imagenet.resize, Some(Resize::ShortSide(short)));
        }
    }

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for text in ["short:256", "224x192", "letterbox:320x240"] {
            assert_eq!(text.parse::<Resize>().unwrap().to_string(), text);
        }
        for text in ["short", "short:0", "224", "0x3", "99999x3", "3x-1", "letterbox", "letterbox:3", ""] {
            assert!(text.parse::<Resize>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_fit_is_refused() {
        let shape = [1, 3, 64, 48];
        let resize = |resize, crop| Preprocessing { resize: Some(resize), crop, ..Preprocessing::default() };
        assert!(resize(Resize::Exact { height: 64, width: 48 }, false).check(&shape).is_ok());
        assert!(resize(Resize::Exact { height: 48, width: 64 }, false).check(&shape).is_err());
        assert!(resize(Resize::Exact { height: 48, width: 64 }, true).check(&shape).is_ok());
        assert!(resize(Resize::ShortSide(48), false).check(&shape).is_ok());
        assert!(resize(Resize::ShortSide(50), false).check(&shape).is_err());
        assert!(resize(Resize::Letterbox { height: 64, width: 48 }, false).check(&shape).is_ok());
        assert!(resize(Resize::Letterbox { height: 48, width: 48 }, false).check(&shape).is_err());
        assert!(resize(Resize::ShortSide(0), true).check(&shape).is_err());
        assert!(resize(Resize::ShortSide(usize::MAX), true).check(&shape).is_err());
        let bgr = Preprocessing { channels: ChannelOrder::Bgr, ..Preprocessing::default() };
        assert!(bgr.check(&shape).is_ok() && bgr.check(&[1, 1, 8, 8]).is_err());
        assert!(bgr.check(&[1, 100]).is_err() && Preprocessing::default().check(&[1, 100]).is_ok());
    }

    #[test]
    fn steps_in_words() {
        let imagenet = Preprocessing::imagenet(&[1, 3, 224, 224]).unwrap();
        assert_eq!(imagenet.describe(&[1, 3, 224, 224]), "short side 256 → centre crop 224 → RGB");
        let grey = Preprocessing::exact(&[1, 28, 20, 1]).unwrap();
        assert_eq!(grey.describe(&[1, 28, 20, 1]), "resize 20×28 → grey");
        assert_eq!(Preprocessing::default().describe(&[1, 3, 8, 8]), "");
    }

    #[test]
    fn channels_are_ordered_in_planes_and_pixels() {
        let bgr = Preprocessing { channels: ChannelOrder::Bgr, ..Preprocessing::default() };
        let mut bytes = [1, 2, 3, 4, 5, 6];
        bgr.order_channels(&mut bytes, AxisOrder::Hwc);
        assert_eq!(bytes, [3, 2, 1, 6, 5, 4]);
        bgr.order_channels(&mut bytes, AxisOrder::Chw);
        assert_eq!(bytes, [5, 4, 1, 6, 3, 2]);
    }
}
