//! Reference interpreter.

use std::collections::HashMap;

use super::{Real, Tensor, TensorGraph, TensorOp, eval_op};
use crate::{ValueId, Verified};

/// Why a graph could not be run on the given tensors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Wrong number of inputs.
    #[error("the graph has {expected} input(s), {given} given")]
    InputCount {
        /// Inputs of the graph.
        expected: usize,
        /// Tensors given.
        given: usize,
    },
    /// An input of the wrong shape.
    #[error("input {name:?} has shape {expected:?}, not {given:?}")]
    InputShape {
        /// Name of the input.
        name: String,
        /// Its shape in the graph.
        expected: Vec<usize>,
        /// Shape of the tensor given.
        given: Vec<usize>,
    },
}

/// Runs a network on one tensor per input, in the order of [`Graph::inputs`](crate::Graph::inputs), and returns
/// its outputs in order. Values are freed after their last use.
///
/// # Errors
/// If the inputs do not fit.
pub fn run<T: Real>(graph: &Verified<TensorGraph>, inputs: &[Tensor<T>]) -> Result<Vec<Tensor<T>>, RunError> {
    run_observed(graph, inputs, |_, _| {})
}

/// [`run`], showing every value as it is computed: for calibration and for finding where two runs part.
///
/// # Errors
/// As [`run`].
pub fn run_observed<T: Real>(
    graph: &Verified<TensorGraph>,
    inputs: &[Tensor<T>],
    mut observe: impl FnMut(ValueId, &Tensor<T>),
) -> Result<Vec<Tensor<T>>, RunError> {
    let expected = graph.inputs().count();
    if expected != inputs.len() {
        return Err(RunError::InputCount { expected, given: inputs.len() });
    }
    let mut given: HashMap<ValueId, &Tensor<T>> = HashMap::new();
    for ((id, name), tensor) in graph.inputs().zip(inputs) {
        if graph.ty(id) != &tensor.shape {
            let (expected, given) = (graph.ty(id).clone(), tensor.shape.clone());
            return Err(RunError::InputShape { name: name.into(), expected, given });
        }
        given.insert(id, tensor);
    }
    let mut uses = vec![0usize; graph.len()];
    graph.iter().flat_map(|(_, n)| &n.args).for_each(|a| uses[a.index()] += 1);
    graph.outputs.iter().for_each(|o| uses[o.value.index()] += 1);
    let mut values: Vec<Option<Tensor<T>>> = vec![None; graph.len()];
    for (id, node) in graph.iter() {
        let value = match &node.op {
            TensorOp::Input { .. } => given[&id].clone(),
            op => {
                let args: Vec<&Tensor<T>> = node
                    .args
                    .iter()
                    .map(|a| values[a.index()].as_ref().expect("used later, so kept"))
                    .collect();
                eval_op(&graph.constants, op, &args)
            }
        };
        observe(id, &value);
        for arg in &node.args {
            uses[arg.index()] -= 1;
            if uses[arg.index()] == 0 {
                values[arg.index()] = None;
            }
        }
        if uses[id.index()] > 0 {
            values[id.index()] = Some(value);
        }
    }
    Ok(graph.outputs.iter().map(|o| values[o.value.index()].clone().expect("outputs are kept")).collect())
}
