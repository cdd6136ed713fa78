//! What the client makes of decrypted outputs, and how verbs tell of one and of many inputs.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;
#[path = "../runtime/tests/common/mod.rs"]
mod common;

use std::path::Path;

use cli::{Folder, json};
use fhec_ir::ValueId;
use fhec_ir::plan::Plan;
use fhec_ir::tensor::{ClientOp, TensorGraph, TensorOp};
use serde_json::Value;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/cases");
const KERNEL: [f32; 9] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];

/// The tail of a network on pictures of 8 × 8: reshape, softmax, the three largest with their places.
fn tail(plan: &Plan) -> TensorGraph {
    let output = &plan.client.outputs[0];
    let mut tail = TensorGraph::new("tail", ());
    let mut push = |op: TensorOp, args: &[ValueId]| tail.push_inferred(op, args.to_vec(), "").unwrap();
    let x = push(TensorOp::Input { name: output.name.clone(), shape: output.layout.shape() }, &[]);
    let flat = push(TensorOp::Reshape { out: vec![1, 64] }, &[x]);
    let p = push(TensorOp::Client(ClientOp::Softmax { axes: vec![1], log: false }), &[flat]);
    let top = |indices| TensorOp::Client(ClientOp::TopK { axis: 1, k: 3, least: false, indices });
    let (values, indices) = (push(top(false), &[p]), push(top(true), &[p]));
    tail.add_output("values", values);
    tail.add_output("indices", indices);
    tail
}

/// Writes a plan with a tail, and what is given for its inputs: three records in a batch and a broken file.
fn prepare(folder: &Folder) {
    let parameters = common::secure_parameters();
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, KERNEL));
    let mut plan = Plan::clone(&plan);
    plan.client.tail = Some(tail(&plan));
    plan.client.classes = (0..64).map(|k| format!("class {k}")).collect();
    plan.save(&folder.path("model.plan")).unwrap();
    let records: Vec<u8> = (1..4u8)
        .flat_map(|r| std::iter::once(r).chain((0..64u8).map(move |k| k.wrapping_mul(37) % 64 * r)))
        .collect();
    std::fs::write(folder.path("batch.bin"), &records).unwrap();
    std::fs::write(folder.path("image.u8"), &records[1..65]).unwrap();
    std::fs::write(folder.path("broken.u8"), [0; 5]).unwrap();
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"))
}

/// The entry of a result has all that is promised.
fn check_entry(entry: &Value) {
    let keys = ["input", "output", "outputs", "shapes", "top1", "class"];
    assert!(keys.iter().all(|key| !entry[key].is_null()), "{entry}");
    let indices = numbers(&entry["outputs"]["indices"]);
    assert_eq!(entry["top1"], indices[0] as u64, "the first of the top three");
    assert_eq!(entry["class"], format!("class {}", indices[0]));
    assert_eq!(entry["shapes"]["values"], serde_json::json!([1, 3]));
    let values = numbers(&entry["output"]);
    assert!(values.len() == 3 && values[0] >= values[1] && values[0] < 1.0, "{values:?}");
}

