//! The language of the IRs: what parses prints back to itself.
#![no_main]

use fhec::ir::text::Constants;
use fhec::pipeline::Program;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(program) = Program::parse(text, &Constants::default()) else { return };
    let elements = program.constants();
    let printed = program.text();
    let again = Program::parse(&printed, &elements).expect("what is printed parses");
    assert_eq!(again.text(), printed);
});
