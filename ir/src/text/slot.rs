//! The slot IR in the language: `%1 = linear %0 { conv $0 + $1 stride 2 pad 2 } : #8x14x14 @6`.

use super::layouts::{factors_text, layout_label, read_factors};
use super::maps::{map_text, plan_lines, read_plan, read_terms};
use super::numbers::f64_text;
use super::reader::{Parsed, Reader};
use super::syntax::{Part, Syntax, keyword, spaced, values_text};
use super::tensor::{activation_text, basis_text, read_activation, read_basis};
use super::writer::Writer;
use crate::layout::Layout;
use crate::slot::{LinearMap, PolyStrategy, SlotGraph, SlotHeader, SlotOp, SlotType};
use crate::tensor::TensorOp;
use crate::{Node, Op, ValueId};

/// Strategies for polynomials, by name.
const STRATEGIES: [(&str, PolyStrategy); 6] = [
    ("monic-square", PolyStrategy::MonicSquare),
    ("monic-quartic", PolyStrategy::MonicQuartic),
    ("power-basis", PolyStrategy::PowerBasis),
    ("horner", PolyStrategy::Horner),
    ("baby-giant", PolyStrategy::BabyGiant),
    ("even-baby-giant", PolyStrategy::EvenBabyGiant),
];

impl Syntax for SlotOp {
    fn visit_layouts<'g>(graph: &'g SlotGraph, part: Part<'_>, f: &mut dyn FnMut(&'g Layout)) {
        for (_, node) in graph.iter().filter(|(id, _)| part.is_none_or(|chosen| chosen(*id))) {
            if let SlotOp::Linear(map) = &node.op {
                map.inputs.iter().chain([&map.output]).for_each(&mut *f);
            }
            f(&node.ty.layout);
        }
    }

    fn slots(header: &SlotHeader) -> usize {
        header.slots
    }

    fn with_slots(slots: usize) -> SlotHeader {
        SlotHeader { slots }
    }

    fn write_nodes(graph: &SlotGraph, id: ValueId, _: Part<'_>, writer: &mut Writer<'_>) -> usize {
        let node = graph.node(id);
        let mut ty = format!(": {}", writer.layout(&node.ty.layout));
        if let Some(level) = node.ty.level {
            ty += &format!(" @{level}");
        }
        let word = match &node.op {
            SlotOp::Activation(activation) => keyword(TensorOp::Activation(*activation).mnemonic()),
            op => keyword(op.mnemonic()),
        };
        let (op, plan) = match &node.op {
            SlotOp::Linear(map) => (linear_text(graph, id, map, writer), plan_lines(map)),
            SlotOp::Input { name } => (format!("{name:?}"), vec![]),
            op => (spaced(&[&values_text(&node.args), &attributes(op)]), vec![]),
        };
        writer.statement(&spaced(&[&format!("{id} ="), &word, &op, &ty]), &node.name, &plan);
        1
    }

    fn read_nodes(
        reader: &mut Reader<'_>,
        graph: &SlotGraph,
        first: u32,
        last: u32,
    ) -> Parsed<Vec<Node<Self>>> {
        if first != last {
            return Err(reader.error_before("a packed value has a statement of its own"));
        }
        let word = reader.any_word("an operator")?;
        if word == "linear" {
            return Ok(vec![read_linear(reader, graph)?]);
        }
        let args = reader.values()?;
        let op = read_op(reader, word)?;
        let ty = read_type(reader)?;
        Ok(vec![Node { op, args, ty, name: reader.name() }])
    }

    fn type_label(ty: &SlotType) -> String {
        let level = ty.level.map_or(String::new(), |level| format!("@{level}"));
        spaced(&[&layout_label(&ty.layout), &level])
    }
}

fn read_type(reader: &mut Reader<'_>) -> Parsed<SlotType> {
    reader.sign(":")?;
    Ok(SlotType { layout: reader.layout()?, level: reader.level()? })
}

