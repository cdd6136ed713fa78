//! `approximate`: makes every element-wise function a polynomial, or says which ones it cannot.
//!
//! A network fine-tuned into polynomial form passes unchanged. Everything else goes to the first [`Method`] that
//! applies; what none takes is refused, all nodes in one report.

mod exact;
mod method;

use fhec_ir::tensor::{Pool, TensorGraph, TensorOp};
use fhec_ir::{Node, Verified};

use crate::{PassError, Refusal};
use method::Method;

const PASS: &str = "approximate";

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Keep every function as it is: for evaluation in clear, to check layouts apart from approximations.
    pub exact_activations: bool,
}

/// The methods of a configuration, in order of preference.
fn methods(config: &Config) -> Vec<Box<dyn Method>> {
    let mut methods: Vec<Box<dyn Method>> = Vec::new();
    if config.exact_activations {
        methods.push(Box::new(exact::Exact));
    }
    methods
}

/// True for operators that are evaluated on ciphertexts as they are.
pub fn is_polynomial(op: &TensorOp) -> bool {
    !matches!(
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

/// Replaces non-polynomial operators.
///
/// # Errors
/// All nodes for which there is no method.
pub fn run(graph: &Verified<TensorGraph>, config: &Config) -> Result<TensorGraph, PassError> {
    let methods = methods(config);
    let mut target = TensorGraph::new(graph.name.clone(), ());
    target.constants = graph.constants.clone();
    let (mut map, mut refused) = (Vec::with_capacity(graph.len()), Vec::new());
    for (id, node) in graph.iter() {
        let mut node = node.clone();
        node.args.iter_mut().for_each(|a| *a = map[a.index()]);
        let kept = |target: &mut TensorGraph, n: Node<TensorOp>| target.push(n.op, n.args, n.ty, n.name);
        let value = if is_polynomial(&node.op) {
            kept(&mut target, node)
        } else if let Some(value) = methods.iter().find_map(|m| m.replace(&mut target, &node)) {
            value
        } else {
            refused.push(Refusal::new(graph, id, advice(&node.op)));
            kept(&mut target, node)
        };
        map.push(value);
    }
    if !refused.is_empty() {
        return Err(PassError::Refused { pass: PASS, nodes: refused });
    }
    for output in &graph.outputs {
        target.add_output(output.name.clone(), map[output.value.index()]);
    }
    Ok(target)
}

fn advice(op: &TensorOp) -> &'static str {
    match op {
        TensorOp::Pool { .. } => "not a polynomial; train the network with average pools instead",
        TensorOp::Client(_) => "not a polynomial; leave it to the client, at the end of the network",
        TensorOp::Div => "division by an encrypted value has no polynomial form",
        _ => "not a polynomial; fine-tune the network with a polynomial in its place",
    }
}
