//! The schedule IR in the language: `%2..%10 = rotate-ext %1 by -33..-31, -1..1, 31..33 : ext @10 2^36`.
//!
//! Instructions that follow each other and differ by their steps, or by their operands in order, are one statement. A
//! line that is only a name begins a layer: the instructions behind it bear that name.

use super::lex::{Token, written_name};
use super::maps::{map_text, plan_lines, read_plan, read_terms};
use super::numbers::{f64_text, scale_text, sequence_text, signed};
use super::reader::{Parsed, Reader};
use super::syntax::{Part, Syntax, keyword, spaced, values_text};
use super::writer::Writer;
use crate::layout::Layout;
use crate::schedule::{
    BootstrapHeader, Kind, PackedValue, Recipe, Schedule, ScheduleHeader, ScheduleOp, ScheduleType,
};
use crate::slot::LinearMap;
use crate::{Node, Op, ValueId};

/// Kinds of values, by name.
const KINDS: [(&str, Kind); 5] = [
    ("ct", Kind::Ct),
    ("ct3", Kind::Ct3),
    ("ext", Kind::Ext),
    ("ext-pair", Kind::ExtPair),
    ("digits", Kind::Digits),
];

impl Syntax for ScheduleOp {
    fn visit_layouts<'g>(graph: &'g Schedule, part: Part<'_>, f: &mut dyn FnMut(&'g Layout)) {
        if part.is_some() {
            return;
        }
        let header = &graph.header;
        header.inputs.iter().for_each(|v| f(&v.layout));
        for map in &header.maps {
            map.inputs.iter().chain([&map.output]).for_each(&mut *f);
        }
        header.outputs.iter().map(|v| &v.layout).chain(&header.layouts).for_each(f);
    }

    fn slots(header: &ScheduleHeader) -> usize {
        header.slots
    }

    fn with_slots(slots: usize) -> ScheduleHeader {
        ScheduleHeader { slots, ..ScheduleHeader::default() }
    }

    fn write_header(graph: &Schedule, writer: &mut Writer<'_>) {
        let header = &graph.header;
        if !header.moduli.is_empty() {
            writer.statement(&format!("moduli {}", moduli_text(&header.moduli)), "", &[]);
        }
        if let Some(b) = &header.bootstrap {
            let BootstrapHeader { level_in, level_out, scale, period } = b;
            let scale = scale_text(*scale);
            let head = format!("bootstrap @{level_in} -> @{level_out} scale {scale} period {period}");
            writer.statement(&head, "", &[]);
        }
        for value in &header.inputs {
            let head = format!("input {:?} : {}", value.name, writer.layout(&value.layout));
            writer.statement(&head, "", &[]);
        }
        for value in &header.outputs {
            let head = format!("output {:?} : {}", value.name, writer.layout(&value.layout));
            writer.statement(&head, "", &[]);
        }
        for (k, layout) in header.layouts.iter().enumerate() {
            writer.statement(&format!("layout {k} = {}", writer.layout(layout)), "", &[]);
        }
        for (k, map) in header.maps.iter().enumerate() {
            let inputs: Vec<String> = map.inputs.iter().map(|l| writer.layout(l)).collect();
            let head =
                format!("map {k} = {} -> {}", map_text(writer, map, &inputs), writer.layout(&map.output));
            writer.statement(&head, "", &plan_lines(map));
        }
    }

    fn read_header(reader: &mut Reader<'_>, header: &mut ScheduleHeader) -> Parsed {
        match reader.any_word("a statement")? {
            "moduli" => header.moduli = read_moduli(reader)?,
            "bootstrap" => {
                let level_in = read_level(reader)?;
                reader.sign("->")?;
                let level_out = read_level(reader)?;
                reader.word("scale")?;
                let scale = reader.scale()?;
                reader.word("period")?;
                let period = reader.number("a number of slots")?;
                header.bootstrap = Some(BootstrapHeader { level_in, level_out, scale, period });
            }
            "input" => header.inputs.push(read_packed(reader)?),
            "output" => header.outputs.push(read_packed(reader)?),
            "layout" => {
                read_index(reader, "layout", header.layouts.len())?;
                header.layouts.push(reader.layout()?);
            }
            "map" => {
                read_index(reader, "map", header.maps.len())?;
                let operand = |reader: &mut Reader<'_>| Ok(((), reader.layout()?));
                let (_, inputs, terms) = read_terms(reader, operand)?;
                reader.sign("->")?;
                let output = reader.layout()?;
                let open = reader.eat_word("open");
                header.maps.push(LinearMap { inputs, terms, output, open, plan: read_plan(reader)? });
            }
            word => return Err(reader.error_before(format!("`{word}` begins no statement"))),
        }
        Ok(())
    }

    fn write_nodes(graph: &Schedule, id: ValueId, part: Part<'_>, writer: &mut Writer<'_>) -> usize {
        let node = graph.node(id);
        if writer.layer != node.name {
            writer.layer.clone_from(&node.name);
            writer.out += &format!("\n  ; {}", written_name(&node.name));
            writer.out.truncate(writer.out.trim_end().len());
            writer.out.push('\n');
        }
        let count = run(graph, id, part);
        let nodes: Vec<&Node<Self>> = (0..count as u32).map(|k| graph.node(ValueId(id.0 + k))).collect();
        let mut args = node.args.clone();
        if let [_, second, ..] = nodes[..]
            && second.args != args
        {
            args = nodes.iter().map(|n| n.args[0]).collect();
        }
        let steps: Option<Vec<i64>> =
            nodes.iter().map(|n| step_of(&n.op).map(|step| signed(step, graph.header.slots))).collect();
        let steps = steps.map_or(String::new(), |steps| format!("by {}", sequence_text(&steps)));
        let defined =
            if count == 1 { id.to_string() } else { format!("{id}..{}", ValueId(id.0 + count as u32 - 1)) };
        let word = keyword(node.op.mnemonic());
        let attributes = attributes(graph, node);
        let ty = format!(": {}", type_text(&node.ty));
        let head = spaced(&[&defined, "=", &word, &values_text(&args), &steps, &attributes, &ty]);
        writer.statement(&head, "", &[]);
        count
    }

    fn read_nodes(
        reader: &mut Reader<'_>,
        graph: &Schedule,
        first: u32,
        last: u32,
    ) -> Parsed<Vec<Node<Self>>> {
        let count = (last - first) as usize + 1;
        let word = reader.any_word("an instruction")?;
        let args = reader.values()?;
        let steps = if reader.eat_word("by") {
            let steps = reader.sequence()?;
            reader.steps(&steps)?
        } else {
            vec![]
        };
        let stepped = op_with_step(word, 0).is_some();
        if stepped == steps.is_empty() || stepped && steps.len() != count {
            let message = format!("`{word}` has {} steps for {count} values", steps.len());
            return Err(reader.error_before(message));
        }
        if count > 1 && args.len() != 1 && args.len() != count {
            return Err(reader.error_before(format!("{} operands for {count} values", args.len())));
        }
        let op = if stepped { None } else { Some(read_op(reader, word, graph)?) };
        reader.sign(":")?;
        let ty = read_type(reader)?;
        let node = |k: usize| {
            let op = match &op {
                None => op_with_step(word, steps[k]).expect("it has a step"),
                Some(ScheduleOp::Drop { level: UNKNOWN }) => ScheduleOp::Drop { level: ty.level },
                Some(op) => op.clone(),
            };
            let args = match count {
                1 => args.clone(),
                _ => args.get(k).or(args.first()).copied().into_iter().collect(),
            };
            Node { op, args, ty, name: reader.layer.clone() }
        };
        Ok((0..count).map(node).collect())
    }

    fn type_label(ty: &ScheduleType) -> String {
        type_text(ty)
    }
}

