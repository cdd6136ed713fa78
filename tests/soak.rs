//! Twenty inferences of a small network in one process, and three as processes. `examples/soak.rs` runs thousands.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "../runtime/tests/common/mod.rs"]
mod common;
#[path = "common/soak.rs"]
mod soak;

use soak::{Soak, left, resident};

const KERNEL: [f32; 9] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];

/// Bytes by which memory may differ between runs.
const SLACK: u64 = 16 << 20;

#[test]
fn memory_stays_flat_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let parameters = common::secure_parameters();
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, KERNEL));
    let soak = Soak { plan: folder.path().join("p.plan"), input: folder.path().join("image.u8") };
    plan.save(&soak.plan).unwrap();
    let image: Vec<u8> = (0..64).collect();
    std::fs::write(&soak.input, &image).unwrap();
    let numbers: Vec<f64> = image.iter().map(|x| f64::from(*x) / 255.0).collect();
    let expected = common::expected(KERNEL, &numbers);

    let mut settled = None;
    for k in 0..20 {
        let found = soak.infer().unwrap();
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(found.len() == expected.len() && worst < 1e-5, "{worst:e}");
        if k == 5 {
            settled = resident();
        }
    }
    match settled.zip(resident()) {
        Some((before, after)) => assert!(after < before + SLACK, "{before} bytes, then {after}"),
        None => eprintln!("skipped: this system does not tell a process's memory"),
    }

    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    for _ in 0..3 {
        soak.process(env!("CARGO_BIN_EXE_fhec").as_ref(), &work).unwrap();
    }
    assert_eq!(left(&work).unwrap(), [""; 0]);
}
