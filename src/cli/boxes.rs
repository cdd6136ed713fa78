//! Boxes of detectors: found in results, told, and drawn on pictures.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, bail};
use clap::Args;
use fhec_ir::output::write_atomically;
use fhec_ir::plan::ImageAxes;
use fhec_runtime::boxes::{BoxReader, Detection, Format, drawn, suppress};
use fhec_runtime::input::{InputType, Picture};
use serde_json::{Value, json};

use super::bundles::file_names;
use super::paths::Paths;
use super::results::Results;

/// Lines of boxes that are told.
const SHOWN: usize = 16;

/// What is said about boxes, for the help of verbs that find some.
macro_rules! boxes_help {
    () => {
        "\
Boxes of a detector are found by --boxes or --box-format. Formats: `yolov5`, decoded rows of centre, size, objectness and
classes; `yunet`, outputs cls_S, obj_S and bbox_S for strides S; `fastestdet`, cells of objectness, 4 offsets and classes;
`ssd`, scores and boxes by corners; `auto`, whichever of them fits by names and shapes. Of boxes of a class that overlap the
best one stays. Coordinates are pixels of the picture, whatever was resized and cropped.
"
    };
}
pub(crate) use boxes_help;

/// Which boxes are found, and where they go.
#[derive(Args, Clone, Debug)]
pub(crate) struct BoxArgs {
    /// Find the boxes of a detector and draw them on the picture: FILE.png for one input, else a folder for a picture of
    /// each; or write them to FILE.json.
    #[arg(long, value_name = "PATH", help_heading = "Boxes")]
    boxes: Option<PathBuf>,
    /// How results are read: yolov5, yunet, fastestdet, ssd or auto, which is the default of --boxes.
    #[arg(long, value_name = "FORMAT", value_parser = Wanted::parse, help_heading = "Boxes")]
    box_format: Option<Wanted>,
    /// Least score of a box.
    #[arg(long, value_name = "SCORE", default_value_t = 0.5, value_parser = part, help_heading = "Boxes")]
    score_threshold: f64,
    /// Most that boxes of a class overlap: intersection over union.
    #[arg(long, value_name = "IOU", default_value_t = 0.45, value_parser = part, help_heading = "Boxes")]
    iou_threshold: f64,
}

/// A format, or none in particular.
#[derive(Clone, Copy, Debug)]
struct Wanted(Option<Format>);

impl Wanted {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" { Ok(Self(None)) } else { text.parse().map(|f| Self(Some(f))) }
    }
}

/// A number from 0 to 1.
fn part(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|x| (0.0..=1.0).contains(x));
    number.ok_or_else(|| "expected a number from 0 to 1".into())
}

/// Where boxes go.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    Json(PathBuf),
    Picture(PathBuf),
    Folder(PathBuf),
}

impl BoxArgs {
    fn target(&self) -> Option<Target> {
        let path = self.boxes.clone()?;
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        Some(match extension.as_ref().and_then(|e| e.to_str()) {
            Some("json") => Target::Json(path),
            Some("png") => Target::Picture(path),
            _ => Target::Folder(path),
        })
    }

    /// Adds what is written to the files of a verb.
    pub(crate) fn add_to(&self, paths: Paths) -> Paths {
        match self.target() {
            None => paths,
            Some(Target::Json(file) | Target::Picture(file)) => paths.writes([file]),
            Some(Target::Folder(folder)) => paths.writes_in([folder], &[]),
        }
    }

    /// Whether pictures are drawn.
    pub(crate) fn draws(&self) -> bool {
        matches!(self.target(), Some(Target::Picture(_) | Target::Folder(_)))
    }
}

/// Finds boxes in results of a plan.
pub(crate) struct Boxes {
    reader: BoxReader,
    names: Vec<String>,
    score: f64,
    iou: f64,
    target: Option<Target>,
    /// A file for each input, if there is a folder for them.
    files: Vec<String>,
    /// What goes into a JSON file.
    entries: RefCell<Vec<Value>>,
}

impl Boxes {
    /// For results on `input`, the network's first, of inputs of these names; None if no boxes are asked for.
    pub(crate) fn new(
        args: &BoxArgs,
        results: &Results,
        input: Option<&InputType>,
        inputs: &[String],
    ) -> Result<Option<Self>> {
        let target = args.target();
        if target.is_none() && args.box_format.is_none() {
            return Ok(None);
        }
        if results.is_raw() {
            bail!("boxes are made of what the client runs: leave --raw out");
        }
        if results.class_alone() {
            bail!("boxes tell more than --release argmax lets out");
        }
        if let (Some(Target::Picture(_)), true) = (&target, inputs.len() > 1) {
            bail!(
                "--boxes FILE.png is for one input, here are {}: give a folder, or FILE.json",
                inputs.len()
            );
        }
        let axes = input.and_then(|i| ImageAxes::of(&i.shape));
        let axes = axes.context("boxes are for networks that take pictures")?;
        let format = args.box_format.and_then(|wanted| wanted.0);
        let reader =
            BoxReader::new(format, results.shown(), (axes.height, axes.width)).map_err(Error::msg)?;
        Ok(Some(Self {
            reader,
            names: results.classes().to_vec(),
            score: args.score_threshold,
            iou: args.iou_threshold,
            target,
            files: file_names(inputs, "boxes.png"),
            entries: RefCell::default(),
        }))
    }

