//! A pass of one's own: every ReLU becomes a polynomial of degree 2, so that a network compiles which is refused otherwise.
//! `cargo run --release --example custom_pass`
//!
//! (A polynomial fitted to a range is a sketch of an approximation: a network that should keep its accuracy is fine-tuned
//! with its polynomials in place.)

use std::error::Error;

use fhec::frontend::Import;
use fhec::ir::tensor::random::{self, Rng};
use fhec::ir::tensor::{self, Activation, Basis, TensorGraph, TensorOp, Window};
use fhec::ir::{Constant, Verified, verify};
use fhec::pipeline::{Pipeline, Program, tensor_pass};
use fhec::{Driver, PassError, Request};

/// Inputs of activations are expected in [−RANGE, RANGE].
const RANGE: f64 = 2.0;

/// The pass: a function from graph to graph. What it makes is verified before the next pass sees it.
fn relu_to_quadratic(graph: &Verified<TensorGraph>) -> Result<TensorGraph, PassError> {
    let mut target = (**graph).clone();
    // The closest to max(x, 0) in the mean over the range: 3R/32 + x/2 + 15x²/(32R).
    let coefficients = [3.0 * RANGE / 32.0, 0.5, 15.0 / (32.0 * RANGE)];
    let coeffs = target.add_constant(Constant::from_f64([3, 1], &coefficients));
    for id in graph.ids() {
        if graph.node(id).op == TensorOp::Activation(Activation::Relu) {
            target.node_mut(id).op = TensorOp::Poly { coeffs, basis: Basis::Power };
        }
    }
    Ok(target)
}

/// Where the pass stands: names are those of `--stop-after`.
fn with_quadratics(pipeline: &mut Pipeline) {
    pipeline.insert_after("canonicalize", tensor_pass("relu-to-quadratic", relu_to_quadratic));
}

fn main() -> Result<(), Box<dyn Error>> {
    let network = Import::new(convolution_and_relu()?);
    let request = Request { precision_bits: 10.0, ..Request::default() };

    let refusal = Driver::new(&network, &request).run().err();
    println!("without the pass: {}", refusal.ok_or("it should have been refused")?);

    // An observer sees the program after every pass.
    let mut replaced = None;
    let mut observer = |program: &Program, timing: fhec::pipeline::Timing| {
        if let (Program::Tensor(graph), "relu-to-quadratic") = (program, timing.pass) {
            replaced = Some(graph.clone());
        }
    };
    let driver = Driver::new(&network, &request).customise(&with_quadratics).observer(&mut observer);
    let compiled = driver.run()?;
    let plan = compiled.plan.ok_or("compilation was stopped early")?;
    let levels = plan.parameters.q.len() - 1;
    println!(
        "with the pass: N = 2^{}, {levels} levels, {:.0} bits of security",
        plan.parameters.log_n, plan.report.security_bits
    );

    let image = [random::tensor(&mut Rng(1), &[1, 1, 8, 8])];
    let exact = tensor::run(&network.graph, &image)?;
    let quadratic = tensor::run(&replaced.ok_or("the pass did not run")?, &image)?;
    println!("ReLU:      {:.3?}\nquadratic: {:.3?}", exact[0].data, quadratic[0].data);
    Ok(())
}

/// A 3×3 convolution, a ReLU, and a dense layer to three scores, with random weights.
fn convolution_and_relu() -> Result<Verified<TensorGraph>, Box<dyn Error>> {
    let mut rng = Rng(7);
    let mut graph = TensorGraph::new("tiny", ());
    let mut weights = |graph: &mut TensorGraph, shape: &[usize], size: f32| {
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| size * rng.unit()).collect();
        graph.add_constant(Constant::new(shape, data))
    };
    let input = TensorOp::Input { name: "image".into(), shape: vec![1, 1, 8, 8] };
    let x = graph.push_inferred(input, vec![], "")?;
    let window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [1; 4] };
    let (weight, bias) = (weights(&mut graph, &[4, 1, 3, 3], 0.5), Some(weights(&mut graph, &[4], 0.1)));
    let x = graph.push_inferred(TensorOp::Conv { window, groups: 1, weight, bias }, vec![x], "conv")?;
    let x = graph.push_inferred(TensorOp::Activation(Activation::Relu), vec![x], "relu")?;
    let x = graph.push_inferred(TensorOp::Reshape { out: vec![1, 256] }, vec![x], "flatten")?;
    let weight = weights(&mut graph, &[3, 256], 0.1);
    let x = graph.push_inferred(TensorOp::Gemm { weight, bias: None }, vec![x], "dense")?;
    graph.add_output("scores", x);
    Ok(verify(graph)?)
}