/// Operands with their terms. The map's own layouts follow where they are not those of the values; never so in a
/// verified graph.
fn linear_text(graph: &SlotGraph, id: ValueId, map: &LinearMap, writer: &Writer<'_>) -> String {
    let node = graph.node(id);
    let operands: Vec<String> = node.args.iter().map(ToString::to_string).collect();
    let known = |arg: &ValueId| (*arg < id).then(|| &graph.ty(*arg).layout);
    let mut odd = String::new();
    if !node.args.iter().map(known).eq(map.inputs.iter().map(Some)) {
        let layouts: Vec<String> = map.inputs.iter().map(|l| writer.layout(l)).collect();
        odd = format!("from {}", layouts.join(" "));
    }
    if map.output != node.ty.layout {
        odd = spaced(&[&odd, "to", &writer.layout(&map.output)]);
    }
    spaced(&[&map_text(writer, map, &operands), &odd])
}

fn read_linear(reader: &mut Reader<'_>, graph: &SlotGraph) -> Parsed<Node<SlotOp>> {
    let (args, mut inputs, terms) = read_terms(reader, |reader| {
        let arg = reader.value()?;
        if arg.index() >= graph.len() {
            return Err(reader.error_before(format!("{arg} does not stand before this map")));
        }
        Ok((arg, graph.ty(arg).layout.clone()))
    })?;
    if reader.eat_word("from") {
        inputs = vec![reader.layout()?];
        while matches!(reader.peek(), Some(super::lex::Token::Layout(_))) {
            inputs.push(reader.layout()?);
        }
    }
    let output = if reader.eat_word("to") { Some(reader.layout()?) } else { None };
    let ty = read_type(reader)?;
    let name = reader.name();
    let output = output.unwrap_or_else(|| ty.layout.clone());
    let open = reader.eat_word("open");
    let map = LinearMap { inputs, terms, output, open, plan: read_plan(reader)? };
    Ok(Node { op: SlotOp::Linear(Box::new(map)), args, ty, name })
}

/// What stands behind the operands.
fn attributes(op: &SlotOp) -> String {
    match op {
        SlotOp::Constant { value } | SlotOp::AddConst { value } => value.to_string(),
        SlotOp::ShiftSum { shifts, factor } => {
            spaced(&["over", &factors_text(shifts), "factor", &f64_text(*factor)])
        }
        SlotOp::Bootstrap { range, with_next } => {
            spaced(&["range", &f64_text(*range), if *with_next { "with-next" } else { "" }])
        }
        SlotOp::Poly { coeffs, basis, strategy } => {
            let known = STRATEGIES.iter().find(|(_, s)| Some(*s) == *strategy);
            spaced(&[&coeffs.to_string(), basis_text(*basis), known.map_or("", |(name, _)| *name)])
        }
        SlotOp::Activation(activation) => activation_text(*activation),
        SlotOp::PRelu { slope } => slope.to_string(),
        _ => String::new(),
    }
}

fn read_op(reader: &mut Reader<'_>, word: &str) -> Parsed<SlotOp> {
    Ok(match word {
        "input" => SlotOp::Input { name: reader.text()? },
        "constant" => SlotOp::Constant { value: reader.constant()? },
        "shift-sum" => {
            reader.word("over")?;
            let shifts = read_factors(reader)?;
            reader.word("factor")?;
            SlotOp::ShiftSum { shifts, factor: reader.f64()? }
        }
        "bootstrap" => {
            reader.word("range")?;
            SlotOp::Bootstrap { range: reader.f64()?, with_next: reader.eat_word("with-next") }
        }
        "view" => SlotOp::View,
        "alternatives" => SlotOp::Alternatives,
        "poly" => {
            let (coeffs, basis) = (reader.constant()?, read_basis(reader));
            let strategy = STRATEGIES.iter().find(|(name, _)| reader.eat_word(name));
            SlotOp::Poly { coeffs, basis, strategy: strategy.map(|(_, s)| *s) }
        }
        "add-const" => SlotOp::AddConst { value: reader.constant()? },
        "add" => SlotOp::Add,
        "sub" => SlotOp::Sub,
        "mul" => SlotOp::Mul,
        "div" => SlotOp::Div,
        "max" => SlotOp::Max,
        "min" => SlotOp::Min,
        "prelu" => SlotOp::PRelu { slope: reader.constant()? },
        word => match read_activation(reader, word)? {
            Some(activation) => SlotOp::Activation(activation),
            None => return Err(reader.error_before(format!("there is no operator `{word}` here"))),
        },
    })
}
