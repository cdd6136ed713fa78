//! A picture between its file and its samples.

/// What the components of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// One component: a plane of fewer samples than the picture has pixels, perhaps.
pub(super) struct Component {
    pub id: u8,
    /// Sampling factors, horizontal and vertical.
    pub factors: [usize; 2],
    /// Number of its quantisation table.
    pub table: usize,
    /// Columns and rows of samples.
    pub size: [usize; 2],
    /// Columns and rows of blocks that are kept: of whole MCUs.
    pub blocks: [usize; 2],
    /// 64 coefficients of each block, by rows.
    pub coefficients: Vec<i16>,
    /// The quantisation table, once there was a scan; by rows.
    pub quantisers: Option<[u16; 64]>,
}

/// A picture before its samples are computed.
pub(super) struct Frame {
    pub progressive: bool,
    pub height: usize,
    pub width: usize,
    pub components: Vec<Component>,
    pub colours: Colours,
}

impl Frame {
    /// The largest sampling factors.
    pub(super) fn most_factors(&self) -> [usize; 2] {
        [0, 1].map(|k| self.components.iter().map(|c| c.factors[k]).max().unwrap_or(1))
    }
}

/// Where coefficient k of a block lies.
pub(super) const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];
