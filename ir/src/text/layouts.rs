//! Layouts and constants: what stands before the nodes.

use std::fmt::Write as _;

use super::lex::Token;
use super::numbers::{f32_text, f64_text};
use super::reader::{Parsed, Reader};
use crate::layout::{Axis, Factor, Layout};
use crate::{ConstId, Constant};

/// A layout's shape without a batch of one: `16x32x32`.
pub(super) fn short_name(layout: &Layout) -> String {
    let shape = layout.shape();
    let inner = match &shape[..] {
        [1, inner @ ..] if !inner.is_empty() => inner,
        all => all,
    };
    inner.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// `2@512 14@16`.
pub(super) fn factors_text(factors: &[Factor]) -> String {
    factors.iter().map(|f| format!("{}@{}", f.extent, f.stride)).collect::<Vec<_>>().join(" ")
}

/// Factors, as many as there are.
pub(super) fn read_factors(reader: &mut Reader<'_>) -> Parsed<Vec<Factor>> {
    let mut factors = Vec::new();
    while reader.is_number() {
        factors.push(Factor { extent: reader.count()?, stride: reader.at()? });
    }
    Ok(factors)
}

fn product(factors: &[Factor]) -> Option<usize> {
    factors.iter().try_fold(1usize, |n, f| n.checked_mul(f.extent))
}

/// Names of the axes, for people.
fn axis_name(rank: usize, axis: usize) -> &'static str {
    match (rank, axis) {
        (2.., 0) => "n",
        (1.., _) if axis + 1 == rank.min(2) => "c",
        (3, 2) | (4, 3) => "x",
        (4, 2) => "y",
        _ => "d",
    }
}

fn axis_text(axis: &Axis) -> String {
    let factors = factors_text(&axis.factors);
    if product(&axis.factors) == Some(axis.extent) {
        factors
    } else {
        format!("{} of {factors}", axis.extent).trim_end().to_string()
    }
}

/// `[c 1@1024, y 2@512 14@16, x 2@256 14@1] replicas 2@1024 ciphertexts 2`. Slots are given where they are not the
/// graph's.
pub(super) fn layout_text(layout: &Layout, slots: usize) -> String {
    let rank = layout.axes.len();
    let axis = |(k, axis)| format!("{} {}", axis_name(rank, k), axis_text(axis)).trim_end().to_string();
    let axes: Vec<String> = layout.axes.iter().enumerate().map(axis).collect();
    let mut text = format!("[{}]", axes.join(", "));
    if !layout.replicas.is_empty() {
        let _ = write!(text, " replicas {}", factors_text(&layout.replicas));
    }
    if layout.ciphertexts != 1 {
        let _ = write!(text, " ciphertexts {}", layout.ciphertexts);
    }
    if layout.slots != slots {
        let _ = write!(text, " slots {}", layout.slots);
    }
    text
}

/// A layout as a type is described without names: `16x32x32`.
pub(super) fn layout_label(layout: &Layout) -> String {
    short_name(layout)
}

/// Reads [`layout_text`].
pub(super) fn read_layout(reader: &mut Reader<'_>) -> Parsed<Layout> {
    let mut axes = Vec::new();
    reader.sign("[")?;
    while !reader.eat_sign("]") {
        if !axes.is_empty() {
            reader.sign(",")?;
        }
        reader.any_word("the name of an axis")?;
        axes.push(read_axis(reader)?);
    }
    let replicas = if reader.eat_word("replicas") { read_factors(reader)? } else { vec![] };
    let ciphertexts = if reader.eat_word("ciphertexts") { reader.count()? } else { 1 };
    let slots = if reader.eat_word("slots") { reader.count()? } else { reader.slots };
    Ok(Layout { slots, ciphertexts, axes, replicas })
}

fn read_axis(reader: &mut Reader<'_>) -> Parsed<Axis> {
    let given = matches!(reader.peek_second(), Some(Token::Word("of")));
    let extent = if given { Some(reader.count()?) } else { None };
    if given {
        reader.skip();
    }
    let factors = read_factors(reader)?;
    let extent = extent.or_else(|| product(&factors));
    let extent = extent.ok_or_else(|| reader.error_before("the factors of this axis are too many"))?;
    Ok(Axis { extent, factors })
}

/// Most numbers of a constant that are written out where not all are.
const FEW: usize = 8;

/// `f32 [2] {10, 20}`, or `f64` where some number is none, `f32 [5,5] {1}` if all are the same, or `f32 [8,1,5,5] #c4a5104f279179ce`: the digest of a
/// constant that is too large to be read by people, unless `whole`.
pub(super) fn constant_text(constant: &Constant, whole: bool) -> String {
    let kind = if constant.data.double().is_some() { "f64" } else { "f32" };
    let head = format!("{kind} {}", shape_text(&constant.shape));
    let number =
        |k: usize| constant.data.double().map_or_else(|| f32_text(constant.data[k]), |d| f64_text(d[k]));
    let bits = |k: usize| constant.at(k).to_bits();
    let alike = (1..constant.len()).all(|k| bits(k) == bits(0));
    let numbers = match constant.len() {
        1.. if alike => number(0),
        len if whole || len <= FEW => (0..len).map(number).collect::<Vec<_>>().join(", "),
        _ => return format!("{head} #{}", constant.digest()),
    };
    format!("{head} {{{numbers}}}")
}

/// A shape as texts and messages have it: `[1,16,32,32]`.
pub fn shape_text(shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", extents.join(","))
}

/// Reads [`constant_text`]; looks digests up.
pub(super) fn read_constant(reader: &mut Reader<'_>) -> Parsed<Constant> {
    let double = reader.eat_word("f64");
    if !double {
        reader.word("f32")?;
    }
    let shape = reader.shape()?;
    if let Some(digest) = reader.take(|t| if let Token::Layout(s) = t { Some(*s) } else { None }) {
        return match reader.source.get(digest) {
            Some(constant) if constant.shape == shape => Ok(constant.clone()),
            Some(constant) => {
                let message = format!("the constant #{digest} has the shape {:?}", constant.shape);
                Err(reader.error_before(message))
            }
            None => Err(reader.error_before(format!(
                "the numbers of the constant #{digest} are needed: give the file that has them"
            ))),
        };
    }
    reader.sign("{")?;
    let mut data = Vec::new();
    while !reader.eat_sign("}") {
        if !data.is_empty() {
            reader.sign(",")?;
        }
        data.push(if double { reader.f64()? } else { f64::from(reader.f32()?) });
    }
    let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let size = size.ok_or_else(|| reader.error_before(format!("the shape {shape:?} is too large")))?;
    if let [x] = data[..] {
        reader.repeat(size)?;
        data = vec![x; size];
    }
    if data.len() != size {
        return Err(reader.error_before(format!("{} numbers for the shape {shape:?}", data.len())));
    }
    Ok(if double { Constant::exact(shape, data) } else { Constant::from_f64(shape, &data) })
}

/// Reads `$3 = …`, the constant that comes next.
pub(super) fn read_constant_statement(reader: &mut Reader<'_>) -> Parsed {
    let next = ConstId(reader.constants.len() as u32);
    if reader.constant()? != next {
        return Err(reader.error_before(format!("expected the constant {next}")));
    }
    reader.sign("=")?;
    let constant = read_constant(reader)?;
    reader.constants.push(constant);
    Ok(())
}
