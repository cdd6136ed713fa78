//! Values have the room that they need, or there is no plan: networks whose last pools, squares and large inputs went wrong,
//! on the command line and encrypted at 128 bits.

#![cfg(all(feature = "client", feature = "compiler"))]

#[path = "common/cli.rs"]
mod cli;

#[allow(dead_code, reason = "not all layers are for all networks")]
#[path = "common/networks.rs"]
mod networks;
#[path = "common/small_ring.rs"]
mod small_ring;

use std::path::{Path, PathBuf};

use cli::{Folder, json};
use fhec::Request;
use networks::{Net, Outcome, worst};

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
        let got: Vec<f64> = serde_json::from_value(numbers["results"][0]["output"].clone()).unwrap();
        let error = worst(&got, &read_npy(&path.join("out0.npy")));
        println!("{name}: {error:.1e}");
        let largest = got.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        assert!(error < ALLOWED * largest, "{name}: {error:e}");
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
    // Compiled for such inputs, results of 2.8e10 are as precise as any, relative to their range.
    let numbers = json(&folder.ok(&format!("infer {}{} --check --json -q", model(&bytes), inputs(&bytes))));
    let got: Vec<f64> = serde_json::from_value(numbers["results"][0]["output"].clone()).unwrap();
    assert!(worst(&got, &read_npy(&bytes.join("out0.npy"))) < 3e10 * ALLOWED, "{numbers}");
    let absolute = format!("{} --input-range 0..255 --precision-absolute -o bytes.plan", model(&bytes));
    folder.fails(&absolute, "results of up to");

    folder.ok(&format!("{} -o product.plan", model(&product)));
    let infer = format!("infer product.plan{}", inputs(&product));
    folder.fails(&infer, "--input-range");
    // Whoever insists gets no plausible number either.
    let insisting = folder.fhec(&format!("{infer} --check --allow-out-of-range"));
    assert_eq!(insisting.status.code(), Some(1));
    folder.ok(&format!("{} -o product.plan --input-range -10..10", model(&product)));
    let numbers = json(&folder.ok(&format!("{infer} --json")));
    let got: Vec<f64> = serde_json::from_value(numbers["results"][0]["output"].clone()).unwrap();
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

/// Compiles, runs encrypted and compares; a network that has no plan is a failure as well.
fn check(net: Net, what: &str) {
    match networks::check(net.network(), &Request::default()) {
        Outcome::Right(ratio) => println!("{what}: {ratio:.2} of the error promised"),
        Outcome::Refused(why) => panic!("{what}: {why}"),
        Outcome::Wrong(error, promised) => panic!("{what}: {error:e}, {promised:e} promised"),
    }
}

#[test]
fn pools_of_all_sizes_wherever_they_stand() {
    let net = |channels, side: usize| Net::new(channels, [side; 2], side as u64);
    for side in [3, 5, 8, 13, 16, 32, 64] {
        let size = [side; 2];
        check(net(1, side).square().pool(size), &format!("square, pool {side}"));
        let name = format!("mean {side}, bias, square");
        check(net(1, side).mean().affine(None, 0.5, "bias").square(), &name);
        let name = format!("conv, pool {side}, squares");
        check(net(1, side).conv(2, 1, 0.3).pool(size).square().square(), &name);
    }
    for side in [3, 4, 8] {
        let (size, image, name) = ([side; 2], 3 * side, format!("pool {side} in the middle"));
        let pooled = net(2, image).conv(2, 1, 0.3).pool(size).square().mean();
        check(pooled.affine(None, 0.5, "bias"), &name);
        let twice = net(1, image).square().pool(size).square().pool([3; 2]);
        check(twice, &format!("{name}, twice"));
    }
}

#[test]
fn random_networks_are_right() {
    let mut right = 0;
    for seed in 0..12 {
        match networks::check(networks::network(seed), &Request::default()) {
            Outcome::Right(_) => right += 1,
            Outcome::Refused(why) => println!("{seed}: {why}"),
            Outcome::Wrong(error, promised) => panic!("{seed}: {error:e}, {promised:e} promised"),
        }
    }
    assert!(right >= 11, "{right}");
}

#[test]
fn deep_random_networks_are_right_on_a_small_ring() {
    let mut refreshed = 0;
    for seed in 0..6 {
        match small_ring::check(&small_ring::network(seed)) {
            Ok((Outcome::Right(_), bootstraps)) => refreshed += bootstraps,
            Ok((Outcome::Wrong(error, promised), _)) => panic!("{seed}: {error:e}, {promised:e} promised"),
            Ok((Outcome::Refused(why), _)) => panic!("{seed}: {why}"),
            Err(why) => panic!("{seed}: {why}"),
        }
    }
    assert!(refreshed > 6, "{refreshed}");
}