/// Level of a drop that is given by the type.
const UNKNOWN: u32 = u32::MAX;

fn read_level(reader: &mut Reader<'_>) -> Parsed<u32> {
    match reader.level()? {
        Some(level) => Ok(level),
        None => reader.expected("a level"),
    }
}

fn read_index(reader: &mut Reader<'_>, what: &str, next: usize) -> Parsed {
    if reader.count()? != next {
        return Err(reader.error_before(format!("expected the {what} {next}")));
    }
    reader.sign("=")
}

fn read_packed(reader: &mut Reader<'_>) -> Parsed<PackedValue> {
    let name = reader.text()?;
    reader.sign(":")?;
    Ok(PackedValue { name, layout: reader.layout()? })
}

/// Moduli with repetitions: `2^60, 2^40 × 7`.
fn moduli_text(moduli: &[f64]) -> String {
    let runs = moduli.chunk_by(|a, b| a.to_bits() == b.to_bits());
    let run = |run: &[f64]| match run.len() {
        1 => scale_text(run[0]),
        n => format!("{} × {n}", scale_text(run[0])),
    };
    runs.map(run).collect::<Vec<_>>().join(", ")
}

fn read_moduli(reader: &mut Reader<'_>) -> Parsed<Vec<f64>> {
    let mut moduli = Vec::new();
    loop {
        let modulus = reader.scale()?;
        let count = if reader.eat_sign("×") { reader.count()? } else { 1 };
        reader.repeat(count)?;
        moduli.extend(std::iter::repeat_n(modulus, count));
        if !reader.eat_sign(",") {
            return Ok(moduli);
        }
    }
}

