//! The tensor IR in the language: `%1 = conv %0 $0 + $1 stride 2 pad 1 : [1,8,14,14]`.
//!
//! Attributes that have their usual value, and what follows from the operands or the result, are left out.

use super::client;
use super::layouts::shape_text;
use super::lex::Token;
use super::numbers::{f32_text, sequence_text};
use super::reader::{Parsed, Reader};
use super::syntax::{Part, Syntax, keyword, spaced, values_text};
use super::writer::Writer;
use crate::layout::Layout;
use crate::tensor::infer::window_extent;
use crate::tensor::{Activation, Basis, Pool, ReduceKind, Shape, TensorGraph, TensorOp, Window};
use crate::{ConstId, Node, Op, ValueId};

impl Syntax for TensorOp {
    fn visit_layouts<'g>(_: &'g TensorGraph, _: Part<'_>, _: &mut dyn FnMut(&'g Layout)) {}

    fn slots((): &()) -> usize {
        0
    }

    fn with_slots(_: usize) {}

    fn write_nodes(graph: &TensorGraph, id: ValueId, _: Part<'_>, writer: &mut Writer<'_>) -> usize {
        let node = graph.node(id);
        let attributes = attributes(writer, &node.op, Some(&node.ty));
        let op = spaced(&[&keyword(node.op.mnemonic()), &values_text(&node.args), &attributes]);
        writer.statement(&format!("{id} = {op} : {}", shape_text(&node.ty)), &node.name, &[]);
        1
    }

    fn read_nodes(
        reader: &mut Reader<'_>,
        _: &TensorGraph,
        first: u32,
        last: u32,
    ) -> Parsed<Vec<Node<Self>>> {
        if first != last {
            return Err(reader.error_before("a tensor has a statement of its own"));
        }
        let word = reader.any_word("an operator")?;
        let args = reader.values()?;
        let (mut op, open) = read_op(reader, word)?;
        reader.sign(":")?;
        let ty = reader.shape()?;
        if open {
            set_result(reader, &mut op, &ty)?;
        }
        Ok(vec![Node { op, args, ty, name: reader.name() }])
    }

    fn type_label(ty: &Shape) -> String {
        shape_text(ty)
    }
}

fn pair_text([a, b]: [usize; 2]) -> String {
    if a == b { a.to_string() } else { format!("{a}x{b}") }
}

/// `3`, or `3x1`.
fn read_pair(reader: &mut Reader<'_>) -> Parsed<[usize; 2]> {
    let first = reader.count()?;
    let Some(word) = reader.take(|t| match t {
        Token::Word(word) => word.strip_prefix('x').map(str::parse),
        _ => None,
    }) else {
        return Ok([first; 2]);
    };
    let second = word.map_err(|_| reader.error_before("expected two extents, such as 3x3"))?;
    Ok([first, second])
}

/// Kernel of a convolution: the last axes of its weights.
fn kernel_of(weight: Option<&[usize]>) -> Option<[usize; 2]> {
    weight.and_then(|shape| shape.get(2..4)).map(|k| [k[0], k[1]])
}

/// Stride, dilation and padding where they are not 1, 1 and 0, and the kernel where it is not `usual`.
fn window_text(window: &Window, usual: Option<[usize; 2]>) -> String {
    let Window { kernel, stride, dilation, pads } = *window;
    let mut parts = Vec::new();
    if usual != Some(kernel) {
        parts.push(format!("kernel {}", pair_text(kernel)));
    }
    for (name, pair) in [("stride", stride), ("dilation", dilation)] {
        if pair != [1, 1] {
            parts.push(format!("{name} {}", pair_text(pair)));
        }
    }
    if pads != [0; 4] {
        let alike = pads.iter().all(|p| *p == pads[0]);
        parts.push(format!("pad {}", if alike { pads[0].to_string() } else { shape_text(&pads) }));
    }
    parts.join(" ")
}

