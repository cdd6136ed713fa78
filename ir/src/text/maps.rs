//! Linear maps and their plans: `%0 { conv $0 + $1 stride 2 pad 2 } + %1`, and below it the products as sets,
//! `baby {-17..-15, -1..1, 15..17} giant {-256..512/256} fold 512`.

use std::collections::{BTreeMap, BTreeSet};

use super::layouts::{factors_text, read_factors, shape_text};
use super::numbers::{sequence_text, signed};
use super::reader::{Parsed, Reader};
use super::syntax::{keyword, spaced};
use super::tensor::{attributes, read_op, result_is_open, set_result, usual_pool};
use super::writer::Writer;
use crate::Op as _;
use crate::layout::Layout;
use crate::slot::{LinearMap, MapPlan, Product, Stage, Term};
use crate::tensor::{Shape, TensorOp, infer_shape};

/// The terms of a map behind their operands.
pub(super) fn map_text(writer: &Writer<'_>, map: &LinearMap, operands: &[String]) -> String {
    let mut inputs = map.inputs.iter().map(Layout::shape);
    let terms = map.terms.iter().zip(operands).map(|(term, operand)| {
        let shape = inputs.next().unwrap_or_default();
        if term.stages.is_empty() {
            operand.clone()
        } else {
            format!("{operand} {}", term_text(writer, term, shape))
        }
    });
    terms.collect::<Vec<_>>().join(" + ")
}

/// `{ average-pool 2 stride 2 | reshape -> [1,16] | gemm $4 }`.
fn term_text(writer: &Writer<'_>, term: &Term, mut shape: Shape) -> String {
    let stage = |stage: &Stage| {
        let text = stage_text(writer, stage, &shape);
        shape.clone_from(&stage.out_shape);
        text
    };
    format!("{{ {} }}", term.stages.iter().map(stage).collect::<Vec<_>>().join(" | "))
}

fn stage_text(writer: &Writer<'_>, stage: &Stage, shape: &[usize]) -> String {
    let alone = stage.operand == 0 && stage.in_shapes.len() == 1 && stage.in_shapes[0] == shape;
    let beside = if alone {
        String::new()
    } else {
        let shapes: Vec<String> = stage.in_shapes.iter().map(|s| shape_text(s)).collect();
        format!("at {} of {}", stage.operand, shapes.join(" "))
    };
    let follows = !result_is_open(&stage.op, shape)
        && inferred(writer.constants, &stage.op, &stage.in_shapes).as_ref() == Some(&stage.out_shape);
    let result = if follows { String::new() } else { format!("-> {}", shape_text(&stage.out_shape)) };
    // A pool says what its result is, if that is not the usual one, by the result.
    let attributes = attributes(writer, &stage.op, Some(&stage.out_shape));
    spaced(&[&keyword(stage.op.mnemonic()), &attributes, &beside, &result])
}

fn inferred(constants: &[crate::Constant], op: &TensorOp, inputs: &[Shape]) -> Option<Shape> {
    let inputs: Vec<&[usize]> = inputs.iter().map(Vec::as_slice).collect();
    infer_shape(constants, op, &inputs).ok()
}

