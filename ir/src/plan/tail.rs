//! The tail: what the client computes of decrypted outputs.

use super::PlanError;
use super::data::ClientSection;
use crate::tensor::{self, ClientOp, Function, Pool, Shape, Tensor, TensorGraph, TensorOp};
use crate::{Graph, ValueId, Verified, verify};

/// Most nodes.
pub const MAX_TAIL_NODES: usize = 1000;
/// Most elements of a value, and of all constants together.
pub const MAX_TAIL_ELEMENTS: usize = 1 << 22;
/// Most elements of all values together: those of a detector for 640 × 640 pixels and 80 classes are 1.8e7.
const MAX_TOTAL_ELEMENTS: usize = 1 << 25;
/// Most steps of all nodes together, roughly: some seconds.
const MAX_WORK: usize = 1 << 27;
/// Most axes of a value.
const MAX_RANK: usize = 16;
/// Largest number of a pool's window.
const MAX_WINDOW: usize = 1 << 12;

/// A result as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailResult {
    /// Name in the network.
    pub name: String,
    /// Extents.
    pub shape: Shape,
    /// What the client runs for it, in order; nothing where it is decrypted as it is.
    pub steps: Vec<&'static str>,
    /// The encrypted output that it is, where nothing is run for it.
    pub raw: Option<usize>,
}

/// Where the class is that a network takes its input for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Position of the largest number of the first result.
    Largest,
    /// First number of this result.
    Number(usize),
}

/// A checked tail, or none: makes the results that the user sees of the encrypted outputs.
#[derive(Clone, Debug)]
pub struct Tail {
    graph: Option<Verified<TensorGraph>>,
    shapes: Vec<Shape>,
    results: Vec<TailResult>,
    class: Class,
}

/// What is too much about a tail, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The node; None if it is the tail as a whole.
    pub node: Option<ValueId>,
    /// What.
    pub message: String,
}

/// Whether a graph is small enough for a client, and holds only what clients evaluate. Looks at declared shapes only, and
/// is quick for any graph.
///
/// # Errors
/// The first node that is too much.
pub fn check_tail_size(graph: &TensorGraph) -> Result<(), Excess> {
    let whole = |message: String| Excess { node: None, message };
    if graph.len() > MAX_TAIL_NODES {
        return Err(whole(format!(
            "{} nodes, more than the {MAX_TAIL_NODES} that a client runs",
            graph.len()
        )));
    }
    let constants = graph.constants.iter().map(|c| c.data.len()).fold(0, usize::saturating_add);
    if constants > MAX_TAIL_ELEMENTS {
        return Err(whole(format!("constants of {constants} elements, too many for a client")));
    }
    let (mut total, mut work) = (0usize, 0usize);
    for (id, node) in graph.iter() {
        let at = |message: String| Excess { node: Some(id), message };
        let elements = |shape: &Shape| shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
        let size = elements(&node.ty);
        if node.ty.len() > MAX_RANK || size > MAX_TAIL_ELEMENTS {
            return Err(at(format!("a value of shape {:?} is too large for a client", node.ty)));
        }
        let cost = cost(graph, &node.op).map_err(at)?;
        let args = node.args.iter().filter(|a| **a < id).map(|a| elements(graph.ty(*a)));
        total = total.saturating_add(size);
        work = work.saturating_add(args.fold(size, usize::saturating_add).saturating_mul(cost));
        if total > MAX_TOTAL_ELEMENTS || work > MAX_WORK {
            return Err(at("up to here it is too much work for a client".into()));
        }
    }
    Ok(())
}

/// Steps for each element of operands and result.
fn cost(graph: &TensorGraph, op: &TensorOp) -> Result<usize, String> {
    match op {
        TensorOp::Conv { .. }
        | TensorOp::ConvTranspose { .. }
        | TensorOp::Gemm { .. }
        | TensorOp::Resample { .. } => Err("a linear map by weights is not for clients".into()),
        TensorOp::Pool { kind: Pool::Max, window, out } => {
            let pads = window.pads.iter();
            let mut numbers =
                pads.chain(&window.kernel).chain(&window.stride).chain(&window.dilation).chain(out);
            match numbers.find(|n| **n > MAX_WINDOW) {
                Some(n) => Err(format!("a window with {n} is too large for a client")),
                None => Ok(window.kernel[0].saturating_mul(window.kernel[1])),
            }
        }
        TensorOp::Pool { .. } => Err("an average pool is not for clients".into()),
        TensorOp::Poly { coeffs, .. } => {
            let constant = graph.constants.get(coeffs.index());
            Ok(constant.and_then(|c| c.shape.first()).map_or(1, |terms| *terms))
        }
        TensorOp::Client(ClientOp::TopK { .. }) => Ok(20),
        TensorOp::Activation(_) | TensorOp::Client(_) => Ok(4),
        _ => Ok(1),
    }
}

impl Tail {
    /// Checks a tail against the encrypted outputs, which are its inputs; without one these are the results.
    ///
    /// # Errors
    /// What is wrong: a broken invariant, inputs that are not the outputs, or its size.
    pub fn new(raw: &[(String, Shape)], graph: Option<&TensorGraph>) -> Result<Self, String> {
        let shapes = raw.iter().map(|(_, shape)| shape.clone()).collect();
        let Some(graph) = graph else {
            let result = |(k, (name, shape)): (usize, &(String, Shape))| TailResult {
                name: name.clone(),
                shape: shape.clone(),
                steps: vec![],
                raw: Some(k),
            };
            let results = raw.iter().enumerate().map(result).collect();
            return Ok(Self { graph: None, shapes, results, class: Class::Largest });
        };
        check_tail_size(graph).map_err(|e| match e.node {
            Some(id) => format!("the tail's node {id}: {}", e.message),
            None => format!("the tail: {}", e.message),
        })?;
        let graph = verify(graph.clone()).map_err(|e| format!("the tail: {e}"))?;
        let inputs = graph.inputs().map(|(id, name)| (name, graph.ty(id)));
        if !inputs.eq(raw.iter().map(|(name, shape)| (name.as_str(), shape))) {
            return Err("the tail's inputs are not the encrypted outputs".into());
        }
        let results = results(&graph);
        let class = class(&graph);
        Ok(Self { graph: Some(graph), shapes, results, class })
    }

