//! Watches the compiler weigh candidates, and takes the one of least memory instead of the fastest:
//! `cargo run --release --example choose_candidate`
//!
//! The network is made up: 26 quadratics in a row, too deep to do without bootstraps, then a dense layer.

use std::error::Error;

use fhec::frontend::Import;
use fhec::ir::tensor::random::Rng;
use fhec::ir::tensor::{TensorGraph, TensorOp};
use fhec::ir::{Constant, Verified, verify};
use fhec::{CompileError, Driver, LeastMemory, LeastTime, Objective, Observer, Request, Summary};

/// Prints what becomes of the candidates that are lowered, and counts all.
#[derive(Default)]
struct Log {
    considered: usize,
}

impl Observer for Log {
    fn candidate_considered(&mut self, _: &Summary) {
        self.considered += 1;
    }

    fn candidate_lowered(&mut self, candidate: &Summary) {
        println!("  {:3}: {candidate}", candidate.number);
    }

    fn candidate_refused(&mut self, candidate: &Summary, why: &CompileError) {
        println!("  {:3}: {candidate}: {why}", candidate.number);
    }

    fn candidate_taken(&mut self, candidate: &Summary) {
        println!("  {:3} of {} is taken", candidate.number, self.considered);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let network = Import { graph: quadratics(26)?, tails: vec![vec![]] };
    // Fewer choices are sooner weighed: `None` would try 4 to 16 levels and three scales.
    let request = Request { levels: Some(6), ..Request::default() };
    let objectives: [(&str, &dyn Objective); 2] = [("time", &LeastTime), ("memory", &LeastMemory)];
    for (name, objective) in objectives {
        println!("least {name}:");
        let mut log = Log::default();
        let compiled = Driver::new(&network, &request).observer(&mut log).objective(objective).run()?;
        let plan = compiled.plan.ok_or("compilation was stopped early")?;
        let (seconds, bytes) = (plan.report.predicted_seconds, plan.report.memory.total());
        println!("  {seconds:.1} s on one thread, {:.2} GB", bytes as f64 / 1e9);
    }
    Ok(())
}

/// x ↦ x²/2 + 1/4, which stays within [0, 1], so many times on 64 numbers, and ten sums of the results.
fn quadratics(depth: usize) -> Result<Verified<TensorGraph>, Box<dyn Error>> {
    let mut graph = TensorGraph::new("quadratics", ());
    let input = TensorOp::Input { name: "x".into(), shape: vec![1, 64] };
    let mut x = graph.push_inferred(input, vec![], "x")?;
    let coeffs = graph.add_constant(Constant::from_f64([3, 1], &[0.25, 0.0, 0.5]));
    for k in 0..depth {
        x = graph.push_inferred(TensorOp::Poly { coeffs }, vec![x], format!("square{k}"))?;
    }
    let mut rng = Rng(1);
    let weight =
        graph.add_constant(Constant::new([10, 64], (0..640).map(|_| rng.unit()).collect::<Vec<f32>>()));
    let y = graph.push_inferred(TensorOp::Gemm { weight, bias: None }, vec![x], "dense")?;
    graph.add_output("y", y);
    Ok(verify(graph)?)
}
