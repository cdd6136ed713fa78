//! Watches the compiler weigh candidates, and takes the one of least memory instead of the fastest:
//! `cargo run --release --example choose_candidate`
//!
//! The network is made up: fourteen dense layers and squares, too deep to do without bootstraps. What is printed are
//! modelled seconds of an evaluation on one thread, and its predicted memory.

use std::error::Error;

use fhec::frontend::Import;
use fhec::ir::tensor::random::Rng;
use fhec::ir::tensor::{Basis, TensorGraph, TensorOp};
use fhec::ir::{Constant, Verified, verify};
use fhec::{CompileError, Driver, LeastMemory, LeastTime, Objective, Observer, Request, Summary};

/// Counts candidates, and prints those that take less memory than any one before.
struct Log {
    considered: usize,
    lowered: usize,
    least_bytes: u64,
}

impl Observer for Log {
    fn candidate_considered(&mut self, _: &Summary) {
        self.considered += 1;
    }

    fn candidate_lowered(&mut self, candidate: &Summary) {
        self.lowered += 1;
        let bytes = candidate.memory.total();
        if bytes < self.least_bytes {
            self.least_bytes = bytes;
            println!("  {:3}: {candidate}", candidate.number);
        }
    }

    fn candidate_refused(&mut self, candidate: &Summary, why: &CompileError) {
        println!("  {:3}: {why}", candidate.number);
    }

    fn candidate_taken(&mut self, candidate: &Summary) {
        println!("  {} of {} were lowered, {} is taken", self.lowered, self.considered, candidate.number);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let network = Import::new(dense_and_square(14)?);
    // Fewer choices are sooner weighed: without this three scales would be tried.
    let request = Request { scale_bits: Some(38), ..Request::default() };
    let objectives: [(&str, &dyn Objective); 2] = [("time", &LeastTime), ("memory", &LeastMemory)];
    for (name, objective) in objectives {
        println!("least {name}:");
        let mut log = Log { considered: 0, lowered: 0, least_bytes: u64::MAX };
        let compiled = Driver::new(&network, &request).observer(&mut log).objective(objective).run()?;
        let plan = compiled.plan.ok_or("compilation was stopped early")?;
        let (seconds, bytes) = (plan.report.predicted_seconds, plan.report.memory.total());
        println!("  {seconds:.1} s on one thread, {:.2} GB", bytes as f64 / 1e9);
    }
    Ok(())
}

/// Dense layers of 64 numbers, each but the last followed by squares.
fn dense_and_square(depth: usize) -> Result<Verified<TensorGraph>, Box<dyn Error>> {
    let mut graph = TensorGraph::new("dense-and-square", ());
    let mut rng = Rng(1);
    let input = TensorOp::Input { name: "x".into(), shape: vec![1, 64] };
    let mut x = graph.push_inferred(input, vec![], "x")?;
    let bias = Some(graph.add_constant(Constant::new([64], vec![0.5; 64])));
    let square = graph.add_constant(Constant::from_f64([3, 1], &[0.0, 0.0, 1.0]));
    for k in 0..=depth {
        // Small enough for all values to stay within [0, 2].
        let weights: Vec<f32> = (0..64 * 64).map(|_| 0.05 * rng.unit()).collect();
        let weight = graph.add_constant(Constant::new([64, 64], weights));
        x = graph.push_inferred(TensorOp::Gemm { weight, bias }, vec![x], format!("dense{k}"))?;
        if k < depth {
            x = graph.push_inferred(
                TensorOp::Poly { coeffs: square, basis: Basis::Power },
                vec![x],
                format!("square{k}"),
            )?;
        }
    }
    graph.add_output("y", x);
    Ok(verify(graph)?)
}
