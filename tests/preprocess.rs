//! What becomes of pictures and bytes is said once, at compilation, and kept by the plan.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;

use std::path::Path;

use cli::{Folder, json};
use fhec_runtime::input::write_npy;
use serde_json::Value;

const LENET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/lenet.onnx");
const SEVEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/seven.png");
const TURNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runtime/tests/pictures/422_turned.jpg");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/cases");

/// The folder of a case that is kept beside the repository, if it is there.
fn case(name: &str) -> Option<String> {
    let folder = format!("{CASES}/{name}");
    let found = Path::new(&folder).is_dir();
    if !found {
        eprintln!("skipped: {folder} is missing");
    }
    found.then_some(folder)
}

fn lenet(folder: &Folder) {
    std::fs::copy(LENET, folder.path("net.onnx")).unwrap();
}

/// The f32 numbers at the end of an .npy file.
fn numbers(path: &str, count: usize) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    let data = bytes[bytes.len() - 4 * count..].as_chunks::<4>().0;
    data.iter().map(|x| f64::from(f32::from_le_bytes(*x))).collect()
}

fn list(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn assert_close(found: &Value, wanted: &[f64], most: f64) {
    let found = list(found);
    assert_eq!(found.len(), wanted.len());
    let apart = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart <= most, "{apart}: {found:?} {wanted:?}");
}

