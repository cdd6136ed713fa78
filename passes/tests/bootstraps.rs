//! Placement with bootstraps on networks: the values stay, levels and scales are exact, ranges are kept.

mod common;

use std::time::Instant;

use common::assert_close;
use common::net::Net;
use fhec_ir::schedule::interp::{Observer, interpret_all};
use fhec_ir::schedule::{Schedule, ScheduleOp};
use fhec_ir::slot::{SlotGraph, SlotOp, interp};
use fhec_ir::tensor::random::{self, Options};
use fhec_ir::tensor::{Tensor, TensorGraph};
use fhec_ir::{ValueId, Verified, tensor, text, verify};
use fhec_passes::settings::nominal_chain;
use fhec_passes::{PassError, assign_layout, lower, place};

fn planned(graph: &Verified<TensorGraph>, slots: usize, compose: bool) -> Verified<SlotGraph> {
    common::planned(graph, &assign_layout::Config { compose, ..assign_layout::Config::new(slots) })
}

/// Largest element of every value.
fn ranges(graph: &Verified<SlotGraph>, inputs: &[Tensor<f64>]) -> Vec<f64> {
    let mut ranges = vec![0.0; graph.len()];
    interp::run_all(graph, &[inputs], &mut |_, id, slots| {
        let values = graph.ty(id).layout.unpack(slots);
        ranges[id.index()] = values.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    })
    .unwrap();
    ranges
}

fn config(levels: u32, price: f64, ranges: Vec<f64>) -> place::Config {
    let (level_in, pair_price, period) = (1, 1.1 * price, usize::MAX);
    let bootstrap = Some(place::Bootstrap { levels, level_in, price, pair_price, period, ranges });
    place::Config { bootstrap, ..place::Config::default() }
}

/// The same for bootstraps that keep `period` slots apart.
fn sparse(levels: u32, price: f64, ranges: Vec<f64>, period: usize) -> place::Config {
    let mut config = config(levels, price, ranges);
    config.bootstrap.iter_mut().for_each(|b| b.period = period);
    config
}

fn count(graph: &SlotGraph) -> usize {
    graph.iter().filter(|(_, n)| matches!(n.op, SlotOp::Bootstrap { .. })).count()
}

/// Whether slots repeat after `period`, up to the rounding of sums in another order.
fn repeats(slots: &[f64], period: usize) -> bool {
    let largest = slots.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    slots.iter().zip(&slots[period % slots.len()..]).all(|(a, b)| (a - b).abs() <= 1e-9 * largest)
}

/// Sees to it that bootstraps get what they are promised.
struct Promises<'s>(&'s Schedule);

impl Observer for Promises<'_> {
    fn value(&mut self, _: usize, id: ValueId, slots: &[f64]) {
        if let ScheduleOp::Bootstrap { period, .. } = self.0.node(id).op {
            assert!(repeats(slots, period as usize), "{}: period {period}", self.0.describe(id));
        }
    }
}

/// Lowers for bootstraps that keep `period` slots apart, interprets and compares; gives the least scale of any
/// ciphertext, in bits.
fn check_lowered(
    placed: &Verified<SlotGraph>,
    (levels, period): (u32, usize),
    inputs: &[Tensor<f64>],
    want: &[Tensor<f64>],
) -> f64 {
    let mut chain = nominal_chain(lower::top_level(placed), Some((levels, period)));
    for (k, q) in chain.moduli.iter_mut().enumerate() {
        *q *= 1.0 + (k as f64 * 0.37).sin() * 1e-4;
    }
    let lowered =
        lower::run(placed, &chain).unwrap_or_else(|e| panic!("{e}\n{}", fhec_ir::text::print(&**placed)));
    let lowered = verify(lowered).unwrap_or_else(|e| panic!("{e}\n{}", fhec_ir::text::print(&**placed)));
    let packed: Vec<_> =
        lowered.header.inputs.iter().zip(inputs).map(|(v, x)| v.layout.pack(&x.data)).collect();
    let got = interpret_all(&lowered, &[packed], &mut Promises(&lowered)).unwrap().remove(0);
    for ((want, got), packed) in want.iter().zip(&got).zip(&lowered.header.outputs) {
        assert_close(&want.data, &packed.layout.unpack(got), 1e-6, &|| placed.name.clone());
    }
    lowered.iter().map(|(_, n)| n.ty.scale.log2()).fold(f64::INFINITY, f64::min)
}

