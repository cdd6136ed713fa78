//! What the command line takes as inputs, and what it says about those that do not fit.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;
#[path = "../runtime/tests/common/mod.rs"]
mod common;

use std::path::Path;

use cli::{Folder, json};
use fhec_runtime::input::write_npy;
use serde_json::Value;

const LENET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/lenet.onnx");
const SEVEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/seven.png");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/cases");
const KERNEL: [f32; 9] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];

/// Writes a plan of a network on grey pictures of 8 × 8.
fn write_plan(folder: &Folder) {
    let parameters = common::secure_parameters();
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, KERNEL));
    plan.save(&folder.path("model.plan")).unwrap();
}

fn write_array(folder: &Folder, name: &str, shape: &[usize], value: impl Fn(usize) -> f64) {
    let data: Vec<f64> = (0..shape.iter().product()).map(value).collect();
    let mut bytes = vec![];
    write_npy(&mut bytes, shape, &data).unwrap();
    std::fs::write(folder.path(name), bytes).unwrap();
}

/// LeNet without the file beside it that says how its inputs are normalised.
fn copy_lenet(folder: &Folder) {
    std::fs::copy(LENET, folder.path("plain.onnx")).unwrap();
}

/// Standard output and error of a command that ends with this code.
fn ends(folder: &Folder, line: &str, code: i32) -> (String, String) {
    let output = folder.fhec(line);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "fhec {line}: {err}");
    (out, err)
}

/// The folder of a case that is kept beside the repository, if it is there.
fn case(name: &str) -> Option<String> {
    let folder = format!("{CASES}/{name}");
    let found = Path::new(&folder).is_dir();
    if !found {
        eprintln!("skipped: {folder} is missing");
    }
    found.then_some(folder)
}

#[test]
fn all_verbs_take_the_same_inputs() {
    let folder = Folder::new();
    write_plan(&folder);
    let pixel = |k: usize| f64::from((k * 37 % 64) as u8) / 255.0;
    write_array(&folder, "batch.npy", &[3, 8, 8], pixel);
    write_array(&folder, "labels.npy", &[3], |k| k as f64);
    write_array(&folder, "one.npy", &[8, 8], pixel);
    let rows = (0..3).map(|r| (0..64).map(|k| format!(",{}", pixel(64 * r + k))).collect::<String>());
    let rows: String = rows.enumerate().map(|(r, row)| format!("{r}{row}\n")).collect();
    std::fs::write(folder.path("rows.csv"), rows).unwrap();

    let simulate = |line: &str| json(&folder.ok(&format!("simulate model.plan --check --json {line}")));
    let numbers = simulate("--data batch.npy --labels labels.npy");
    assert_eq!((&numbers["images"], &numbers["labelled"]), (&3.into(), &3.into()));
    let rows = simulate("--data rows.csv");
    assert_eq!((&rows["images"], &rows["labelled"]), (&3.into(), &3.into()));
    assert_eq!(simulate("--data batch.npy#1")["images"], 1);
    assert_eq!(simulate("--data batch.npy --range 1..3")["images"], 2);
    assert_eq!(simulate("--data one.npy")["labelled"], 0);

    let numbers = json(&folder.ok("infer model.plan --input batch.npy --labels labels.npy --check --json"));
    assert_eq!((&numbers["images"], &numbers["failed"]), (&3.into(), &0.into()));
    let result = |k: usize| (&numbers["results"][k]["input"], &numbers["results"][k]["label"]);
    assert_eq!(result(2), (&"batch.npy#2".into(), &2.into()));
    assert!(numbers["max_abs_error"].as_f64().unwrap() < 1e-5, "{numbers}");

    folder.ok("keygen model.plan -o keys");
    let encrypt = |input: &str| format!("encrypt model.plan --key keys/secret.key -o x.ct --input {input}");
    let said = folder.ok(&encrypt("batch.npy#2"));
    assert!(said.contains("input image [1,1,8,8], bytes → x/255"), "{said}");
    folder.fails(&encrypt("batch.npy"), "several inputs are written to a folder, this is a file");
    folder.fails(&encrypt("batch.npy#3"), "no record 3");
    folder.fails("infer model.plan --input batch.npy --range 2..4", "3 records");
    folder.fails("simulate model.plan --data batch.npy --labels one.npy", "list");
    write_array(&folder, "labels.npy", &[2], |k| k as f64);
    folder.fails("simulate model.plan --data batch.npy --labels labels.npy", "2 labels for 3 inputs");
    write_array(&folder, "nan.npy", &[1, 1, 8, 8], |k| if k == 9 { f64::NAN } else { 0.0 });
    folder.fails(&encrypt("nan.npy"), "nan.npy: element [0,0,1,1] is NaN");
    write_array(&folder, "rgb.npy", &[3, 8, 8], pixel);
    folder.fails(&encrypt("rgb.npy#0 --input rgb.npy"), "several inputs are written to a folder");
}

