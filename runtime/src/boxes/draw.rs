//! Boxes and their labels on a picture.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::detection::Detection;
use super::font::{HEIGHT, WIDTH, glyph};
use crate::input::Picture;

/// Colours of classes, over and over.
const COLOURS: [[u8; 3]; 10] = [
    [230, 60, 50],
    [40, 120, 230],
    [250, 200, 40],
    [60, 170, 80],
    [170, 80, 200],
    [250, 140, 30],
    [40, 190, 200],
    [240, 120, 180],
    [140, 100, 60],
    [150, 210, 60],
];

/// Pixels of the picture's shorter side for one of a letter.
const SIDE_PER_DOT: usize = 240;

/// The picture with boxes, the best ones above the others, as a PNG. A label is the name of the class, or its number where it
/// has none, and the score.
///
/// # Errors
/// If the picture cannot be encoded.
pub fn drawn(picture: &Picture, boxes: &[Detection], names: &[String]) -> Result<Vec<u8>, String> {
    let mut canvas = Canvas { height: picture.height, width: picture.width, data: picture.data.clone() };
    let dot = (canvas.height.min(canvas.width) / SIDE_PER_DOT).max(1);
    for found in boxes.iter().rev() {
        let name = names.get(found.class).filter(|n| !n.is_empty());
        let name = name.cloned().unwrap_or_else(|| found.class.to_string());
        canvas.add(found, &format!("{name} {:.2}", found.score), dot);
    }
    let mut png = Vec::new();
    let size = |extent: usize| u32::try_from(extent).map_err(|e| e.to_string());
    let (width, height) = (size(canvas.width)?, size(canvas.height)?);
    PngEncoder::new(&mut png)
        .write_image(&canvas.data, width, height, ExtendedColorType::Rgb8)
        .map_err(|e| e.to_string())?;
    Ok(png)
}

struct Canvas {
    height: usize,
    width: usize,
    data: Vec<u8>,
}

impl Canvas {
    /// Fills columns and rows, as far as there are any.
    fn fill(&mut self, columns: [usize; 2], rows: [usize; 2], colour: [u8; 3]) {
        let [left, right] = columns.map(|x| x.min(self.width));
        for y in rows[0]..rows[1].min(self.height) {
            let row = &mut self.data[y * self.width * 3..][..self.width * 3];
            row[3 * left..3 * right.max(left)].as_chunks_mut::<3>().0.fill(colour);
        }
    }

    fn add(&mut self, found: &Detection, label: &str, dot: usize) {
        let colour = COLOURS[found.class % COLOURS.len()];
        let (left, top) = (found.x0.round() as usize, found.y0.round() as usize);
        let right = (found.x1.round() as usize).max(left + 1);
        let bottom = (found.y1.round() as usize).max(top + 1);
        let inner = |from: usize, to: usize| [(from + dot).min(to), to.saturating_sub(dot).max(from)];
        let ([x0, x1], [y0, y1]) = (inner(left, right), inner(top, bottom));
        self.fill([left, right], [top, y0], colour);
        self.fill([left, right], [y1, bottom], colour);
        self.fill([left, x0], [top, bottom], colour);
        self.fill([x1, right], [top, bottom], colour);
        let size = ((label.chars().count() * (WIDTH + 1) + 1) * dot, (HEIGHT + 2) * dot);
        let x = left.min(self.width.saturating_sub(size.0));
        // Above the box, or where there is no room, in it.
        let y = top.checked_sub(size.1).unwrap_or(top);
        self.fill([x, x + size.0], [y, y + size.1], colour);
        let [r, g, b] = colour.map(u32::from);
        let ink = if 3 * r + 6 * g + b > 1400 { [0; 3] } else { [255; 3] };
        for (k, c) in label.chars().enumerate() {
            self.letter(c, (x + (k * (WIDTH + 1) + 1) * dot, y + dot), ink, dot);
        }
    }

    fn letter(&mut self, c: char, (left, top): (usize, usize), ink: [u8; 3], dot: usize) {
        for (row, bits) in glyph(c).iter().enumerate() {
            for column in (0..WIDTH).filter(|column| bits >> (WIDTH - 1 - column) & 1 == 1) {
                let (x, y) = (left + column * dot, top + row * dot);
                self.fill([x, x + dot], [y, y + dot], ink);
            }
        }
    }
}