    /// Checks that no picture with boxes overwrites an input.
    pub(crate) fn check_apart(&self, paths: Paths) -> Result<()> {
        match &self.target {
            Some(Target::Folder(folder)) => paths.writes_in([folder], &self.files).check_apart(),
            _ => Ok(()),
        }
    }

    /// The boxes in results of the input `number`, from the highest score on, in pixels of the picture, or of the network's
    /// input where there is none; they are drawn if that is asked for.
    pub(crate) fn find(
        &self,
        results: &[Vec<f64>],
        picture: Option<&Picture>,
        (number, name): (usize, &str),
    ) -> Result<Vec<Detection>> {
        let boxes = self.reader.read(results, self.score).map_err(Error::msg);
        let boxes =
            boxes.with_context(|| format!("boxes by --box-format {}", self.reader.format().name()))?;
        let mut boxes = suppress(boxes, self.iou);
        if let Some(picture) = picture {
            let size = (picture.height, picture.width);
            boxes = boxes.iter().map(|b| b.in_picture(&picture.placement, size)).collect();
            boxes.retain(|b| b.area() > 0.0);
        }
        let file = match (&self.target, self.files.get(number)) {
            (Some(Target::Picture(file)), _) => Some(file.clone()),
            (Some(Target::Folder(folder)), Some(file)) => {
                std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
                Some(folder.join(file))
            }
            (Some(Target::Json(_)), _) => {
                self.entries.borrow_mut().push(json!({ "input": name, "boxes": self.json(&boxes) }));
                None
            }
            _ => None,
        };
        if let Some((file, picture)) = file.zip(picture) {
            let png = drawn(picture, &boxes, &self.names).map_err(Error::msg);
            write(&file, &png.with_context(|| file.display().to_string())?)?;
        }
        Ok(boxes)
    }

    /// Writes the file of all boxes, if one is asked for.
    pub(crate) fn finish(&self) -> Result<()> {
        let Some(Target::Json(file)) = &self.target else { return Ok(()) };
        let mut text = serde_json::to_vec_pretty(&*self.entries.borrow())?;
        text.push(b'\n');
        write(file, &text)
    }

    fn name(&self, class: usize) -> Option<&str> {
        self.names.get(class).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Under their stable names.
    pub(crate) fn json(&self, boxes: &[Detection]) -> Value {
        let one = |b: &Detection| {
            json!({
                "class": b.class, "name": self.name(b.class), "score": b.score,
                "x0": b.x0, "y0": b.y0, "x1": b.x1, "y1": b.y1,
            })
        };
        boxes.iter().map(one).collect()
    }

    /// For people: how many, and a line for each.
    pub(crate) fn lines(&self, boxes: &[Detection]) -> Vec<String> {
        let mut lines = vec![format!("{} boxes ({})", boxes.len(), self.reader.format().name())];
        lines.extend(boxes.iter().take(SHOWN).map(|b| {
            let name = self.name(b.class).map_or_else(|| format!("class {}", b.class), str::to_string);
            format!("  {name} {:.2}: {:.0},{:.0} to {:.0},{:.0}", b.score, b.x0, b.y0, b.x1, b.y1)
        }));
        if boxes.len() > SHOWN {
            lines.push(format!("  … ({} in all)", boxes.len()));
        }
        lines
    }
}

fn write(file: &Path, content: &[u8]) -> Result<()> {
    let written = write_atomically(file, None, |out| out.write_all(content));
    written.with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_boxes_go_is_said_by_the_name() {
        let target = |boxes: &str| {
            let args = BoxArgs {
                boxes: Some(boxes.into()),
                box_format: None,
                score_threshold: 0.5,
                iou_threshold: 0.5,
            };
            args.target().unwrap()
        };
        assert_eq!(target("a/b.JSON"), Target::Json("a/b.JSON".into()));
        assert_eq!(target("b.png"), Target::Picture("b.png".into()));
        assert_eq!(target("pictures"), Target::Folder("pictures".into()));
    }

    #[test]
    fn words() {
        assert!(Wanted::parse("auto").unwrap().0.is_none());
        assert_eq!(Wanted::parse("yunet").unwrap().0, Some(Format::YuNet));
        assert!(Wanted::parse("yolov9").unwrap_err().contains("no format"));
        assert!(part("0.5").is_ok() && part("1.5").is_err() && part("nan").is_err() && part("x").is_err());
    }
}
