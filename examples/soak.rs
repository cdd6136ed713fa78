//! Runs all of `fhec infer` thousands of times, in one process and as processes. Fails if memory grows, a result is another
//! one, or a file is left behind.
//!
//! `cargo build --release && cargo run --release --example soak -- [--count 2000] [--processes 2000] [--model FILE.onnx]
//! [--input FILE]`
//!
//! The network is compiled once, with 5 bits of precision; LeNet and a picture if none are given. Memory is shown, resident, when
//! 1, 2, 5, 10, … inferences are done, and must grow by less than a tenth, or 16 MB, from the first 5 % to the end. The
//! processes work in an empty folder, which has also their temporary files, and is empty again at the end.

#[path = "../tests/common/soak.rs"]
mod soak;

use std::error::Error;
use std::path::{Path, PathBuf};

use fhec::Request;
use soak::{Soak, left, resident};

/// Differences between results that are noise.
const NOISE: f64 = 1.0 / 16.0;

/// Bytes by which memory may grow in any case.
const SLACK: u64 = 16 << 20;

struct Options {
    count: usize,
    processes: usize,
    model: PathBuf,
    input: PathBuf,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mnist = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mnist");
    let (model, input) = (mnist.join("lenet.onnx"), mnist.join("seven.png"));
    let mut options = Options { count: 2000, processes: 2000, model, input };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} takes a value"))?;
        match argument.as_str() {
            "--count" => options.count = value.parse()?,
            "--processes" => options.processes = value.parse()?,
            "--model" => options.model = std::path::absolute(value)?,
            "--input" => options.input = std::path::absolute(value)?,
            _ => return Err(format!("unknown option {argument}; the head of this example names all").into()),
        }
    }
    Ok(options)
}

/// Memory after each inference, and when to show it.
#[derive(Default)]
struct Memory(Vec<u64>);

impl Memory {
    fn note(&mut self, bytes: u64, of: usize) {
        self.0.push(bytes);
        let done = self.0.len();
        let round = [1, 2, 5].iter().any(|k| {
            let quotient = done / k;
            done.is_multiple_of(*k) && 10usize.pow(quotient.max(1).ilog10()) == quotient
        });
        if round || done == of {
            println!("| {done} | {:.1} MB |", bytes as f64 / 1e6);
        }
    }

    /// How much the last tenth's largest exceeds that of the first, which begins when 5 % are done.
    fn check(&self) -> Result<(), Box<dyn Error>> {
        let (start, part) = (self.0.len() / 20, self.0.len().div_ceil(10));
        let largest = |x: &[u64]| x.iter().copied().max().unwrap_or(0);
        let first = largest(&self.0[start..(start + part).min(self.0.len())]);
        let last = largest(&self.0[self.0.len() - part..]);
        println!(
            "largest at the beginning {:.1} MB, at the end {:.1} MB",
            first as f64 / 1e6,
            last as f64 / 1e6
        );
        if last > first + SLACK.max(first / 10) { Err("memory grows".into()) } else { Ok(()) }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let folder = tempfile::tempdir()?;
    let plan = folder.path().join("model.plan");
    let request = Request { precision_bits: 5.0, ..Request::default() };
    fhec::compile(&options.model, &request)?.plan.ok_or("no plan")?.save(&plan)?;
    let soak = Soak { plan, input: options.input.clone() };

    println!("in one process:\n| inferences | resident |\n|---|---|");
    let (mut memory, expected) = (Memory::default(), soak.infer()?);
    for _ in 0..options.count {
        let found = soak.infer()?;
        if found.iter().zip(&expected).any(|(a, b)| (a - b).abs() > NOISE) {
            return Err(format!("{found:?}, and before {expected:?}").into());
        }
        memory.note(resident().ok_or("this system does not tell a process's memory")?, options.count);
    }
    if options.count > 0 {
        memory.check()?;
    }
    processes(&options, &soak, &folder.path().join("work"))
}

fn processes(options: &Options, soak: &Soak, work: &Path) -> Result<(), Box<dyn Error>> {
    if options.processes == 0 {
        return Ok(());
    }
    let beside = std::env::current_exe()?.parent().and_then(Path::parent).map(|p| p.join("fhec"));
    let program =
        beside.filter(|p| p.is_file()).ok_or("there is no fhec beside the examples; build it first")?;
    std::fs::create_dir(work)?;
    println!("as processes:\n| inferences | peak of one, resident |\n|---|---|");
    let mut memory = Memory::default();
    for _ in 0..options.processes {
        let output = soak.process(&program, work)?;
        let result: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        memory.note(result["peak_rss_bytes"].as_u64().ok_or("no peak_rss_bytes")?, options.processes);
    }
    memory.check()?;
    let left = left(work)?;
    println!("{} files left", left.len());
    if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left:?}").into()) }
}