#[test]
fn a_bad_file_among_many_does_not_stop_the_others() {
    let folder = Folder::new();
    write_plan(&folder);
    for (name, pixels) in [("cat/1", 64), ("dog/1", 5), ("dog/2", 64)] {
        let path = folder.path(&format!("{name}.u8"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, vec![100; pixels]).unwrap();
    }
    let line = "infer model.plan --input cat/1.u8 --input dog/1.u8 --input none.u8 --input dog/2.u8";
    let (out, err) = ends(&folder, line, 1);
    assert!(out.contains("cat/1.u8: ") && out.contains("dog/2.u8: "), "{out}");
    assert!(out.contains("2 inputs, ") && out.contains("2 failed"), "{out}");
    let reports: Vec<&str> = err.lines().filter(|l| !l.starts_with("note: ")).collect();
    assert!(reports[0].contains("none.u8: No such file"), "{err}");
    assert!(reports[1].contains("dog/1.u8: 5 elements, the network takes [1,1,8,8]"), "{err}");
    assert_eq!(reports[2..], ["fhec: 2 of 4 inputs failed"], "{err}");
    let (out, _) = ends(&folder, &format!("{line} --json"), 1);
    let numbers = json(&out);
    assert_eq!((&numbers["images"], &numbers["failed"]), (&2.into(), &2.into()));
    let failed = numbers["results"].as_array().unwrap().iter().filter(|r| r["error"].is_string());
    assert_eq!(failed.count(), 2);

    // Pictures of a folder: two that are none, of which one class.
    std::fs::write(folder.path("cat/1.png"), b"no picture").unwrap();
    std::fs::copy(SEVEN, folder.path("dog/1.png")).unwrap();
    let simulate = |options: &str| {
        let (out, err) = ends(&folder, &format!("simulate model.plan --data . --json {options}"), 1);
        (json(&out), err)
    };
    let (numbers, err) = simulate("--resize");
    assert_eq!((&numbers["images"], &numbers["labelled"]), (&1.into(), &1.into()));
    assert_eq!(numbers["failed"][0]["record"], 0);
    assert!(err.contains("./cat/1.png: ") && err.contains("1 of 2 inputs failed"), "{err}");
    let (numbers, err) = simulate("");
    assert_eq!(numbers["failed"].as_array().unwrap().len(), 2);
    assert!(err.contains("28×28, the network takes 8×8; --resize scales it"), "{err}");
}

#[test]
fn normalisation_is_stated_or_remarked_on() {
    let folder = Folder::new();
    copy_lenet(&folder);
    let formula = "input.1 [1,1,28,28], bytes → (x/255 − 0.1307)/0.3081";
    let assumed = "[1,1,28,28]: bytes/255; give --mean and --std if the network was trained with them";
    let (out, err) = ends(&folder, "plain.onnx -o stated.plan --mean 0.1307 --std 0.3081", 0);
    let name = json(&folder.ok("inspect stated.plan --json"))["network"].clone();
    assert!(name.is_string());
    let formula = &formula[formula.find(" [").unwrap()..];
    assert!(out.contains(formula), "{out}");
    assert!(!err.contains("bytes/255"), "{err}");
    assert!(folder.ok("inspect stated.plan").contains(formula));
    folder.ok("client-spec stated.plan -o stated.client");
    let client = folder.ok("inspect stated.client");
    assert!(
        client.contains(formula) && client.contains("client of  plan ") && client.contains("[1,10]"),
        "{client}"
    );
    assert_eq!(json(&folder.ok("inspect stated.client --json"))["network"], name);
    folder.fails("inspect stated.client --ir schedule", "client file");

    let (out, err) = ends(&folder, "plain.onnx -o plain.plan", 0);
    assert!(out.contains("bytes → x/255") && err.contains(assumed), "{out}{err}");
    let (_, err) = ends(&folder, &format!("eval plain.onnx --input {SEVEN}"), 0);
    assert!(err.contains(assumed), "{err}");
    let (_, err) = ends(&folder, &format!("infer plain.onnx --input {SEVEN}"), 0);
    assert!(err.contains(assumed), "{err}");
    write_array(&folder, "x.npy", &[28, 28], |k| k as f64 / 784.0);
    let (_, err) = ends(&folder, "eval plain.onnx --input x.npy", 0);
    assert_eq!(err, "", "these are no bytes");
    std::fs::write(folder.path("plain.toml"), "mean = [0.5]\nstd = [0.5]\n").unwrap();
    let (_, err) = ends(&folder, &format!("eval plain.onnx --input {SEVEN}"), 0);
    assert_eq!(err, "");
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let folder = Folder::new();
    write_plan(&folder);
    copy_lenet(&folder);
    std::fs::write(folder.path("x.u8"), [0; 64]).unwrap();
    let infer = |options: &str| format!("infer model.plan --input x.u8 {options}");
    folder.fails(&infer("--mean 0.5 --std 0.5"), "--mean, --std: this is for compiling an .onnx");
    folder.fails(&infer("--log-n 14"), "--log-n: this is for compiling");
    folder.fails(&infer("--seed 0"), "--seed: this is for compiling");
    folder.fails("inspect model.plan --precision-bits 13", "--precision-bits: this is for compiling");
    let three = "--mean 0.1,0.2,0.3 --std 0.1,0.2,0.3";
    for line in [format!("plain.onnx {three}"), format!("eval plain.onnx --input x.u8 {three}")] {
        folder.fails(&line, "[1,1,28,28]: mean has 3 numbers for 1 channel");
    }
    folder.fails("plain.onnx --mean 0.5 --std 0", "division by 0");
    std::fs::write(folder.path("plain.toml"), "mean = [0.5]\n").unwrap();
    folder.fails("plain.onnx", "plain.toml: `mean` and `std` belong together");
    ends(&folder, "plain.onnx --mean 0.5", 2);
    ends(&folder, "plain.onnx --std 0.5", 2);
    ends(&folder, "plain.onnx --sample-count 3", 2);
}

#[test]
fn samples_are_any_inputs() {
    let folder = Folder::new();
    copy_lenet(&folder);
    write_array(&folder, "x.npy", &[5, 1, 28, 28], |k| (k % 784) as f64 / 784.0);
    let compile = |options: &str| ends(&folder, &format!("plain.onnx -o p.plan --samples {options}"), 0).1;
    let err = compile("x.npy");
    assert!(err.contains("--samples: 5 are all there are, of 16 that may be used"), "{err}");
    assert!(!compile("x.npy --sample-count 4").contains("--samples"));
    folder.fails("plain.onnx --samples x.npy#7", "no record 7");
    compile(SEVEN);

    let Some(two) = case("product_of_inputs") else { return };
    let files = format!("--samples {two}/in0.npy --samples {two}/in1.npy");
    let model = format!("{two}/model.onnx");
    let err = ends(&folder, &format!("{model} -o two.plan {files}"), 0).1;
    assert!(err.contains("1 are all there are"), "{err}");
    folder.fails(&format!("{model} -o two.plan --samples {two}/in0.npy"), "2 input(s)");
    let simulated = format!("simulate two.plan --data {two}/in0.npy --data {two}/in1.npy --check --json");
    assert_eq!(json(&folder.ok(&simulated))["images"], 1);
}

#[test]
fn axes_in_another_order_are_refused_or_transposed() {
    let Some(nhwc) = case("nhwc_network") else { return };
    let folder = Folder::new();
    let eval = |options: &str| {
        let line = format!("eval {nhwc}/model.onnx --input {options} --json");
        serde_json::from_value::<Vec<f64>>(json(&folder.ok(&line))["output"].clone()).unwrap()
    };
    let shape = input_shape(&folder, &format!("{nhwc}/model.onnx"));
    let [_, h, w, c] = shape[..] else { panic!("{shape:?}") };
    // The case's numbers are in the network's order, whatever the head of their file says.
    let bytes = std::fs::read(format!("{nhwc}/in0.npy")).unwrap();
    let data = bytes[bytes.len() - 4 * h * w * c..].chunks_exact(4);
    let data: Vec<f32> = data.map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
    write_array(&folder, "hwc.npy", &[h, w, c], |k| f64::from(data[k]));
    let (expected, stored) = (eval("hwc.npy"), std::fs::read(format!("{nhwc}/out0.npy")).unwrap());
    let stored = stored[stored.len() - 4 * expected.len()..].chunks_exact(4);
    let stored = stored.map(|x| f64::from(f32::from_le_bytes(x.try_into().unwrap())));
    assert!(expected.iter().zip(stored).all(|(a, b)| (a - b).abs() < 1e-4));
    // And in the other order.
    write_array(&folder, "chw.npy", &[1, c, h, w], |k| {
        let (channel, pixel) = (k / (h * w), k % (h * w));
        f64::from(data[pixel * c + channel])
    });
    folder.fails(&format!("eval {nhwc}/model.onnx --input chw.npy"), "--layout chw transposes");
    assert_eq!(eval("chw.npy --layout chw"), expected);
    assert_eq!(eval("chw.npy --layout nchw"), expected);
}

/// Shape of a network's first input, off the text of its tensor IR.
fn input_shape(folder: &Folder, model: &str) -> Vec<usize> {
    let ir: Value = json(&folder.ok(&format!("inspect {model} --ir tensor --json")));
    let text = ir["ir"].as_str().unwrap();
    let line = text.lines().find(|l| l.contains("= input")).unwrap_or_else(|| panic!("{text}"));
    let shape = line.rsplit_once('[').unwrap().1.split_once(']').unwrap().0;
    shape.split(',').map(|d| d.parse().unwrap()).collect()
}
