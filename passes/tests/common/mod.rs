//! What the tests of the passes on packed values share: runs of the pipeline, comparisons.
#![allow(dead_code, reason = "every test binary uses a part")]

pub(crate) mod cases;
pub(crate) mod net;

use fhec_ir::slot::SlotGraph;
use fhec_ir::tensor::TensorGraph;
use fhec_ir::{Op, Verified, verify};
use fhec_passes::estimate::estimator;
use fhec_passes::maps::Prices;
use fhec_passes::pipeline::{PASSES, Program};
use fhec_passes::{PassError, Settings, assign_layout, minimize_rotations};

fn checked<O: Op>(graph: fhec_ir::Graph<O>) -> Verified<fhec_ir::Graph<O>> {
    verify(graph).unwrap_or_else(|e| panic!("the result is invalid: {e}"))
}

/// What the passes from `assign-layout` to `pass` make of a case.
fn outcome(input: &str, pass: &str) -> String {
    let graph = match cases::graph(input) {
        Ok(graph) => graph,
        Err(reason) => return reason,
    };
    let settings = match Settings::of_text(input) {
        Ok(settings) => settings,
        Err(reason) => return format!("{reason}\n"),
    };
    let passes = PASSES.iter().skip_while(|p| **p != "assign-layout");
    let last = passes.clone().position(|p| *p == pass).expect("a pass on packed values");
    let result =
        passes.take(last + 1).try_fold(Program::Tensor(graph), |program, p| settings.run(p, program));
    result.map_or_else(|e| format!("error: {e}\n"), |program| program.text())
}

/// Checks all cases of `tests/cases/PASS`, a pass on packed values.
pub(crate) fn check_cases(pass: &str) {
    cases::check(pass, |input| outcome(input, pass));
}

/// Packs a network, for prices by default.
pub(crate) fn pack(
    graph: &Verified<TensorGraph>,
    config: &assign_layout::Config,
) -> Result<Verified<SlotGraph>, PassError> {
    let estimate = &mut estimator(Prices::default());
    Ok(checked(assign_layout::run(graph, config, estimate)?))
}

/// A packed network with plans of its maps.
pub(crate) fn planned(graph: &Verified<TensorGraph>, config: &assign_layout::Config) -> Verified<SlotGraph> {
    let packed = pack(graph, config).unwrap();
    checked(minimize_rotations::run(&packed, &Default::default()).unwrap())
}

/// Asserts that numbers agree up to a tolerance, relative to the largest of them or 1.
#[track_caller]
pub(crate) fn assert_close(want: &[f64], got: &[f64], tolerance: f64, context: &dyn Fn() -> String) {
    assert_eq!(want.len(), got.len(), "{}", context());
    let scale = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (k, (a, b)) in want.iter().zip(got).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "element {k}: {a} {b}; {}", context());
    }
}