#[test]
fn one_schema_for_one_and_many() {
    let folder = Folder::new();
    prepare(&folder);
    let one = json(&folder.ok("infer model.plan --input image.u8 --check --release exact --json"));
    let many = json(&folder.ok("infer model.plan --input batch.bin --check --release exact --json"));
    assert_eq!((&one["images"], &many["images"]), (&1.into(), &3.into()));
    for result in [&one, &many] {
        let keys = [
            "images",
            "failed",
            "agreement",
            "accuracy",
            "mean_seconds",
            "max_abs_error",
            "peak_rss_bytes",
            "seconds_keygen",
        ];
        for key in keys {
            assert!(result.get(key).is_some(), "{key} is missing: {result}");
        }
        for entry in result["results"].as_array().unwrap() {
            check_entry(entry);
            for key in ["seconds", "clear_output", "max_abs_error", "agrees"] {
                assert!(!entry[key].is_null(), "{key} is missing: {entry}");
            }
            let (got, clear) = (numbers(&entry["output"]), numbers(&entry["clear_output"]));
            assert!(got.iter().zip(&clear).all(|(a, b)| (a - b).abs() < 1e-4), "{got:?} {clear:?}");
        }
        assert_eq!(result["agreement"], 1.0);
    }
    // The error is of what is decrypted.
    assert!(one["max_abs_error"].as_f64().unwrap() > 0.0);

    let raw = json(&folder.ok("infer model.plan --input image.u8 --raw --json"));
    assert_eq!(numbers(&raw["results"][0]["output"]).len(), 64);
    let text = folder.ok("infer model.plan --input image.u8 --check");
    assert!(text.contains("in clear:") && text.contains("(class "), "{text}");

    let line = "infer model.plan --input image.u8 --input broken.u8 --input image.u8 --json";
    let output = folder.fhec(line);
    let partly = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((&partly["images"], &partly["failed"]), (&2.into(), &1.into()));
    assert_eq!(partly["error"], "1 of 3 inputs failed");
    let failed = partly["results"].as_array().unwrap().iter().filter(|r| !r["error"].is_null());
    assert_eq!(failed.map(|r| r["input"].clone()).collect::<Vec<_>>(), ["broken.u8"]);

    let simulated = json(&folder.ok("simulate model.plan --data batch.bin --check --json"));
    assert_eq!(simulated["agreement"], 1.0);
    let inspected = json(&folder.ok("inspect model.plan --json"));
    assert_eq!(inspected["tail"], serde_json::json!(["Softmax", "TopK"]));
    assert_eq!(inspected["outputs"][1]["name"], "indices");
    assert_eq!(inspected["outputs"][0]["classes"].as_array().unwrap().len(), 64);
    assert!(inspected["raw_outputs"][0]["range"][1].as_f64().unwrap() > 0.0);
    assert!(folder.ok("inspect model.plan").contains("the client runs: Softmax, TopK"));
}

#[test]
fn failures_are_json_as_well() {
    let folder = Folder::new();
    prepare(&folder);
    let fails = |line: &str, code: i32, why: &str| {
        let output = folder.fhec(line);
        let out = json(&String::from_utf8(output.stdout).unwrap());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {error}");
        assert!(out["error"].as_str().unwrap().contains(why) && error.contains(why), "{line}: {out} {error}");
    };
    fails("infer model.plan --input none.u8 --json", 1, "none.u8");
    fails("inspect none.plan --json", 1, "none.plan");
    fails("--json keygen none.client -o keys", 1, "none.client");
    fails("compile none.onnx --json", 1, "none.onnx");
    fails("simulate model.plan --data none --json", 1, "none");
    fails("run model.plan --keys none --input image.u8 -o x --json", 1, "none");
    fails("infer model.plan --json", 2, "--input");
    fails("infer model.plan --nonsense --json", 2, "--nonsense");
    fails("frobnicate --json", 2, "frobnicate");
    let help = folder.ok("infer --help --json");
    assert!(help.contains("Usage"));
}

#[test]
fn names_of_classes() {
    let folder = Folder::new();
    prepare(&folder);
    let class = |name: &str, text: &str| {
        std::fs::write(folder.path(name), text).unwrap();
        let line = format!("infer model.plan --input image.u8 --json --classes {name}");
        json(&folder.ok(&line))["results"][0].clone()
    };
    let names: Vec<String> = (0..64).map(|k| format!("\"n{k}\"")).collect();
    let entry = class("list.json", &format!("[{}]", names.join(",")));
    let top = &entry["top1"];
    assert_eq!(entry["class"], format!("n{top}"));
    let pairs: Vec<String> = (0..64).map(|k| format!("\"{k}\": [\"id\", \"m{k}\"]")).collect();
    assert_eq!(class("map.json", &format!("{{{}}}", pairs.join(",")))["class"], format!("m{top}"));
    assert!(class("short.txt", "only\n")["class"].is_null() || *top == 0);
    for (text, why) in [("a\u{1b}[31m\nb", "control characters"), ("[1,", "expected"), ("", "no names")] {
        std::fs::write(folder.path("bad.txt"), text).unwrap();
        folder.fails("infer model.plan --input image.u8 --classes bad.txt", why);
    }
    folder.fails("infer model.plan --input image.u8 --classes none.txt", "none.txt");
    std::fs::write(folder.path("bytes.txt"), [0xff, 0xfe]).unwrap();
    folder.fails("infer model.plan --input image.u8 --classes bytes.txt", "UTF-8");
}