#[test]
fn random_networks_keep_their_meaning() {
    let (mut run, mut refused, mut with, mut pairs, mut narrow, mut sparse) = (0, 0, 0, 0, 0, 0);
    for seed in 0..200 {
        let options = Options { exact: false, products: seed % 3 == 0, ..Options::default() };
        let graph = random::graph(seed, &options);
        let inputs = random::inputs(&graph, seed ^ 0x5eed);
        let want = tensor::run(&graph, &inputs).unwrap();
        let slots = [64, 1024][seed as usize % 2];
        let planned = planned(&graph, slots, seed % 4 < 2);
        let Ok(_) = place::run(&planned, &Default::default()) else { continue };
        let ranges = ranges(&planned, &inputs);
        for (levels, period) in [(2, slots), (3, slots), (5, slots), (4, slots / 2), (5, slots / 4)] {
            let config = self::sparse(levels, 20.0, ranges.clone(), period);
            let placed = match place::run_with_report(&planned, &config) {
                Ok((placed, report)) => {
                    assert_eq!(report.bootstraps.len(), count(&placed));
                    pairs += usize::from(report.bootstraps.iter().any(|p| p.with.is_some()));
                    assert!(report.naive.is_none_or(|n| n.price >= report.price - 1e-9), "{report}");
                    verify(placed).unwrap_or_else(|e| panic!("seed {seed}: {e}"))
                }
                Err(PassError::Refused { nodes, .. }) => {
                    let too_few = |reason: &str| period < slots && reason.contains("ranges and periods");
                    let known = |reason: &str| reason.starts_with("takes ") || too_few(reason);
                    assert!(nodes.iter().all(|n| known(&n.reason)), "{nodes:?}");
                    refused += 1;
                    continue;
                }
                Err(e) => panic!("{e}"),
            };
            for (want, got) in want.iter().zip(interp::run(&placed, &inputs).unwrap()) {
                assert_close(&want.data, &got.data, 1e-6, &|| format!("seed {seed}"));
            }
            run += 1;
            with += usize::from(count(&placed) > 0);
            sparse += usize::from(count(&placed) > 0 && period < slots);
            let least = check_lowered(&placed, (levels, period), &inputs, &want);
            // A sixteenth of the usual scale is what a bootstrap may ask for, more is left to chance.
            narrow += usize::from(least < 30.0);
        }
    }
    println!(
        "{run} ran, {with} with bootstraps, {sparse} sparse, {pairs} pairs, {refused} refused, {narrow} narrow"
    );
    assert!(run > 150 && with > 60 && pairs > 4 && sparse > 20);
}

/// Residual network of `blocks` blocks: convolutions and monic quartics, a sum of each block's two ends.
fn residual(blocks: usize, side: usize, classes: usize) -> Verified<TensorGraph> {
    let (mut net, image) = Net::new("resnet", 7, [1, 1, side, side]);
    net.scale = |products| 1.0 / products;
    let x = net.conv(image, 2, 3, 1, "stem");
    let mut x = net.quartic(x, "stem/act");
    for b in 0..blocks {
        x = net.block(x, [2, 1], (Net::conv, Net::quartic), &b.to_string());
    }
    let y = net.conv(x, classes, 1, 1, "head");
    net.graph.add_output("y", y);
    verify(net.graph).unwrap()
}

#[test]
fn residual_networks_with_identity_shortcuts() {
    let mut pairs = 0;
    for (blocks, levels) in [(1, 4), (2, 4), (3, 6), (6, 9), (9, 12)] {
        let graph = residual(blocks, 4, 2);
        let planned = planned(&graph, 64, true);
        // Scales and levels do not depend on the ranges being those of the network.
        for range in [1.0, 3.0, 20.0] {
            let begin = Instant::now();
            let config = config(levels, 200.0, vec![range; planned.len()]);
            let (placed, report) = place::run_with_report(&planned, &config).unwrap();
            let took = begin.elapsed();
            let placed = verify(placed).unwrap();
            let inputs = [Tensor::new(vec![1, 1, 4, 4], (0..16).map(|k| (k as f64).sin() / 2.0).collect())];
            let want = interp::run(&planned, &inputs).unwrap();
            let least = check_lowered(&placed, (levels, 64), &inputs, &want);
            println!(
                "{blocks} blocks, {levels} levels, range {range}, least scale {least:.1}: {report} ({took:?})"
            );
            pairs += report.pairs();
            // Nothing falls much below what the range asks for.
            assert!(least > 40.0 - 2.0 * range.log2().ceil() - 1.0, "range {range}: {least}");
            assert!(report.exact && count(&placed) > 0, "{}", text::print(&*placed));
        }
    }
    assert!(pairs > 6, "{pairs} pairs");
}

#[test]
fn what_is_deeper_than_a_bootstrap_is_high_is_refused_by_name() {
    let planned = planned(&residual(1, 4, 2), 64, true);
    let error = place::run(&planned, &config(1, 10.0, vec![])).unwrap_err().to_string();
    assert!(error.contains("0/act1 (Poly): takes 2 levels, a bootstrap gives 1"), "{error}");
    // Slots above 1 need a smaller scale, which takes one more level to restore before a square.
    let error = place::run(&planned, &config(2, 10.0, vec![4.0; planned.len()])).unwrap_err().to_string();
    assert!(error.contains("takes 2 levels and one to restore the scale, a bootstrap gives 2"), "{error}");
    assert!(place::run(&planned, &config(2, 10.0, vec![])).is_ok());
}

