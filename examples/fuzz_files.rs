//! Damages every kind of file that fhec reads, a thousand times each, and loads it. Fails if a reader panics, takes memory
//! out of proportion, or accepts what it must not.
//!
//! `cargo run --release --example fuzz_files -- [--cases 1000] [--first 0] [--only KIND]`

#[path = "../tests/common/fuzz/mod.rs"]
mod fuzz;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut options = fuzz::Options {
        cases: 1000,
        large_cases: 1000,
        first: 0,
        only: String::new(),
        memory: 1 << 30,
        time: Duration::from_secs(60),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} takes a value"))?;
        match argument.as_str() {
            "--cases" => (options.cases, options.large_cases) = (value.parse()?, value.parse()?),
            "--first" => options.first = value.parse()?,
            "--only" => options.only = value,
            _ => {
                return Err(
                    format!("unknown option {argument}; there are --cases, --first and --only").into()
                );
            }
        }
    }
    let defects = fuzz::run(&options)?;
    println!("{defects} defects");
    Ok(if defects == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
