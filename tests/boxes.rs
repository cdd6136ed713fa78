//! Boxes of detectors: through the command line, encrypted, and of a trained network in clear.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;

use std::path::Path;

use cli::{Folder, json};
use fhec_frontend::{Options, import};
use fhec_ir::plan::{Normalisation, Preprocessing};
use fhec_ir::tensor::Tensor;
use fhec_runtime::boxes::{BoxReader, Format, suppress};
use fhec_runtime::input::{DataSet, InputType, LoadOptions, Source};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Class and corners of the squares in `shapes.png`.
const SQUARES: [(u64, [f64; 4]); 4] = [
    (1, [80.0, 20.0, 120.0, 60.0]),
    (0, [40.0, 60.0, 80.0, 100.0]),
    (1, [140.0, 60.0, 160.0, 80.0]),
    (0, [20.0, 20.0, 40.0, 40.0]),
];

/// Boxes are the squares, whose corners are so far off at most, or as far moved and scaled.
#[track_caller]
fn are_squares(boxes: &Value, place: impl Fn([f64; 4]) -> [f64; 4], names: [&str; 2]) {
    let boxes = boxes.as_array().unwrap();
    assert_eq!(boxes.len(), 4, "{boxes:?}");
    for (found, (class, corners)) in boxes.iter().zip(SQUARES) {
        assert_eq!((&found["class"], &found["name"]), (&class.into(), &names[class as usize].into()));
        assert!(found["score"].as_f64().unwrap() > 0.9, "{found}");
        for (key, wanted) in ["x0", "y0", "x1", "y1"].iter().zip(place(corners)) {
            assert!((found[*key].as_f64().unwrap() - wanted).abs() < 0.2, "{found}, {key} {wanted}");
        }
    }
}

/// Pixels of a picture.
fn pixels(path: &Path) -> (usize, usize, Vec<u8>) {
    let preprocessing = Preprocessing { resize: Some("8x8".parse().unwrap()), ..Preprocessing::default() };
    let input = InputType {
        name: "x".into(),
        shape: vec![1, 3, 8, 8],
        normalisation: Normalisation::default(),
        preprocessing,
    };
    let source = Source::parse(&path.display().to_string());
    let set = DataSet::open(vec![input], &[source], LoadOptions::default()).unwrap();
    let picture = set.picture(0).unwrap();
    (picture.height, picture.width, picture.data)
}

#[test]
fn squares_are_found_encrypted() {
    let folder = Folder::new();
    let shapes = format!("{ROOT}/examples/shapes");
    std::fs::copy(format!("{shapes}/shapes.png"), folder.path("shapes.png")).unwrap();
    let compiled = folder.ok(&format!("{shapes}/detector.onnx -o detector.plan"));
    assert!(compiled.contains("the client runs: Sigmoid, Affine, Poly"), "{compiled}");
    let inspected = json(&folder.ok("inspect detector.plan --json"));
    // What is decrypted are the heads.
    let raw = inspected["raw_outputs"].as_array().unwrap().iter().map(|o| o["shape"].to_string());
    assert_eq!(raw.collect::<Vec<_>>(), ["[1,7,4,4]", "[1,7,8,8]"]);

    let line = "infer detector.plan --input shapes.png --check --json --boxes found.png";
    let result = json(&folder.ok(line));
    are_squares(&result["results"][0]["boxes"], |corners| corners, ["red", "blue"]);
    let (before, after) = (pixels(&folder.path("shapes.png")), pixels(&folder.path("found.png")));
    assert_eq!((after.0, after.1), (120, 160));
    let pixel = |data: &[u8], x: usize, y: usize| data[(y * 160 + x) * 3..][..3].to_vec();
    assert_ne!(pixel(&after.2, 60, 99), pixel(&before.2, 60, 99), "the lower edge of a box");
    assert_eq!(pixel(&after.2, 60, 85), pixel(&before.2, 60, 85), "inside of it");
    assert_eq!(pixel(&after.2, 5, 110), pixel(&before.2, 5, 110), "outside of all");

    let text = folder.ok("infer detector.plan --input shapes.png --box-format yolov5");
    assert!(text.contains("4 boxes (yolov5)") && text.contains("  blue 0.99: 80,20 to 120,60"), "{text}");

    // A file of numbers for all inputs, a folder of pictures.
    let two = "infer detector.plan --input shapes.png --input shapes.png";
    folder.fails(&format!("{two} --boxes both.png"), "is for one input");
    folder.ok(&format!("{two} --boxes both"));
    assert!(
        folder.path("both/shapes.png.boxes.png").is_file()
            && folder.path("both/shapes.png-2.boxes.png").is_file()
    );
    std::fs::write(folder.path("names.txt"), "rot\nblau").unwrap();
    let text = folder.ok(&format!("{two} --boxes both.json --classes names.txt"));
    assert!(text.contains("shapes.png: 4 boxes"), "{text}");
    let both = json(&std::fs::read_to_string(folder.path("both.json")).unwrap());
    assert_eq!(both[1]["input"], "shapes.png");
    are_squares(&both[0]["boxes"], |corners| corners, ["rot", "blau"]);

    // Nothing is above a score of 1; with an IoU of 0 the squares that touch still stay.
    let none = json(
        &folder.ok("infer detector.plan --input shapes.png --json --box-format auto --score-threshold 1"),
    );
    assert_eq!(none["results"][0]["boxes"], Value::Array(vec![]));
    let all =
        json(&folder.ok("infer detector.plan --input shapes.png --json --box-format auto --iou-threshold 0"));
    are_squares(&all["results"][0]["boxes"], |corners| corners, ["red", "blue"]);
}

