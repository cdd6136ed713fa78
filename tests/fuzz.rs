//! A few dozen damaged files of each kind; `cargo run --release --example fuzz_files` takes thousands.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/fuzz/mod.rs"]
mod fuzz;

use std::path::Path;
use std::time::Duration;

#[test]
fn damaged_files_are_refused() {
    let options = fuzz::Options {
        cases: 25,
        large_cases: 10,
        first: 1_000_000,
        only: String::new(),
        memory: 1 << 30,
        time: Duration::from_secs(120),
        program: Some(env!("CARGO_BIN_EXE_fhec").into()),
    };
    assert_eq!(fuzz::run(&options).unwrap(), 0);
}

#[test]
fn seeds_of_the_fuzz_targets_are_of_the_present_formats() {
    let folder = tempfile::tempdir().unwrap();
    fuzz::seeds::write(folder.path()).unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for target in std::fs::read_dir(folder.path()).unwrap() {
        for seed in std::fs::read_dir(target.unwrap().path()).unwrap() {
            let seed = seed.unwrap().path();
            let name = seed.strip_prefix(folder.path()).unwrap();
            let same =
                std::fs::read(committed.join(name)).is_ok_and(|bytes| bytes == std::fs::read(&seed).unwrap());
            assert!(same, "{}: run `cargo run --example fuzz_files -- --seeds fuzz/seeds`", name.display());
        }
    }
}
