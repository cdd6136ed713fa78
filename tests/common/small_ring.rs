//! Random deep networks with bootstraps on a small ring without security, of which the driver makes no plans: passes, emission
//! and engine put together by hand.

use std::sync::Arc;

use fhec::Server;
use fhec::ir::slot::interp::run_by_ops;
use fhec::ir::tensor::random::Rng;
use fhec::ir::tensor::{Tensor, TensorGraph, run};
use fhec::ir::{Verified, verify};
use fhec::pipeline::{Config, Pipeline, Program};
use fhec::plan::{ClientSpec, Plan};
use fhec_backend::{Chain, EmitOptions, emit};
use fhec_ckks::bootstrap::{KernelCosts, insecure_test_bootstrap};
use fhec_passes::{lower, place};
use fhec_runtime::client::Client;

use super::networks::{Net, Outcome, compare, input};

/// Room above what samples show, as the driver has it.
const MARGIN: f64 = 1.5;

/// Levels between bootstraps.
const LEVELS: usize = 3;

/// A residual network of the number, too deep for the ring without bootstraps.
pub(crate) fn network(seed: u64) -> Verified<TensorGraph> {
    let mut rng = Rng(seed);
    let side = rng.range(3, 9);
    let channels = rng.range(1, 4);
    let mut net = Net::new(channels, [side, side], seed).conv(channels, 1, 0.3);
    for _ in 0..rng.range(3, 5) {
        let from = net.last();
        // Polynomials that shrink what is large: nobody trains a network that diverges.
        let [a, b] = [0.3, 0.1].map(|size| size * f64::from(rng.unit()));
        net = match rng.range(0, 2) {
            0 => net.poly(&[b, 0.5, a], "quadratic"),
            1 => net.poly(&[b, 0.5, a, 0.0, 0.02 * a], "quartic"),
            _ => net.affine(Some(0.5), b, "shift"),
        };
        net = net.conv(channels, 1, 0.4 / channels as f64).add(from).affine(Some(0.8), 0.0, "shrink");
    }
    match rng.range(0, 2) {
        0 => net.mean(),
        1 => net.pool([side.min(2); 2]),
        _ => net,
    }
    .network()
}

/// Compiles a network with bootstraps, runs it encrypted and compares with the network in clear. Also gives how many
/// ciphertexts were bootstrapped.
pub(crate) fn check(graph: &Verified<TensorGraph>) -> Result<(Outcome, u64), String> {
    let (parameters, spec) = insecure_test_bootstrap(LEVELS).map_err(|e| e.to_string())?;
    let chain = Chain::bootstrapped(parameters, &spec, &KernelCosts::default()).map_err(|e| e.to_string())?;
    let samples: Vec<Vec<Tensor<f64>>> = (0..6).map(|k| vec![input(graph, k == 0, &mut Rng(k))]).collect();
    let plan = plan(graph, &chain, &samples)?;
    let bootstraps = plan.report.bootstraps;

    let id = plan.id().map_err(|e| e.to_string())?;
    let Plan { parameters: data, keys, client, .. } = plan.clone();
    let spec = ClientSpec { plan: id, parameters: data, keys, client };
    let client = Client::with_parameters(spec, chain.parameters.clone()).map_err(|e| e.to_string())?;
    let keys = client.generate_keys(None).map_err(|e| e.to_string())?;
    let evaluation = (keys.evaluation.clone(), keys.id);
    let plan = Arc::new(plan);
    let server =
        Server::new((plan.clone(), id), &chain.parameters, evaluation, 1 << 28).map_err(|e| e.to_string())?;
    let mut closest = 0.0f64;
    for full in [false, true] {
        let x = input(graph, full, &mut Rng(99));
        let want = run(graph, std::slice::from_ref(&x)).map_err(|e| e.to_string())?;
        let bundle = client.encrypt((&keys.secret, keys.id), &[x.data]).map_err(|e| e.to_string())?;
        let result = server.run(bundle, &Default::default()).map_err(|e| e.to_string())?.outputs;
        let got = client.decrypt((&keys.secret, keys.id), &result).map_err(|e| e.to_string())?;
        match compare(&plan, &want, &got) {
            Outcome::Right(ratio) => closest = closest.max(ratio),
            other => return Ok((other, bootstraps)),
        }
    }
    Ok((Outcome::Right(closest), bootstraps))
}

fn plan(graph: &Verified<TensorGraph>, chain: &Chain, samples: &[Vec<Tensor<f64>>]) -> Result<Plan, String> {
    let mut pipeline = Pipeline::standard(Config::nominal(chain.slots()));
    pipeline.stop_after("minimize-rotations");
    let program = pipeline.run(Program::Tensor(graph.clone()), &mut |_, _| {}).map_err(|e| e.to_string())?;
    let Program::Slot(packed) = program else { return Err("no slot graph".into()) };
    let mut ranges = vec![0.0f64; packed.len()];
    let mut seen = vec![false; packed.len()];
    run_by_ops(&packed, samples, &mut |_, id, slots| {
        let largest = slots.iter().flatten().fold(0.0f64, |most, x| most.max(x.abs()));
        ranges[id.index()] = ranges[id.index()].max(largest * MARGIN);
        seen[id.index()] = true;
    })
    .map_err(|e| e.to_string())?;
    // What was not computed may not be bootstrapped.
    ranges.iter_mut().zip(seen).filter(|(_, seen)| !seen).for_each(|(range, _)| *range = f64::INFINITY);
    let header = chain.bootstrap_header().ok_or("the chain has no bootstrap")?;
    let costs = chain.bootstrap.ok_or("the chain has no costs")?;
    let config = place::Config {
        bootstrap: Some(place::Bootstrap {
            levels: LEVELS as u32,
            level_in: header.level_in,
            price: costs.seconds * 1e3,
            pair_price: costs.pair_seconds * 1e3,
            period: header.period as usize,
            ranges,
        }),
        ..place::Config::default()
    };
    let placed = place::run(&packed, &config).map_err(|e| e.to_string())?;
    let placed = verify(placed).map_err(|e| e.to_string())?;
    let config = lower::Config {
        moduli: chain.moduli(),
        scale: chain.scale(),
        bootstrap: Some(header),
        floor: chain.floor,
        ranges: vec![],
    };
    let lowered = lower::run(&placed, &config).map_err(|e| e.to_string())?;
    let lowered = verify(lowered).map_err(|e| e.to_string())?;
    let references = samples.iter().map(|sample| run(graph, sample)).collect::<Result<_, _>>();
    let options = EmitOptions {
        samples: samples.to_vec(),
        references: references.map_err(|e| e.to_string())?,
        input_bounds: vec![1.0],
        ..EmitOptions::default()
    };
    emit(chain, lowered, &options).map_err(|e| e.to_string())
}
