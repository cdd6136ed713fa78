//! Splits a network into what is evaluated on ciphertexts and its tail, which the client evaluates after decryption.
//!
//! A tail begins where a function is no polynomial and nothing heavy depends on it: no convolution, no matrix, no average.
//! With it goes all that depends on it, and what only moves elements right before it or, where there is a tail, at the end of
//! other outputs, with affine maps behind that: on ciphertexts it would cost key switches. What is decrypted never gets larger
//! by it: a slice stays encrypted unless the rest of what it is cut from is decrypted as well. Affine maps that stand before
//! all moves are weights and stay on the server. A network of polynomials has no tail.

use std::collections::HashSet;

use fhec_ir::plan::check_tail_size;
use fhec_ir::tensor::{Activation, ClientOp, Pool, ReduceKind, TensorGraph, TensorOp};
use fhec_ir::{Op, ValueId};

use crate::Refusal;

/// A network in two parts. The outputs of the first are the inputs of the second.
pub(crate) struct Split {
    pub(crate) encrypted: TensorGraph,
    pub(crate) tail: Option<TensorGraph>,
}

/// What is no polynomial.
fn exact(op: &TensorOp) -> bool {
    matches!(
        op,
        TensorOp::Activation(_)
            | TensorOp::PRelu { .. }
            | TensorOp::Pool { kind: Pool::Max, .. }
            | TensorOp::Div
            | TensorOp::Max
            | TensorOp::Min
            | TensorOp::Client(_)
    )
}

/// What is worth encrypted evaluation.
fn heavy(op: &TensorOp) -> bool {
    match op {
        TensorOp::Pool { kind, .. } => *kind != Pool::Max,
        TensorOp::Reduce { kind, .. } => *kind == ReduceKind::Mean,
        TensorOp::Conv { .. }
        | TensorOp::ConvTranspose { .. }
        | TensorOp::Gemm { .. }
        | TensorOp::Resample { .. } => true,
        _ => false,
    }
}

/// What only moves elements of one value, or repeats them.
fn moves(op: &TensorOp) -> bool {
    matches!(
        op,
        TensorOp::Reshape { .. }
            | TensorOp::Transpose { .. }
            | TensorOp::Slice { .. }
            | TensorOp::Pad { .. }
            | TensorOp::Gather { .. }
            | TensorOp::Expand { .. }
    )
}

/// For every value, whether the client computes it.
fn client_side(graph: &TensorGraph) -> Vec<bool> {
    let mut heavy_below = vec![false; graph.len()];
    for (id, node) in graph.iter().rev() {
        if heavy(&node.op) || heavy_below[id.index()] {
            node.args.iter().for_each(|a| heavy_below[a.index()] = true);
        }
    }
    let mut tail = vec![false; graph.len()];
    for (id, node) in graph.iter() {
        let first = exact(&node.op) && !heavy_below[id.index()];
        tail[id.index()] = first || node.args.iter().any(|a| tail[a.index()]);
    }
    if tail.contains(&true) {
        add_moves(graph, &mut tail);
    }
    tail
}

/// Adds what moves elements into a tail, or into outputs, as long as no more of them are decrypted.
fn add_moves(graph: &TensorGraph, tail: &mut [bool]) {
    let users = graph.users();
    let mut output = vec![false; graph.len()];
    graph.outputs.iter().for_each(|o| output[o.value.index()] = true);
    let elements = |id: ValueId| graph.ty(id).iter().product::<usize>();
    // What elements are moved for, or what maps them behind that.
    let mut carried = vec![false; graph.len()];
    for (id, node) in graph.iter() {
        carried[id.index()] = match &node.op {
            TensorOp::Affine { .. } => node.args.iter().all(|a| carried[a.index()]),
            op => moves(op) || matches!(op, TensorOp::Concat { .. }),
        };
    }
    // Users come later: those of a value are decided before it.
    for (id, node) in graph.iter().rev() {
        let ends = |v: ValueId, tail: &[bool]| {
            let users = &users[v.index()];
            !tail[v.index()]
                && (output[v.index()] || !users.is_empty())
                && users.iter().all(|u| tail[u.index()])
        };
        let mut moved = users[id.index()].clone();
        moved.retain(|&v| carried[v.index()] && graph.node(v).args.len() == 1 && ends(v, tail));
        let known = matches!(node.op, TensorOp::Constant { .. });
        let decrypted = output[id.index()] || users[id.index()].iter().any(|u| tail[u.index()]);
        let before: usize = moved.iter().map(|&v| elements(v)).sum();
        if known || decrypted || before >= elements(id) {
            moved.iter().for_each(|v| tail[v.index()] = true);
        }
        if matches!(node.op, TensorOp::Concat { .. }) && ends(id, tail) {
            tail[id.index()] = true;
        }
    }
}