    /// The tail of a plan.
    ///
    /// # Errors
    /// As [`Tail::new`]; none for a plan that was read.
    pub fn of(client: &ClientSection) -> Result<Self, PlanError> {
        let raw: Vec<_> = client.outputs.iter().map(|o| (o.name.clone(), o.layout.shape())).collect();
        Self::new(&raw, client.tail.as_ref()).map_err(PlanError::Inconsistent)
    }

    /// The results, in order.
    pub fn results(&self) -> &[TailResult] {
        &self.results
    }

    /// What the client runs in all, each operator once.
    pub fn steps(&self) -> Vec<&'static str> {
        let Some(graph) = &self.graph else { return vec![] };
        let mut steps = Vec::new();
        for step in graph.iter().filter_map(|(_, n)| step(&n.op)) {
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        steps
    }

    /// The results of encrypted outputs, which are row-major.
    ///
    /// # Errors
    /// If they are not of the number and the sizes that the plan has.
    pub fn run(&self, raw: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, String> {
        let sizes = self.shapes.iter().map(|s| s.iter().product::<usize>());
        if !sizes.eq(raw.iter().map(Vec::len)) {
            return Err("the decrypted outputs are not of the sizes that the plan has".into());
        }
        let Some(graph) = &self.graph else { return Ok(raw.to_vec()) };
        let inputs = self.shapes.iter().zip(raw).map(|(s, data)| Tensor::new(s.clone(), data.clone()));
        let results = tensor::run(graph, &inputs.collect::<Vec<_>>()).map_err(|e| e.to_string())?;
        Ok(results.into_iter().map(|t| t.data).collect())
    }

    /// The class that these results of [`Tail::run`] say: the number that an arg-max or a top-k gives, else the position
    /// of the largest number of the first result.
    pub fn top1(&self, results: &[Vec<f64>]) -> usize {
        match self.class {
            Class::Number(k) => results.get(k).and_then(|r| r.first()).map_or(0, |x| *x as usize),
            Class::Largest => results.first().map_or(0, |r| largest(r)),
        }
    }
}

/// Position of the largest number, of equal ones the first.
pub fn largest(values: &[f64]) -> usize {
    let best = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map_or(0, |(k, _)| k)
}

/// Name of an operator that does something; moving elements is nothing to tell.
fn step(op: &TensorOp) -> Option<&'static str> {
    use crate::Op;
    match op {
        TensorOp::Input { .. }
        | TensorOp::Constant { .. }
        | TensorOp::Reshape { .. }
        | TensorOp::Transpose { .. }
        | TensorOp::Expand { .. }
        | TensorOp::Slice { .. }
        | TensorOp::Gather { .. }
        | TensorOp::Concat { .. } => None,
        TensorOp::Affine { .. } => Some("Affine"),
        op => Some(op.mnemonic()),
    }
}

fn results(graph: &TensorGraph) -> Vec<TailResult> {
    let inputs: Vec<ValueId> = graph.inputs().map(|(id, _)| id).collect();
    let result = |output: &crate::graph::Output| {
        let mut live = vec![false; graph.len()];
        live[output.value.index()] = true;
        for (id, node) in graph.iter().rev() {
            if live[id.index()] {
                node.args.iter().for_each(|a| live[a.index()] = true);
            }
        }
        let steps = graph.iter().filter(|(id, _)| live[id.index()]).filter_map(|(_, n)| step(&n.op));
        TailResult {
            name: output.name.clone(),
            shape: graph.ty(output.value).clone(),
            steps: steps.collect(),
            raw: inputs.iter().position(|id| *id == output.value),
        }
    };
    graph.outputs.iter().map(result).collect()
}

/// The value that is shown: what only moves or truncates it does not count.
fn origin(graph: &Graph<TensorOp>, mut id: ValueId) -> ValueId {
    while let TensorOp::Reshape { .. }
    | TensorOp::Transpose { .. }
    | TensorOp::Slice { .. }
    | TensorOp::Client(ClientOp::Function(Function::Trunc)) = graph.node(id).op
    {
        id = graph.node(id).args[0];
    }
    id
}

fn class(graph: &TensorGraph) -> Class {
    let origins: Vec<ValueId> = graph.outputs.iter().map(|o| origin(graph, o.value)).collect();
    let Some(&first) = origins.first() else { return Class::Largest };
    let node = graph.node(first);
    match &node.op {
        TensorOp::Client(
            ClientOp::Arg { least: false, .. } | ClientOp::TopK { indices: true, least: false, .. },
        ) => Class::Number(0),
        TensorOp::Client(ClientOp::TopK { indices: false, least: false, axis, .. }) => {
            // The indices that belong to these values, if they are a result as well.
            let belongs = |id: &ValueId| {
                let other = graph.node(*id);
                let indices = TensorOp::Client(ClientOp::TopK {
                    axis: *axis,
                    k: graph.ty(first)[*axis],
                    least: false,
                    indices: true,
                });
                other.op == indices && other.args == node.args
            };
            origins.iter().position(belongs).map_or(Class::Largest, Class::Number)
        }
        _ => Class::Largest,
    }
}