/// Reads [`map_text`]: the operands that `operand` reads with their layouts, and the terms.
pub(super) fn read_terms<T>(
    reader: &mut Reader<'_>,
    mut operand: impl FnMut(&mut Reader<'_>) -> Parsed<(T, Layout)>,
) -> Parsed<(Vec<T>, Vec<Layout>, Vec<Term>)> {
    let (mut operands, mut layouts, mut terms) = (vec![], vec![], vec![]);
    loop {
        let (of, layout) = operand(reader)?;
        terms.push(read_term(reader, layout.shape())?);
        operands.push(of);
        layouts.push(layout);
        if !reader.eat_sign("+") {
            return Ok((operands, layouts, terms));
        }
    }
}

fn read_term(reader: &mut Reader<'_>, mut shape: Shape) -> Parsed<Term> {
    let mut stages = Vec::new();
    if !reader.eat_sign("{") {
        return Ok(Term { stages });
    }
    loop {
        let stage = read_stage(reader, shape)?;
        shape = stage.out_shape.clone();
        stages.push(stage);
        if reader.eat_sign("}") {
            return Ok(Term { stages });
        }
        if !reader.eat_sign("|") {
            return reader.expected("`|` or `}`");
        }
    }
}

fn read_stage(reader: &mut Reader<'_>, shape: Shape) -> Parsed<Stage> {
    let word = reader.any_word("an operator")?;
    let (mut op, open) = read_op(reader, word)?;
    let (mut operand, mut in_shapes) = (0, vec![shape.clone()]);
    if reader.eat_word("at") {
        operand = reader.count()?;
        reader.word("of")?;
        in_shapes = vec![reader.shape()?];
        while matches!(reader.peek(), Some(super::lex::Token::Sign("["))) {
            in_shapes.push(reader.shape()?);
        }
    }
    let given = if reader.eat_sign("->") { Some(reader.shape()?) } else { None };
    if open {
        match (&given, &mut op) {
            (Some(result), op) => set_result(reader, op, result)?,
            (None, TensorOp::Pool { window, out, .. }) => {
                let usual = usual_pool(window, &shape);
                *out = usual.ok_or_else(|| reader.error_before(format!("no window fits into {shape:?}")))?;
            }
            (None, _) => return reader.expected("`->` and the shape of the result"),
        }
    }
    let out_shape = match given {
        Some(shape) => shape,
        None => {
            let inputs: Vec<&[usize]> = in_shapes.iter().map(Vec::as_slice).collect();
            infer_shape(&reader.constants, &op, &inputs).map_err(|e| reader.error_before(e.to_string()))?
        }
    };
    Ok(Stage { op, operand, in_shapes, out_shape })
}

/// The lines below a map: that it is open, and its plan.
pub(super) fn plan_lines(map: &LinearMap) -> Vec<String> {
    let mut all: Vec<String> = map.open.then(|| "open".into()).into_iter().collect();
    let Some(plan) = &map.plan else { return all };
    let slots = map.output.slots;
    let mut lines = if plan.products.is_empty() {
        vec!["no products".into()]
    } else if plan.products.is_sorted_by(|a, b| a < b) {
        product_sets(map, &plan.products)
    } else {
        vec![format!(
            "listed {}",
            plan.products.iter().map(|p| listed(p, slots)).collect::<Vec<_>>().join(" ")
        )]
    };
    let mut rest = Vec::new();
    if plan.fold != 0 {
        rest.push(format!("fold {}", signed(plan.fold, slots)));
    }
    if !plan.reduce.is_empty() {
        rest.push(format!("reduce {}", factors_text(&plan.reduce)));
    }
    let last = lines.last_mut().expect("there is a line");
    *last = spaced(&[last, &rest.join(" ")]);
    all.extend(lines);
    all
}

/// Where a product reads: operand, ciphertext, baby step.
type Sources = BTreeSet<(u32, u32, i64)>;

/// Products by what their sums read: sums of the same babies stand in one line.
fn product_sets(map: &LinearMap, products: &[Product]) -> Vec<String> {
    let slots = map.output.slots;
    let mut sums: BTreeMap<(u32, i64), Sources> = BTreeMap::new();
    for p in products {
        let sum = sums.entry((p.out_ct, signed(p.giant, slots))).or_default();
        sum.insert((p.operand, p.in_ct, signed(p.baby, slots)));
    }
    // In the order of their first sums.
    let mut groups: Vec<(&Sources, Vec<(u32, i64)>)> = Vec::new();
    let mut index: BTreeMap<&Sources, usize> = BTreeMap::new();
    for (sum, sources) in &sums {
        let at = *index.entry(sources).or_insert(groups.len());
        if at == groups.len() {
            groups.push((sources, vec![]));
        }
        groups[at].1.push(*sum);
    }
    let line = |(sources, sums): (&Sources, Vec<(u32, i64)>)| {
        format!("baby {} giant {}", sources_text(map, sources), sums_text(map, &sums))
    };
    groups.into_iter().map(line).collect()
}

fn set_text<T: Copy + Into<i64>>(numbers: &[T]) -> String {
    let numbers: Vec<i64> = numbers.iter().map(|n| (*n).into()).collect();
    format!("{{{}}}", sequence_text(&numbers))
}

/// `{0..3} of 1 in {0, 2}`: baby steps, the operand if there are several, its ciphertexts if it has several.
fn sources_text(map: &LinearMap, sources: &Sources) -> String {
    let mut babies: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
    for &(operand, ct, baby) in sources {
        babies.entry((operand, ct)).or_default().push(baby);
    }
    let mut cts: BTreeMap<(u32, Vec<i64>), Vec<u32>> = BTreeMap::new();
    for ((operand, ct), babies) in babies {
        cts.entry((operand, babies)).or_default().push(ct);
    }
    let part = |((operand, babies), cts): ((u32, Vec<i64>), Vec<u32>)| {
        let of = if map.inputs.len() == 1 && operand == 0 { String::new() } else { format!("of {operand}") };
        let single = map.inputs.get(operand as usize).is_some_and(|l| l.ciphertexts == 1) && cts == [0];
        let within = if single { String::new() } else { format!("in {}", set_text(&cts)) };
        spaced(&[&set_text(&babies), &of, &within])
    };
    cts.into_iter().map(part).collect::<Vec<_>>().join(" + ")
}

/// `{-256..512/256} to {0, 1}`: giant steps, and the ciphertexts of the result if it has several.
fn sums_text(map: &LinearMap, sums: &[(u32, i64)]) -> String {
    let mut giants: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    sums.iter().for_each(|&(ct, giant)| giants.entry(ct).or_default().push(giant));
    let mut cts: BTreeMap<Vec<i64>, Vec<u32>> = BTreeMap::new();
    giants.into_iter().for_each(|(ct, giants)| cts.entry(giants).or_default().push(ct));
    let part = |(giants, cts): (Vec<i64>, Vec<u32>)| {
        let single = map.output.ciphertexts == 1 && cts == [0];
        spaced(&[&set_text(&giants), &if single { String::new() } else { format!("to {}", set_text(&cts)) }])
    };
    cts.into_iter().map(part).collect::<Vec<_>>().join(" + ")
}

/// A product of a plan that is out of order: `[out, giant, operand, in, baby]`.
fn listed(p: &Product, slots: usize) -> String {
    format!("[{},{},{},{},{}]", p.out_ct, signed(p.giant, slots), p.operand, p.in_ct, signed(p.baby, slots))
}

/// Reads what [`plan_lines`] says of the plan; None if there is no plan.
pub(super) fn read_plan(reader: &mut Reader<'_>) -> Parsed<Option<MapPlan>> {
    let mut plan = MapPlan { products: vec![], reduce: vec![], fold: 0 };
    if reader.eat_word("no") {
        reader.word("products")?;
    } else if reader.eat_word("listed") {
        while matches!(reader.peek(), Some(super::lex::Token::Sign("["))) {
            let numbers: Vec<i64> = reader.list("a number")?;
            plan.products.push(listed_product(reader, &numbers)?);
        }
    } else if reader.eat_word("baby") {
        read_product_set(reader, &mut plan.products)?;
        while reader.eat_word("baby") {
            read_product_set(reader, &mut plan.products)?;
        }
        plan.products.sort_unstable();
        if plan.products.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(reader.error_before("this plan has a product twice"));
        }
    } else {
        return Ok(None);
    }
    if reader.eat_word("fold") {
        plan.fold = reader.step()?;
    }
    if reader.eat_word("reduce") {
        plan.reduce = read_factors(reader)?;
    }
    Ok(Some(plan))
}

