//! Networks: import, and the text of what was imported.
#![no_main]

use fhec::frontend::{Options, import_bytes};
use fhec::ir::tensor::TensorGraph;
use fhec::ir::text::{parse, print_whole};
use libfuzzer_sys::fuzz_target;

/// Longest text that is read again.
const TEXT: usize = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let options =
        Options { max_constant_elements: 1 << 20, max_value_elements: 1 << 16, ..Options::default() };
    let Ok(import) = import_bytes(data, &options) else { return };
    let constants = import.graph.constants.iter().map(|c| c.data.len()).sum::<usize>();
    if constants < TEXT / 16 {
        let text = print_whole(&*import.graph);
        let again: TensorGraph = parse(&text, &Default::default()).expect("what is printed parses");
        assert_eq!(print_whole(&again), text);
    }
});
