//! A few dozen damaged files of each kind; `cargo run --release --example fuzz_files` takes thousands.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/fuzz/mod.rs"]
mod fuzz;

use std::time::Duration;

#[test]
fn damaged_files_are_refused() {
    let options = fuzz::Options {
        cases: 60,
        large_cases: 10,
        first: 1_000_000,
        only: String::new(),
        memory: 1 << 30,
        time: Duration::from_secs(120),
    };
    assert_eq!(fuzz::run(&options).unwrap(), 0);
}
