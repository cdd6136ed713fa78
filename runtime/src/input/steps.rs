//! The steps that bring a decoded picture to the size that a network takes.

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
        if found.0 == 0 || found.1 == 0 {
            return Err("a picture without pixels".into());
        }
        let size = match steps.resize {
            Some(resize) => resize.of(found),
            None if scale && !steps.crop => wanted,
            None => found,
        };
        if !steps.crop {
            return match size == wanted {
                true if size == found => Ok(self),
                true => Ok(resample::scaled(&self, size, 0..size.0, 0..size.1)),
                false => Err(misfit(found, size, wanted)),
            };
        }
        let (rows, columns) = (Cut::centre(size.0, wanted.0), Cut::centre(size.1, wanted.1));
        let centre = resample::scaled(&self, size, rows.kept, columns.kept);
        Ok(centre.amid_zeros(wanted, rows.before, columns.before))
    }

    /// The picture in a larger one of zeros, so many rows and columns from its corner.
    fn amid_zeros(self, (height, width): (usize, usize), rows: usize, columns: usize) -> Self {
        if (self.height, self.width) == (height, width) {
            return self;
        }
        let Self { channels, .. } = self;
        let mut data = vec![0; height * width * channels];
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