/// `ct @10 2^36`.
fn type_text(ty: &ScheduleType) -> String {
    let kind = KINDS.iter().find(|(_, kind)| *kind == ty.kind).map_or("", |(name, _)| name);
    format!("{kind} @{} {}", ty.level, scale_text(ty.scale))
}

fn read_type(reader: &mut Reader<'_>) -> Parsed<ScheduleType> {
    let Some((_, kind)) = KINDS.iter().find(|(name, _)| reader.eat_word(name)) else {
        return reader.expected("a kind of value");
    };
    Ok(ScheduleType { kind: *kind, level: read_level(reader)?, scale: reader.scale()? })
}

/// The step of a rotation.
fn step_of(op: &ScheduleOp) -> Option<u32> {
    match *op {
        ScheduleOp::RotateHoisted { step }
        | ScheduleOp::RotateExt { step }
        | ScheduleOp::Rotate { step }
        | ScheduleOp::Giant { step }
        | ScheduleOp::Fold { step } => Some(step),
        _ => None,
    }
}

/// The rotation of a name; none for other instructions.
fn op_with_step(word: &str, step: u32) -> Option<ScheduleOp> {
    Some(match word {
        "rotate-hoisted" => ScheduleOp::RotateHoisted { step },
        "rotate-ext" => ScheduleOp::RotateExt { step },
        "rotate" => ScheduleOp::Rotate { step },
        "giant" => ScheduleOp::Giant { step },
        "fold" => ScheduleOp::Fold { step },
        _ => return None,
    })
}

/// How many instructions from `id` on are one statement: they have one operand each, the same or the next one, and
/// differ by nothing else but their steps.
fn run(graph: &Schedule, id: ValueId, part: Part<'_>) -> usize {
    let first = graph.node(id);
    let &[arg] = &first.args[..] else { return 1 };
    let word = keyword(first.op.mnemonic());
    let alike = |node: &Node<ScheduleOp>| match step_of(&node.op) {
        Some(step) => op_with_step(&word, step).as_ref() == Some(&node.op),
        None => node.op == first.op,
    };
    let next = |k: u32| {
        let id = ValueId(id.0 + k);
        (id.index() < graph.len()).then(|| graph.node(id)).filter(|node| {
            alike(node)
                && node.ty == first.ty
                && node.name == first.name
                && part.is_none_or(|chosen| chosen(id))
        })
    };
    let advance = u32::from(next(1).is_some_and(|node| node.args[..] != [arg]));
    let belongs =
        |k: u32| next(k).is_some_and(|node| node.args[..] == [ValueId(arg.0.wrapping_add(k * advance))]);
    1 + (1..).take_while(|k| belongs(*k)).count()
}

