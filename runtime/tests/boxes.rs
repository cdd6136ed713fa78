//! Boxes of detectors: reading results, suppression, drawing.

use std::path::{Path, PathBuf};

use fhec_ir::plan::{Normalisation, Preprocessing};
use fhec_ir::tensor::random::Rng;
use fhec_runtime::boxes::{BoxReader, Detection, Format, MAX_BOXES, Shown, drawn, suppress};
use fhec_runtime::input::{InputType, LoadOptions, Picture, Placement, Source, load};

fn input(shape: &[usize]) -> InputType {
    InputType {
        name: "x".into(),
        shape: shape.to_vec(),
        normalisation: Normalisation::default(),
        preprocessing: Preprocessing::default(),
    }
}

/// onnxruntime's results, if `../shared/data` is there.
fn stored(model: &str, outputs: &[Shown]) -> Option<Vec<Vec<f64>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/vectors/detect");
    if !folder.is_dir() {
        eprintln!("skipped: {} is missing", folder.display());
        return None;
    }
    let one = |(name, shape): &Shown| {
        let file: PathBuf = folder.join(format!("{model}.{name}.npy"));
        load(&Source::parse(&file.display().to_string()), input(shape), LoadOptions::default()).unwrap()
    };
    Some(outputs.iter().map(one).collect())
}

fn shown(outputs: &[(&str, &[usize])]) -> Vec<Shown> {
    outputs.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect()
}

/// The results of a detector are recognised, and their boxes are those that numpy finds in them: class, score and corners, for a
/// score of 0.5 and an IoU of 0.45.
#[track_caller]
fn check(model: &str, outputs: &[Shown], size: (usize, usize), format: Format, table: &str) {
    let reader = BoxReader::new(None, outputs, size).unwrap();
    assert_eq!(reader.format(), format);
    assert_eq!(BoxReader::new(Some(format), outputs, size).as_ref(), Ok(&reader));
    let Some(results) = stored(model, outputs) else { return };
    let boxes = suppress(reader.read(&results, 0.5).unwrap(), 0.45);
    let wanted: Vec<Vec<f64>> =
        table.lines().map(|line| line.split(' ').map(|x| x.parse().unwrap()).collect()).collect();
    assert_eq!(boxes.len(), wanted.len());
    for (found, wanted) in boxes.iter().zip(&wanted) {
        let b = found.in_picture(&Placement::IDENTITY, size);
        let found = [b.class as f64, b.score, b.x0, b.y0, b.x1, b.y1];
        let near = found.iter().zip(wanted).zip([0.0, 1e-4, 0.02, 0.02, 0.02, 0.02]);
        assert!(near.clone().all(|((a, b), most)| (a - b).abs() <= most), "{found:?} instead of {wanted:?}");
    }
}

#[test]
fn formats_agree_with_numpy() {
    let rows = shown(&[("output", &[1, 6300, 8])]);
    check("yolov5n_bccd_320_decode", &rows, (320, 320), Format::YoloV5, include_str!("boxes/yolov5.txt"));
    let mut levels = vec![];
    for (part, numbers) in [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)] {
        for (stride, cells) in [(8, 1600), (16, 400), (32, 100)] {
            levels.push((format!("{part}_{stride}"), vec![1, cells, numbers]));
        }
    }
    check("yunet_n_320", &levels, (320, 320), Format::YuNet, include_str!("boxes/yunet.txt"));
    let cells = shown(&[("758", &[1, 85, 22, 22])]);
    check(
        "fastestdet_coco_352",
        &cells,
        (352, 352),
        Format::FastestDet,
        include_str!("boxes/fastestdet.txt"),
    );
    let corners = shown(&[("scores", &[1, 4420, 2]), ("boxes", &[1, 4420, 4])]);
    check("ultralight_face_RFB_320", &corners, (240, 320), Format::Ssd, include_str!("boxes/ssd.txt"));
    // The same heads without decoding are no corners.
    if let Some(results) = stored("ultralight_face_RFB_320_nopost", &corners) {
        let reader = BoxReader::new(None, &corners, (240, 320)).unwrap();
        assert!(reader.read(&results, 0.5).unwrap_err().contains("not decoded"));
    }
}

#[test]
fn what_is_no_known_format_is_refused() {
    let auto = |outputs: &[(&str, &[usize])], size| BoxReader::new(None, &shown(outputs), size).unwrap_err();
    let heads: [(&str, &[usize]); 2] = [("p3", &[1, 24, 40, 40]), ("p4", &[1, 24, 20, 20])];
    let why = auto(&heads, (320, 320));
    assert!(why.contains("p3 [1,24,40,40]") && why.contains("anchors") && why.contains("yunet"), "{why}");
    // YOLOv8 has its rows along the last axis.
    auto(&[("output0", &[1, 84, 8400])], (640, 640));
    // Rows that no pyramid has, a classifier, another stride.
    auto(&[("output", &[1, 6301, 8])], (320, 320));
    auto(&[("output", &[1, 1000])], (224, 224));
    auto(&[("features", &[1, 512, 7, 7])], (224, 224));
    auto(&[("cls_8", &[1, 1600, 1]), ("obj_8", &[1, 1600, 1])], (320, 320));
    let odd = shown(&[("output", &[1, 6301, 8])]);
    assert!(BoxReader::new(Some(Format::YoloV5), &odd, (320, 320)).is_ok(), "on request");
    let why = BoxReader::new(Some(Format::YuNet), &odd, (320, 320)).unwrap_err();
    assert!(why.contains("yunet takes cls_S") && why.contains("output [1,6301,8]"), "{why}");
}

