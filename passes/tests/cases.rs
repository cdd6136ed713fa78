//! File tests of the passes on tensor graphs: `tests/cases/PASS/NAME.fir` at the root of the workspace holds a graph, a
//! line `---`, and what the pass makes of it, or `error: …`. Lines that start with `//` say what the case shows.
//! `FHEC_BLESS=1` writes what the passes make now.

use std::path::{Path, PathBuf};

use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{Verified, text, verify};
use fhec_passes::{PassError, absorb, approximate, canonicalize};

type Pass = fn(&Verified<TensorGraph>) -> Result<TensorGraph, PassError>;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "fir"));
    files.sort();
    files
}

fn outcome(input: &str, pass: Pass) -> String {
    let graph = match text::parse::<TensorOp>(input, &text::Constants::default()) {
        Ok(graph) => graph,
        Err(e) => return format!("the case does not parse: {e}\n"),
    };
    let graph = match verify(graph) {
        Ok(graph) => graph,
        Err(e) => return format!("the case is invalid: {e}\n"),
    };
    match pass(&graph) {
        Err(e) => format!("error: {e}\n"),
        Ok(result) => match verify(result) {
            Ok(result) => text::print(&*result),
            Err(e) => format!("the result is invalid: {e}\n"),
        },
    }
}

fn check(name: &str, pass: Pass) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(name);
    let bless = std::env::var_os("FHEC_BLESS").is_some();
    let mut failures = Vec::new();
    for file in files(&folder) {
        let content = std::fs::read_to_string(&file).unwrap();
        let (input, expected) = content.split_once("---\n").unwrap_or((&content, ""));
        let got = outcome(input, pass);
        if bless {
            std::fs::write(&file, format!("{input}---\n{got}")).unwrap();
        } else if got != expected {
            failures.push(format!("{}:\n{got}instead of\n{expected}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{}\nFHEC_BLESS=1 accepts the new results", failures.join("\n"));
}

#[test]
fn canonicalize_cases() {
    check("canonicalize", |g| canonicalize::run(g, &canonicalize::Config::default()));
}

#[test]
fn approximate_cases() {
    check("approximate", |g| approximate::run(g, &approximate::Config::default()));
}

#[test]
fn absorb_cases() {
    check("absorb", |g| absorb::run(g, &absorb::Config::default()));
}
