//! Random networks, compiled and run encrypted at 128 bits, and deep ones with bootstraps on a small ring, against the same in
//! clear. Fails if an error exceeds what its plan promises.
//!
//! `cargo run --release --example random_networks -- [--count 450] [--bootstrapped 50] [--first 0]`

#[allow(dead_code, reason = "not all layers are for all networks")]
#[path = "../tests/common/networks.rs"]
mod networks;
#[path = "../tests/common/small_ring.rs"]
mod small_ring;

use std::error::Error;
use std::fmt::{Display, Formatter};
use std::process::ExitCode;

use fhec::Request;
use networks::Outcome;

/// Counts of what became of networks.
#[derive(Default)]
struct Counts {
    right: usize,
    refused: usize,
    wrong: usize,
    closest: f64,
}

impl Counts {
    fn note(&mut self, seed: u64, outcome: Outcome) {
        match outcome {
            Outcome::Right(ratio) => {
                self.right += 1;
                self.closest = self.closest.max(ratio);
            }
            Outcome::Refused(why) => {
                self.refused += 1;
                println!("{seed}: refused: {why}");
            }
            Outcome::Wrong(error, promised) => {
                self.wrong += 1;
                println!("{seed}: WRONG: {error:e}, {promised:e} promised");
            }
        }
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { right, refused, wrong, closest } = self;
        write!(f, "{right} right, within {closest:.2} of what is promised, {refused} refused, {wrong} wrong")
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut count, mut bootstrapped, mut first) = (450, 50, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} takes a value"))?;
        match argument.as_str() {
            "--count" => count = value.parse()?,
            "--bootstrapped" => bootstrapped = value.parse()?,
            "--first" => first = value.parse()?,
            _ => {
                let known = "--count, --bootstrapped and --first";
                return Err(format!("unknown option {argument}; there are {known}").into());
            }
        }
    }
    let request = Request { bootstrap: Some(false), ..Request::default() };
    let (mut counts, mut small) = (Counts::default(), Counts::default());
    for seed in first..first + count {
        counts.note(seed, networks::check(networks::network(seed), &request));
    }
    println!("at 128 bits: {counts}");
    let (mut with, mut refreshed) = (0, 0);
    for seed in first..first + bootstrapped {
        match small_ring::check(&small_ring::network(seed)) {
            Ok((outcome, bootstraps)) => {
                with += usize::from(bootstraps > 0);
                refreshed += bootstraps;
                small.note(seed, outcome);
            }
            Err(why) => {
                small.refused += 1;
                println!("{seed} on the small ring: {why}");
            }
        }
    }
    println!("on the small ring: {small}; {with} with bootstraps, of {refreshed} ciphertexts");
    Ok(if counts.wrong + small.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
