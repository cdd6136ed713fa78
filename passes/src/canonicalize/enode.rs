//! The e-nodes of a network: operators, interned with their constants.

use std::collections::HashMap;

use egg::{Analysis, DidMerge, EGraph, Id, Language};
use fhec_ir::tensor::{Shape, TensorOp, infer_shape};
use fhec_ir::{ConstId, Constant};

/// An e-node: an interned operator on e-classes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ENode {
    /// Index into [`Tables::ops`].
    pub op: u32,
    /// Operands.
    pub children: Vec<Id>,
}

impl Language for ENode {
    type Discriminant = u32;
    fn discriminant(&self) -> u32 {
        self.op
    }
    fn matches(&self, other: &Self) -> bool {
        self.op == other.op
    }
    fn children(&self) -> &[Id] {
        &self.children
    }
    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}

/// Interned operators and constants; the data of an e-class is its shape.
#[derive(Default)]
pub(super) struct Tables {
    pub ops: Vec<TensorOp>,
    op_ids: HashMap<String, u32>,
    pub constants: Vec<Constant>,
    constant_ids: HashMap<String, Vec<ConstId>>,
}

impl Analysis<ENode> for Tables {
    type Data = Shape;
    fn make(egraph: &mut EGraph<ENode, Self>, enode: &ENode, _: Id) -> Shape {
        let shapes: Vec<&[usize]> = enode.children.iter().map(|c| &egraph[*c].data[..]).collect();
        // Every e-node is checked before it is added.
        infer_shape(&egraph.analysis.constants, &egraph.analysis.ops[enode.op as usize], &shapes)
            .unwrap_or_default()
    }
    fn merge(&mut self, _: &mut Shape, _: Shape) -> DidMerge {
        DidMerge(false, false)
    }
}

impl Tables {
    /// The id of an equal constant. None if a number is not finite.
    pub(super) fn constant(&mut self, constant: Constant) -> Option<ConstId> {
        if !constant.data.values().all(f64::is_finite) {
            return None;
        }
        let same = self.constant_ids.entry(constant.digest()).or_default();
        if let Some(id) = same.iter().find(|id| self.constants[id.index()] == constant) {
            return Some(*id);
        }
        let id = ConstId(self.constants.len() as u32);
        same.push(id);
        self.constants.push(constant);
        Some(id)
    }

    /// The id of an equal operator.
    pub(super) fn op(&mut self, op: TensorOp) -> u32 {
        // Debug output is exact: it prints floats so that they read back the same.
        *self.op_ids.entry(format!("{op:?}")).or_insert_with(|| {
            self.ops.push(op);
            self.ops.len() as u32 - 1
        })
    }
}
