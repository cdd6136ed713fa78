//! Rewrites that give back what exporters took apart.

mod activation;
mod chebyshev;
mod poly;
mod region;
mod root;
mod series;

use fhec_ir::tensor::TensorGraph;

/// All rewrites. Polynomials come before activations: the tanh form of GELU has one inside.
pub(crate) fn run(graph: &TensorGraph) -> TensorGraph {
    let halved = chebyshev::run(graph);
    let mut graph = poly::run(halved.as_ref().unwrap_or(graph)).compacted();
    root::run(&mut graph);
    activation::run(&mut graph);
    graph
}
