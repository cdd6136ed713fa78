//! File tests of the passes on tensor graphs: a case holds a graph, a line `---`, and what the pass makes of it, or
//! `error: …`.

#[path = "common/cases.rs"]
mod cases;

use fhec_ir::tensor::TensorGraph;
use fhec_ir::{Verified, text, verify};
use fhec_passes::{PassError, absorb, approximate, canonicalize};

fn check(name: &str, pass: impl Fn(&Verified<TensorGraph>) -> Result<TensorGraph, PassError>) {
    cases::check(name, |input| {
        let graph = match cases::graph(input) {
            Ok(graph) => graph,
            Err(reason) => return reason,
        };
        match pass(&graph) {
            Err(e) => format!("error: {e}\n"),
            Ok(result) => match verify(result) {
                Ok(result) => text::print(&*result),
                Err(e) => format!("the result is invalid: {e}\n"),
            },
        }
    });
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
