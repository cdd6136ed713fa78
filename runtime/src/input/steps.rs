//! The steps that bring a decoded picture to the size that a network takes, and where its pixels come to lie.

use std::ops::Range;

use fhec_ir::plan::Preprocessing;

use super::raster::Raster;
use super::resample;

/// Along one axis: which pixels stay, and how many zeros are put before them.
struct Cut {
    kept: Range<usize>,
    before: usize,
}

impl Cut {
    /// The middle `wanted` of `found` pixels, as torchvision cuts it.
    fn centre(found: usize, wanted: usize) -> Self {
        if found <= wanted {
            return Self { kept: 0..found, before: (wanted - found) / 2 };
        }
        // Python's rounding of a half: to the even number.
        let (half, odd) = ((found - wanted) / 2, (found - wanted) % 2);
        let start = half + (odd & half);
        Self { kept: start..start + wanted, before: 0 }
    }
}

/// How a picture comes to lie in an input.
struct Steps {
    /// (height, width) that it is scaled to.
    size: (usize, usize),
    rows: Cut,
    columns: Cut,
    /// What is around it.
    fill: u8,
}

impl Steps {
    fn of(
        found: (usize, usize),
        wanted: (usize, usize),
        steps: &Preprocessing,
        scale: bool,
    ) -> Result<Self, String> {
        if found.0 == 0 || found.1 == 0 {
            return Err("a picture without pixels".into());
        }
        let size = match steps.resize {
            Some(resize) => resize.of(found),
            None if scale && !steps.crop => wanted,
            None => found,
        };
        let Some(fill) = steps.border() else {
            let whole = |extent: usize| Cut { kept: 0..extent, before: 0 };
            return match size == wanted {
                true => Ok(Self { size, rows: whole(size.0), columns: whole(size.1), fill: 0 }),
                false => Err(misfit(found, size, wanted)),
            };
        };
        let (rows, columns) = (Cut::centre(size.0, wanted.0), Cut::centre(size.1, wanted.1));
        Ok(Self { size, rows, columns, fill })
    }
}

/// Where the pixels of an input lie in the picture that it was made of: a point (x, y) of the input, 0 being the outer edge of
/// the first pixel, is origin + factor·(x, y) of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// (x, y) of the input's corner, in pixels of the picture.
    pub origin: (f64, f64),
    /// Pixels of the picture for one of the input, along x and y.
    pub factor: (f64, f64),
}

impl Placement {
    /// Of an input that is the picture.
    pub const IDENTITY: Self = Self { origin: (0.0, 0.0), factor: (1.0, 1.0) };

    /// Of an input of `wanted` (height, width) made of a picture of `found`; `scale` as in
    /// [`LoadOptions::resize`](super::LoadOptions::resize).
    ///
    /// # Errors
    /// If the picture does not fit.
    pub fn of(
        found: (usize, usize),
        wanted: (usize, usize),
        steps: &Preprocessing,
        scale: bool,
    ) -> Result<Self, String> {
        let Steps { size, rows, columns, .. } = Steps::of(found, wanted, steps, scale)?;
        let axis = |cut: &Cut, found: usize, size: usize| {
            let factor = found as f64 / size as f64;
            ((cut.kept.start as f64 - cut.before as f64) * factor, factor)
        };
        let (y, x) = (axis(&rows, found.0, size.0), axis(&columns, found.1, size.1));
        Ok(Self { origin: (x.0, y.0), factor: (x.1, y.1) })
    }
}

impl Raster {
    /// Resizes and crops to `wanted` (height, width).
    ///
    /// # Errors
    /// If the picture has another size then, or no pixels.
    pub(super) fn brought_to(
        self,
        wanted: (usize, usize),
        steps: &Preprocessing,
        scale: bool,
    ) -> Result<Self, String> {
        let found = (self.height, self.width);
        let Steps { size, rows, columns, fill } = Steps::of(found, wanted, steps, scale)?;
        if size == found && wanted == found {
            return Ok(self);
        }
        let centre = resample::scaled(&self, size, rows.kept, columns.kept);
        Ok(centre.amid(fill, wanted, rows.before, columns.before))
    }

