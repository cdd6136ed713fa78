//! Damages every kind of file that fhec reads, a thousand times each, and loads it. Fails if a reader panics, takes memory
//! out of proportion, or accepts what it must not.
//!
//! `cargo build --release && cargo run --release --example fuzz_files -- [--cases 1000] [--first 0] [--only KIND]`
//!
//! `--seeds fuzz/seeds` writes seeds for the targets in `fuzz/` instead, where a format has a new version.

#[path = "../tests/common/fuzz/mod.rs"]
mod fuzz;

use std::error::Error;
use std::path::PathBuf;
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
        program: program(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} takes a value"))?;
        match argument.as_str() {
            "--cases" => (options.cases, options.large_cases) = (value.parse()?, value.parse()?),
            "--first" => options.first = value.parse()?,
            "--only" => options.only = value,
            "--seeds" => {
                fuzz::seeds::write(value.as_ref())?;
                return Ok(ExitCode::SUCCESS);
            }
            _ => {
                return Err(format!(
                    "unknown option {argument}; there are --cases, --first, --only and --seeds"
                )
                .into());
            }
        }
    }
    let defects = fuzz::run(&options)?;
    println!("{defects} defects");
    Ok(if defects == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `fhec` as cargo builds it beside the examples.
fn program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.parent()?.parent()?.join("fhec");
    program.is_file().then_some(program)
}
