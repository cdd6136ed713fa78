//! What the results of detectors mean.
//!
//! | format | outputs | a box |
//! |---|---|---|
//! | `yolov5` | [1, rows, 5 + classes] | centre, width and height in pixels; objectness × the best class |
//! | `yunet` | `cls_S`, `obj_S`, `bbox_S` for strides S, [1, cells, classes], [1, cells, 1], [1, cells, 4] | centre from the cell's corner in strides, logarithms of width and height; √(objectness · class) |
//! | `fastestdet` | [1, 5 + classes, H/16, W/16] | tanh of the centre from the cell's corner in cells, sigmoids of width and height over the picture's; objectness^0.6 · class^0.4 |
//! | `ssd` | `scores` [1, rows, 1 + classes], `boxes` [1, rows, 4] | corners over width and height; the best class, 0 being what is no object |
//!
//! Sources: ultralytics/yolov5 `utils/general.py`, OpenCV `face_detect.cpp`, dog-qiuqiu/FastestDet `utils/tool.py`,
//! Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB `box_utils.py`.

use std::str::FromStr;

use fhec_ir::text::shape_text;

use super::detection::Detection;

/// How results are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Decoded rows of YOLOv5.
    YoloV5,
    /// Priors of YuNet.
    YuNet,
    /// Cells of FastestDet.
    FastestDet,
    /// Corners, with scores beside them.
    Ssd,
}

impl Format {
    /// All of them, first those that names tell.
    pub const ALL: [Self; 4] = [Self::YuNet, Self::Ssd, Self::FastestDet, Self::YoloV5];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::YoloV5 => "yolov5",
            Self::YuNet => "yunet",
            Self::FastestDet => "fastestdet",
            Self::Ssd => "ssd",
        }
    }

    /// The outputs that it takes.
    fn outputs(self) -> &'static str {
        match self {
            Self::YoloV5 => "decoded rows [1, rows, 5 + classes]",
            Self::YuNet => "cls_S, obj_S and bbox_S for strides S",
            Self::FastestDet => "cells [1, 5 + classes, height/16, width/16]",
            Self::Ssd => "scores [1, rows, 1 + classes] and boxes [1, rows, 4]",
        }
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|f| f.name() == text)
            .ok_or_else(|| format!("{text:?} is no format of boxes"))
    }
}

/// Name and shape of a result.
pub type Shown = (String, Vec<usize>);

/// Reads boxes of the results of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxReader {
    format: Format,
    /// (height, width) of the network's input.
    size: (usize, usize),
    parts: Parts,
}

/// Positions of the outputs that are read, and their extents.
#[derive(Clone, Debug, PartialEq)]
enum Parts {
    Rows { output: usize, numbers: usize },
    Levels(Vec<Level>),
    Cells { output: usize, extents: [usize; 3] },
    Corners { scores: usize, classes: usize, boxes: usize },
}

#[derive(Clone, Debug, PartialEq)]
struct Level {
    stride: usize,
    columns: usize,
    classes: usize,
    class: usize,
    object: usize,
    bbox: usize,
}