/// What stands behind operands and steps.
fn attributes(graph: &Schedule, node: &Node<ScheduleOp>) -> String {
    match &node.op {
        ScheduleOp::Input { name, input, ct } => {
            let usual = usual_name(graph, *input, *ct);
            let odd = if Some(name) == usual.as_ref() { String::new() } else { format!("named {name:?}") };
            spaced(&[&format!("{input} ct {ct}"), &odd])
        }
        ScheduleOp::MulAcc { recipes, plain_scale } => {
            spaced(&[&recipes_text(recipes), "at", &scale_text(*plain_scale)])
        }
        ScheduleOp::AddPlain { recipe } => recipes_text(std::slice::from_ref(recipe)),
        ScheduleOp::MulScalar { value, plain_scale } => {
            format!("value {} at {}", f64_text(*value), scale_text(*plain_scale))
        }
        ScheduleOp::AddScalar { value } => format!("value {}", f64_text(*value)),
        ScheduleOp::Drop { level } if *level != node.ty.level => format!("to @{level}"),
        ScheduleOp::Relabel { factor } => format!("factor {}", f64_text(*factor)),
        ScheduleOp::Bootstrap { range, period, with_next } => {
            let with_next = if *with_next { "with-next" } else { "" };
            spaced(&[&format!("range {} period {period}", f64_text(*range)), with_next])
        }
        _ => String::new(),
    }
}

/// Name of the input node for a ciphertext of a packed input.
fn usual_name(graph: &Schedule, input: u32, ct: u32) -> Option<String> {
    graph.header.inputs.get(input as usize).map(|v| format!("{}#{ct}", v.name))
}

fn read_op(reader: &mut Reader<'_>, word: &str, graph: &Schedule) -> Parsed<ScheduleOp> {
    use ScheduleOp as O;
    Ok(match word {
        "input" => {
            let input = reader.number("an input")?;
            reader.word("ct")?;
            let ct = reader.number("a ciphertext")?;
            let named = if reader.eat_word("named") { Some(reader.text()?) } else { None };
            let name = named.or_else(|| usual_name(graph, input, ct));
            let name = name.ok_or_else(|| reader.error_before(format!("there is no input {input}")))?;
            O::Input { name, input, ct }
        }
        "hoist" => O::Hoist,
        "mul-acc" => {
            let none = matches!(reader.peek(), Some(Token::Word("at")));
            let recipes = if none { vec![] } else { read_recipes(reader)? };
            reader.word("at")?;
            O::MulAcc { recipes, plain_scale: reader.scale()? }
        }
        "add-plain" => match read_recipes(reader)?[..] {
            [recipe] => O::AddPlain { recipe },
            _ => return Err(reader.error_before("one plaintext is added")),
        },
        "mul-scalar" => {
            reader.word("value")?;
            let value = reader.f64()?;
            reader.word("at")?;
            O::MulScalar { value, plain_scale: reader.scale()? }
        }
        "add-scalar" => {
            reader.word("value")?;
            O::AddScalar { value: reader.f64()? }
        }
        "add" => O::Add,
        "sub" => O::Sub,
        "mul" => O::Mul,
        "relinearize" => O::Relinearize,
        "rescale" => O::Rescale,
        "relin-rescale" => O::RelinRescale,
        "mod-down" => O::ModDown,
        "mod-down-rescale" => O::ModDownRescale,
        "drop" => O::Drop { level: if reader.eat_word("to") { read_level(reader)? } else { UNKNOWN } },
        "relabel" => {
            reader.word("factor")?;
            O::Relabel { factor: reader.f64()? }
        }
        "bootstrap" => {
            reader.word("range")?;
            let range = reader.f64()?;
            reader.word("period")?;
            let period = reader.number("a number of slots")?;
            O::Bootstrap { range, period, with_next: reader.eat_word("with-next") }
        }
        word => return Err(reader.error_before(format!("there is no instruction `{word}`"))),
    })
}

/// Plaintexts in order, `map 3 [0..17 + i 18..35], bias 3 ct 0, $4 row 2 layout 0 ct 1`; neighbouring products of a map
/// are a range.
fn recipes_text(recipes: &[Recipe]) -> String {
    let mut parts = Vec::new();
    let mut rest = recipes;
    while let [first, ..] = rest {
        let run =
            1 + (1..rest.len() as u32).take_while(|k| Some(rest[*k as usize]) == later(*first, *k)).count();
        parts.push(recipe_text(*first, run as u32 - 1));
        rest = &rest[run..];
    }
    parts.join(", ")
}

