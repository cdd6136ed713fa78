//! The textual form, complete and the same for the three IRs: `parse(print(g)) == g`.
//!
//! ```text
//! tensor "lenet" () {
//!   @0: [6,1,5,5] = 3f80000000000000…        // bits of the f32 numbers, hexadecimal
//!   %0 = Input(name:"x") [] : [1,1,28,28]
//!   %1 = Conv2d(weight:@0,…) [%0] : [1,6,24,24] "conv1"
//!   return "logits" %1
//! }
//! ```
//!
//! Header, operators and types are written in [RON](https://docs.rs/ron); one line per constant, node and
//! output. [`summary`] is the same with every constant of more than 8 numbers elided to a digest, for
//! snapshots and people; it does not parse back.

use std::fmt::Write;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Constant, Graph, Node, Op, Output, ValueId};

/// Where and why a text is no graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// 1-based line number.
    pub line: usize,
    /// What was expected or what is wrong.
    pub message: String,
}

/// The complete textual form.
pub fn print<O: Op>(graph: &Graph<O>) -> String {
    write_graph(graph, false)
}

/// The textual form with large constants elided.
pub fn summary<O: Op>(graph: &Graph<O>) -> String {
    write_graph(graph, true)
}

fn to_ron<T: Serialize>(value: &T) -> String {
    ron::to_string(value).expect("IR types serialise to RON")
}

fn write_graph<O: Op>(graph: &Graph<O>, elide: bool) -> String {
    let mut out = format!("{} {} {} {{\n", O::IR, to_ron(&graph.name), to_ron(&graph.header));
    for (i, c) in graph.constants.iter().enumerate() {
        let _ = write!(out, "  @{i}: {} = ", to_ron(&c.shape));
        if elide && c.len() > 8 {
            let _ = write!(out, "#{}", c.digest());
        } else if elide {
            let _ = write!(out, "{:?}", c.data);
        } else {
            c.data.iter().for_each(|x| {
                let _ = write!(out, "{:08x}", x.to_bits());
            });
        }
        out.push('\n');
    }
    for (id, node) in graph.iter() {
        let args: Vec<_> = node.args.iter().map(ToString::to_string).collect();
        let _ = write!(out, "  {id} = {} [{}] : {}", to_ron(&node.op), args.join(","), to_ron(&node.ty));
        if !node.name.is_empty() {
            let _ = write!(out, " {}", to_ron(&node.name));
        }
        out.push('\n');
    }
    for output in &graph.outputs {
        let _ = writeln!(out, "  return {} {}", to_ron(&output.name), output.value);
    }
    out.push_str("}\n");
    out
}

/// Reads what [`print`] writes. The result is not verified.
///
/// # Errors
/// The first line that is not of the form.
pub fn parse<O: Op>(text: &str) -> Result<Graph<O>, ParseError> {
    let mut lines = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())).filter(|(_, l)| !l.is_empty());
    let (line, first) = lines.next().ok_or(ParseError { line: 1, message: "empty text".into() })?;
    let mut cursor = Cursor { line, rest: first };
    cursor.word(O::IR)?;
    let name: String = cursor.ron()?;
    let header: O::Header = cursor.ron()?;
    cursor.word("{")?;
    let mut graph = Graph::new(name, header);
    let mut closed = false;
    for (line, text) in lines {
        let mut cursor = Cursor { line, rest: text };
        if closed {
            return Err(cursor.error("text after the closing brace"));
        }
        match text.as_bytes()[0] {
            b'}' => {
                cursor.word("}")?;
                closed = true;
            }
            b'@' => {
                let constant = cursor.constant(graph.constants.len())?;
                graph.constants.push(constant);
            }
            b'%' => {
                let node = cursor.node(graph.len())?;
                graph.push_unchecked(node);
            }
            _ => {
                cursor.word("return")?;
                let name = cursor.ron()?;
                let value = cursor.value()?;
                graph.outputs.push(Output { name, value });
            }
        }
        cursor.end()?;
    }
    if closed {
        Ok(graph)
    } else {
        Err(ParseError { line: text.lines().count(), message: "missing `}`".into() })
    }
}

struct Cursor<'t> {
    line: usize,
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError { line: self.line, message: message.into() }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn end(&mut self) -> Result<(), ParseError> {
        self.skip_space();
        if self.rest.is_empty() { Ok(()) } else { Err(self.error(format!("unexpected `{}`", self.rest))) }
    }

    fn word(&mut self, word: &str) -> Result<(), ParseError> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(word).ok_or_else(|| self.error(format!("expected `{word}`")))?;
        Ok(())
    }

    fn number(&mut self) -> Result<u32, ParseError> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse().map_err(|_| self.error("expected a number"))?;
        self.rest = rest;
        Ok(number)
    }

    fn value(&mut self) -> Result<ValueId, ParseError> {
        self.word("%")?;
        self.number().map(ValueId)
    }

    /// One RON expression: up to the first space outside brackets and strings.
    fn ron<T: DeserializeOwned>(&mut self) -> Result<T, ParseError> {
        self.skip_space();
        let (mut depth, mut in_string, mut escaped) = (0i32, false, false);
        let mut end = self.rest.len();
        for (i, c) in self.rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if in_string => escaped = true,
                '"' => in_string = !in_string,
                _ if in_string => {}
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                ' ' if depth <= 0 => {
                    end = i;
                    break;
                }
                _ => {}
            }
        }
        let (expression, rest) = self.rest.split_at(end);
        let value = ron::from_str(expression).map_err(|e| self.error(format!("`{expression}`: {e}")))?;
        self.rest = rest;
        Ok(value)
    }

    fn constant(&mut self, index: usize) -> Result<Constant, ParseError> {
        self.word("@")?;
        if self.number()? as usize != index {
            return Err(self.error(format!("expected constant @{index}")));
        }
        self.word(":")?;
        let shape: Vec<usize> = self.ron()?;
        self.word("=")?;
        self.skip_space();
        let hex = self.rest.as_bytes();
        if !hex.len().is_multiple_of(8) {
            return Err(self.error("numbers are 8 hexadecimal digits each"));
        }
        let bits = |chunk: &[u8]| {
            let text = std::str::from_utf8(chunk).ok()?;
            u32::from_str_radix(text, 16).ok().map(f32::from_bits)
        };
        let data: Option<Vec<f32>> = hex.chunks_exact(8).map(bits).collect();
        let data = data.ok_or_else(|| self.error("not hexadecimal"))?;
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if size != Some(data.len()) {
            return Err(self.error(format!("{} numbers for shape {shape:?}", data.len())));
        }
        self.rest = "";
        Ok(Constant::new(shape, data))
    }

    fn node<O: Op>(&mut self, index: usize) -> Result<Node<O>, ParseError> {
        if self.value()?.index() != index {
            return Err(self.error(format!("expected value %{index}")));
        }
        self.word("=")?;
        let op = self.ron()?;
        self.word("[")?;
        let mut args = Vec::new();
        while !self.rest.starts_with(']') {
            if !args.is_empty() {
                self.word(",")?;
            }
            args.push(self.value()?);
        }
        self.word("]")?;
        self.word(":")?;
        let ty = self.ron()?;
        self.skip_space();
        let name = if self.rest.is_empty() { String::new() } else { self.ron()? };
        Ok(Node { op, args, ty, name })
    }
}
