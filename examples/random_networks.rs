//! Random networks, compiled and run encrypted at 128 bits, against the same in clear. Fails if an error exceeds what its plan
//! promises.
//!
//! `cargo run --release --example random_networks -- [--count 450] [--first 0]`

#[path = "../tests/common/networks.rs"]
mod networks;

use std::error::Error;
use std::process::ExitCode;

use fhec::Request;
use networks::Outcome;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut count, mut first) = (450, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} takes a value"))?;
        match argument.as_str() {
            "--count" => count = value.parse()?,
            "--first" => first = value.parse()?,
            _ => return Err(format!("unknown option {argument}; there are --count and --first").into()),
        }
    }
    let request = Request { bootstrap: Some(false), ..Request::default() };
    let (mut right, mut refused, mut wrong, mut closest) = (0, 0, 0, 0.0f64);
    for seed in first..first + count {
        let network = networks::network(seed);
        match networks::check(network, &request) {
            Outcome::Right(ratio) => {
                right += 1;
                closest = closest.max(ratio);
            }
            Outcome::Refused(why) => {
                refused += 1;
                println!("{seed}: refused: {why}");
            }
            Outcome::Wrong(error, promised) => {
                wrong += 1;
                println!("{seed}: WRONG: {error:e}, {promised:e} promised");
            }
        }
    }
    println!("{right} right, within {closest:.2} of what is promised, {refused} refused, {wrong} wrong");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