/// The recipe `k` products after this one.
fn later(recipe: Recipe, k: u32) -> Option<Recipe> {
    let later = |product: Option<u32>| match product {
        Some(product) => product.checked_add(k).map(Some),
        None => Some(None),
    };
    match recipe {
        Recipe::Product { map, product } => Some(Recipe::Product { map, product: product.checked_add(k)? }),
        Recipe::Pair { map, re, im } if re.or(im).is_some() => {
            Some(Recipe::Pair { map, re: later(re)?, im: later(im)? })
        }
        _ => None,
    }
}

/// A recipe, and as many later ones.
fn recipe_text(recipe: Recipe, more: u32) -> String {
    let range = |first: u32| if more == 0 { first.to_string() } else { format!("{first}..{}", first + more) };
    let part = |product: Option<u32>| product.map_or("_".into(), range);
    match recipe {
        Recipe::Product { map, product } => format!("map {map} [{}]", range(product)),
        Recipe::Pair { map, re, im } => format!("map {map} [{} + i {}]", part(re), part(im)),
        Recipe::Bias { map, ct } => format!("bias {map} ct {ct}"),
        Recipe::Spread { value, row, layout, ct } => {
            format!("{value} row {row} layout {layout} ct {ct}")
        }
    }
}

fn read_recipes(reader: &mut Reader<'_>) -> Parsed<Vec<Recipe>> {
    let mut recipes = Vec::new();
    loop {
        read_recipe(reader, &mut recipes)?;
        if !reader.eat_sign(",") {
            return Ok(recipes);
        }
    }
}

fn read_recipe(reader: &mut Reader<'_>, recipes: &mut Vec<Recipe>) -> Parsed {
    if let Some(Token::Const(_)) = reader.peek() {
        let value = reader.constant()?;
        reader.word("row")?;
        let row = reader.number("a row")?;
        reader.word("layout")?;
        let layout = reader.number("a layout")?;
        reader.word("ct")?;
        recipes.push(Recipe::Spread { value, row, layout, ct: reader.number("a ciphertext")? });
        return Ok(());
    }
    if reader.eat_word("bias") {
        let map = reader.number("a map")?;
        reader.word("ct")?;
        recipes.push(Recipe::Bias { map, ct: reader.number("a ciphertext")? });
        return Ok(());
    }
    reader.word("map")?;
    let map = reader.number("a map")?;
    reader.sign("[")?;
    let re = read_products(reader)?;
    let im = if reader.eat_sign("+") {
        reader.word("i")?;
        Some(read_products(reader)?)
    } else {
        None
    };
    reader.sign("]")?;
    let length = |range: Option<(u32, u32)>| range.map(|(first, last)| last - first);
    let lengths = [length(re), im.and_then(length)];
    let more = lengths.into_iter().flatten().max().unwrap_or(0);
    if lengths.into_iter().flatten().any(|n| n != more) || im.is_none() && re.is_none() {
        return Err(
            reader.error_before("real and imaginary parts have as many products, and one of them some")
        );
    }
    reader.repeat(more as usize)?;
    recipes.extend((0..=more).map(|k| {
        let at = |range: Option<(u32, u32)>| range.map(|(first, _)| first + k);
        match (im, at(re)) {
            (Some(im), re) => Recipe::Pair { map, re, im: at(im) },
            (None, Some(product)) => Recipe::Product { map, product },
            (None, None) => unreachable!("refused above"),
        }
    }));
    Ok(())
}

/// `0..17`, or `_` for none.
fn read_products(reader: &mut Reader<'_>) -> Parsed<Option<(u32, u32)>> {
    if reader.eat_sign("_") {
        return Ok(None);
    }
    let first: u32 = reader.number("a product")?;
    let last = if reader.eat_sign("..") { reader.number("a product")? } else { first };
    if last < first || last == u32::MAX {
        return Err(reader.error_before("this range is empty"));
    }
    Ok(Some((first, last)))
}