#[test]
fn batches_through_four_processes() {
    let folder = Folder::new();
    prepare(&folder);
    folder.ok("client-spec model.plan -o model.client");
    folder.ok("keygen model.client -o keys");
    let encrypt = "encrypt model.client --key keys/secret.key";
    folder.ok(&format!("{encrypt} --input batch.bin -o inputs"));
    for name in ["batch.bin-0.ct", "batch.bin-1.ct", "batch.bin-2.ct"] {
        assert!(folder.path(&format!("inputs/{name}")).is_file(), "{name}");
    }
    // One more that is broken, and one that is not to be had.
    std::fs::write(folder.path("inputs/batch.bin-3.ct"), b"FHECDATA nonsense").unwrap();
    let output = folder.fhec(&format!("{encrypt} --input image.u8 --input broken.u8 -o more --json"));
    assert_eq!(output.status.code(), Some(1));
    let encrypted = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((&encrypted["images"], &encrypted["failed"]), (&1.into(), &1.into()));
    assert!(folder.path("more/image.u8.ct").is_file());

    let run = "run model.plan --keys keys/evaluation.keys --input inputs";
    folder.fails(&format!("{run} -o inputs"), "would be overwritten");
    let output = folder.fhec(&format!("{run} -o results --json"));
    assert_eq!(output.status.code(), Some(1));
    let ran = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(
        (&ran["images"], &ran["failed"], &ran["error"]),
        (&3.into(), &1.into(), &"1 of 4 inputs failed".into())
    );
    assert!(ran["results"][3]["error"].as_str().unwrap().contains("batch.bin-3.ct"), "{ran}");

    let decrypt = "decrypt model.client --key keys/secret.key";
    let all = json(&folder.ok(&format!("{decrypt} --input results -o out --json")));
    let entries = all["results"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    entries.iter().for_each(check_entry);
    let inferred = json(&folder.ok("infer model.plan --input batch.bin --json"));
    for (a, b) in entries.iter().zip(inferred["results"].as_array().unwrap()) {
        assert_eq!(a["top1"], b["top1"]);
    }
    assert!(folder.path("out/batch.bin-2/out1.npy").is_file());

    // A single one is a file, and its JSON has its numbers at the top as well.
    let one = json(&folder.ok(&format!("{decrypt} --input results/batch.bin-1.ct --json")));
    check_entry(&one["results"][0]);
    assert_eq!(one["output"], one["results"][0]["output"]);
    let raw = json(&folder.ok(&format!("{decrypt} --input results/batch.bin-1.ct --raw --json")));
    assert_eq!(numbers(&raw["output"]).len(), 64);
    folder.ok(&format!("{encrypt} --input batch.bin#1 -o one.ct"));
    folder.ok("run model.plan --keys keys/evaluation.keys --input one.ct -o one.result");
    let text = folder.ok(&format!("{decrypt} --input one.result"));
    assert!(text.contains("indices: ") && text.contains("(class "), "{text}");

    // Results that are damaged are reported, the others decrypted.
    std::fs::write(folder.path("results/batch.bin-0.ct"), b"nothing").unwrap();
    let output = folder.fhec(&format!("{decrypt} --input results"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("batch.bin-1: ") && text.contains("batch.bin-2: "), "{text}");
}

#[test]
fn cases_whose_last_function_is_the_client_s() {
    let folder = Folder::new();
    for (case, runs) in [("sigmoid_last", "Sigmoid"), ("log_softmax_last", "LogSoftmax")] {
        let files = format!("{CASES}/{case}");
        if !Path::new(&files).is_dir() {
            eprintln!("skipped: {files} is missing");
            return;
        }
        let found =
            json(&folder.ok(&format!("infer {files}/model.onnx --input {files}/in0.npy --check --json")));
        let entry = &found["results"][0];
        folder.ok(&format!("eval {files}/model.onnx --input {files}/in0.npy --output-dir {case}"));
        let evaluated = json(&folder.ok(&format!("eval {files}/model.onnx --input {files}/in0.npy --json")));
        let (got, wanted) = (numbers(&entry["output"]), numbers(&evaluated["output"]));
        let worst = got.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(got.len() == wanted.len() && worst < 2e-3, "{case}: {worst:e}");
        assert_eq!(entry["agrees"], true);
        let compiled = folder.ok(&format!("{files}/model.onnx -o {case}.plan"));
        assert!(compiled.contains(&format!("the client runs: {runs}")), "{compiled}");
        let raw = json(&folder.ok(&format!("infer {files}/model.onnx --input {files}/in0.npy --raw --json")));
        assert_ne!(numbers(&raw["results"][0]["output"]), got);
    }
}
