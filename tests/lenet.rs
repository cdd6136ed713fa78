//! The command line on a network: what other tools read, and what it says about networks that do not compile.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;

use cli::{Folder, json};
use serde_json::Value;

const LENET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/lenet.onnx");
const SEVEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/seven.png");

/// Names that `inspect --json` promises and that need no parameters.
const COUNTS: [&str; 8] = [
    "levels",
    "instructions",
    "rotations",
    "hoisted_rotations",
    "key_switches",
    "plaintexts",
    "plaintext_equivalents",
    "layers",
];

fn require(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(!value[key].is_null(), "{key} is missing: {value}");
    }
}

#[test]
fn compiling_stops_where_it_is_told() {
    let folder = Folder::new();
    let lower = folder.ok(&format!("{LENET} --stop-after lower"));
    for part in ["levels", "instructions", "rotations", "hoisted", "key switches", "plaintexts", "full ones"]
    {
        assert!(lower.contains(part), "{part}: {lower}");
    }
    let numbers = json(&folder.ok(&format!("{LENET} --stop-after lower --json --log-n 14")));
    require(&numbers, &COUNTS);
    assert_eq!((&numbers["n"], &numbers["ir"]), (&16384.into(), &"schedule".into()));
    let by_layer = numbers["layers"].as_array().unwrap();
    let sum = by_layer.iter().map(|l| l["rotations"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(Value::from(sum), numbers["rotations"]);

    let dump = folder.ok(&format!("{LENET} --stop-after canonicalize --dump-after canonicalize --quiet"));
    assert!(dump.starts_with("tensor "), "{dump}");
    let both = format!("compile {LENET} --stop-after absorb --dump-after absorb --time-passes --json");
    let both = json(&folder.ok(&both));
    assert!(both["dumps"]["absorb"].as_str().unwrap().starts_with("tensor "));
    assert_eq!(both["passes"].as_array().unwrap().len(), 3);
    let timed = folder.ok(&format!("{LENET} --stop-after place --time-passes"));
    assert!(timed.contains("assign-layout") && timed.contains("verifying"), "{timed}");
    assert_eq!(std::fs::read_dir(folder.path(".")).unwrap().count(), 0, "no file was asked for");
}

#[test]
fn every_stage_evaluates_alike() {
    let folder = Folder::new();
    let run = |stage: &str| {
        let folder = &folder;
        let line =
            format!("eval {LENET} --input {SEVEN} --ir {stage} --output-dir {stage} --log-n 14 --json");
        let result = json(&folder.ok(&line));
        let npy = std::fs::read(folder.path(stage).join("out0.npy")).unwrap();
        assert!(npy.starts_with(b"\x93NUMPY") && npy.len() == 128 + 4 * 10, "{} bytes", npy.len());
        serde_json::from_value::<Vec<f64>>(result["output"].clone()).unwrap()
    };
    let (tensor, slot, schedule) = (run("tensor"), run("slot"), run("schedule"));
    assert!(tensor[7] > 5.0, "normalised as lenet.toml says: {tensor:?}");
    for (name, other) in [("slot", slot), ("schedule", schedule)] {
        let worst = tensor.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{name}: {worst:e}");
    }
}

#[test]
fn a_plan_with_bootstraps() {
    let folder = Folder::new();
    folder.ok(&format!("{LENET} --bootstrap true --levels 4 --precision-bits 12 -o boot.plan"));
    let plan = json(&folder.ok("inspect boot.plan --json"));
    assert!(plan["bootstraps"].as_u64().unwrap() >= 1, "{plan}");
    assert_eq!(plan["n"], 65536);
    assert!(plan["security_bits"].as_f64().unwrap() >= 128.0);
    assert!(plan["key_bytes"].as_u64().unwrap() > 1 << 30, "the bootstrap's keys count: {plan}");
    // Digits fill few slots of this ring: nobody needs a bootstrap of all.
    let slots = plan["placement"]["slots"].as_u64().unwrap();
    assert!(slots.is_power_of_two() && slots < 1 << 15, "{plan}");
    let text = folder.ok("inspect boot.plan");
    assert!(text.contains(&format!(" of 2^{} slots", slots.ilog2())), "{text}");
    let levels = plan["layers"].as_array().unwrap().iter();
    let lowest = levels.map(|l| l["level_out"].as_u64().unwrap()).min().unwrap();
    assert!(lowest >= 2, "levels below belong to SlotsToCoeffs: {plan}");
    let none = json(&folder.ok(&format!("inspect {LENET} --json")));
    assert_eq!(none["bootstraps"], 0, "seven levels need none");
}

#[test]
fn a_plan_from_the_command_line() {
    let folder = Folder::new();
    let numbers = json(&folder.ok(&format!("{LENET} -o lenet.plan --json")));
    require(&numbers, &COUNTS);
    assert!(numbers["security_bits"].as_f64().unwrap() >= 128.0);
    assert_eq!(json(&folder.ok("inspect lenet.plan --json")), numbers);
    let seven = json(&folder.ok(&format!("infer lenet.plan --input {SEVEN} --check --json")));
    require(&seven, &["images", "seconds_keygen", "peak_rss_bytes", "results"]);
    require(&seven["results"][0], &["input", "output", "top1", "seconds", "clear_output"]);
    assert_eq!(seven["results"][0]["top1"], 7);
    assert!(seven["max_abs_error"].as_f64().unwrap() < 1e-2, "{seven}");
    assert!(folder.ok("inspect lenet.plan --ir schedule --quiet").starts_with("schedule "));
    assert!(json(&folder.ok("inspect lenet.plan --ir schedule --json"))["ir"].is_string());
    folder.ok("inspect lenet.plan --html report.html --quiet");
    assert!(std::fs::read_to_string(folder.path("report.html")).unwrap().contains("key switches"));
}

#[test]
fn what_does_not_compile_is_named() {
    let folder = Folder::new();
    folder.fails("nowhere.onnx", "nowhere.onnx");
    folder.fails("inspect nowhere.plan", "nowhere.plan");
    folder.fails("eval nowhere.onnx --input a.npy", "nowhere.onnx");
    folder.fails(&format!("{LENET} --log-n 12"), "bits too many");
    folder.fails(&format!("eval {LENET} --input nowhere.npy"), "nowhere.npy");
    std::fs::write(folder.path("noise.onnx"), [7; 100]).unwrap();
    folder.fails("noise.onnx", "noise.onnx");
    assert_eq!(folder.fhec(&format!("{LENET} --stop-after fuse")).status.code(), Some(2));
    assert_eq!(folder.fhec("infer").status.code(), Some(2));
}
