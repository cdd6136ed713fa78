//! The verifier of S1–S7. A plan from anywhere goes through it: work and memory are bounded by the size of the
//! graph and by `MAX_TOTAL_POSITIONS`.

use std::collections::HashSet;

use super::{Kind, Recipe, Schedule, ScheduleOp, infer};
use crate::layout::Layout;
use crate::slot::LinearMap;
use crate::{Op, ValueId, Violation};

/// Most positions of all distinct layouts of a schedule together.
const MAX_TOTAL_POSITIONS: usize = 1 << 30;
/// Most levels of a schedule.
const MAX_LEVELS: usize = 1024;
/// Most slots of a ciphertext.
const MAX_SLOTS: usize = 1 << 17;
/// Most products of one map's plan.
const MAX_PRODUCTS: usize = 1 << 24;

pub(super) fn node(graph: &Schedule, id: ValueId, report: &mut Vec<Violation>) {
    let node = graph.node(id);
    let header = &graph.header;
    let mut wrong = |invariant, message: String| report.push(Violation::at(graph, id, invariant, message));
    if let ScheduleOp::Input { input, ct, .. } = &node.op {
        match header.inputs.get(*input as usize) {
            None => wrong("S4", format!("packed input {input} does not exist")),
            Some(p) if *ct as usize >= p.layout.ciphertexts => {
                wrong("S4", format!("input {:?} has no ciphertext {ct}", p.name));
            }
            Some(_) => {}
        }
        if node.ty.kind != Kind::Ct {
            wrong("S1", format!("an input is a ciphertext, not {:?}", node.ty.kind));
        }
    } else {
        let args: Vec<_> = node.args.iter().map(|a| *graph.ty(*a)).collect();
        match infer::infer(header, &node.op, &args) {
            Err(e) => wrong(e.invariant, e.message),
            Ok(ty) if ty != node.ty => wrong("S1", format!("type {:?} instead of {ty:?}", node.ty)),
            Ok(_) => {}
        }
    }
    if node.op.with_next() == Some(true) && graph.partner(id).is_none() {
        wrong("S7", "it is not followed by a bootstrap that can go with it".into());
    }
    for recipe in node.op.recipes() {
        if let Err(message) = check_recipe(graph, recipe) {
            wrong("S4", message);
        }
    }
    let Some(moduli) = header.moduli.get(..=node.ty.level as usize) else {
        wrong("S2", format!("level {} of {}", node.ty.level, header.moduli.len()));
        return;
    };
    let scale = node.ty.scale;
    let room: f64 = moduli.iter().map(|q| q.log2()).sum();
    if !scale.is_finite() || scale <= 0.0 {
        wrong("S6", format!("scale {scale:e}"));
    } else if scale.log2() >= room {
        wrong("S6", format!("scale 2^{:.2} does not fit a modulus of {room:.2} bits", scale.log2()));
    }
}

fn check_recipe(graph: &Schedule, recipe: &Recipe) -> Result<(), String> {
    let header = &graph.header;
    let map_of = |map: u32| header.maps.get(map as usize).ok_or_else(|| format!("map {map} does not exist"));
    let inside = |ct: u32, layout: &Layout| {
        if (ct as usize) < layout.ciphertexts {
            Ok(())
        } else {
            Err(format!("ciphertext {ct} does not exist"))
        }
    };
    let product_of = |map: u32, product: u32| {
        let products = map_of(map)?.plan.as_ref().map_or(0, |p| p.products.len());
        if (product as usize) < products {
            Ok(())
        } else {
            Err(format!("map {map} has no product {product}"))
        }
    };
    match *recipe {
        Recipe::Product { map, product } => product_of(map, product),
        Recipe::Pair { map, re: None, im: None } => Err(format!("a pair of map {map} has no product")),
        Recipe::Pair { map, re, im } => re.into_iter().chain(im).try_for_each(|k| product_of(map, k)),
        Recipe::Bias { map, ct } => inside(ct, &map_of(map)?.output),
        Recipe::Spread { value, row, layout, ct } => {
            let layout = header.layouts.get(layout as usize);
            let layout = layout.ok_or_else(|| "the layout does not exist".to_string())?;
            inside(ct, layout)?;
            let shape = graph.constants[value.index()].shape.as_slice();
            let shape = if shape.len() == layout.axes.len() + 1 {
                if row as usize >= shape[0] {
                    return Err(format!("constant {value} has no row {row}"));
                }
                &shape[1..]
            } else {
                shape
            };
            let fits = shape.len() == layout.axes.len()
                && shape.iter().zip(&layout.axes).all(|(&d, a)| d == 1 || d == a.extent);
            if fits { Ok(()) } else { Err(format!("constant {value} does not broadcast to the layout")) }
        }
    }
}