    /// The picture in a larger one of a grey, so many rows and columns from its corner.
    fn amid(self, fill: u8, (height, width): (usize, usize), rows: usize, columns: usize) -> Self {
        if (self.height, self.width) == (height, width) {
            return self;
        }
        let Self { channels, .. } = self;
        let mut data = vec![fill; height * width * channels];
        let lines = data.chunks_exact_mut(width * channels).skip(rows);
        for (to, from) in lines.zip(self.data.chunks_exact(self.width * channels)) {
            to[columns * channels..][..from.len()].copy_from_slice(from);
        }
        Self { channels, height, width, data }
    }
}

fn misfit(found: (usize, usize), size: (usize, usize), wanted: (usize, usize)) -> String {
    let (h, w) = found;
    let takes = format!("the network takes {}×{}", wanted.0, wanted.1);
    if size == found {
        format!("the picture is {h}×{w}, {takes}; --resize scales it")
    } else {
        format!("the picture is {h}×{w}, after resizing {}×{}, {takes}; compile with --crop", size.0, size.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centres_are_cut_as_torchvision_cuts_them() {
        // (found, wanted) → first that is kept, zeros before.
        for (found, wanted, start, before) in [
            (96, 64, 16, 0),
            (9, 8, 0, 0),
            (11, 8, 2, 0),
            (13, 8, 2, 0),
            (8, 8, 0, 0),
            (5, 8, 0, 1),
            (3, 8, 0, 2),
        ] {
            let cut = Cut::centre(found, wanted);
            assert_eq!(
                (cut.kept, cut.before),
                (start..start + found.min(wanted), before),
                "{found} {wanted}"
            );
        }
    }

    #[test]
    fn points_of_inputs_lie_in_pictures() {
        let steps = |resize: &str, crop| Preprocessing {
            resize: Some(resize.parse().unwrap()),
            crop,
            ..Preprocessing::default()
        };
        let of = |found, steps: &Preprocessing| Placement::of(found, (320, 320), steps, false).unwrap();
        let boxed = of((480, 640), &steps("letterbox:320x320", false));
        assert_eq!(boxed, Placement { origin: (0.0, -80.0), factor: (2.0, 2.0) });
        let squashed = of((480, 640), &steps("320x320", false));
        assert_eq!(squashed, Placement { origin: (0.0, 0.0), factor: (2.0, 1.5) });
        let cut = of((480, 640), &steps("short:384", true));
        assert_eq!(cut, Placement { origin: (120.0, 40.0), factor: (1.25, 1.25) });
        assert!(Placement::of((480, 640), (320, 320), &Preprocessing::default(), false).is_err());
        let same = Placement::of((320, 320), (320, 320), &Preprocessing::default(), false);
        assert_eq!(same, Ok(Placement::IDENTITY));
    }

    #[test]
    fn a_letterbox_is_grey() {
        let picture = Raster { channels: 1, height: 2, width: 4, data: vec![9; 8] };
        let steps =
            Preprocessing { resize: Some("letterbox:4x4".parse().unwrap()), ..Preprocessing::default() };
        let boxed = picture.brought_to((4, 4), &steps, false).unwrap();
        assert_eq!(boxed.data, [[114; 4], [9; 4], [9; 4], [114; 4]].concat());
    }

    #[test]
    fn a_window_is_the_part_of_the_whole() {
        let data = (0..7 * 11 * 3).map(|k| (k * 97 % 251) as u8).collect();
        let picture = Raster { channels: 3, height: 7, width: 11, data };
        for size in [(3, 5), (7, 4), (12, 11), (7, 11), (1, 1)] {
            let whole = resample::scaled(&picture, size, 0..size.0, 0..size.1);
            let (rows, columns) = (size.0 / 3..size.0, size.1 / 4..size.1 / 2 + 1);
            let part = resample::scaled(&picture, size, rows.clone(), columns.clone());
            let row =
                |y: usize| &whole.data[(y * size.1 + columns.start) * 3..(y * size.1 + columns.end) * 3];
            let expected: Vec<u8> = rows.flat_map(|y| row(y).to_vec()).collect();
            assert_eq!(part.data, expected);
        }
        assert_eq!(resample::scaled(&picture, (7, 11), 0..7, 0..11), picture);
    }
}
