//! Tables in TOML: a machine's costs, and what becomes of pictures, which only the command line reads.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use fhec_backend::cost::CostTable;

use super::{Load, Loaded, Outcome, Target, accept, same};

const RULES: &str = "preset = \"imagenet\"\nmean = [0.1307]\nstd = [0.3081]\ndivisor = 255.0\nresize = \"short:32\"\n\
                     crop = \"28x28\"\nchannels = \"rgb\"\n";

/// Both kinds; that of pictures if there is a program to read it.
pub(super) fn targets(program: Option<&Path>) -> Result<Vec<Target<'static>>, Box<dyn Error>> {
    let table = CostTable::default();
    let bytes = table.to_toml().into_bytes();
    let load: Load<'static> = Rc::new(move |path| Ok(same(accept!(CostTable::load(path)) == table)));
    let mut targets = vec![Target::unguarded("costs", "toml", bytes, load)];
    match program {
        Some(program) => {
            let program = program.to_owned();
            let load: Load<'static> = Rc::new(move |path| rules(&program, path));
            targets.push(Target::unguarded("toml", "toml", RULES.as_bytes().to_vec(), load));
        }
        None => eprintln!("skipped: toml, for there is no fhec program beside this one; build it first"),
    }
    Ok(targets)
}

/// Compiles with the rules of a file. A process ends with success or with a line that says why not.
fn rules(program: &Path, path: &Path) -> Loaded {
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mnist/lenet.onnx");
    let mut command = Command::new(program);
    command.arg("compile").arg(network).arg("--norm").arg(path).arg("-q");
    command.args(["--stop-after", "canonicalize"]).env("RUST_BACKTRACE", "0");
    let output = accept!(command.output());
    let stderr = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(if std::fs::read(path).is_ok_and(|b| b == RULES.as_bytes()) {
            Outcome::Equal
        } else {
            Outcome::Different
        }),
        Some(1) if !stderr.is_empty() && !stderr.contains("panicked") => Ok(Outcome::Rejected),
        _ => Err(format!("{}: {stderr}", output.status)),
    }
}
