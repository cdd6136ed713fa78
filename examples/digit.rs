//! scratch: compile, run
use fhec::CompileOptions;
use fhec_runtime::{ExecuteOptions, client::Client, server::Server};
fn main() {
    let model = std::env::args().nth(1).unwrap();
    let t = std::time::Instant::now();
    let mut o = CompileOptions::default();
    o.scale_bits = std::env::args().nth(2).map(|s| s.parse().unwrap());
    let c = fhec::compile(model.as_ref(), &o).unwrap_or_else(|e| panic!("{e}"));
    let plan = c.plan.unwrap();
    println!(
        "compile {:?} logN {} q {} p {} precision {}",
        t.elapsed(),
        plan.parameters.log_n,
        plan.parameters.q.len(),
        plan.parameters.p.len(),
        plan.client.precision_bits
    );
    println!(
        "log qp {} keys {} bytes {}",
        plan.report.log_qp,
        plan.keys.bytes(),
        plan.report.predicted_peak_bytes
    );
}
