//! Values have the room that they need, or there is no plan: networks whose last pools, squares and large inputs went wrong,
//! on the command line and encrypted at 128 bits.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cli::{Folder, json};
use fhec::frontend::Import;
use fhec::ir::tensor::random::Rng;
use fhec::ir::tensor::{Basis, Pool, ReduceKind, Tensor, TensorGraph, TensorOp, Window, run};
use fhec::ir::{Constant, ValueId, verify};
use fhec::{Client, Driver, Request, Server};

/// Room for the error of the worst slot: three bits less than the default precision.
const ALLOWED: f64 = 1.0 / 1024.0;

/// A case of `../shared/cases`.
fn case(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases").join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

/// The numbers of an array of f32.
fn read_npy(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(String::from_utf8_lossy(&bytes[10..10 + header]).contains("<f4"), "{}", path.display());
    let numbers = bytes[10 + header..].chunks_exact(4);
    numbers.map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// `--input in0.npy …` of a case.
fn inputs(path: &Path) -> String {
    let files = (0..).map(|k| path.join(format!("in{k}.npy"))).take_while(|file| file.exists());
    files.map(|file| format!(" --input {}", file.display())).collect()
}

#[test]
fn last_pools_squares_and_large_results_are_right() {
    for name in [
        "average_pool_last",
        "global_pool_last_gain",
        "all_conv_global_pool",
        "pool_then_square",
        "twelve_quadratics",
        "large_scores",
        "product_of_inputs",
    ] {
        let Some(path) = case(name) else { return };
        let folder = Folder::new();
        let line = format!("infer {}/model.onnx{} --check --json -q", path.display(), inputs(&path));
        let numbers = json(&folder.ok(&line));
        let got: Vec<f64> = serde_json::from_value(numbers["output"].clone()).unwrap();
        let error = worst(&got, &read_npy(&path.join("out0.npy")));
        println!("{name}: {error:.1e}");
        assert!(error < ALLOWED, "{name}: {error:e}");
    }
}

#[test]
fn inputs_beyond_what_a_plan_was_made_for_are_refused() {
    let (Some(bytes), Some(product)) = (case("bytes_not_normalised"), case("product_of_inputs")) else {
        return;
    };
    let folder = Folder::new();
    let model = |path: &Path| format!("{}/model.onnx", path.display());
    folder.ok(&format!("{} -o bytes.plan", model(&bytes)));
    folder.fails(&format!("infer bytes.plan{}", inputs(&bytes)), "--input-range");
    folder.fails(&format!("infer {}{} -q", model(&bytes), inputs(&bytes)), "results of up to");
    folder.fails(&format!("{} --input-range 0..255 -o bytes.plan", model(&bytes)), "results of up to");

    folder.ok(&format!("{} -o product.plan", model(&product)));
    let infer = format!("infer product.plan{}", inputs(&product));
    folder.fails(&infer, "--input-range");
    // Whoever insists gets no plausible number either.
    let insisting = folder.fhec(&format!("{infer} --check --allow-out-of-range"));
    assert_eq!(insisting.status.code(), Some(1));
    folder.ok(&format!("{} -o product.plan --input-range -10..10", model(&product)));
    let numbers = json(&folder.ok(&format!("{infer} --json")));
    let got: Vec<f64> = serde_json::from_value(numbers["output"].clone()).unwrap();
    assert!(worst(&got, &read_npy(&product.join("out0.npy"))) < ALLOWED, "{numbers}");
    assert_eq!(folder.fhec(&format!("{} --input-range 3..-3", model(&product))).status.code(), Some(2));
}

#[test]
fn the_assumed_domain_is_said() {
    let folder = Folder::new();
    let lenet = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist/lenet.onnx");
    std::fs::copy(lenet, folder.path("lenet.onnx")).unwrap();
    let said = |line: &str| String::from_utf8(folder.fhec(line).stderr).unwrap();
    assert!(said("lenet.onnx -o a.plan").contains("0..1 (bytes over 255: an assumption"));
    assert!(said("lenet.onnx -o a.plan --input-range -1..1").contains("synthetic inputs within -1..1"));
    assert!(said("lenet.onnx -o a.plan --mean 0.5 --std 0.5").contains("what bytes become"));
    assert!(folder.ok("inspect a.plan").contains("≤ 1.0000, |"));
}

#[test]
fn few_slots_are_bootstrapped_and_endless_results_refused() {
    let (Some(residual), Some(dense)) = (case("residual_8_wide_20_deep"), case("dense_8_wide_20_deep"))
    else {
        return;
    };
    let folder = Folder::new();
    folder.fails(&format!("{}/model.onnx", dense.display()), "the network diverges on");
    folder.ok(&format!("{}/model.onnx -o deep.plan --precision-bits 10 -q", residual.display()));
    let plan = fhec::plan::Plan::load(&folder.path("deep.plan")).unwrap().0;
    assert!(plan.report.bootstraps > 0);
    let x = plan.client.inputs[0].layout.pack(&read_npy(&residual.join("in0.npy")));
    let slots = fhec::ir::schedule::interp::interpret(&plan.schedule, &[x]).unwrap();
    let error =
        worst(&plan.client.outputs[0].layout.unpack(&slots[0]), &read_npy(&residual.join("out0.npy")));
    assert!(error < ALLOWED, "{error:e}");
}

/// A network in the making, and its last value.
struct Net {
    graph: TensorGraph,
    at: ValueId,
    rng: Rng,
}

impl Net {
    fn new(channels: usize, side: usize) -> Self {
        let mut graph = TensorGraph::new("net", ());
        let input = TensorOp::Input { name: "x".into(), shape: vec![1, channels, side, side] };
        let at = graph.push_inferred(input, vec![], "x").unwrap();
        Self { graph, at, rng: Rng(side as u64) }
    }

    fn then(mut self, op: TensorOp, name: &str) -> Self {
        self.at = self.graph.push_inferred(op, vec![self.at], name).unwrap();
        self
    }

    fn weights(&mut self, scale: f32, shape: &[usize]) -> fhec::ir::ConstId {
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| scale * self.rng.unit()).collect();
        self.graph.add_constant(Constant::new(shape.to_vec(), data))
    }

    fn conv(mut self, channels: usize) -> Self {
        let inputs = self.graph.ty(self.at)[1];
        let weight = self.weights(0.3, &[channels, inputs, 3, 3]);
        let window = Window { kernel: [3; 2], stride: [1; 2], dilation: [1, 1], pads: [1; 4] };
        self.then(TensorOp::Conv { window, groups: 1, weight, bias: None }, "conv")
    }

    fn square(mut self) -> Self {
        let coeffs = self.graph.add_constant(Constant::new(vec![3, 1], vec![0.0, 0.0, 1.0]));
        self.then(TensorOp::Poly { coeffs, basis: Basis::Power }, "square")
    }

    fn bias(mut self) -> Self {
        let shift = Some(self.graph.add_constant(Constant::new(vec![1, 1, 1, 1], vec![0.5])));
        self.then(TensorOp::Affine { scale: None, shift }, "bias")
    }

    fn pool(self, side: usize) -> Self {
        let window = Window { kernel: [side; 2], stride: [side; 2], dilation: [1, 1], pads: [0; 4] };
        let out = [self.graph.ty(self.at)[2] / side, self.graph.ty(self.at)[3] / side];
        self.then(TensorOp::Pool { kind: Pool::Average, window, out }, "pool")
    }

    fn mean(self) -> Self {
        self.then(TensorOp::Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep: true }, "mean")
    }

    /// Compiles, runs encrypted on random inputs and compares.
    fn check(mut self, what: &str) {
        self.graph.add_output("y", self.at);
        let graph = verify(self.graph).unwrap();
        let import = Import { graph, tails: vec![vec![]] };
        let request = Request::default();
        let compiled = Driver::new(&import, &request).run().unwrap_or_else(|e| panic!("{what}: {e}"));
        let plan = compiled.plan.unwrap();
        let shape = import.graph.ty(ValueId(0)).clone();
        // Also what the domain allows at most.
        for full in [false, true] {
            let number = |_| if full { 1.0 } else { f64::from(self.rng.unit().abs()) };
            let x = Tensor::new(shape.clone(), (0..shape.iter().product()).map(number).collect::<Vec<f64>>());
            let want = run(&import.graph, std::slice::from_ref(&x)).unwrap().remove(0).data;
            let got = encrypted(&plan, x.data);
            let error = worst(&want, &got);
            assert!(error < ALLOWED, "{what}: {error:e}, {want:?} became {got:?}");
        }
    }
}

