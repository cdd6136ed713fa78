//! File tests of the passes from packing to schedules: `tests/cases/PASS/NAME.fir` at the root of the workspace holds the
//! parameters (`// run: slots=64 tile=4x4`), what the case shows, a tensor graph, a line `---`, and what the pass makes of
//! it after the passes before it (from `assign-layout` on), or `error: …`. `FHEC_BLESS=1` writes what the passes make now.

mod common;

#[test]
fn assign_layout_cases() {
    common::check_cases("assign-layout");
}

#[test]
fn minimize_rotations_cases() {
    common::check_cases("minimize-rotations");
}

#[test]
fn place_cases() {
    common::check_cases("place");
}

#[test]
fn lower_cases() {
    common::check_cases("lower");
}
