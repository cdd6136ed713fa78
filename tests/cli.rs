//! Help and usage errors. `TRYCMD=overwrite cargo test --test cli` re-blesses.

#[test]
#[cfg(all(feature = "client", feature = "compiler"))]
fn help_and_usage() {
    trycmd::TestCases::new().case("tests/cmd/*.toml");
}
