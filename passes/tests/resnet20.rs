//! ResNet-20 for CIFAR-10 with random weights: counts depend on its shape only.

mod common;

use std::collections::BTreeSet;

use common::net::Net;
use fhec_ir::slot::routing::Routing;
use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{Verified, verify};
use fhec_passes::{assign_layout, maps, minimize_rotations, place};

fn resnet20() -> Verified<TensorGraph> {
    let (mut net, image) = Net::new("resnet20", 20, [1, 3, 32, 32]);
    let x = net.conv(image, 16, 3, 1, "stem");
    let mut x = net.quartic(x, "stem/act");
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..3 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = net.block(x, [channels, stride], (Net::conv, Net::quartic), &format!("{stage}.{block}"));
        }
    }
    let x = net.mean(x, false, "pool");
    let weight = net.weights(&[10, 64]);
    let y = net.push(TensorOp::Gemm { weight, bias: None }, &[x], "fc");
    net.graph.add_output("scores", y);
    verify(net.graph).unwrap()
}

/// What the linear maps and pools of a planned network take.
#[derive(Debug, Default)]
struct Totals {
    hoisted: usize,
    full: usize,
    plaintexts: usize,
    equivalents: f64,
    /// Rotation steps that need a key.
    keys: BTreeSet<u32>,
}

fn totals(graph: &SlotGraph) -> Totals {
    let mut totals = Totals::default();
    for (_, node) in graph.iter() {
        match &node.op {
            SlotOp::Linear(map) => {
                let plan = map.plan.as_ref().unwrap();
                let counts = maps::count(map, plan);
                let routing = Routing::new(map, &plan.reduce).unwrap();
                let length: usize = plan.products.iter().map(|p| routing.length(p.operand as usize)).sum();
                let average = length as f64 / (plan.products.len() * map.output.slots) as f64;
                let equivalents = average * counts.products as f64;
                println!(
                    "{:12} period {:5}: {:3} hoisted, {:3} giant, {} sums, {} folds, {:4} plaintexts = {equivalents:.1}",
                    node.name,
                    map.output.period(),
                    counts.babies,
                    counts.giants,
                    counts.sums,
                    counts.folds,
                    counts.products
                );
                totals.keys.extend(maps::rotation_steps(plan, map.output.slots));
                // The first image of a fold is decomposed for, two more share that.
                totals.hoisted += counts.babies + 2 * counts.folds;
                totals.full += counts.giants + counts.sums + counts.folds;
                totals.plaintexts += counts.products;
                totals.equivalents += equivalents;
            }
            SlotOp::ShiftSum { shifts, .. } => {
                for shift in shifts {
                    totals.keys.extend((0..shift.extent.ilog2()).map(|k| (shift.stride << k) as u32));
                }
                totals.full += shifts.iter().map(|s| s.extent.ilog2() as usize).sum::<usize>();
            }
            _ => {}
        }
    }
    totals
}

/// What the network takes once placed, and the placement's price; with composed maps as alternatives or without.
fn placed(network: &Verified<TensorGraph>, compose: bool) -> (Totals, place::Report) {
    let begin = std::time::Instant::now();
    let config = assign_layout::Config { compose, ..assign_layout::Config::new(1 << 15) };
    let packed = common::pack(network, &config).unwrap();
    println!("compose {compose}: packed in {:.2?}", begin.elapsed());
    let planned = verify(minimize_rotations::run(&packed, &Default::default()).unwrap()).unwrap();
    let left = planned.iter().filter(|(_, n)| n.op == SlotOp::Alternatives).count();
    println!("planned in {:.2?}, {left} values with alternatives", begin.elapsed());
    let bootstrap = place::Bootstrap {
        levels: 9,
        level_in: 3,
        price: 240.0,
        pair_price: 330.0,
        period: 1 << 14,
        ranges: vec![],
    };
    let config = place::Config { bootstrap: Some(bootstrap), ..Default::default() };
    let (placed, report) = place::run_with_report(&planned, &config).unwrap();
    println!("placed in {:.2?}: {report}", begin.elapsed());
    let totals = totals(&placed);
    let Totals { hoisted, full, plaintexts, equivalents, keys } = &totals;
    println!(
        "{hoisted} hoisted, {full} full, {plaintexts} plaintexts = {equivalents:.0}, {} keys",
        keys.len()
    );
    (totals, report)
}

#[test]
fn rotations_and_plaintexts() {
    let network = resnet20();
    let (separate, dearer) = placed(&network, false);
    let (totals, report) = placed(&network, true);
    // Without complex halves: 245, 509, 1378, 135.
    assert!(separate.full <= 180 && separate.hoisted <= 475 && separate.equivalents <= 700.0, "{separate:?}");
    assert!(separate.keys.len() <= 120 && totals.keys.len() <= 150, "{} keys", totals.keys.len());
    assert!(report.price < dearer.price, "{report}\n{dearer}");
}