#[test]
fn the_plan_says_what_becomes_of_pictures() {
    let folder = Folder::new();
    lenet(&folder);
    let out = folder.ok("net.onnx -o p.plan --mean 0.1307 --std 0.3081 --resize short:32");
    let steps = "[1,1,28,28], pictures → short side 32 → centre crop 28 → grey → (x/255 − 0.1307)/0.3081";
    assert!(out.contains(steps), "{out}");
    folder.ok("client-spec p.plan -o p.client");
    for file in ["p.plan", "p.client"] {
        assert!(folder.ok(&format!("inspect {file}")).contains(steps));
        let input = &json(&folder.ok(&format!("inspect {file} --json")))["inputs"][0];
        assert_eq!(input["shape"], serde_json::json!([1, 1, 28, 28]));
        assert_eq!(
            input["preprocessing"],
            serde_json::json!({ "resize": "short:32", "crop": [28, 28], "channels": "grey" })
        );
        assert_eq!(input["normalisation"]["mean"], serde_json::json!([0.1307]));
        assert!(input["range"][1].as_f64().unwrap() > 2.0);
    }
    folder.ok("keygen p.client -o keys");
    let encrypt = format!("encrypt p.client --key keys/secret.key --input {TURNED} -o x.ct");
    assert!(folder.ok(&encrypt).contains(steps));
    let simulate = |plan: &str| json(&folder.ok(&format!("simulate {plan} --data {TURNED} --json")));
    assert_eq!(simulate("p.plan")["images"], 1);

    // The same picture, wherever it goes through these steps.
    let results = json(&folder.ok(&format!("infer p.plan --input {TURNED} --json")));
    let eval = format!("eval net.onnx --mean 0.1307 --std 0.3081 --resize=short:32 --input {TURNED} --json");
    let clear = list(&json(&folder.ok(&eval))["output"]);
    let output =
        if results["results"].is_array() { &results["results"][0]["output"] } else { &results["output"] };
    assert_close(output, &clear, 0.01);

    folder
        .fails(&format!("infer p.plan --input {TURNED} --resize"), "the plan says what becomes of pictures");
    folder.fails(&format!("infer p.plan --input {TURNED} --resize none"), "only without a size here");
    folder.fails(&format!("infer p.plan --input {TURNED} --crop"), "--crop: this is for compiling an .onnx");
    folder.fails(
        &format!("infer p.plan --input {TURNED} --preset imagenet"),
        "--preset: this is for compiling",
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let folder = Folder::new();
    lenet(&folder);
    folder.fails("net.onnx --crop=30", "a crop of 30x30 leaves another size than the network's 28x28");
    folder.fails("net.onnx --channels bgr", "an order of channels is for 3 of them");
    folder.fails("net.onnx --preset imagenet", "mean has 3 numbers for 1 channel");
    folder.fails("net.onnx --divisor 0", "division by 0");
    folder.fails("net.onnx --input-shape 1,1,32,32", "axis 2 of the input");
    for line in ["net.onnx --resize=long:3", "net.onnx --crop=0", "net.onnx --input-shape x=1,0"] {
        assert_eq!(folder.fhec(line).status.code(), Some(2), "{line}");
    }
    let file = |text: &str| std::fs::write(folder.path("net.toml"), text).unwrap();
    file("resize = \"long\"\n");
    folder.fails("net.onnx", "net.toml");
    file("mean = [0.1307]\nstd = [0.3081]\nresize = \"short:30\"\ncrop = true\n");
    let out = folder.ok("net.onnx -o p.plan");
    assert!(out.contains("short side 30 → centre crop 28 → grey → (x/255 − 0.1307)/0.3081"), "{out}");
    // Options go before the file.
    let out = folder.ok("net.onnx -o p.plan --resize exact --divisor 128");
    assert!(
        out.contains("pictures → resize 28×28 → centre crop 28 → grey → (x/128 − 0.1307)/0.3081"),
        "{out}"
    );
}

#[test]
fn what_was_assumed_of_bytes_is_said_wherever_some_are_read() {
    let folder = Folder::new();
    lenet(&folder);
    let said =
        |line: &str| String::from_utf8(folder.fhec(line).stderr).unwrap().contains("bytes/255; give --mean");
    assert!(said("net.onnx -o p.plan"));
    folder.ok("keygen p.plan -o keys");
    let encrypt = |input: &str| format!("encrypt p.plan --key keys/secret.key -o x.ct --input {input}");
    let seven = format!("{SEVEN} --resize");
    assert!(said(&encrypt(&seven)) && said(&format!("infer p.plan --input {seven}")));
    assert!(said(&format!("simulate p.plan --data {seven}")));
    let mut bytes = vec![];
    write_npy(&mut bytes, &[28, 28], &[0.5; 784]).unwrap();
    std::fs::write(folder.path("x.npy"), bytes).unwrap();
    assert!(!said(&encrypt("x.npy")));
    // Who says that it is so is not asked again.
    assert!(!said("net.onnx -o p.plan --divisor 255"));
    assert!(folder.ok("inspect p.plan").contains("bytes → x/255\n"));
    assert!(!said(&format!("infer p.plan --input {seven}")));
}

#[test]
fn networks_on_bytes_and_in_other_orders_are_right() {
    let folder = Folder::new();
    let infer = |name: &str, input: &str| {
        json(&folder.ok(&format!("infer {CASES}/{name}/model.onnx --input {input} --check --json")))
    };
    let output = |result: &Value| match &result["results"] {
        Value::Array(results) => results[0]["output"].clone(),
        _ => result["output"].clone(),
    };
    if let Some(bytes) = case("uint8_input") {
        let found = output(&infer("uint8_input", &format!("{bytes}/in0.npy")));
        assert_close(&found, &numbers(&format!("{bytes}/out0.npy"), 10), 0.01);
        let compiled = folder.fhec(&format!("{bytes}/model.onnx -o b.plan"));
        let (out, err) =
            (String::from_utf8(compiled.stdout).unwrap(), String::from_utf8(compiled.stderr).unwrap());
        assert!(out.contains("[1,1,28,28], bytes → x\n"), "{out}");
        assert!(err.contains("takes uint8 numbers: bytes are taken as they are, 0 to 255"), "{err}");
        let input = &json(&folder.ok("inspect b.plan --json"))["inputs"][0];
        assert_eq!(input["range"], serde_json::json!([-255.0, 255.0]));
        folder.fails(
            &format!("{bytes}/model.onnx --mean 0.5 --std 0.5"),
            "takes uint8 numbers, which the network",
        );
    }
    if let Some(rectangle) = case("rectangle_nchw") {
        let found = output(&infer("rectangle_nchw", &format!("{rectangle}/in0.npy")));
        assert_close(&found, &numbers(&format!("{rectangle}/out0.npy"), 3), 0.001);
    }
    if let Some(nhwc) = case("nhwc_network") {
        // The numbers are in the network's order, whatever the head of their file says.
        let (data, mut bytes) = (numbers(&format!("{nhwc}/in0.npy"), 3072), vec![]);
        write_npy(&mut bytes, &[32, 32, 3], &data).unwrap();
        std::fs::write(folder.path("hwc.npy"), bytes).unwrap();
        let found = output(&infer("nhwc_network", "hwc.npy"));
        assert_close(&found, &numbers(&format!("{nhwc}/out0.npy"), 10), 0.001);
        // About as many as for the same network in the other order; 2,172 before.
        let plan = json(&folder.ok(&format!("inspect {nhwc}/model.onnx --json")));
        let count = |key: &str| plan[key].as_u64().unwrap();
        assert!(count("plaintexts") <= 112 && count("rotations") <= 50, "{plan}");
    }
}
