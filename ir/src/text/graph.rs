//! The frame that all IRs share.

use super::constants::Constants;
use super::layouts::{constant_text, layout_text, read_constant_statement, read_layout};
use super::lex::{ParseError, Token};
use super::reader::{Parsed, Reader};
use super::syntax::{Part, Syntax};
use super::writer::Writer;
use crate::{Graph, Output, ValueId};

/// The text of a graph. Constants of more than eight different numbers are given by their digests; their numbers are
/// those of [`Constants::of`] the graph.
pub fn print<O: Syntax>(graph: &Graph<O>) -> String {
    write(graph, None, false)
}

/// The text of a graph with all numbers of its constants: nothing else is needed to read it.
pub fn print_whole<O: Syntax>(graph: &Graph<O>) -> String {
    write(graph, None, true)
}

/// The part of the text that belongs to a layer: the nodes of this name, and those whose names begin with it and a slash.
/// Operands that come from elsewhere are comments. None if there is no such node. It does not parse back.
pub fn print_layer<O: Syntax>(graph: &Graph<O>, layer: &str) -> Option<String> {
    let inner = format!("{}/", layer.trim_end_matches('/'));
    let belongs = |id: ValueId| {
        let name = &graph.node(id).name;
        name == layer || name.starts_with(&inner)
    };
    graph.ids().any(belongs).then(|| write(graph, Some(&belongs), false))
}

fn write<O: Syntax>(graph: &Graph<O>, part: Part<'_>, whole: bool) -> String {
    let chosen = |id: ValueId| part.is_none_or(|chosen| chosen(id));
    let slots = O::slots(&graph.header);
    let mut writer = Writer::new(&graph.constants);
    writer.out = format!("{} {:?}", O::IR, graph.name);
    if slots != 0 {
        writer.out += &format!(" slots {slots}");
    }
    writer.out += " {\n";
    let mut layouts = Vec::new();
    O::visit_layouts(graph, part, &mut |layout| layouts.push(layout));
    for layout in layouts {
        if let Some(name) = writer.declare(layout) {
            writer.statement(&format!("#{name} = {}", layout_text(layout, slots)), "", &[]);
        }
    }
    let mut used = vec![part.is_none(); graph.constants.len()];
    for (_, node) in graph.iter().filter(|(id, _)| part.is_some() && chosen(*id)) {
        node.op.visit_constants(&mut |c| used.get_mut(c.index()).into_iter().for_each(|used| *used = true));
    }
    for (k, constant) in graph.constants.iter().enumerate().filter(|(k, _)| used[*k]) {
        writer.statement(&format!("${k} = {}", constant_text(constant, whole)), "", &[]);
    }
    if part.is_none() {
        O::write_header(graph, &mut writer);
    }
    for id in outer_operands(graph, part) {
        let node = graph.node(id);
        writer.statement(&format!("// {id} : {}", O::type_label(&node.ty)), &node.name, &[]);
    }
    let mut ids = graph.ids().filter(|id| chosen(*id));
    while let Some(id) = ids.next() {
        let count = O::write_nodes(graph, id, part, &mut writer);
        ids.by_ref().take(count - 1).for_each(drop);
    }
    for output in graph.outputs.iter().filter(|o| chosen(o.value)) {
        writer.statement(&format!("return {:?} {}", output.name, output.value), "", &[]);
    }
    writer.out.push_str("}\n");
    writer.out
}

/// Operands of a part that do not belong to it.
fn outer_operands<O: Syntax>(graph: &Graph<O>, part: Part<'_>) -> Vec<ValueId> {
    let Some(chosen) = part else { return vec![] };
    let mut outer: Vec<ValueId> =
        graph.iter().filter(|(id, _)| chosen(*id)).flat_map(|(_, n)| n.args.iter().copied()).collect();
    outer.retain(|id| !chosen(*id));
    outer.sort_unstable();
    outer.dedup();
    outer
}

/// Name of the IR that a text is of: its first word.
pub fn ir_of(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|l| !l.is_empty() && !l.starts_with("//")).find_map(|l| l.split_whitespace().next())
}

/// Reads a text. The result is not verified.
///
/// # Errors
/// The first line that is not of the language, or that needs a constant that `constants` lacks.
pub fn parse<O: Syntax>(text: &str, constants: &Constants) -> Result<Graph<O>, ParseError> {
    let mut reader = Reader::new(text, constants)?;
    let reader = &mut reader;
    reader.word(O::IR)?;
    let name = reader.text()?;
    if reader.eat_word("slots") {
        reader.slots = reader.count()?;
    }
    let mut graph = Graph::new(name, O::with_slots(reader.slots));
    reader.sign("{")?;
    loop {
        match reader.peek() {
            Some(Token::Sign("}")) => break,
            Some(Token::Layout(name)) => {
                let name = *name;
                reader.skip();
                reader.sign("=")?;
                let layout = read_layout(reader)?;
                reader.layouts.insert(name, layout);
            }
            Some(Token::Const(_)) => read_constant_statement(reader)?,
            Some(Token::Value(_)) => read_values(reader, &mut graph)?,
            Some(Token::Name(_)) => reader.layer = reader.name(),
            Some(Token::Word("return")) => {
                reader.skip();
                let name = reader.text()?;
                graph.outputs.push(Output { name, value: reader.value()? });
            }
            Some(Token::Word(_)) => O::read_header(reader, &mut graph.header)?,
            _ => return reader.expected("a statement or `}`"),
        }
    }
    reader.skip();
    if reader.peek().is_some() {
        return reader.expected("nothing behind the closing brace");
    }
    graph.constants = std::mem::take(&mut reader.constants);
    Ok(graph)
}

fn read_values<O: Syntax>(reader: &mut Reader<'_>, graph: &mut Graph<O>) -> Parsed {
    let next = graph.len() as u32;
    let (first, last) = reader.value_range()?;
    if first != next {
        return Err(reader.error_before(format!("expected the value %{next}")));
    }
    reader.sign("=")?;
    // A node takes much more memory than a number.
    reader.repeat(16 * (last - first) as usize)?;
    let nodes = O::read_nodes(reader, graph, first, last)?;
    nodes.into_iter().for_each(|node| graph.push_unchecked(node));
    Ok(())
}
