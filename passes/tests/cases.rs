//! File tests of the passes on tensor graphs: a case holds a graph, a line `---`, and what the pass makes of it, or
//! `error: …`.

#[path = "common/cases.rs"]
mod cases;

use fhec_ir::tensor::{TensorGraph, random, run};
use fhec_ir::{Verified, text, verify};
use fhec_passes::pipeline::Program;
use fhec_passes::{PassError, Settings, absorb, canonicalize};

/// What results may differ by, relative to the largest: as precise as weights, and as coarse as polynomials of low degree are.
const SAME: f64 = 1e-4;
const CLOSE: f64 = 0.1;

fn check(name: &str, pass: impl Fn(&Verified<TensorGraph>) -> Result<TensorGraph, PassError>) {
    check_with(name, SAME, |_, g| pass(g));
}

/// The same for a pass that is told what the case says.
fn check_with(
    name: &str,
    tolerance: f64,
    pass: impl Fn(&str, &Verified<TensorGraph>) -> Result<TensorGraph, PassError>,
) {
    cases::check(name, |input| {
        let graph = match cases::graph(input) {
            Ok(graph) => graph,
            Err(reason) => return reason,
        };
        match pass(input, &graph) {
            Err(e) => format!("error: {e}\n"),
            Ok(result) => match verify(result) {
                Ok(result) => {
                    same(&graph, &result, tolerance);
                    text::print(&*result)
                }
                Err(e) => format!("the result is invalid: {e}\n"),
            },
        }
    });
}

/// The pass keeps the meaning, whatever constants a case hides behind digests.
fn same(before: &Verified<TensorGraph>, after: &Verified<TensorGraph>, tolerance: f64) {
    for seed in 0..3 {
        let inputs = random::inputs(before, seed);
        let runs = (run(before, &inputs).unwrap(), run(after, &inputs).unwrap());
        for (want, got) in runs.0.iter().zip(&runs.1) {
            let size = want.data.iter().fold(1e-9f64, |most, x| most.max(x.abs()));
            let worst = want.data.iter().zip(&got.data).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst <= tolerance * size, "{}: off by {worst:e} of {size:e}", text::print(&**before));
        }
    }
}

#[test]
fn canonicalize_cases() {
    check("canonicalize", |g| canonicalize::run(g, &canonicalize::Config::default()));
}

#[test]
fn approximate_cases() {
    check_with("approximate", CLOSE, |input, g| {
        let settings = Settings::of_text(input).expect("settings");
        match settings.run("approximate", Program::Tensor(g.clone()))? {
            Program::Tensor(result) => Ok((*result).clone()),
            other => panic!("a network, not {}", other.ir()),
        }
    });
}

#[test]
fn absorb_cases() {
    check("absorb", |g| absorb::run(g, &absorb::Config::default()));
}