#[test]
fn squares_are_found_by_four_processes() {
    let folder = Folder::new();
    let shapes = format!("{ROOT}/examples/shapes");
    folder.ok(&format!("{shapes}/detector.onnx -o detector.plan"));
    folder.ok("client-spec detector.plan -o detector.client");
    folder.ok("keygen detector.client -o keys");
    folder.ok(&format!(
        "encrypt detector.client --key keys/secret.key --input {shapes}/shapes.png -o shapes.ct"
    ));
    folder.ok("run detector.plan --keys keys/evaluation.keys --input shapes.ct -o result.ct");
    let decrypt = "decrypt detector.client --key keys/secret.key --input result.ct";
    let picture = format!("--picture {shapes}/shapes.png");
    let text = folder.ok(&format!("{decrypt} {picture} --boxes found.png"));
    assert!(text.contains("4 boxes (yolov5)") && text.contains("red 0.98: 40,60 to 80,100"), "{text}");
    assert_eq!(pixels(&folder.path("found.png")).0, 120);
    let result = json(&folder.ok(&format!("{decrypt} {picture} --box-format auto --json")));
    are_squares(&result["results"][0]["boxes"], |corners| corners, ["red", "blue"]);
    // Without a picture in pixels of the network: a letterbox of 32 × 32 with 4 rows above.
    let result = json(&folder.ok(&format!("{decrypt} --boxes found.json --json")));
    let of_input = |[x0, y0, x1, y1]: [f64; 4]| [x0 / 5.0, y0 / 5.0 + 4.0, x1 / 5.0, y1 / 5.0 + 4.0];
    are_squares(&result["results"][0]["boxes"], of_input, ["red", "blue"]);
    assert!(json(&std::fs::read_to_string(folder.path("found.json")).unwrap())[0]["boxes"].is_array());

    folder.fails(&format!("{decrypt} --boxes found.png"), "give it by --picture");
    folder.fails(&format!("{decrypt} {picture}"), "ask for them by --boxes");
    folder.fails(&format!("{decrypt} {picture} {picture} --boxes found.json"), "2 pictures for 1 inputs");
    folder.fails(&format!("{decrypt} {picture} --boxes found.png --raw"), "leave --raw out");
    folder.fails(&format!("{decrypt} {picture} --boxes found.png --release argmax"), "more than");
    folder.fails(&format!("{decrypt} {picture} --boxes {shapes}/shapes.png"), "would be overwritten");
    folder.fails(&format!("{decrypt} {picture} --box-format yunet --boxes found.png"), "yunet takes cls_S");
    folder.fails(&format!("{decrypt} --picture {ROOT}/Cargo.toml --boxes found.png"), "Cargo.toml");
}

#[test]
fn a_classifier_has_no_boxes() {
    let mnist = format!("{ROOT}/examples/mnist");
    let line = format!("infer {mnist}/lenet.onnx --input {mnist}/seven.png --boxes found.png");
    Folder::new().fails(&line, "no boxes of a known format");
}

/// YOLOv5 for blood cells on a picture as onnxruntime and Pillow have it: `tests/golden/bccd_boxes.txt` has class, score and
/// corners in the picture of 640 × 480, for a score of 0.25 and an IoU of 0.45.
#[test]
fn blood_cells_in_clear() {
    let data = Path::new(ROOT).join("../shared/data");
    if !data.is_dir() {
        eprintln!("skipped: {} is missing", data.display());
        return;
    }
    let import =
        import(&data.join("models/detect/yolov5n_bccd_320_decode.onnx"), &Options::default()).unwrap();
    let (id, name) = import.graph.inputs().next().unwrap();
    let preprocessing =
        Preprocessing { resize: Some("letterbox:320x320".parse().unwrap()), ..Preprocessing::default() };
    let shape = import.graph.ty(id).clone();
    let input = InputType {
        name: name.into(),
        shape: shape.clone(),
        normalisation: Normalisation::default(),
        preprocessing,
    };
    let picture = data.join("bccd/val/images/BloodImage_00000.jpg");
    let source = Source::parse(&picture.display().to_string());
    let set = DataSet::open(vec![input], &[source], LoadOptions::default()).unwrap();
    let x = Tensor::new(shape, set.tensors(0).unwrap().remove(0));
    let results = import.run(&[x]).unwrap();
    let shown: Vec<_> =
        import.output_names().map(String::from).zip(results.iter().map(|r| r.shape.clone())).collect();
    let reader = BoxReader::new(None, &shown, (320, 320)).unwrap();
    assert_eq!(reader.format(), Format::YoloV5);
    let results: Vec<_> = results.into_iter().map(|r| r.data).collect();
    let boxes = suppress(reader.read(&results, 0.25).unwrap(), 0.45);
    let picture = set.picture(0).unwrap();
    let wanted: Vec<Vec<f64>> = include_str!("golden/bccd_boxes.txt")
        .lines()
        .map(|line| line.split(' ').map(|x| x.parse().unwrap()).collect())
        .collect();
    assert_eq!(boxes.len(), wanted.len());
    let (mut score, mut corner) = (0f64, 0f64);
    for (found, wanted) in boxes.iter().zip(&wanted) {
        let b = found.in_picture(&picture.placement, (picture.height, picture.width));
        assert_eq!(b.class as f64, wanted[0]);
        score = score.max((b.score - wanted[1]).abs());
        let corners = [b.x0, b.y0, b.x1, b.y1];
        corner = corners.iter().zip(&wanted[2..]).fold(corner, |most, (a, b)| most.max((a - b).abs()));
    }
    println!("{} boxes, scores differ by {score:.1e}, corners by {corner:.1e} pixels", boxes.len());
    assert!(score < 1e-3 && corner < 0.1, "scores differ by {score:.1e}, corners by {corner:.1e} pixels");
}