#[test]
fn results_that_are_none_are_refused() {
    let outputs = shown(&[("output", &[1, 2, 7])]);
    let reader = BoxReader::new(Some(Format::YoloV5), &outputs, (32, 32)).unwrap();
    let mut rows = vec![vec![8.0, 8.0, 4.0, 6.0, 0.9, 0.2, 1.0 + 1e-6, 1.0, 1.0, 1.0, 1.0, 0.1, 0.5, 0.5]];
    let found = reader.read(&rows, 0.5).unwrap();
    assert_eq!(found, [Detection { class: 1, score: 0.9, x0: 6.0, y0: 5.0, x1: 10.0, y1: 11.0 }]);
    for (k, value, why) in
        [(4, 3.5, "probability"), (12, f64::NAN, "probability"), (0, f64::INFINITY, "no numbers")]
    {
        let before = std::mem::replace(&mut rows[0][k], value);
        assert!(reader.read(&rows, 0.5).unwrap_err().contains(why));
        rows[0][k] = before;
    }
    assert!(reader.read(&[vec![0.0; 13]], 0.5).is_err() && reader.read(&[], 0.5).is_err());
}

/// A random box: few scores, so that some are equal, and some boxes without area.
fn detection(rng: &mut Rng) -> Detection {
    let mut up_to = |most: f64| f64::from(rng.unit().abs()) * most;
    let (x0, y0, width, height) = (up_to(90.0), up_to(90.0), up_to(40.0), up_to(40.0) - 1.0);
    let (class, score) = (rng.range(0, 2), rng.range(0, 20) as f64 / 20.0);
    Detection { class, score, x0, y0, x1: x0 + width, y1: y0 + height.max(0.0) }
}

#[test]
fn suppression() {
    for seed in 0..500 {
        let mut rng = Rng(seed);
        let boxes: Vec<Detection> = (0..rng.range(0, 60)).map(|_| detection(&mut rng)).collect();
        let iou = f64::from(rng.unit().abs());
        let kept = suppress(boxes.clone(), iou);
        let conflict = |a: &Detection, b: &Detection| a.class == b.class && a.iou(b) > iou;
        assert!(kept.is_sorted_by(|a, b| a.score >= b.score));
        for (k, a) in kept.iter().enumerate() {
            assert!(boxes.contains(a));
            assert!(kept[..k].iter().all(|b| !conflict(a, b)), "{seed}");
        }
        // What went had to make way for something at least as good.
        for a in boxes.iter().filter(|a| !kept.contains(a)) {
            assert!(kept.iter().any(|b| conflict(a, b) && b.score >= a.score), "{seed}");
        }
        assert_eq!(suppress(kept.clone(), iou), kept);
        // All stay where all overlaps are allowed.
        assert_eq!(suppress(boxes.clone(), 1.0).len(), boxes.len());
        // Where the boxes lie in a picture does not matter.
        let placement = Placement { origin: (30.0, 7.0), factor: (2.0, 2.0) };
        let moved = boxes.iter().map(|b| b.in_picture(&placement, (1000, 1000))).collect();
        assert_eq!(suppress(moved, iou).len(), kept.len());
        for pair in boxes.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            assert!((0.0..=1.0 + 1e-12).contains(&a.iou(&b)) && a.iou(&b) == b.iou(&a));
            assert!(a.area() == 0.0 || (a.iou(&a) - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn no_more_boxes_than_can_be_looked_at() {
    let apart = |k: usize| Detection {
        class: 0,
        score: 0.5,
        x0: 2.0 * k as f64,
        y0: 0.0,
        x1: 2.0 * k as f64 + 1.0,
        y1: 1.0,
    };
    assert_eq!(suppress((0..5000).map(apart).collect(), 0.5).len(), MAX_BOXES);
}

#[test]
fn boxes_are_drawn() {
    let (height, width) = (60, 90);
    let data = vec![100; height * width * 3];
    let picture = Picture { height, width, data, placement: Placement::IDENTITY };
    let found = Detection { class: 1, score: 0.87, x0: 20.0, y0: 30.0, x1: 70.0, y1: 55.0 };
    let edge = Detection { class: 0, score: 0.5, x0: 80.0, y0: 0.0, x1: 90.0, y1: 60.0 };
    let png = drawn(&picture, &[found, edge], &[String::new(), "büchse".into()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boxes.png");
    std::fs::write(&file, png).unwrap();
    let drawn = Picture::open(&file, &input(&[1, 3, height, width]), LoadOptions::default()).unwrap();
    let at = |x: usize, y: usize| &drawn.data[(y * width + x) * 3..][..3];
    let (grey, blue, red) = ([100; 3], [40, 120, 230], [230, 60, 50]);
    // The frame, what is inside and what is outside.
    for (x, y) in [(20, 30), (69, 30), (20, 54), (69, 54), (45, 54), (20, 40)] {
        assert_eq!(at(x, y), blue, "{x} {y}");
    }
    for (x, y) in [(45, 45), (10, 40), (75, 40), (45, 56)] {
        assert_eq!(at(x, y), grey, "{x} {y}");
    }
    // The label is above, and in letters.
    assert_eq!((at(20, 21), at(20, 20)), (&blue[..], &grey[..]));
    let ink = (21..30).flat_map(|y| (20..86).map(move |x| (x, y))).filter(|(x, y)| at(*x, *y) == [255; 3]);
    assert!((60..200).contains(&ink.count()));
    // Without room above it is inside, and moved left.
    assert_eq!((at(89, 30), at(60, 0)), (&red[..], &red[..]));
}