fn listed_product(reader: &Reader<'_>, numbers: &[i64]) -> Parsed<Product> {
    let index = |n: i64| u32::try_from(n).map_err(|_| reader.error_before(format!("{n} is no index")));
    let &[out_ct, giant, operand, in_ct, baby] = numbers else {
        return Err(reader.error_before("a product has five numbers: out, giant, operand, in, baby"));
    };
    let steps = reader.steps(&[giant, baby])?;
    let (out_ct, operand, in_ct) = (index(out_ct)?, index(operand)?, index(in_ct)?);
    Ok(Product { out_ct, giant: steps[0], operand, in_ct, baby: steps[1] })
}

/// Indices in braces behind a word; [0] without it.
fn read_indices_of(reader: &mut Reader<'_>, word: &str) -> Parsed<Vec<u32>> {
    if reader.eat_word(word) { reader.indices() } else { Ok(vec![0]) }
}

fn read_product_set(reader: &mut Reader<'_>, products: &mut Vec<Product>) -> Parsed {
    let mut sources = Vec::new();
    loop {
        let babies = reader.set()?;
        let babies = reader.steps(&babies)?;
        let operand = if reader.eat_word("of") { reader.number("an operand")? } else { 0 };
        let cts = read_indices_of(reader, "in")?;
        reader.repeat(babies.len().saturating_mul(cts.len()))?;
        sources.extend(cts.iter().flat_map(|ct| babies.iter().map(move |baby| (operand, *ct, *baby))));
        if !reader.eat_sign("+") {
            break;
        }
    }
    reader.word("giant")?;
    loop {
        let giants = reader.set()?;
        let giants = reader.steps(&giants)?;
        for out_ct in read_indices_of(reader, "to")? {
            reader.repeat(giants.len().saturating_mul(sources.len()))?;
            for &giant in &giants {
                let product = |&(operand, in_ct, baby)| Product { out_ct, giant, operand, in_ct, baby };
                products.extend(sources.iter().map(product));
            }
        }
        if !reader.eat_sign("+") {
            return Ok(());
        }
    }
}
