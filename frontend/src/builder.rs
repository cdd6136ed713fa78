//! Building tensor IR from ONNX nodes: broadcasting, budget, names.

use std::collections::HashSet;
use std::rc::Rc;

use fhec_ir::tensor::{Basis, Shape, TensorGraph, TensorOp, eval_op, infer_shape};
use fhec_ir::{ConstId, Constant, ValueId};

use crate::call::{Imported, Value};
use crate::literal::{Data, Literal};

/// The graph under construction.
pub(crate) struct Builder {
    pub(crate) graph: TensorGraph,
    /// Name that new nodes get.
    pub(crate) name: String,
    /// Elements of constants that may still be made: bounds the memory of hostile models.
    pub(crate) budget: usize,
    /// Most elements of a value.
    largest: usize,
    /// Values that are whole numbers by their type.
    whole: HashSet<ValueId>,
}

impl Builder {
    /// For constants of `budget` elements in all, and values of at most `largest`.
    pub(crate) fn new(name: &str, budget: usize, largest: usize) -> Self {
        let graph = TensorGraph::new(name, ());
        Self { graph, name: String::new(), budget, largest, whole: HashSet::new() }
    }

    /// Takes `elements` from the budget.
    pub(crate) fn spend(&mut self, elements: usize) -> Imported<()> {
        if elements > self.largest.saturating_mul(2) {
            return Err(format!("a constant of {elements} numbers is larger than any that networks have"));
        }
        match self.budget.checked_sub(elements) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => Err(format!(
                "the model's constants need more memory than allowed ({elements} more numbers, {} may be left)",
                self.budget
            )),
        }
    }

    /// Fails if a value of this shape is larger than any may be.
    fn limit(&self, shape: &[usize]) -> Imported<()> {
        match elements(shape) {
            n if n <= self.largest => Ok(()),
            n => Err(format!(
                "a value of shape {shape:?} has {n} elements, at most {} can be encrypted",
                self.largest
            )),
        }
    }

    pub(crate) fn push(&mut self, op: TensorOp, args: &[ValueId]) -> Imported<ValueId> {
        let whole = !args.is_empty() && args.iter().all(|a| self.is_whole(*a)) && self.keeps_whole(&op);
        let id = self.graph.push_inferred(op, args.to_vec(), self.name.clone()).map_err(|e| e.message)?;
        self.limit(self.shape(id))?;
        if whole {
            self.mark_whole(id);
        }
        Ok(id)
    }

    /// Says that a value is one of whole numbers.
    pub(crate) fn mark_whole(&mut self, id: ValueId) {
        self.whole.insert(id);
    }

    /// Whether a value is one of whole numbers by its type.
    pub(crate) fn is_whole(&self, id: ValueId) -> bool {
        self.whole.contains(&id)
    }

    /// Whether an operator makes whole numbers of whole numbers.
    fn keeps_whole(&self, op: &TensorOp) -> bool {
        let whole = |c: &ConstId| self.graph.constant(*c).data.iter().all(|x| x.fract() == 0.0);
        match op {
            TensorOp::Affine { scale, shift } => [scale, shift].into_iter().flatten().all(whole),
            TensorOp::Slice { .. }
            | TensorOp::Gather { .. }
            | TensorOp::Reshape { .. }
            | TensorOp::Transpose { .. }
            | TensorOp::Expand { .. }
            | TensorOp::Concat { .. }
            | TensorOp::Add
            | TensorOp::Sub
            | TensorOp::Mul
            | TensorOp::Max
            | TensorOp::Min => true,
            _ => false,
        }
    }

    pub(crate) fn shape(&self, id: ValueId) -> &Shape {
        self.graph.ty(id)
    }

    pub(crate) fn shape_of<'a>(&'a self, value: &'a Value) -> &'a [usize] {
        match value {
            Value::Const(c) => &c.shape,
            Value::Node(id) => self.shape(*id),
        }
    }

    pub(crate) fn constant(&mut self, shape: &[usize], data: Vec<f32>) -> Imported<ConstId> {
        self.add(Constant::new(shape.to_vec(), data))
    }

    pub(crate) fn add(&mut self, constant: Constant) -> Imported<ConstId> {
        if let Some(x) = constant.data.iter().find(|x| !x.is_finite()) {
            return Err(format!("a constant operand contains {x}"));
        }
        self.spend(constant.len())?;
        Ok(self.graph.add_constant(constant))
    }

    /// The value as a node; constants become [`TensorOp::Constant`].
    pub(crate) fn node(&mut self, value: &Value) -> Imported<ValueId> {
        match value {
            Value::Node(id) => Ok(*id),
            Value::Const(c) => {
                let value = self.add(c.to_constant())?;
                let id = self.push(TensorOp::Constant { value }, &[])?;
                if matches!(c.data, Data::Int(_)) {
                    self.mark_whole(id);
                }
                Ok(id)
            }
        }
    }

    /// Reshapes, if that changes anything.
    pub(crate) fn reshape(&mut self, x: ValueId, out: &[usize]) -> Imported<ValueId> {
        if self.shape(x) == out {
            return Ok(x);
        }
        self.push(TensorOp::Reshape { out: out.to_vec() }, &[x])
    }

    /// Transposes, if that changes anything.
    pub(crate) fn transpose(&mut self, x: ValueId, perm: Vec<usize>) -> Imported<ValueId> {
        if perm.iter().enumerate().all(|(k, &p)| k == p) {
            return Ok(x);
        }
        self.push(TensorOp::Transpose { perm }, &[x])
    }

    /// Broadcasts to `out` by ONNX rules, if that changes anything.
    pub(crate) fn expand(&mut self, x: ValueId, out: &[usize]) -> Imported<ValueId> {
        let padded = left_padded(self.shape(x), out.len());
        let x = self.reshape(x, &padded)?;
        if self.shape(x) == out {
            return Ok(x);
        }
        self.push(TensorOp::Expand { out: out.to_vec() }, &[x])
    }

    /// An operator of two values that are broadcast to each other.
    pub(crate) fn joined(&mut self, x: ValueId, y: ValueId, op: TensorOp) -> Imported<ValueId> {
        let shape = broadcast(self.shape(x), self.shape(y))?;
        let (x, y) = (self.expand(x, &shape)?, self.expand(y, &shape)?);
        self.push(op, &[x, y])
    }

    /// scale·x + shift with constants that broadcast with x by ONNX rules, in both directions.
    pub(crate) fn affine(
        &mut self,
        x: ValueId,
        scale: Option<Constant>,
        shift: Option<Constant>,
    ) -> Imported<ValueId> {
        let mut out = self.shape(x).clone();
        for c in [&scale, &shift].into_iter().flatten() {
            out = broadcast(&out, &c.shape)?;
        }
        let x = self.expand(x, &out)?;
        let mut fit = |c: Option<Constant>| -> Imported<Option<ConstId>> {
            let Some(c) = c else { return Ok(None) };
            self.add(Constant { shape: left_padded(&c.shape, out.len()), data: c.data }).map(Some)
        };
        let (scale, shift) = (fit(scale)?, fit(shift)?);
        self.push(TensorOp::Affine { scale, shift }, &[x])
    }

    /// scale·x + shift with numbers.
    pub(crate) fn affine_scalar(&mut self, x: ValueId, scale: f32, shift: f32) -> Imported<ValueId> {
        let one = |v: f32, neutral: f32| (v != neutral).then(|| Constant::scalar(v));
        if scale == 1.0 && shift == 0.0 {
            return Ok(x);
        }
        self.affine(x, one(scale, 1.0), one(shift, 0.0))
    }

    /// The same polynomial for every element, lowest coefficient first.
    pub(crate) fn poly(&mut self, x: ValueId, coeffs: &[f32]) -> Imported<ValueId> {
        let coeffs = self.constant(&[coeffs.len(), 1], coeffs.to_vec())?;
        self.push(TensorOp::Poly { coeffs, basis: Basis::Power }, &[x])
    }

    /// Runs `import` on a scratch graph in which it finds constants as nodes, and evaluates what it builds.
    pub(crate) fn fold(&mut self, import: impl FnOnce(&mut Self) -> Imported) -> Imported {
        let outer = std::mem::replace(&mut self.graph, TensorGraph::new("fold", ()));
        let outer_whole = std::mem::take(&mut self.whole);
        // Weights may be larger than values that are to be encrypted: what they become is taken from their budget.
        let largest = std::mem::replace(&mut self.largest, usize::MAX);
        let result = import(self);
        self.largest = largest;
        let scratch = std::mem::replace(&mut self.graph, outer);
        self.whole = outer_whole;
        let wanted = result?;
        let mut values = Vec::with_capacity(scratch.len());
        for (_, node) in scratch.iter() {
            let args: Vec<_> = node.args.iter().map(|a| &values[a.index()]).collect();
            let shapes: Vec<&[usize]> = node.args.iter().map(|&a| &scratch.ty(a)[..]).collect();
            let shape = infer_shape(&scratch.constants, &node.op, &shapes).map_err(|e| e.message)?;
            self.spend(elements(&shape))?;
            values.push(eval_op::<f64>(&scratch.constants, &node.op, &args));
        }
        let literal = |value: Value| match value {
            Value::Const(_) => value,
            Value::Node(id) => {
                let c = values[id.index()].to_constant();
                Value::Const(Rc::new(Literal::floats(c.shape, c.data)))
            }
        };
        Ok(wanted.into_iter().map(literal).collect())
    }
}

/// Elements of a shape, as many as can be counted.
fn elements(shape: &[usize]) -> usize {
    shape.iter().fold(1, |n, &extent| n.saturating_mul(extent))
}

/// The shape with extents 1 in front up to `rank`.
pub(crate) fn left_padded(shape: &[usize], rank: usize) -> Shape {
    let mut out = vec![1; rank.saturating_sub(shape.len())];
    out.extend_from_slice(shape);
    out
}

/// ONNX (numpy) broadcasting of two shapes.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Imported<Shape> {
    let rank = a.len().max(b.len());
    let pairs = left_padded(a, rank).into_iter().zip(left_padded(b, rank));
    pairs
        .map(|(x, y)| match (x, y) {
            _ if x == y || y == 1 => Ok(x),
            (1, _) => Ok(y),
            _ => Err(format!("shapes {a:?} and {b:?} do not broadcast")),
        })
        .collect()
}
