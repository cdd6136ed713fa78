//! Operators that the client evaluates after decryption: they choose, compare, round or normalise.

use serde::{Deserialize, Serialize};

use super::Shape;
use super::checked::{Checked, axes_of, axis_extent, ensure, reduced, t1, with_axis};

/// An operator of the end of a network, which no pass knows. Truth values are 1 and 0, indices whole numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientOp {
    /// exp(x)/Σexp(x), or its logarithm, the sum over the axes.
    Softmax {
        /// Axes, ascending.
        axes: Vec<usize>,
        /// x − ln Σexp(x) instead.
        log: bool,
    },
    /// Index of the largest element along an axis.
    Arg {
        /// The axis.
        axis: usize,
        /// Keep the axis with extent 1.
        keep: bool,
        /// Of equal elements the last instead of the first.
        last: bool,
        /// The least element instead.
        least: bool,
    },
    /// The k largest elements along an axis, from the largest on; of equal ones the first first.
    TopK {
        /// The axis.
        axis: usize,
        /// How many, 1 to the axis' extent.
        k: usize,
        /// The least elements instead, from the least on.
        least: bool,
        /// Their indices instead of their values.
        indices: bool,
    },
    /// Largest element over axes.
    Extreme {
        /// Axes, ascending.
        axes: Vec<usize>,
        /// Keep the axes with extent 1.
        keep: bool,
        /// The least element instead.
        least: bool,
    },
    /// A function of each element.
    Function(Function),
    /// A truth value for each pair of elements of operands of equal shapes.
    Compare(Comparison),
    /// Of operands c, x and y of equal shapes: x where c is not 0, else y.
    Select,
}

/// Functions of one number without use on ciphertexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Function {
    /// Natural logarithm.
    Log,
    /// Largest whole number that is not larger.
    Floor,
    /// Least whole number that is not less.
    Ceil,
    /// Nearest whole number, of two the even one.
    Round,
    /// The whole number towards 0.
    Trunc,
    /// −1, 0 or 1.
    Sign,
    /// Whether it is 0.
    Not,
    /// Whether it is not 0.
    Truth,
}

/// Comparisons and connectives of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// a = b.
    Equal,
    /// a < b.
    Less,
    /// a ≤ b.
    LessOrEqual,
    /// Both are true.
    And,
    /// One is true at least.
    Or,
    /// One is true and not the other.
    Xor,
}

impl ClientOp {
    /// Number of operands.
    pub(super) fn arity(&self) -> usize {
        match self {
            Self::Compare(_) => 2,
            Self::Select => 3,
            _ => 1,
        }
    }

    /// Shape of the result, for as many operands as [`ClientOp::arity`] says.
    pub(super) fn shape(&self, args: &[&[usize]]) -> Checked<Shape> {
        let x = args[0];
        match self {
            Self::Softmax { axes, .. } => axes_of(x, axes).map(|()| x.to_vec()),
            Self::Arg { axis, keep, .. } => reduced(x, &[*axis], *keep),
            Self::TopK { axis, k, .. } => {
                let extent = axis_extent(x, *axis)?;
                ensure((1..=extent).contains(k), || format!("{k} of {extent} elements"))?;
                Ok(with_axis(x, *axis, *k))
            }
            Self::Extreme { axes, keep, .. } => reduced(x, axes, *keep),
            Self::Function(_) => Ok(x.to_vec()),
            Self::Compare(_) | Self::Select => match args.iter().find(|other| **other != x) {
                Some(other) => t1(format!("operands of shapes {x:?} and {other:?}")),
                None => Ok(x.to_vec()),
            },
        }
    }

    /// Name as graphs have it.
    pub(super) fn mnemonic(&self) -> &'static str {
        match self {
            Self::Softmax { log: false, .. } => "Softmax",
            Self::Softmax { .. } => "LogSoftmax",
            Self::Arg { least: false, .. } => "ArgMax",
            Self::Arg { .. } => "ArgMin",
            Self::TopK { .. } => "TopK",
            Self::Extreme { least: false, .. } => "ReduceMax",
            Self::Extreme { .. } => "ReduceMin",
            Self::Function(Function::Log) => "Log",
            Self::Function(Function::Floor) => "Floor",
            Self::Function(Function::Ceil) => "Ceil",
            Self::Function(Function::Round) => "Round",
            Self::Function(Function::Trunc) => "Trunc",
            Self::Function(Function::Sign) => "Sign",
            Self::Function(Function::Not) => "Not",
            Self::Function(Function::Truth) => "Truth",
            Self::Compare(Comparison::Equal) => "Equal",
            Self::Compare(Comparison::Less) => "Less",
            Self::Compare(Comparison::LessOrEqual) => "LessOrEqual",
            Self::Compare(Comparison::And) => "And",
            Self::Compare(Comparison::Or) => "Or",
            Self::Compare(Comparison::Xor) => "Xor",
            Self::Select => "Where",
        }
    }
}
