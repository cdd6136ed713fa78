//! ResNet-20 for CIFAR-10 with random weights: counts depend on its shape only.

use std::collections::HashSet;

use fhec_ir::layout::Factor;
use fhec_ir::slot::routing::Routing;
use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::tensor::random::Rng;
use fhec_ir::tensor::{ReduceKind, TensorGraph, TensorOp, Window};
use fhec_ir::{Constant, ValueId, Verified, verify};
use fhec_passes::{assign_layout, minimize_rotations, place};

struct Net {
    graph: TensorGraph,
    rng: Rng,
}

impl Net {
    fn conv(&mut self, x: ValueId, channels: usize, kernel: usize, stride: usize, name: &str) -> ValueId {
        let inputs = self.graph.ty(x)[1];
        let shape = vec![channels, inputs, kernel, kernel];
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| self.rng.unit()).collect();
        let weight = self.graph.add_constant(Constant::new(shape, data));
        let window =
            Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1, 1], pads: [kernel / 2; 4] };
        let op = TensorOp::Conv { window, groups: 1, weight, bias: None };
        self.graph.push_inferred(op, vec![x], name).unwrap()
    }

    fn act(&mut self, x: ValueId, name: &str) -> ValueId {
        let coeffs = self.graph.add_constant(Constant::new(vec![5, 1], vec![0.1, 0.5, 0.25, 0.0, 1.0]));
        self.graph.push_inferred(TensorOp::Poly { coeffs }, vec![x], name).unwrap()
    }

    fn build() -> Verified<TensorGraph> {
        let mut graph = TensorGraph::new("resnet20", ());
        let input = TensorOp::Input { name: "image".into(), shape: vec![1, 3, 32, 32] };
        let image = graph.push_inferred(input, vec![], "image").unwrap();
        let mut net = Self { graph, rng: Rng(20) };
        let x = net.conv(image, 16, 3, 1, "stem");
        let mut x = net.act(x, "stem/act");
        for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
            for block in 0..3 {
                let name = |part: &str| format!("{stage}.{block}/{part}");
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let a = net.conv(x, channels, 3, stride, &name("conv1"));
                let a = net.act(a, &name("act1"));
                let a = net.conv(a, channels, 3, 1, &name("conv2"));
                let short = if stride == 2 { net.conv(x, channels, 1, 2, &name("short")) } else { x };
                let sum = net.graph.push_inferred(TensorOp::Add, vec![a, short], name("add")).unwrap();
                x = net.act(sum, &name("act2"));
            }
        }
        let mean = TensorOp::Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep: false };
        let x = net.graph.push_inferred(mean, vec![x], "pool").unwrap();
        let data: Vec<f32> = (0..640).map(|_| net.rng.unit()).collect();
        let weight = net.graph.add_constant(Constant::new(vec![10, 64], data));
        let y = net.graph.push_inferred(TensorOp::Gemm { weight, bias: None }, vec![x], "fc").unwrap();
        net.graph.add_output("scores", y);
        verify(net.graph).unwrap()
    }
}

/// What the linear maps and pools of a planned network take.
#[derive(Debug, Default)]
struct Totals {
    hoisted: usize,
    full: usize,
    plaintexts: usize,
    equivalents: f64,
    /// Distinct rotation steps.
    keys: HashSet<usize>,
}

fn totals(graph: &SlotGraph) -> Totals {
    let mut totals = Totals::default();
    for (_, node) in graph.iter() {
        match &node.op {
            SlotOp::Linear(map) => {
                let plan = map.plan.as_ref().unwrap();
                let counts = minimize_rotations::count(map, plan);
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
                totals
                    .keys
                    .extend(minimize_rotations::steps(map, plan).into_iter().map(|step| step as usize));
                // The first image of a fold is decomposed for, two more share that.
                totals.hoisted += counts.babies + 2 * counts.folds;
                totals.full += counts.giants + counts.sums + counts.folds;
                totals.plaintexts += counts.products;
                totals.equivalents += equivalents;
            }
            SlotOp::ShiftSum { shifts, .. } => {
                let steps = |s: &Factor| (0..s.extent.ilog2()).map(|k| s.stride << k).collect::<Vec<_>>();
                totals.keys.extend(shifts.iter().flat_map(steps));
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
    let packed = verify(assign_layout::run(network, &config).unwrap()).unwrap();
    println!("compose {compose}: packed in {:.2?}", begin.elapsed());
    let planned = verify(minimize_rotations::run(&packed, &Default::default()).unwrap()).unwrap();
    let choices = planned.iter().filter(|(_, n)| n.op == SlotOp::Either).count();
    println!("planned in {:.2?}, {choices} choices left", begin.elapsed());
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
    let network = Net::build();
    let (separate, dearer) = placed(&network, false);
    let (totals, report) = placed(&network, true);
    // Without complex halves: 245, 509, 1378, 135.
    assert!(separate.full <= 180 && separate.hoisted <= 475 && separate.equivalents <= 700.0, "{separate:?}");
    assert!(separate.keys.len() <= 120 && totals.keys.len() <= 150, "{} keys", totals.keys.len());
    assert!(report.price < dearer.price, "{report}\n{dearer}");
}