impl BoxReader {
    /// For a network's results and the (height, width) of its input; without a format that is recognised by names and shapes.
    ///
    /// # Errors
    /// If the results are not of the format, or of none.
    pub fn new(format: Option<Format>, outputs: &[Shown], size: (usize, usize)) -> Result<Self, String> {
        let of = |format: Format, strict| {
            let parts = match format {
                Format::YoloV5 => rows(outputs, size, strict),
                Format::YuNet => levels(outputs, size),
                Format::FastestDet => cells(outputs, size),
                Format::Ssd => corners(outputs),
            };
            parts.map(|parts| Self { format, size, parts })
        };
        let list = || {
            let one = |(name, shape): &Shown| format!("{name} {}", shape_text(shape));
            outputs.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        match format {
            Some(format) => of(format, false)
                .ok_or_else(|| format!("{} takes {}, the network gives {}", format.name(), format.outputs(), list())),
            None => Format::ALL.into_iter().find_map(|format| of(format, true)).ok_or_else(|| {
                let known = Format::ALL.map(|f| format!("{}: {}", f.name(), f.outputs()));
                format!(
                    "the results {} are no boxes of a known format ({}); heads without decoding do not say what their \
                     anchors are",
                    list(),
                    known.join("; ")
                )
            }),
        }
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The boxes of a score from `threshold` on, in pixels of the input and as the network gives them: many overlap.
    ///
    /// # Errors
    /// If the results are not of the sizes that were announced, or hold what is no probability or no number.
    pub fn read(&self, results: &[Vec<f64>], threshold: f64) -> Result<Vec<Detection>, String> {
        let mut boxes = match &self.parts {
            Parts::Rows { output, numbers } => read_rows(result(results, *output)?, *numbers)?,
            Parts::Levels(levels) => {
                let mut boxes = vec![];
                for level in levels {
                    boxes.extend(level.read(results)?);
                }
                boxes
            }
            Parts::Cells { output, extents } => self.read_cells(result(results, *output)?, *extents)?,
            Parts::Corners { scores, classes, boxes } => {
                self.read_corners(result(results, *scores)?, *classes, result(results, *boxes)?)?
            }
        };
        boxes.retain(|b| b.score >= threshold);
        match boxes.iter().any(|b| ![b.x0, b.y0, b.x1, b.y1].iter().all(|x| x.is_finite())) {
            true => Err("a box has coordinates that are no numbers".into()),
            false => Ok(boxes),
        }
    }

    fn read_cells(
        &self,
        data: &[f64],
        [numbers, rows, columns]: [usize; 3],
    ) -> Result<Vec<Detection>, String> {
        let plane = rows * columns;
        exact(data, numbers * plane)?;
        let (height, width) = (self.size.0 as f64, self.size.1 as f64);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let one = |cell: usize| {
            let at = |k: usize| data[k * plane + cell];
            let (class, best) = best((5..numbers).map(at))?;
            let score = probability(at(0))?.powf(0.6) * best.powf(0.4);
            let x = ((cell % columns) as f64 + at(1).tanh()) / columns as f64;
            let y = ((cell / columns) as f64 + at(2).tanh()) / rows as f64;
            let size = (sigmoid(at(3)) * width, sigmoid(at(4)) * height);
            Ok(Detection::centred(class, score, (x * width, y * height), size))
        };
        (0..plane).map(one).collect()
    }

    fn read_corners(&self, scores: &[f64], classes: usize, boxes: &[f64]) -> Result<Vec<Detection>, String> {
        exact(scores, boxes.len() / 4 * classes)?;
        let (height, width) = (self.size.0 as f64, self.size.1 as f64);
        let one = |(scores, corners): (&[f64], &[f64; 4])| {
            let (class, score) = best(scores[1..].iter().copied())?;
            let [x0, y0, x1, y1] = *corners;
            if x1 < x0 || y1 < y0 {
                return Err(
                    "a box ends before it begins: these are no corners, but offsets that are not decoded"
                        .into(),
                );
            }
            let (x0, x1) = (x0 * width, x1 * width);
            Ok(Detection { class: class + 1, score, x0, y0: y0 * height, x1, y1: y1 * height })
        };
        scores.chunks_exact(classes).zip(boxes.as_chunks::<4>().0).map(one).collect()
    }
}

impl Level {
    fn read(&self, results: &[Vec<f64>]) -> Result<Vec<Detection>, String> {
        let Self { stride, columns, classes, .. } = *self;
        let (class, object) = (result(results, self.class)?, result(results, self.object)?);
        let boxes = result(results, self.bbox)?;
        exact(class, object.len() * classes)?;
        exact(boxes, object.len() * 4)?;
        let stride = stride as f64;
        let one = |(cell, numbers): (usize, &[f64; 4])| {
            let (number, best) = best(class[cell * classes..][..classes].iter().copied())?;
            let score = (probability(object[cell])? * best).sqrt();
            let (x, y) = ((cell % columns) as f64, (cell / columns) as f64);
            let [dx, dy, width, height] = *numbers;
            let centre = ((x + dx) * stride, (y + dy) * stride);
            Ok(Detection::centred(number, score, centre, (width.exp() * stride, height.exp() * stride)))
        };
        boxes.as_chunks::<4>().0.iter().enumerate().map(one).collect()
    }
}

fn read_rows(data: &[f64], numbers: usize) -> Result<Vec<Detection>, String> {
    exact(data, data.len() / numbers * numbers)?;
    let one = |row: &[f64]| {
        let (class, best) = best(row[5..].iter().copied())?;
        let score = probability(row[4])? * best;
        Ok(Detection::centred(class, score, (row[0], row[1]), (row[2], row[3])))
    };
    data.chunks_exact(numbers).map(one).collect()
}

/// By how much a probability that is not computed exactly may leave 0..1.
const TOLERANCE: f64 = 0.1;

fn probability(x: f64) -> Result<f64, String> {
    if (-TOLERANCE..=1.0 + TOLERANCE).contains(&x) {
        Ok(x.clamp(0.0, 1.0))
    } else {
        Err(format!("{x:.3} stands where a probability should: these are no results of that format"))
    }
}

/// The largest probability and its position, the first of equal ones.
fn best(classes: impl Iterator<Item = f64>) -> Result<(usize, f64), String> {
    let mut best = (0, f64::NEG_INFINITY);
    for (class, x) in classes.enumerate() {
        let x = probability(x)?;
        if x > best.1 {
            best = (class, x);
        }
    }
    Ok(best)
}

fn result(results: &[Vec<f64>], k: usize) -> Result<&[f64], String> {
    results.get(k).map(Vec::as_slice).ok_or_else(|| format!("there is no result {k}"))
}

fn exact(data: &[f64], wanted: usize) -> Result<(), String> {
    if data.len() == wanted { Ok(()) } else { Err(format!("{} numbers instead of {wanted}", data.len())) }
}

fn position(outputs: &[Shown], name: &str) -> Option<usize> {
    outputs.iter().position(|(n, _)| n == name)
}

/// The shape [1, a, b] of an output.
fn matrix(outputs: &[Shown], k: usize) -> Option<(usize, usize)> {
    match outputs.get(k)?.1[..] {
        [1, rows, columns] => Some((rows, columns)),
        _ => None,
    }
}

/// The first output of rows; strictly, as many as a pyramid of strides has with a number of anchors.
fn rows(outputs: &[Shown], size: (usize, usize), strict: bool) -> Option<Parts> {
    let cells = |stride: usize| size.0.div_ceil(stride) * size.1.div_ceil(stride);
    let strides = [4, 8, 16, 32, 64];
    let pyramid = |rows: usize| {
        let parts = (0..strides.len()).flat_map(|from| (from + 1..=strides.len()).map(move |to| (from, to)));
        let mut sums = parts.map(|(from, to)| strides[from..to].iter().map(|s| cells(*s)).sum::<usize>());
        sums.any(|cells| rows.is_multiple_of(cells) && (1..=9).contains(&(rows / cells)))
    };
    (0..outputs.len()).find_map(|output| {
        let (rows, numbers) = matrix(outputs, output)?;
        (numbers > 5 && (!strict || rows > numbers && pyramid(rows)))
            .then_some(Parts::Rows { output, numbers })
    })
}

fn levels(outputs: &[Shown], size: (usize, usize)) -> Option<Parts> {
    let level = |(k, (name, _)): (usize, &Shown)| {
        let stride: usize = name.strip_prefix("cls_")?.parse().ok().filter(|s| (1..=1024).contains(s))?;
        let part = |name: &str| position(outputs, &format!("{name}_{stride}"));
        let (object, bbox) = (part("obj")?, part("bbox")?);
        let (columns, cells) = (size.1 / stride, size.0 / stride * (size.1 / stride));
        let classes = matrix(outputs, k).filter(|(rows, _)| *rows == cells)?.1;
        let fits = matrix(outputs, object) == Some((cells, 1)) && matrix(outputs, bbox) == Some((cells, 4));
        fits.then_some(Level { stride, columns, classes, class: k, object, bbox })
    };
    let levels: Vec<Level> = outputs.iter().enumerate().filter_map(level).collect();
    (!levels.is_empty()).then_some(Parts::Levels(levels))
}

fn cells(outputs: &[Shown], size: (usize, usize)) -> Option<Parts> {
    let [(_, shape)] = outputs else { return None };
    match shape[..] {
        [1, numbers, rows, columns] if numbers > 5 && (rows * 16, columns * 16) == size => {
            Some(Parts::Cells { output: 0, extents: [numbers, rows, columns] })
        }
        _ => None,
    }
}

fn corners(outputs: &[Shown]) -> Option<Parts> {
    let (scores, boxes) = (position(outputs, "scores")?, position(outputs, "boxes")?);
    let ((rows, classes), (others, four)) = (matrix(outputs, scores)?, matrix(outputs, boxes)?);
    (rows == others && four == 4 && classes > 1).then_some(Parts::Corners { scores, classes, boxes })
}
