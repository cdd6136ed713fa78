//! A decoded picture.

/// Bytes of a picture, channels of a pixel together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raster {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub data: Vec<u8>,
}