/// The first output of a run with fresh keys.
fn encrypted(plan: &fhec::plan::Plan, input: Vec<f64>) -> Vec<f64> {
    let client = Client::new(plan.client_spec().unwrap()).unwrap();
    let keys = client.generate_keys(None).unwrap();
    let bundle = client.encrypt((&keys.secret, keys.id), &[input]).unwrap();
    let (id, parameters) = (plan.id().unwrap(), Server::parameters(plan).unwrap());
    let server =
        Server::new((Arc::new(plan.clone()), id), &parameters, (keys.evaluation, keys.id), 1 << 30).unwrap();
    let result = server.run(bundle, &Default::default()).unwrap().outputs;
    client.decrypt((&keys.secret, keys.id), &result).unwrap().swap_remove(0)
}

#[test]
fn pools_of_all_sizes_wherever_they_stand() {
    for side in [3, 5, 8, 13, 16, 32, 64] {
        Net::new(1, side).square().pool(side).check(&format!("square, pool {side}"));
        Net::new(1, side).mean().bias().square().check(&format!("mean {side}, bias, square"));
        Net::new(1, side).conv(2).pool(side).square().square().check(&format!("conv, pool {side}, squares"));
    }
    for side in [3, 4, 8] {
        let (image, name) = (3 * side, format!("pool {side} in the middle"));
        Net::new(2, image).conv(2).pool(side).square().mean().bias().check(&name);
        Net::new(1, image).square().pool(side).square().pool(3).check(&format!("{name}, twice"));
    }
}
