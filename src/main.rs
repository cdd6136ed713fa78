//! The command line of fhec.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
