//! Files that ask for more than there is, and numbers that nobody computed: errors, never the end of the process by a signal.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;
#[path = "../runtime/tests/common/mod.rs"]
mod common;

use cli::{Folder, json};
use fhec::plan::{LayerReport, MemoryReport, Plan, Report};

const KERNEL: [f32; 9] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];

/// A plan for a convolution at N = 2^13, with a report.
fn plan(report: Report) -> Plan {
    let parameters = common::secure_parameters();
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, KERNEL));
    Plan { report, ..(*plan).clone() }
}

#[test]
fn reports_of_any_numbers_are_shown() {
    const MOST: u64 = u64::MAX;
    let folder = Folder::new();
    let layer = LayerReport {
        rotations: 1,
        hoisted_rotations: MOST,
        instructions: MOST,
        plaintexts: MOST,
        key_switches: MOST,
        multiply_accumulates: MOST,
        predicted_seconds: f64::MAX,
        ..LayerReport::default()
    };
    let memory = MemoryReport { keys: MOST, matrices: MOST, values: MOST, working: MOST, plaintexts: MOST };
    let (bootstraps, pairs, layers) = (MOST, MOST, vec![layer.clone(), layer]);
    plan(Report { memory, bootstraps, pairs, layers, ..Report::default() })
        .save(&folder.path("p.plan"))
        .unwrap();
    folder.ok("inspect p.plan");
    folder.ok("inspect p.plan -v");
    let shown = json(&folder.ok("inspect p.plan --json"));
    assert_eq!(shown["predicted_peak_bytes"].as_u64(), Some(MOST));
    std::fs::write(folder.path("image.u8"), [0; 64]).unwrap();
    folder.fails("infer p.plan --input image.u8", "there is too little memory");
}

/// What a process with a limit on its memory does: 0 or 1, and then it says why.
#[cfg(target_os = "linux")]
fn limited(folder: &Folder, kibibytes: u64, line: &str) -> (Option<i32>, String) {
    let script = format!("ulimit -v {kibibytes}; exec {} {line}", env!("CARGO_BIN_EXE_fhec"));
    let mut command = std::process::Command::new("sh");
    let output = command.current_dir(folder.path("")).args(["-c", &script]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Fails with a line about memory, and not by a signal.
#[cfg(target_os = "linux")]
#[track_caller]
fn short_of_memory(folder: &Folder, kibibytes: u64, line: &str) {
    let (code, stderr) = limited(folder, kibibytes, line);
    assert_eq!(code, Some(1), "{line}: {stderr}");
    let told = ["too little memory", "no memory", "out of memory", "memory allocation"]
        .iter()
        .any(|text| stderr.contains(text));
    assert!(told && !stderr.contains("panicked"), "{line}: {stderr}");
}

/// Room for a process with two threads, in KiB of addresses.
#[cfg(target_os = "linux")]
const ROOM: u64 = 400 << 10;

#[test]
#[cfg(target_os = "linux")]
fn what_does_not_fit_into_memory_is_an_error() {
    let folder = Folder::new();
    plan(Report::default()).save(&folder.path("p.plan")).unwrap();
    folder.ok("client-spec p.plan -o p.client");
    folder.ok("keygen p.client -o keys");
    std::fs::write(folder.path("image.u8"), [0; 64]).unwrap();
    let short = |line: &str| short_of_memory(&folder, ROOM, &format!("{line} --threads 2"));
    let encrypt = "encrypt p.client --key keys/secret.key -o image.ct --input";

    // There is room for what is small.
    let (code, stderr) = limited(&folder, ROOM, "infer p.plan --input image.u8 --threads 2");
    assert_eq!(code, Some(0), "{stderr}");

    // Long files.
    let long = |name: &str, head: &[u8]| {
        std::fs::write(folder.path(name), head).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(folder.path(name)).unwrap();
        file.set_len(900 << 20).unwrap();
    };
    for (name, head) in [("long.plan", &b"FHECPLAN"[..]), ("long.onnx", b""), ("long.u8", b"")] {
        long(name, head);
    }
    short("inspect long.plan");
    short("compile long.onnx -o none.plan");
    short(&format!("{encrypt} long.u8"));

    // Short ones of which much is made.
    let row = format!("0{}\n", ",0".repeat(63));
    std::fs::write(folder.path("rows.csv"), row.repeat((120 << 20) / row.len())).unwrap();
    short(&format!("{encrypt} rows.csv"));

    // A plan that needs more, by its report and by its parameters.
    let memory = MemoryReport { keys: 4 << 30, ..MemoryReport::default() };
    plan(Report { memory, ..Report::default() }).save(&folder.path("greedy.plan")).unwrap();
    short("infer greedy.plan --input image.u8");
    let (_, data, bytes) = common::secure_bootstrapped();
    let schedule = common::bootstrapped_schedule(&data, 1, 4);
    common::plan_with(data, schedule, bytes).0.save(&folder.path("deep.plan")).unwrap();
    short("keygen deep.plan -o deep --yes");
}
