//! A ResNet of a few channels with bootstraps, compiled by the whole pipeline and run encrypted on a small ring without
//! security: residual blocks, one of them with a stride and a shortcut of its own, quartic activations, an average pool
//! and a dense layer.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "../passes/tests/common/net.rs"]
mod net;

use std::sync::Arc;

use fhec::Client;
use fhec::ir::plan::Plan;
use fhec::ir::slot::SlotGraph;
use fhec::ir::tensor::random::Rng;
use fhec::ir::tensor::{self, Basis, Tensor, TensorGraph, TensorOp};
use fhec::ir::{Constant, ValueId, Verified, slot, verify};
use fhec::pipeline::{Config, Pipeline, Program};
use fhec::runtime::server::Server;
use fhec_backend::cost::CostTable;
use fhec_backend::{Chain, EmitOptions};
use fhec_ckks::bootstrap::{BootstrapSpec, KernelCosts, insecure_test_bootstrap};
use fhec_ckks::params::Parameters;
use fhec_passes::compose_rotations::{self, Spare, SwitchPrices};
use fhec_passes::{lower, place};
use net::{Act, Conv, Net};

/// Dearer than all the rest, so that there are no more bootstraps than the depth asks for.
const BOOTSTRAP_PRICE: f64 = 1e4;
/// Extents of an image.
const IMAGE: [usize; 4] = [1, 3, 8, 8];

impl Net {
    /// A convolution without bias and a batch normalisation.
    fn layer(&mut self, x: ValueId, channels: usize, kernel: usize, stride: usize, name: &str) -> ValueId {
        let y = self.conv(x, channels, kernel, stride, name);
        let scale = Some(self.around(0.8, 0.2, &[1, channels, 1, 1]));
        let shift = Some(self.around(0.0, 0.1, &[1, channels, 1, 1]));
        self.push(TensorOp::Affine { scale, shift }, &[y], &format!("{name}/bn"))
    }

    /// A quartic close to ReLU on [−3, 3], another one for every channel.
    fn act(&mut self, x: ValueId, name: &str) -> ValueId {
        let channels = self.graph.ty(x)[1];
        let relu = [0.28, 0.5, 0.2, 0.0, -0.008];
        let rows = relu.iter().flat_map(|c| (0..channels).map(move |k| c * (1.0 + 0.02 * k as f32)));
        let coeffs = self.graph.add_constant(Constant::new(vec![5, channels], rows.collect::<Vec<_>>()));
        self.push(TensorOp::Poly { coeffs, basis: Basis::Power }, &[x], name)
    }
}

fn resnet() -> Verified<TensorGraph> {
    let (mut net, image) = Net::new("resnet", 20, IMAGE);
    net.scale = |products| 1.5 / products.sqrt();
    let layers: (Conv, Act) = (Net::layer, Net::act);
    let x = net.layer(image, 4, 3, 1, "stem");
    let x = net.act(x, "stem/act");
    let x = net.block(x, [4, 1], layers, "0");
    let x = net.block(x, [8, 2], layers, "1");
    let x = net.block(x, [8, 1], layers, "2");
    let x = net.mean(x, false, "pool");
    let weight = net.around(0.0, 0.5, &[10, 8]);
    let bias = Some(net.around(0.0, 0.5, &[10]));
    let y = net.push(TensorOp::Gemm { weight, bias }, &[x], "fc");
    net.graph.add_output("scores", y);
    verify(net.graph).unwrap()
}

/// Bounds on the slots of every value, with some room above a few images.
fn ranges(graph: &Verified<SlotGraph>) -> Vec<f64> {
    let mut ranges = vec![0.0f64; graph.len()];
    let samples: Vec<_> = (100..104).map(|seed| [image(seed)]).collect();
    let observe = &mut |_, id: ValueId, slots: &slot::interp::Slots| {
        let range = &mut ranges[id.index()];
        *range = slots.iter().flatten().fold(*range, |most, x| most.max(1.5 * x.abs()));
    };
    slot::interp::run_all(graph, &samples, observe).unwrap();
    ranges
}

fn image(seed: u64) -> Tensor<f64> {
    tensor::random::tensor(&mut Rng(seed), &IMAGE)
}

