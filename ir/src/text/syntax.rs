//! What an IR adds to the language.

use super::reader::{Parsed, Reader};
use super::writer::Writer;
use crate::layout::Layout;
use crate::{Graph, Node, Op, ValueId};

/// The values that a text is about; None for all.
pub(crate) type Part<'a> = Option<&'a dyn Fn(ValueId) -> bool>;

/// An IR with a textual form.
///
/// What all IRs share, the frame, layouts, constants and results, is written and read by [`print`](super::print) and
/// [`parse`](super::parse).
pub trait Syntax: Op {
    /// Calls `f` on every layout that the statements of a part of the graph name, or of the whole one, in the order in
    /// which they are to be declared.
    #[doc(hidden)]
    fn visit_layouts<'g>(graph: &'g Graph<Self>, part: Part<'_>, f: &mut dyn FnMut(&'g Layout));

    /// Slots of the graph; 0 if its values are not packed.
    #[doc(hidden)]
    fn slots(header: &Self::Header) -> usize;

    /// A header with this number of slots.
    #[doc(hidden)]
    fn with_slots(slots: usize) -> Self::Header;

    /// Writes the rest of the header, as statements.
    #[doc(hidden)]
    fn write_header(graph: &Graph<Self>, writer: &mut Writer<'_>) {
        let _ = (graph, writer);
    }

    /// Reads a statement that is no constant, layout, value, layer or result.
    #[doc(hidden)]
    fn read_header(reader: &mut Reader<'_>, header: &mut Self::Header) -> Parsed {
        let _ = header;
        reader.expected("a statement")
    }

    /// Writes the statement that begins with the value `id`, and says how many values it has; more than one only where
    /// all are in the part.
    #[doc(hidden)]
    fn write_nodes(graph: &Graph<Self>, id: ValueId, part: Part<'_>, writer: &mut Writer<'_>) -> usize;

    /// Reads what stands behind `=` for the values from `first` to `last`.
    #[doc(hidden)]
    fn read_nodes(
        reader: &mut Reader<'_>,
        graph: &Graph<Self>,
        first: u32,
        last: u32,
    ) -> Parsed<Vec<Node<Self>>>;

    /// A type in short, for drawings.
    fn type_label(ty: &Self::Type) -> String;
}

/// Operator names in the language: those of [`Op::mnemonic`] in lower case, words apart: `max-pool`, `mul-acc`.
pub(super) fn keyword(mnemonic: &str) -> String {
    let mut text = String::new();
    let mut before = None;
    for c in mnemonic.chars() {
        if c.is_ascii_uppercase()
            && before.is_some_and(|b: char| b.is_ascii_lowercase() || b.is_ascii_digit())
        {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
        before = Some(c);
    }
    text
}

/// `%2..%5, %9`.
pub(super) fn values_text(values: &[ValueId]) -> String {
    let mut parts = Vec::new();
    let mut rest = values;
    while let [first, ..] = rest {
        let run = 1 + rest.windows(2).take_while(|pair| pair[1].0 == pair[0].0 + 1).count();
        parts.push(if run > 2 { format!("{first}..{}", rest[run - 1]) } else { first.to_string() });
        rest = &rest[if run > 2 { run } else { 1 }..];
    }
    parts.join(", ")
}

/// `head` and the parts that are not empty, with spaces between them.
pub(super) fn spaced(parts: &[&str]) -> String {
    parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_mnemonics_in_lower_case() {
        let all = ["Conv", "MaxPool", "PRelu", "GeluTanh", "MulAcc", "ModDownRescale"].map(keyword);
        assert_eq!(all, ["conv", "max-pool", "prelu", "gelu-tanh", "mul-acc", "mod-down-rescale"]);
    }

    #[test]
    fn neighbouring_values_are_a_range() {
        assert_eq!(values_text(&[3, 4, 5, 9, 10, 2].map(ValueId)), "%3..%5, %9, %10, %2");
    }
}
