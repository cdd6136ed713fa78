//! What clients evaluate, in the language: `%3 = top-k %2 axis 1 indices 5 : [1,5]`.

use super::layouts::shape_text;
use super::reader::{Parsed, Reader};
use super::syntax::spaced;
use crate::tensor::{ClientOp, Comparison, Function};

const FUNCTIONS: [(&str, Function); 8] = [
    ("log", Function::Log),
    ("floor", Function::Floor),
    ("ceil", Function::Ceil),
    ("round", Function::Round),
    ("trunc", Function::Trunc),
    ("sign", Function::Sign),
    ("not", Function::Not),
    ("truth", Function::Truth),
];

const COMPARISONS: [(&str, Comparison); 6] = [
    ("equal", Comparison::Equal),
    ("less", Comparison::Less),
    ("less-or-equal", Comparison::LessOrEqual),
    ("and", Comparison::And),
    ("or", Comparison::Or),
    ("xor", Comparison::Xor),
];

const OTHERS: [&str; 8] =
    ["softmax", "log-softmax", "arg-max", "arg-min", "top-k", "reduce-max", "reduce-min", "where"];

/// The entry of a name.
fn entry<T: Copy>(list: &[(&str, T)], word: &str) -> Option<T> {
    list.iter().find(|(name, _)| *name == word).map(|(_, entry)| *entry)
}

/// Whether an operator of this name is the client's.
pub(super) fn is_name(word: &str) -> bool {
    OTHERS.contains(&word) || entry(&FUNCTIONS, word).is_some() || entry(&COMPARISONS, word).is_some()
}

/// The attributes of an operator.
pub(super) fn attributes(op: &ClientOp) -> String {
    let flag = |set: bool, word: &'static str| if set { word } else { "" };
    match op {
        ClientOp::Softmax { axes, .. } => format!("axes {}", shape_text(axes)),
        ClientOp::Arg { axis, keep, last, .. } => {
            spaced(&[&format!("axis {axis}"), flag(*keep, "keep"), flag(*last, "last")])
        }
        ClientOp::TopK { axis, k, least, indices } => {
            let part = if *indices { "indices" } else { "values" };
            spaced(&[&format!("axis {axis} {part} {k}"), flag(*least, "least")])
        }
        ClientOp::Extreme { axes, keep, .. } => {
            spaced(&[&format!("axes {}", shape_text(axes)), flag(*keep, "keep")])
        }
        ClientOp::Function(_) | ClientOp::Compare(_) | ClientOp::Select => String::new(),
    }
}

fn axis(reader: &mut Reader<'_>) -> Parsed<usize> {
    reader.word("axis")?;
    reader.count()
}

fn axes(reader: &mut Reader<'_>) -> Parsed<Vec<usize>> {
    reader.word("axes")?;
    reader.shape()
}

/// Reads the operator of a name behind its operands.
pub(super) fn read(reader: &mut Reader<'_>, word: &str) -> Parsed<ClientOp> {
    if let Some(function) = entry(&FUNCTIONS, word) {
        return Ok(ClientOp::Function(function));
    }
    if let Some(comparison) = entry(&COMPARISONS, word) {
        return Ok(ClientOp::Compare(comparison));
    }
    Ok(match word {
        "softmax" | "log-softmax" => ClientOp::Softmax { axes: axes(reader)?, log: word == "log-softmax" },
        "arg-max" | "arg-min" => ClientOp::Arg {
            axis: axis(reader)?,
            keep: reader.eat_word("keep"),
            last: reader.eat_word("last"),
            least: word == "arg-min",
        },
        "top-k" => {
            let axis = axis(reader)?;
            let indices = match reader.any_word("`values` or `indices`")? {
                "values" => false,
                "indices" => true,
                _ => return Err(reader.error_before("expected `values` or `indices`")),
            };
            ClientOp::TopK { axis, k: reader.count()?, indices, least: reader.eat_word("least") }
        }
        "reduce-max" | "reduce-min" => ClientOp::Extreme {
            axes: axes(reader)?,
            keep: reader.eat_word("keep"),
            least: word == "reduce-min",
        },
        _ => ClientOp::Select,
    })
}