/// Splits a network.
///
/// # Errors
/// If the tail is too large for a client.
pub(crate) fn split(graph: &TensorGraph) -> Result<Split, Refusal> {
    let client = client_side(graph);
    if !client.contains(&true) {
        return Ok(Split { encrypted: graph.clone(), tail: None });
    }
    let mut tail = TensorGraph::new(graph.name.clone(), ());
    let mut encrypted = graph.clone();
    encrypted.outputs.clear();
    let mut names: HashSet<String> = HashSet::new();
    let mut renamed: Vec<Option<ValueId>> = vec![None; graph.len()];
    for id in boundary(graph, &client) {
        let name = raw_name(graph, id, &mut names);
        let shape = graph.ty(id).clone();
        let op = TensorOp::Input { name: name.clone(), shape: shape.clone() };
        renamed[id.index()] = Some(tail.push(op, vec![], shape, name.clone()));
        encrypted.add_output(name, id);
    }
    tail.constants = graph.constants.clone();
    for (id, node) in graph.iter() {
        let constant = matches!(node.op, TensorOp::Constant { .. });
        if renamed[id.index()].is_none() && (client[id.index()] || constant) {
            let args = node.args.iter().filter_map(|a| renamed[a.index()]).collect();
            let (op, ty) = (node.op.clone(), node.ty.clone());
            renamed[id.index()] = Some(tail.push(op, args, ty, node.name.clone()));
        }
    }
    for output in &graph.outputs {
        if let Some(value) = renamed[output.value.index()] {
            tail.add_output(output.name.clone(), value);
        }
    }
    let tail = tail.compacted();
    if let Err(excess) = check_tail_size(&tail) {
        let node = excess.node.map(|id| tail.node(id));
        return Err(Refusal {
            node: node.map_or_else(|| graph.name.clone(), |n| n.name.clone()),
            op: node.map_or("network", |n| n.op.mnemonic()).into(),
            reason: format!(
                "what follows encrypted evaluation would be the client's, but {}",
                excess.message
            ),
        });
    }
    Ok(Split { encrypted: encrypted.compacted(), tail: Some(tail) })
}

/// The values that are decrypted, in order: the encrypted ones that the client's need, or that are outputs.
fn boundary(graph: &TensorGraph, client: &[bool]) -> Vec<ValueId> {
    let mut needed = vec![false; graph.len()];
    for (_, node) in graph.iter().filter(|(id, _)| client[id.index()]) {
        for arg in &node.args {
            needed[arg.index()] |= !matches!(graph.node(*arg).op, TensorOp::Constant { .. });
        }
    }
    graph.outputs.iter().for_each(|o| needed[o.value.index()] = true);
    graph.ids().filter(|id| needed[id.index()] && !client[id.index()]).collect()
}

/// A name for an encrypted output: the network's own if it is one, else that of its node, which is not taken.
fn raw_name(graph: &TensorGraph, id: ValueId, taken: &mut HashSet<String>) -> String {
    let own = graph.outputs.iter().find(|o| o.value == id).map(|o| o.name.clone());
    let node = &graph.node(id).name;
    let wanted = own.unwrap_or_else(|| {
        let is_output = graph.outputs.iter().any(|o| o.name == *node);
        if node.is_empty() || is_output { format!("{node}_raw") } else { node.clone() }
    });
    let mut name = wanted.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{wanted}_{number}");
        number += 1;
    }
    name
}

/// Writes softmax out, as exponentials over their sum, where it stands inside the encrypted part: passes know its parts.
pub(crate) fn without_softmax(graph: &TensorGraph) -> TensorGraph {
    let mut out = TensorGraph::new(graph.name.clone(), ());
    out.constants = graph.constants.clone();
    let mut renamed: Vec<ValueId> = Vec::with_capacity(graph.len());
    for (_, node) in graph.iter() {
        let args: Vec<ValueId> = node.args.iter().map(|a| renamed[a.index()]).collect();
        let (name, shape) = (&node.name, &node.ty);
        let value = match &node.op {
            TensorOp::Client(ClientOp::Softmax { axes, log: false }) => {
                let kept: Vec<usize> =
                    shape.iter().enumerate().map(|(k, d)| if axes.contains(&k) { 1 } else { *d }).collect();
                let sum = TensorOp::Reduce { kind: ReduceKind::Sum, axes: axes.clone(), keep: true };
                let e = out.push(TensorOp::Activation(Activation::Exp), args, shape.clone(), name);
                let sum = out.push(sum, vec![e], kept.clone(), name);
                let inverse = TensorOp::Activation(Activation::Reciprocal);
                let inverse = out.push(inverse, vec![sum], kept.clone(), name);
                let inverse = if kept == *shape {
                    inverse
                } else {
                    out.push(TensorOp::Expand { out: shape.clone() }, vec![inverse], shape.clone(), name)
                };
                out.push(TensorOp::Mul, vec![e, inverse], shape.clone(), name)
            }
            op => out.push(op.clone(), args, shape.clone(), name),
        };
        renamed.push(value);
    }
    for output in &graph.outputs {
        out.add_output(output.name.clone(), renamed[output.value.index()]);
    }
    out
}
