//! Rewrites that give back what exporters took apart.

mod activation;
mod poly;
mod region;
mod root;

use fhec_ir::tensor::TensorGraph;

/// All rewrites. Polynomials come first: the tanh form of GELU has one inside.
pub(crate) fn run(graph: &TensorGraph) -> TensorGraph {
    let mut graph = poly::run(graph).compacted();
    root::run(&mut graph);
    activation::run(&mut graph);
    graph
}
