//! Where an input has its channels.

/// Order of the axes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisOrder {
    /// Channels, height, width: planes.
    Chw,
    /// Height, width, channels: interleaved.
    Hwc,
}

/// An input seen as an image: its last three axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageAxes {
    /// Which of them is which.
    pub order: AxisOrder,
    /// Number of channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageAxes {
    /// The image in a tensor of three axes, or four with that of a batch before them.
    ///
    /// Channels come first, as in PyTorch's exports, unless only the last axis can be channels of a picture (1 or 3), as
    /// in exports of TensorFlow and Keras.
    pub fn of(shape: &[usize]) -> Option<Self> {
        let (&[a, b, c] | &[_, a, b, c]) = shape else { return None };
        let of_a_picture = |channels| channels == 1 || channels == 3;
        if of_a_picture(c) && !of_a_picture(a) {
            Some(Self { order: AxisOrder::Hwc, channels: c, height: a, width: b })
        } else {
            Some(Self { order: AxisOrder::Chw, channels: a, height: b, width: c })
        }
    }
}
