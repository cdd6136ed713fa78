//! Files that ask for more than there is, and numbers that nobody computed: errors, never the end of the process by a signal.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;
#[path = "../runtime/tests/common/mod.rs"]
mod common;

use cli::Folder;
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
    folder.ok("inspect p.plan --json");
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