/// The network's plan for a chain, through all passes, if two ciphertexts at once cost `pair` bootstraps, with `part` of
/// the rotation keys that it would have.
fn compile(network: &Verified<TensorGraph>, chain: &Chain, pair: f64, part: f64) -> Plan {
    let config = || Config::nominal(chain.slots());
    let mut packing = Pipeline::standard(config());
    packing.stop_after("minimize-rotations");
    let packed = packing.run(Program::Tensor(network.clone()), &mut |_, _| {}).unwrap();
    let Program::Slot(packed) = packed else { panic!("{} after packing", packed.ir()) };
    let header = chain.bootstrap_header().unwrap();
    let bootstrap = place::Bootstrap {
        levels: header.level_out - header.level_in,
        level_in: header.level_in,
        price: BOOTSTRAP_PRICE,
        pair_price: pair * BOOTSTRAP_PRICE,
        period: header.period as usize,
        ranges: ranges(&packed),
    };
    let lowered = lower::Config {
        moduli: chain.moduli(),
        scale: chain.scale(),
        bootstrap: Some(header),
        floor: 0,
        ranges: vec![],
    };
    let mut config = config();
    config.place.bootstrap = Some(bootstrap);
    config.chain = Box::new(move |_| Ok(lowered.clone()));
    let schedule = Pipeline::standard(config).run(Program::Tensor(network.clone()), &mut |_, _| {}).unwrap();
    let Program::Schedule(schedule) = schedule else { panic!("{} at the end", schedule.ir()) };
    // The maps that meet in the strided block are one, and the pool is a part of the dense layer.
    let maps = &schedule.header.maps;
    assert!(maps.iter().any(|m| m.terms.len() == 2), "no sum of maps");
    let pools = |s: &slot::Stage| matches!(s.op, TensorOp::Reduce { .. });
    assert!(
        maps.iter().any(|m| m.terms[0].stages.len() > 1 && m.terms[0].stages.iter().any(pools)),
        "no pool"
    );
    let forecast = fhec_backend::forecast(chain, &schedule, &CostTable::default()).unwrap();
    let config = compose_rotations::Config {
        parameters: chain.data.clone(),
        prices: vec![SwitchPrices { rotation: 1.0, hoist: 0.4, giant: 0.8 }; chain.moduli().len()],
        bytes: (part * forecast.rotation_bytes as f64) as u64,
        spare: Spare::default(),
    };
    let (composed, report) = compose_rotations::run(&schedule, &config).unwrap();
    assert_eq!((report.bytes_before, report.fits), (forecast.rotation_bytes, true), "{report:?}");
    assert_eq!(report.keys < report.keys_before, part < 1.0);
    let schedule = verify(composed).unwrap();
    let samples = vec![vec![image(100)]];
    fhec_backend::emit(chain, schedule, &EmitOptions { samples, ..EmitOptions::default() }).unwrap()
}

/// Runs images encrypted with so many levels between bootstraps, of which a block takes six and one more to restore a
/// scale. Gives ciphertexts bootstrapped and pairs of them.
fn run(levels: u32, pair: f64, part: f64, images: std::ops::Range<u64>) -> (u64, u64) {
    let (parameters, spec) = insecure_test_bootstrap(levels as usize).unwrap();
    run_on((parameters, spec), (pair, part), images)
}

/// The same on a chain with a bootstrap.
fn run_on(
    (parameters, spec): (Parameters, BootstrapSpec),
    (pair, part): (f64, f64),
    images: std::ops::Range<u64>,
) -> (u64, u64) {
    let network = &resnet();
    let levels = spec.residual_levels;
    let chain = Chain::bootstrapped(parameters, &spec, &KernelCosts::default()).unwrap();
    let plan = Arc::new(compile(network, &chain, pair, part));
    let (bootstraps, pairs) = (plan.report.bootstraps, plan.report.pairs);

    let client = Client::with_parameters(plan.client_spec().unwrap(), chain.parameters.clone()).unwrap();
    let keys = client.generate_keys(None).unwrap();
    let secret = (&keys.secret, keys.id);
    let id = plan.id().unwrap();
    let evaluation = (keys.evaluation.clone(), keys.id);
    let server = Server::new((plan.clone(), id), client.parameters(), evaluation, 1 << 28).unwrap();
    for seed in images {
        let image = image(seed);
        let want = tensor::run(network, std::slice::from_ref(&image)).unwrap().swap_remove(0).data;
        let encrypted = client.encrypt(secret, &[image.data]).unwrap();
        let run = server.run(encrypted, &Default::default()).unwrap();
        let got = client.decrypt(secret, &run.outputs).unwrap().swap_remove(0);
        let error = want.iter().zip(&got).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let spread = want.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        println!("{levels} levels, {bootstraps} bootstraps, {pairs} pairs, error {error:.1e} of {spread:.2}");
        assert!(spread > 0.1, "scores that say something: {want:?}");
        assert!(error < 5e-4, "{want:?} {got:?}");
    }
    (bootstraps, pairs)
}

#[test]
fn a_residual_network_with_bootstraps_runs_encrypted() {
    let (bootstraps, pairs) = run(5, f64::INFINITY, 1.0, 0..2);
    assert!((4..=12).contains(&bootstraps) && pairs == 0, "{bootstraps} bootstraps, {pairs} pairs");
}

#[test]
fn half_of_the_rotation_keys_serve() {
    let (bootstraps, _) = run(5, f64::INFINITY, 0.5, 2..3);
    assert!((4..=12).contains(&bootstraps), "{bootstraps} bootstraps");
}

/// What a shortcut carries is refreshed together with a value inside the block.
#[test]
fn two_values_at_once_run_encrypted() {
    let (bootstraps, pairs) = run(6, 1.35, 1.0, 0..2);
    assert!(bootstraps > 2 * pairs && pairs > 0, "{bootstraps} bootstraps, {pairs} pairs");
}

/// All values repeat after half of the slots at the latest: bootstraps that keep no more apart do, alone and two at once.
#[test]
fn sparse_bootstraps_run_encrypted() {
    let sparse = |levels: usize| {
        let (parameters, all) = insecure_test_bootstrap(levels).unwrap();
        let (slots_to_coeffs, coeffs_to_slots) = (vec![3, 3, 2], vec![4, 4]);
        (parameters, BootstrapSpec { log_slots: 8, slots_to_coeffs, coeffs_to_slots, ..all })
    };
    let (bootstraps, pairs) = run_on(sparse(5), (f64::INFINITY, 1.0), 4..6);
    assert!((4..=12).contains(&bootstraps) && pairs == 0, "{bootstraps} bootstraps, {pairs} pairs");
    let (_, pairs) = run_on(sparse(6), (1.35, 1.0), 6..7);
    assert!(pairs > 0);
}
