//! Texts that are no graphs: each file of `tests/cases/text` names the error that is found in the line it is found at, behind
//! `// error:`.

use std::path::Path;

use fhec_ir::schedule::ScheduleOp;
use fhec_ir::slot::SlotOp;
use fhec_ir::tensor::TensorOp;
use fhec_ir::text::{Constants, ParseError, ir_of, parse};

/// The error of a text of any IR.
fn error(text: &str) -> ParseError {
    let constants = Constants::default();
    match ir_of(text) {
        Some("tensor") => parse::<TensorOp>(text, &constants).map(drop),
        Some("slot") => parse::<SlotOp>(text, &constants).map(drop),
        _ => parse::<ScheduleOp>(text, &constants).map(drop),
    }
    .expect_err("the text is broken")
}

#[test]
fn errors_are_found_where_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/text");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("a folder of cases").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("a text");
        let expected = text.lines().enumerate().find_map(|(k, line)| {
            let (_, message) = line.split_once("// error: ")?;
            Some(ParseError { line: k + 1, message: message.into() })
        });
        assert_eq!(Some(error(&text)), expected, "{}", file.path().display());
        count += 1;
    }
    assert!(count > 5, "only {count} cases");
}