fn read_window(reader: &mut Reader<'_>, usual: Option<[usize; 2]>) -> Parsed<Window> {
    let kernel = if reader.eat_word("kernel") { Some(read_pair(reader)?) } else { usual };
    let Some(kernel) = kernel else { return reader.expected("`kernel`") };
    let mut window = Window { kernel, stride: [1; 2], dilation: [1; 2], pads: [0; 4] };
    if reader.eat_word("stride") {
        window.stride = read_pair(reader)?;
    }
    if reader.eat_word("dilation") {
        window.dilation = read_pair(reader)?;
    }
    if reader.eat_word("pad") {
        window.pads = if reader.is_number() {
            [reader.count()?; 4]
        } else {
            let pads = reader.shape()?;
            pads.try_into()
                .map_err(|_| reader.error_before("expected four pads: top, left, bottom, right"))?
        };
    }
    Ok(window)
}

fn affine_layer_text(weight: ConstId, bias: Option<ConstId>) -> String {
    bias.map_or(weight.to_string(), |bias| format!("{weight} + {bias}"))
}

/// Whether the result's shape is an attribute of the op, with that attribute.
fn result_attribute(op: &mut TensorOp) -> Option<&mut Shape> {
    match op {
        TensorOp::Input { shape: out, .. }
        | TensorOp::Slice { out, .. }
        | TensorOp::Reshape { out }
        | TensorOp::Expand { out } => Some(out),
        _ => None,
    }
}

/// Fills in the attribute that is the shape of the result.
pub(super) fn set_result(reader: &Reader<'_>, op: &mut TensorOp, result: &[usize]) -> Parsed {
    if let TensorOp::Pool { out, .. } = op {
        *out = kernel_of(Some(result)).ok_or_else(|| reader.error_before("a pool's result has four axes"))?;
    } else if let Some(out) = result_attribute(op) {
        *out = result.to_vec();
    }
    Ok(())
}

/// Extents of a pool's result that follow from its window, without `ceil_mode`.
pub(super) fn usual_pool(window: &Window, input: &[usize]) -> Option<[usize; 2]> {
    let [_, _, h, w] = input else { return None };
    let Window { kernel, stride, dilation, pads } = window;
    let extent =
        |extent, k: usize| window_extent(extent, kernel[k], stride[k], dilation[k], [pads[k], pads[k + 2]]);
    Some([extent(*h, 0)?, extent(*w, 1)?])
}

/// Whether the shape of the result does not follow from the op and its operand.
pub(super) fn result_is_open(op: &TensorOp, input: &[usize]) -> bool {
    match op {
        TensorOp::Pool { window, out, .. } => usual_pool(window, input) != Some(*out),
        op => result_attribute(&mut op.clone()).is_some(),
    }
}

/// The attributes of an op. Where the shape of its result is one and is `result`, it is left out.
pub(super) fn attributes(writer: &Writer<'_>, op: &TensorOp, result: Option<&[usize]>) -> String {
    use TensorOp as O;
    // A result's shape that is an attribute and not what the type says; never so in a verified graph.
    let odd = |out: &[usize]| {
        if result == Some(out) { String::new() } else { format!("out {}", shape_text(out)) }
    };
    match op {
        O::Input { name, shape } => spaced(&[&format!("{name:?}"), &odd(shape)]),
        O::Constant { value } => value.to_string(),
        O::Conv { window, groups, weight, bias } => {
            let groups = if *groups == 1 { String::new() } else { format!("groups {groups}") };
            let window = window_text(window, kernel_of(writer.shape(*weight)));
            spaced(&[&affine_layer_text(*weight, *bias), &window, &groups])
        }
        O::ConvTranspose { window, extra, groups, weight, bias } => {
            let groups = if *groups == 1 { String::new() } else { format!("groups {groups}") };
            let extra = if *extra == [0; 2] { String::new() } else { format!("extra {}", pair_text(*extra)) };
            let window = window_text(window, kernel_of(writer.shape(*weight)));
            spaced(&[&affine_layer_text(*weight, *bias), &window, &extra, &groups])
        }
        O::Gemm { weight, bias } => affine_layer_text(*weight, *bias),
        O::Affine { scale, shift } => {
            let scale = scale.map_or(String::new(), |c| format!("scale {c}"));
            let shift = shift.map_or(String::new(), |c| format!("shift {c}"));
            spaced(&[&scale, &shift])
        }
        O::Pool { kind, window, out } => {
            let padded = if *kind == Pool::AveragePadded { "counting-pads" } else { "" };
            let same = result.and_then(|r| kernel_of(Some(r))) == Some(*out);
            spaced(&[&window_text(window, None), padded, &if same { String::new() } else { odd(out) }])
        }
        O::Reduce { kind, axes, keep } => {
            let kind = match kind {
                ReduceKind::Sum => "sum",
                ReduceKind::Mean => "mean",
            };
            spaced(&[kind, &format!("axes {}", shape_text(axes)), if *keep { "keep" } else { "" }])
        }
        O::Slice { start, step, out } => {
            let steps: Vec<String> = step.iter().map(ToString::to_string).collect();
            let steps = if step.iter().all(|s| *s == 1) && step.len() == start.len() {
                String::new()
            } else {
                format!("step [{}]", steps.join(","))
            };
            spaced(&[&format!("from {}", shape_text(start)), &steps, &odd(out)])
        }
        O::Pad { before, after, value } => {
            let value =
                if value.to_bits() == 0 { String::new() } else { format!("value {}", f32_text(*value)) };
            spaced(&[&format!("before {} after {}", shape_text(before), shape_text(after)), &value])
        }
        O::Gather { axis, indices } => {
            let indices: Vec<i64> = indices.iter().map(|i| *i as i64).collect();
            format!("axis {axis} {{{}}}", sequence_text(&indices))
        }
        O::Resample { axis, matrix } => format!("axis {axis} {matrix}"),
        O::Reshape { out } | O::Expand { out } => odd(out),
        O::Transpose { perm } => shape_text(perm),
        O::Concat { axis } => format!("axis {axis}"),
        O::Add | O::Sub | O::Mul | O::Div | O::Max | O::Min => String::new(),
        O::Activation(a) => activation_text(*a),
        O::PRelu { slope } => slope.to_string(),
        O::Poly { coeffs, basis } => spaced(&[&coeffs.to_string(), basis_text(*basis)]),
        O::Client(op) => client::attributes(op),
    }
}