pub(super) fn graph(graph: &Schedule, report: &mut Vec<Violation>) {
    let header = &graph.header;
    let mut wrong = |invariant, message: String| report.push(Violation::of_graph(invariant, message));
    if !header.slots.is_power_of_two() || header.slots > MAX_SLOTS {
        wrong("S4", format!("{} slots", header.slots));
        return;
    }
    if header.moduli.is_empty() || header.moduli.len() > MAX_LEVELS {
        wrong("S2", format!("{} levels", header.moduli.len()));
    }
    for q in header.moduli.iter().filter(|q| !(2.0..2f64.powi(64)).contains(*q)) {
        wrong("S6", format!("modulus {q:e}"));
    }
    if let Some(b) = &header.bootstrap {
        let levels =
            0 < b.level_in && b.level_in < b.level_out && (b.level_out as usize) < header.moduli.len();
        let period = b.period.is_power_of_two() && b.period as usize <= header.slots;
        if !levels || !period || !b.scale.is_finite() || b.scale <= 0.0 {
            wrong("S7", format!("{b:?} of {} levels", header.moduli.len()));
        }
    }
    if let Err(message) = check_layouts(graph) {
        wrong("S4", message);
        return;
    }
    for (i, map) in header.maps.iter().enumerate() {
        if let Err(message) = check_map(graph, map) {
            wrong("S4", format!("map {i}: {message}"));
        }
    }
    check_interface(graph, &mut wrong);
}

fn check_layouts(graph: &Schedule) -> Result<(), String> {
    let header = &graph.header;
    let of_maps = header.maps.iter().flat_map(|m| m.inputs.iter().chain([&m.output]));
    let packed = header.inputs.iter().chain(&header.outputs).map(|p| &p.layout);
    let mut seen = HashSet::new();
    let mut total = 0usize;
    for layout in of_maps.chain(packed).chain(&header.layouts) {
        if !seen.insert(layout) {
            continue;
        }
        if layout.slots != header.slots {
            return Err(format!("a layout has {} slots instead of {}", layout.slots, header.slots));
        }
        total = total.saturating_add(layout.slots.saturating_mul(layout.ciphertexts));
        if total > MAX_TOTAL_POSITIONS {
            return Err("the layouts are too large".into());
        }
        layout.check()?;
    }
    Ok(())
}

fn check_map(graph: &Schedule, map: &LinearMap) -> Result<(), String> {
    let slots = graph.header.slots;
    map.check_terms(&graph.constants)?;
    let Some(plan) = &map.plan else { return Err("it has no plan".into()) };
    if plan.products.len() > MAX_PRODUCTS {
        return Err("too many products".into());
    }
    if !plan.products.is_sorted_by(|a, b| a < b) {
        return Err("products are not sorted and distinct".into());
    }
    for p in &plan.products {
        let input = map.inputs.get(p.operand as usize);
        let fits = input.is_some_and(|l| (p.in_ct as usize) < l.ciphertexts)
            && (p.out_ct as usize) < map.output.ciphertexts
            && (p.giant as usize) < slots
            && (p.baby as usize) < slots;
        if !fits {
            return Err(format!("{p:?} refers to something that does not exist"));
        }
    }
    if plan.fold as usize >= slots {
        return Err(format!("a fold by {} of {slots} slots", plan.fold));
    }
    let spread = plan.reduce.iter().try_fold(1usize, |n, r| n.checked_mul(r.extent)).filter(|&n| n <= slots);
    if spread.is_none() || plan.reduce.iter().any(|r| !r.extent.is_power_of_two() || r.stride >= slots) {
        return Err(format!("reduction {:?}", plan.reduce));
    }
    Ok(())
}

/// The stages of a term are linear and chain, by element count, from the operand to the result. That the plan
/// covers the map shows when its plaintexts are computed.
fn check_interface(graph: &Schedule, wrong: &mut impl FnMut(&'static str, String)) {
    let header = &graph.header;
    let mut seen = HashSet::new();
    for (_, node) in graph.iter() {
        if let ScheduleOp::Input { input, ct, .. } = &node.op
            && !seen.insert((*input, *ct))
        {
            wrong("S4", format!("ciphertext {ct} of input {input} occurs twice"));
        }
    }
    let expected: usize = header.inputs.iter().map(|p| p.layout.ciphertexts).sum();
    if seen.len() != expected {
        wrong("S4", format!("{} input nodes for {expected} ciphertexts", seen.len()));
    }
    let expected: usize = header.outputs.iter().map(|p| p.layout.ciphertexts).sum();
    if graph.outputs.len() != expected || header.outputs.is_empty() {
        wrong("S4", format!("{} outputs for {expected} ciphertexts", graph.outputs.len()));
    }
    for output in &graph.outputs {
        if graph.ty(output.value).kind != Kind::Ct {
            wrong("S4", format!("output {:?} is no ciphertext", output.name));
        }
    }
    for packed in [&header.inputs, &header.outputs] {
        let mut names = HashSet::new();
        for p in packed.iter().filter(|p| !names.insert(&p.name)) {
            wrong("S4", format!("packed value {:?} occurs twice", p.name));
        }
    }
}
