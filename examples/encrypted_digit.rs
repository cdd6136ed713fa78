//! A server recognises a digit that it cannot see: `cargo run --release --example encrypted_digit`.

use std::error::Error;
use std::sync::Arc;

use fhec::plan::Normalisation;
use fhec::runtime::input::{LoadOptions, Source, load};
use fhec::{Client, Request, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/lenet.onnx");
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/seven.png");

    // Compile, once: layouts, levels, and the smallest ring with 128 bits of security.
    let normalisation = Normalisation { mean: vec![0.1307], std: vec![0.3081], ..Default::default() };
    let request = Request { normalisations: vec![normalisation], ..Default::default() };
    let plan = fhec::compile(model.as_ref(), &request)?.plan.ok_or("compilation was stopped early")?;

    // The client makes keys and encrypts; of the plan it needs no weights.
    let client = Client::new(plan.client_spec()?)?;
    let keys = client.generate_keys(None)?;
    let pixels = load(&Source::parse(picture), &client.spec().client.inputs[0], LoadOptions::default())?;
    let encrypted = client.encrypt((&keys.secret, keys.id), &[pixels])?;

    // The server sees plan, evaluation keys and ciphertexts.
    let (id, parameters) = (plan.id()?, Server::parameters(&plan)?);
    let server = Server::new((Arc::new(plan), id), &parameters, (keys.evaluation, keys.id), 1 << 30)?;
    let result = server.run(encrypted, &Default::default())?.outputs;

    // Only the client can read the scores.
    let scores = client.decrypt((&keys.secret, keys.id), &result)?.swap_remove(0);
    let digit = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    println!("It is a {}.", digit.ok_or("the network has no output")?);
    Ok(())
}