/// The parameters of a function.
pub(super) fn activation_text(activation: Activation) -> String {
    use Activation as A;
    match activation {
        A::LeakyRelu(a) | A::Elu(a) | A::Swish(a) | A::ThresholdedRelu(a) | A::Pow(a) => f32_text(a),
        A::Clip(a, b) | A::Selu(a, b) | A::HardSigmoid(a, b) => {
            format!("{} {}", f32_text(a), f32_text(b))
        }
        _ => String::new(),
    }
}

/// The function of a name with its parameters; none if it is no function.
pub(super) fn read_activation(reader: &mut Reader<'_>, word: &str) -> Parsed<Option<Activation>> {
    use Activation as A;
    Ok(Some(match word {
        "relu" => A::Relu,
        "leaky-relu" => A::LeakyRelu(reader.f32()?),
        "clip" => A::Clip(reader.f32()?, reader.f32()?),
        "elu" => A::Elu(reader.f32()?),
        "selu" => A::Selu(reader.f32()?, reader.f32()?),
        "sigmoid" => A::Sigmoid,
        "tanh" => A::Tanh,
        "erf" => A::Erf,
        "softplus" => A::Softplus,
        "softsign" => A::Softsign,
        "swish" => A::Swish(reader.f32()?),
        "gelu" => A::Gelu,
        "gelu-tanh" => A::GeluTanh,
        "hard-swish" => A::HardSwish,
        "hard-sigmoid" => A::HardSigmoid(reader.f32()?, reader.f32()?),
        "mish" => A::Mish,
        "thresholded-relu" => A::ThresholdedRelu(reader.f32()?),
        "abs" => A::Abs,
        "exp" => A::Exp,
        "sqrt" => A::Sqrt,
        "reciprocal" => A::Reciprocal,
        "pow" => A::Pow(reader.f32()?),
        _ => return Ok(None),
    }))
}

