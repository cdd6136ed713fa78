//! File tests: `tests/cases/PASS/NAME.fir` at the root of the workspace holds an input, a line `---`, and what becomes of it.
//! Lines that start with `//` say what the case shows. `FHEC_BLESS=1` writes what becomes of it now.

use std::path::{Path, PathBuf};

use fhec_ir::tensor::TensorGraph;
use fhec_ir::tensor::TensorOp;
use fhec_ir::{Verified, text, verify};

/// Checks all cases of `tests/cases/PASS`.
pub(crate) fn check(pass: &str, outcome: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(pass);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "fir"));
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    let bless = std::env::var_os("FHEC_BLESS").is_some();
    let mut failures = Vec::new();
    for file in files {
        let content = std::fs::read_to_string(&file).unwrap();
        let (input, expected) = content.split_once("---\n").unwrap_or((&content, ""));
        let got = outcome(input);
        if bless {
            std::fs::write(&file, format!("{input}---\n{got}")).unwrap();
        } else if got != expected {
            failures.push(format!("{}:\n{got}instead of\n{expected}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{}\nFHEC_BLESS=1 accepts the new results", failures.join("\n"));
}

/// The graph of a case, or what is wrong with it.
pub(crate) fn graph(input: &str) -> Result<Verified<TensorGraph>, String> {
    let graph = text::parse::<TensorOp>(input, &text::Constants::default())
        .map_err(|e| format!("the case does not parse: {e}\n"))?;
    verify(graph).map_err(|e| format!("the case is invalid: {e}\n"))
}
