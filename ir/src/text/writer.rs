//! Statements, wrapped, and the names of layouts.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::layouts::short_name;
use super::lex::written_name;
use crate::layout::Layout;
use crate::{ConstId, Constant};

/// Longest line, names not counted.
const WIDTH: usize = 120;

/// Where names begin, if the statement is no longer.
const NAME_COLUMN: usize = 72;

/// What a text is written to.
pub struct Writer<'g> {
    pub(super) constants: &'g [Constant],
    pub(super) out: String,
    /// The layer that the last instruction belongs to.
    pub(super) layer: String,
    names: HashMap<&'g Layout, String>,
    /// How many layouts have a short name already.
    taken: BTreeMap<String, usize>,
}

impl<'g> Writer<'g> {
    pub(super) fn new(constants: &'g [Constant]) -> Self {
        Self {
            constants,
            out: String::new(),
            layer: String::new(),
            names: HashMap::new(),
            taken: BTreeMap::new(),
        }
    }

    /// Gives a layout its name, `16x32x32` or `16x32x32.2`; None if it has one.
    pub(super) fn declare(&mut self, layout: &'g Layout) -> Option<String> {
        if self.names.contains_key(layout) {
            return None;
        }
        let short = short_name(layout);
        let count = self.taken.entry(short.clone()).or_insert(0);
        *count += 1;
        let name = if *count == 1 { short } else { format!("{short}.{count}") };
        self.names.insert(layout, name.clone());
        Some(name)
    }

    /// `#16x32x32`.
    pub(super) fn layout(&self, layout: &Layout) -> String {
        format!("#{}", self.names.get(layout).expect("all layouts are declared first"))
    }

    /// Shape of a constant; none if it does not exist.
    pub(super) fn shape(&self, id: ConstId) -> Option<&'g [usize]> {
        self.constants.get(id.index()).map(|c| &c.shape[..])
    }

    /// Writes a statement: `head`, behind it the name of the network's node, below it `more`, indented.
    pub(super) fn statement(&mut self, head: &str, name: &str, more: &[String]) {
        let lines = wrapped(head, 2);
        for (k, line) in lines.iter().enumerate() {
            let last = k + 1 == lines.len();
            if last && !name.is_empty() {
                let _ = writeln!(self.out, "{line:<NAME_COLUMN$} ; {}", written_name(name));
            } else {
                let _ = writeln!(self.out, "{line}");
            }
        }
        for line in more.iter().flat_map(|text| wrapped(text, 7)) {
            let _ = writeln!(self.out, "{line}");
        }
    }
}

/// Breaks a statement at spaces outside strings; lines after the first are indented further.
fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut column = indent;
    let mut begun = false;
    for word in words(text) {
        let width = word.chars().count();
        if begun && column + 1 + width > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent + 5)));
            column = indent + 5;
            begun = false;
        }
        if begun {
            line.push(' ');
            column += 1;
        }
        line += word;
        column += width;
        begun = true;
    }
    lines.push(line);
    lines
}

/// Parts between spaces outside strings.
fn words(text: &str) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut in_string, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            ' ' if !in_string => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_break_at_spaces_outside_strings() {
        let long = format!("a \"{}\" {}", "b ".repeat(70), "c ".repeat(40).trim_end());
        let lines = wrapped(&long, 2);
        assert_eq!(lines[0], "  a");
        assert!(lines[1].starts_with("       \"b b"));
        assert!(lines[1].ends_with("b \""));
        assert!(lines[2..].iter().all(|l| l.len() <= WIDTH));
        let joined: String = lines.iter().map(|l| l.trim_start()).collect::<Vec<_>>().join(" ");
        assert_eq!(joined, long);
    }
}