/// Reads an op behind its name and operands. True with it if its result's shape is an attribute that was left out.
pub(super) fn read_op(reader: &mut Reader<'_>, word: &str) -> Parsed<(TensorOp, bool)> {
    use TensorOp as O;
    let op = match word {
        "input" => O::Input { name: reader.text()?, shape: vec![] },
        "constant" => O::Constant { value: reader.constant()? },
        "conv" | "conv-transpose" => {
            let (weight, bias) = (reader.constant()?, reader.plus_constant()?);
            let window = read_window(reader, kernel_of(reader.constant_shape(weight)))?;
            let extra = word == "conv-transpose" && reader.eat_word("extra");
            let extra = if extra { read_pair(reader)? } else { [0; 2] };
            let groups = if reader.eat_word("groups") { reader.count()? } else { 1 };
            match word {
                "conv" => O::Conv { window, groups, weight, bias },
                _ => O::ConvTranspose { window, extra, groups, weight, bias },
            }
        }
        "gemm" => O::Gemm { weight: reader.constant()?, bias: reader.plus_constant()? },
        "affine" => {
            let scale = if reader.eat_word("scale") { Some(reader.constant()?) } else { None };
            let shift = if reader.eat_word("shift") { Some(reader.constant()?) } else { None };
            O::Affine { scale, shift }
        }
        "max-pool" => O::Pool { kind: Pool::Max, window: read_window(reader, None)?, out: [0; 2] },
        "average-pool" => {
            let window = read_window(reader, None)?;
            let kind = if reader.eat_word("counting-pads") { Pool::AveragePadded } else { Pool::Average };
            O::Pool { kind, window, out: [0; 2] }
        }
        "reduce" => {
            let kind = match reader.any_word("`sum` or `mean`")? {
                "sum" => ReduceKind::Sum,
                "mean" => ReduceKind::Mean,
                _ => return Err(reader.error_before("expected `sum` or `mean`")),
            };
            reader.word("axes")?;
            O::Reduce { kind, axes: reader.shape()?, keep: reader.eat_word("keep") }
        }
        "slice" => {
            reader.word("from")?;
            let start = reader.shape()?;
            let step = if reader.eat_word("step") { reader.list("a step")? } else { vec![1; start.len()] };
            O::Slice { start, step, out: vec![] }
        }
        "pad" => {
            reader.word("before")?;
            let before = reader.shape()?;
            reader.word("after")?;
            let after = reader.shape()?;
            let value = if reader.eat_word("value") { reader.f32()? } else { 0.0 };
            O::Pad { before, after, value }
        }
        "gather" => {
            let axis = read_axis(reader)?;
            let indices = reader.indices()?.into_iter().map(|i| i as usize).collect();
            O::Gather { axis, indices }
        }
        "resample" => O::Resample { axis: read_axis(reader)?, matrix: reader.constant()? },
        "reshape" => O::Reshape { out: vec![] },
        "expand" => O::Expand { out: vec![] },
        "transpose" => O::Transpose { perm: reader.shape()? },
        "concat" => O::Concat { axis: read_axis(reader)? },
        "add" => O::Add,
        "sub" => O::Sub,
        "mul" => O::Mul,
        "div" => O::Div,
        "max" => O::Max,
        "min" => O::Min,
        "prelu" => O::PRelu { slope: reader.constant()? },
        "poly" => O::Poly { coeffs: reader.constant()?, basis: read_basis(reader) },
        word => match read_activation(reader, word)? {
            Some(activation) => O::Activation(activation),
            None if client::is_name(word) => O::Client(client::read(reader, word)?),
            None => return Err(reader.error_before(format!("there is no operator `{word}` here"))),
        },
    };
    read_result(reader, op)
}

/// Reads the result's shape where it is given as an attribute.
fn read_result(reader: &mut Reader<'_>, mut op: TensorOp) -> Parsed<(TensorOp, bool)> {
    let open = matches!(op, TensorOp::Pool { .. }) || result_attribute(&mut op).is_some();
    if !open || !reader.eat_word("out") {
        return Ok((op, open));
    }
    let result = reader.shape()?;
    match &mut op {
        TensorOp::Pool { out, .. } => {
            *out = result.try_into().map_err(|_| reader.error_before("expected two extents"))?;
        }
        op => result_attribute(op).into_iter().for_each(|out| out.clone_from(&result)),
    }
    Ok((op, false))
}

fn read_axis(reader: &mut Reader<'_>) -> Parsed<usize> {
    reader.word("axis")?;
    reader.count()
}

/// How a polynomial's basis is written behind its coefficients; powers are the usual one.
pub(super) fn basis_text(basis: Basis) -> &'static str {
    match basis {
        Basis::Power => "",
        Basis::Chebyshev => "chebyshev",
    }
}

pub(super) fn read_basis(reader: &mut Reader<'_>) -> Basis {
    if reader.eat_word("chebyshev") { Basis::Chebyshev } else { Basis::Power }
}
