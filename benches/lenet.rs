//! End to end: `cargo bench --bench lenet`. Compilation of LeNet, encryption of a picture, and its evaluation under encryption at
//! 128 bits on all cores, plaintexts encoded beforehand.

#![allow(missing_docs)] // criterion_group! makes a public function without any

use std::error::Error;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use fhec::plan::Normalisation;
use fhec::{Client, Request, Server};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/lenet.onnx");

fn lenet(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let normalisation = Normalisation { mean: vec![0.1307], std: vec![0.3081], ..Default::default() };
    let request = Request { normalisations: vec![normalisation], ..Default::default() };
    let mut group = criterion.benchmark_group("lenet");
    group.sample_size(10);
    group.bench_function("compile", |b| b.iter(|| fhec::compile(MODEL.as_ref(), &request)));

    let plan = fhec::compile(MODEL.as_ref(), &request)?.plan.ok_or("compilation was stopped early")?;
    let client = Client::new(plan.client_spec()?)?;
    let keys = client.generate_keys(None)?;
    let pixels: Vec<f64> = (0..28 * 28).map(|i| f64::from(i * 37 % 101) / 50.0 - 0.4).collect();
    let encrypt = || client.encrypt((&keys.secret, keys.id), std::slice::from_ref(&pixels));
    group.bench_function("encrypt", |b| b.iter(encrypt));

    let (id, parameters) = (plan.id()?, Server::parameters(&plan)?);
    let server = Server::new((Arc::new(plan), id), &parameters, (keys.evaluation, keys.id), 1 << 30)?;
    let mut evaluate = || -> Result<f64, Box<dyn Error>> {
        Ok(server.run(encrypt()?, &Default::default())?.execution.seconds)
    };
    evaluate()?;
    group.bench_function("encrypt and evaluate", |b| b.iter(&mut evaluate));
    Ok(())
}

fn benches(criterion: &mut Criterion) {
    if let Err(error) = lenet(criterion) {
        eprintln!("lenet: {error}");
    }
}

criterion_group!(group, benches);
criterion_main!(group);
