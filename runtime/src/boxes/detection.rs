//! A box around something that a network found.

use crate::input::Placement;

/// A box with its class. Coordinates are pixels, 0 being the outer edge of the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Number of the class in the network.
    pub class: usize,
    /// 0 to 1.
    pub score: f64,
    /// Left edge.
    pub x0: f64,
    /// Upper edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
}

impl Detection {
    /// A box about a centre.
    pub(super) fn centred(class: usize, score: f64, centre: (f64, f64), size: (f64, f64)) -> Self {
        let (half_x, half_y) = (size.0 / 2.0, size.1 / 2.0);
        let (x, y) = centre;
        Self { class, score, x0: x - half_x, y0: y - half_y, x1: x + half_x, y1: y + half_y }
    }

    /// Its area; 0 if an edge is on the wrong side.
    pub fn area(&self) -> f64 {
        (self.x1 - self.x0).max(0.0) * (self.y1 - self.y0).max(0.0)
    }

    /// Intersection over union with another box, 0 to 1; 0 of boxes without area.
    pub fn iou(&self, other: &Self) -> f64 {
        let common = Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
            ..*self
        };
        let union = self.area() + other.area() - common.area();
        if union > 0.0 { common.area() / union } else { 0.0 }
    }

    /// The box of an input in the picture that the input was made of, as far as it lies in that: (height, width).
    pub fn in_picture(&self, placement: &Placement, (height, width): (usize, usize)) -> Self {
        let x = |x: f64| (placement.origin.0 + placement.factor.0 * x).clamp(0.0, width as f64);
        let y = |y: f64| (placement.origin.1 + placement.factor.1 * y).clamp(0.0, height as f64);
        Self { x0: x(self.x0), y0: y(self.y0), x1: x(self.x1), y1: y(self.y1), ..*self }
    }
}