#[test]
fn values_of_infinite_range_are_not_bootstrapped() {
    let planned = planned(&residual(2, 4, 2), 64, true);
    let (_, free) = place::run_with_report(&planned, &config(6, 10.0, vec![])).unwrap();
    assert!(!free.bootstraps.is_empty());
    let ranges: Vec<f64> = planned
        .iter()
        .map(|(_, n)| if free.bootstraps.iter().any(|p| p.value == n.name) { f64::INFINITY } else { 1.0 })
        .collect();
    let (_, bound) = place::run_with_report(&planned, &config(6, 10.0, ranges)).unwrap();
    assert!(bound.bootstraps.iter().all(|p| free.bootstraps.iter().all(|q| p.value != q.value)));
    assert!(bound.price > free.price);
    let error = place::run(&planned, &config(6, 10.0, vec![f64::INFINITY; planned.len()])).unwrap_err();
    assert!(error.to_string().contains("head (Linear): cannot be reached"), "{error}");
    let error = place::run(&planned, &config(6, 10.0, vec![1.0])).unwrap_err();
    assert!(error.to_string().contains("ranges for 1 values"), "{error}");
}

#[test]
fn chains_that_do_not_fit_are_refused() {
    let planned = planned(&residual(1, 4, 2), 64, true);
    let placed = verify(place::run(&planned, &config(4, 10.0, vec![])).unwrap()).unwrap();
    let none = lower::run(&placed, &lower::Config::nominal(8, 40, 60)).unwrap_err().to_string();
    assert!(none.contains("needs parameters for bootstraps"), "{none}");
    let other = lower::run(&placed, &nominal_chain(4, Some((5, 64)))).unwrap_err().to_string();
    assert!(other.contains("gives level Some(4), the parameters give Some(5)"), "{other}");
    let mut short = nominal_chain(4, Some((4, 64)));
    short.moduli.pop();
    let short = lower::run(&placed, &short).unwrap_err().to_string();
    assert!(short.contains("level 5 with a chain of 5 moduli"), "{short}");
    let sparse = lower::run(&placed, &nominal_chain(4, Some((4, 8)))).unwrap_err().to_string();
    assert!(sparse.contains("slots that repeat after 32, the parameters keep 8 apart"), "{sparse}");
}

#[test]
fn values_that_repeat_later_are_not_bootstrapped() {
    let planned = planned(&residual(3, 4, 2), 256, false);
    let repeats: Vec<usize> = planned.iter().map(|(_, n)| n.ty.layout.period()).collect();
    let widest = repeats.iter().copied().max().unwrap();
    let (all, free) = place::run_with_report(&planned, &config(6, 10.0, vec![])).unwrap();
    assert!(count(&all) > 0 && widest < 256, "{repeats:?}");
    // Just as many slots as the values have: nothing changes.
    let exact = sparse(6, 10.0, vec![], widest);
    assert!(place::Placer::new(&planned).reaches(&exact));
    let (same, report) = place::run_with_report(&planned, &exact).unwrap();
    assert_eq!((&same, report.price), (&all, free.price));
    let fewer = sparse(6, 10.0, vec![], widest / 2);
    assert!(!place::Placer::new(&planned).reaches(&fewer));
    let error = place::run(&planned, &fewer).unwrap_err();
    assert!(error.to_string().contains("head (Linear): cannot be reached"), "{error}");
}

/// What bootstraps of sparse slots rely on, and plans that read any replica.
#[test]
fn slots_of_random_networks_repeat_with_their_layouts() {
    let (mut values, mut periodic) = (0, 0);
    for seed in 1000..1200 {
        let options = Options { exact: seed % 4 == 0, products: seed % 3 == 0, ..Options::default() };
        let graph = random::graph(seed, &options);
        let inputs = random::inputs(&graph, seed ^ 0x5eed);
        let slots = [64, 256, 4096][seed as usize % 3];
        let planned = planned(&graph, slots, true);
        let observe = &mut |_, id: ValueId, value: &interp::Slots| {
            let period = planned.ty(id).layout.period();
            values += 1;
            periodic += usize::from(period < slots);
            for slots in value.iter().filter(|v| v.iter().all(|x| x.is_finite())) {
                assert!(repeats(slots, period), "seed {seed}: {} period {period}", planned.describe(id));
            }
        };
        interp::run_all(&planned, &[inputs], observe).unwrap();
    }
    assert!(periodic > 500 && periodic < values, "{periodic} of {values}");
}
