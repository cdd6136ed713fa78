//! The tensor operators as an IR: names, constants, verification, building.

use super::{InferError, Shape, TensorGraph, TensorOp, infer_shape};
use crate::{ConstId, Graph, Op, ValueId, Violation};

impl Op for TensorOp {
    const IR: &'static str = "tensor";
    type Type = Shape;
    type Header = ();

    fn mnemonic(&self) -> &'static str {
        use super::Activation as A;
        match self {
            Self::Input { .. } => "Input",
            Self::Constant { .. } => "Constant",
            Self::Conv { .. } => "Conv",
            Self::ConvTranspose { .. } => "ConvTranspose",
            Self::Gemm { .. } => "Gemm",
            Self::Affine { .. } => "Affine",
            Self::Pool { kind: super::Pool::Max, .. } => "MaxPool",
            Self::Pool { .. } => "AveragePool",
            Self::Reduce { .. } => "Reduce",
            Self::Slice { .. } => "Slice",
            Self::Pad { .. } => "Pad",
            Self::Gather { .. } => "Gather",
            Self::Resample { .. } => "Resample",
            Self::Reshape { .. } => "Reshape",
            Self::Transpose { .. } => "Transpose",
            Self::Expand { .. } => "Expand",
            Self::Concat { .. } => "Concat",
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Max => "Max",
            Self::Min => "Min",
            Self::Activation(a) => match a {
                A::Relu => "Relu",
                A::LeakyRelu(_) => "LeakyRelu",
                A::Clip(..) => "Clip",
                A::Elu(_) => "Elu",
                A::Selu(..) => "Selu",
                A::Sigmoid => "Sigmoid",
                A::Tanh => "Tanh",
                A::Erf => "Erf",
                A::Softplus => "Softplus",
                A::Softsign => "Softsign",
                A::Swish(_) => "Swish",
                A::Gelu => "Gelu",
                A::GeluTanh => "GeluTanh",
                A::HardSwish => "HardSwish",
                A::HardSigmoid(..) => "HardSigmoid",
                A::Mish => "Mish",
                A::ThresholdedRelu(_) => "ThresholdedRelu",
                A::Abs => "Abs",
                A::Exp => "Exp",
                A::Sqrt => "Sqrt",
                A::Reciprocal => "Reciprocal",
                A::Pow(_) => "Pow",
            },
            Self::PRelu { .. } => "PRelu",
            Self::Poly { .. } => "Poly",
            Self::Client(op) => op.mnemonic(),
        }
    }

    fn input_name(&self) -> Option<&str> {
        match self {
            Self::Input { name, .. } => Some(name),
            _ => None,
        }
    }

    fn visit_constants(&self, f: &mut dyn FnMut(ConstId)) {
        self.clone().map_constants(&mut |c| {
            f(c);
            c
        });
    }

    fn map_constants(&mut self, f: &mut dyn FnMut(ConstId) -> ConstId) {
        match self {
            Self::Conv { weight, bias, .. }
            | Self::ConvTranspose { weight, bias, .. }
            | Self::Gemm { weight, bias } => {
                *weight = f(*weight);
                bias.iter_mut().for_each(|b| *b = f(*b));
            }
            Self::Affine { scale, shift } => {
                scale.iter_mut().for_each(|c| *c = f(*c));
                shift.iter_mut().for_each(|c| *c = f(*c));
            }
            Self::Constant { value: c }
            | Self::Resample { matrix: c, .. }
            | Self::PRelu { slope: c }
            | Self::Poly { coeffs: c, .. } => *c = f(*c),
            _ => {}
        }
    }

    fn check_node(graph: &Graph<Self>, id: ValueId, report: &mut Vec<Violation>) {
        let node = graph.node(id);
        let args: Vec<&[usize]> = node.args.iter().map(|&a| &graph.ty(a)[..]).collect();
        match infer_shape(&graph.constants, &node.op, &args) {
            Ok(shape) if shape == node.ty => {}
            Ok(shape) => {
                let message = format!("type {:?}, but the operands give {shape:?}", node.ty);
                report.push(Violation::at(graph, id, "T2", message));
            }
            Err(InferError { invariant, message }) => {
                report.push(Violation::at(graph, id, invariant, message));
            }
        }
    }
}

impl TensorGraph {
    /// Appends a node whose type is inferred from its operands.
    ///
    /// # Errors
    /// What [`infer_shape`] finds wrong with it; the graph is unchanged then.
    ///
    /// # Panics
    /// If an operand does not exist.
    pub fn push_inferred(
        &mut self,
        op: TensorOp,
        args: Vec<ValueId>,
        name: impl Into<String>,
    ) -> Result<ValueId, InferError> {
        let shapes: Vec<&[usize]> = args.iter().map(|&a| &self.ty(a)[..]).collect();
        let shape = infer_shape(&self.constants, &op, &shapes)?;
        Ok(self.push(op, args, shape, name))
    }
}
