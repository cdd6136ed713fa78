//! Max-pools go before functions that do not fall: both orders are the same, and there are fewer values behind a pool.

use fhec_ir::ValueId;
use fhec_ir::tensor::{Activation, Pool, TensorGraph, TensorOp};

/// max-pool(f(x)) as f(max-pool(x)), for every f whose only user is the pool.
pub(super) fn before_functions(graph: TensorGraph) -> TensorGraph {
    let users = graph.users();
    let output = |id: ValueId| graph.outputs.iter().any(|o| o.value == id);
    // By pool, the function in front of it.
    let swapped = |id: ValueId| -> Option<ValueId> {
        let node = graph.node(id);
        let TensorOp::Pool { kind: Pool::Max, .. } = node.op else { return None };
        let function = node.args[0];
        let alone = users[function.index()].len() == 1 && !output(function);
        (rises(&graph.node(function).op) && alone).then_some(function)
    };
    if graph.ids().all(|id| swapped(id).is_none()) {
        return graph;
    }
    let moved: Vec<ValueId> = graph.ids().filter_map(swapped).collect();
    let mut new = TensorGraph::new(graph.name.clone(), ());
    new.constants = graph.constants.clone();
    let mut map: Vec<ValueId> = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let args = node.args.iter().map(|a| map[a.index()]).collect();
        map.push(if moved.contains(&id) {
            // Until its pool is written.
            map[node.args[0].index()]
        } else {
            let value = new.push(node.op.clone(), args, node.ty.clone(), node.name.clone());
            match swapped(id) {
                Some(function) => {
                    let function = graph.node(function);
                    new.push(function.op.clone(), vec![value], node.ty.clone(), function.name.clone())
                }
                None => value,
            }
        });
    }
    for output in &graph.outputs {
        new.add_output(output.name.clone(), map[output.value.index()]);
    }
    new
}

fn rises(op: &TensorOp) -> bool {
    match op {
        TensorOp::Activation(Activation::Relu) => true,
        TensorOp::Activation(Activation::LeakyRelu(alpha)) => *alpha >= 0.0,
        TensorOp::Activation(Activation::Clip(lo, hi)) => lo <= hi,
        _ => false,
    }
}
