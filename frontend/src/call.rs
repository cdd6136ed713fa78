//! One ONNX node with its operands: what the importers of single operators work on.

use std::rc::Rc;

use fhec_ir::ValueId;
use tract_onnx::pb::{AttributeProto, NodeProto};

use crate::literal::Literal;

/// A value of the ONNX graph.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Known now.
    Const(Rc<Literal>),
    /// Computed by the network.
    Node(ValueId),
}

/// Result of importing one node: its outputs, or why it cannot be compiled.
pub(crate) type Imported<T = Vec<Value>> = Result<T, String>;

/// An ONNX node and the values of its operands.
pub(crate) struct Call<'p> {
    pub(crate) proto: &'p NodeProto,
    pub(crate) inputs: Vec<Option<Value>>,
    pub(crate) opset: i64,
    /// For every output of the node, if anything uses it.
    pub(crate) used: Vec<bool>,
}

impl<'p> Call<'p> {
    fn attribute(&self, name: &str) -> Option<&'p AttributeProto> {
        self.proto.attribute.iter().find(|a| a.name == name)
    }

    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|a| a.i)
    }

    pub(crate) fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name).map(|a| a.f)
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&'p [i64]> {
        self.attribute(name).map(|a| &a.ints[..])
    }

    pub(crate) fn floats(&self, name: &str) -> Option<&'p [f32]> {
        self.attribute(name).map(|a| &a.floats[..])
    }

    pub(crate) fn string(&self, name: &str) -> Option<&'p str> {
        self.attribute(name).and_then(|a| std::str::from_utf8(&a.s).ok())
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&'p tract_onnx::pb::TensorProto> {
        self.attribute(name).and_then(|a| a.t.as_ref())
    }

    pub(crate) fn sparse_tensor(&self, name: &str) -> Option<&'p tract_onnx::pb::SparseTensorProto> {
        self.attribute(name).and_then(|a| a.sparse_tensor.as_ref())
    }

    pub(crate) fn graph(&self, name: &str) -> Option<&'p tract_onnx::pb::GraphProto> {
        self.attribute(name).and_then(|a| a.g.as_ref())
    }

    /// An integer attribute with a default; anything but 0 and 1 is refused.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Imported<bool> {
        match self.int(name) {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => Err(format!("attribute {name} is {other}")),
        }
    }

    /// Operand `i` if it is given.
    pub(crate) fn optional(&self, i: usize) -> Option<&Value> {
        self.inputs.get(i).and_then(Option::as_ref)
    }

    /// Operand `i`.
    pub(crate) fn value(&self, i: usize) -> Imported<&Value> {
        self.optional(i).ok_or_else(|| format!("operand {i} is missing"))
    }

    /// Operand `i` if it is given, which must be a constant.
    pub(crate) fn optional_literal(&self, i: usize, what: &str) -> Imported<Option<&Literal>> {
        match self.optional(i) {
            None => Ok(None),
            Some(Value::Const(c)) => Ok(Some(c)),
            Some(Value::Node(_)) => Err(format!("{what} must be a constant, not computed from the input")),
        }
    }

    /// Operand `i`, which must be a constant.
    pub(crate) fn literal(&self, i: usize, what: &str) -> Imported<&Literal> {
        self.optional_literal(i, what)?.ok_or_else(|| format!("{what} is missing"))
    }

    /// Integers that are an attribute in old opsets and operand `i` in new ones.
    pub(crate) fn ints_or_input(&self, name: &str, i: usize) -> Imported<Option<Vec<i64>>> {
        if let Some(ints) = self.ints(name) {
            return Ok(Some(ints.to_vec()));
        }
        self.optional_literal(i, name)?.map(Literal::to_ints).transpose()
    }
}

/// Resolves a possibly negative axis.
pub(crate) fn axis(axis: i64, rank: usize) -> Imported<usize> {
    let resolved = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(resolved).ok().filter(|&a| a < rank).ok_or_else(|| format!("axis {axis} of rank {rank}"))
}

/// Resolves axes, which must be distinct, into ascending order.
pub(crate) fn axes(given: &[i64], rank: usize) -> Imported<Vec<usize>> {
    let mut axes = given.iter().map(|&a| axis(a, rank)).collect::<Imported<Vec<_>>>()?;
    axes.sort_unstable();
    if axes.windows(2).any(|a| a[0] == a[1]) {
        return Err(format!("axes {given:?} repeat"));
    }
    Ok(axes)
}

/// A non-negative number of moderate size.
pub(crate) fn count(x: i64, what: &str) -> Imported<usize> {
    usize::try_from(x).ok().filter(|&n| n <= 1 << 31).ok_or_else(|| format!("{what} is {x}"))
}
