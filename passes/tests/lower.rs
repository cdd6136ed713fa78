//! `place` and `lower` preserve meaning: the schedule computes what the tensors compute, with exact levels and scales.

mod common;

use common::assert_close;
use fhec_ir::schedule::ScheduleOp;
use fhec_ir::tensor::random::{self, Options};
use fhec_ir::{schedule, tensor, verify};
use fhec_passes::assign_layout::Compaction;
use fhec_passes::maps::Prices;
use fhec_passes::{PassError, assign_layout, lower, minimize_rotations, place};

#[test]
fn lowered_random_networks_equal_their_tensors() {
    let (mut run, mut refused, mut folded) = (0, 0, 0);
    for seed in 0..150 {
        let options = Options { exact: false, products: seed % 3 == 0, ..Options::default() };
        let graph = random::graph(seed, &options);
        let inputs = random::inputs(&graph, seed ^ 0x5eed);
        let want = tensor::run(&graph, &inputs).unwrap();
        for slots in [64, 1024, 4096] {
            let compaction = [None, Some(Compaction::First), Some(Compaction::Joins)][seed as usize / 3 % 3];
            let config = assign_layout::Config { compaction, ..assign_layout::Config::new(slots) };
            let packed = common::pack(&graph, &config).unwrap();
            // Complex halves wherever there are two sums, where they pay, or nowhere.
            let fold = [0.0, Prices::default().fold, f64::INFINITY][seed as usize / 2 % 3];
            let prices = Prices { fold, ..Prices::default() };
            let config = minimize_rotations::Config { prices, level: None };
            let planned = minimize_rotations::run(&packed, &config).unwrap();
            let placed = match place::run(&verify(planned).unwrap(), &Default::default()) {
                Ok(placed) => verify(placed).unwrap(),
                Err(PassError::Refused { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(e) => panic!("{e}"),
            };
            // Primes are never exact powers of two: let scales drift as they will.
            let levels = lower::top_level(&placed);
            let mut config = lower::Config::nominal(levels, 40, 60);
            for (k, q) in config.moduli.iter_mut().enumerate() {
                *q *= 1.0 + (k as f64 * 0.37).sin() * 1e-4;
            }
            let lowered = lower::run(&placed, &config)
                .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{}", fhec_ir::text::print(&*placed)));
            let lowered = verify(lowered).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let packed_inputs: Vec<_> =
                lowered.header.inputs.iter().zip(&inputs).map(|(v, x)| v.layout.pack(&x.data)).collect();
            let got = schedule::interp::interpret(&lowered, &packed_inputs).unwrap();
            let is_fold = |op: &ScheduleOp| matches!(op, ScheduleOp::Fold { .. });
            let folds = lowered.iter().filter(|(_, n)| is_fold(&n.op)).count();
            assert!(folds == 0 || fold.is_finite(), "halves at an infinite price");
            folded += usize::from(folds > 0);
            run += 1;
            for ((want, got), packed) in want.iter().zip(&got).zip(&lowered.header.outputs) {
                let context = || format!("seed {seed}, {slots} slots\n{}", fhec_ir::text::print(&*placed));
                assert_close(&want.data, &packed.layout.unpack(got), 1e-6, &context);
            }
        }
    }
    assert!(run > 200 && refused < run, "{run} networks ran, {refused} were refused");
    assert!(folded > 50, "{folded} networks had complex halves");
}

#[test]
fn extreme_coefficients_are_refused_by_name() {
    use fhec_ir::Constant;
    use fhec_ir::tensor::{Basis, TensorGraph, TensorOp};

    let mut graph = TensorGraph::new("extreme", ());
    let shape = vec![1, 1, 4, 4];
    let x =
        graph.push(TensorOp::Input { name: "x".into(), shape: shape.clone() }, vec![], shape.clone(), "x");
    let coeffs = graph.add_constant(Constant::new(vec![4, 1], vec![0.0, 1.0, 3e38, 3e38]));
    let y = graph.push(TensorOp::Poly { coeffs, basis: Basis::Power }, vec![x], shape, "huge");
    graph.add_output("y", y);
    let planned = common::planned(&verify(graph).unwrap(), &assign_layout::Config::new(64));
    let placed = verify(place::run(&planned, &Default::default()).unwrap()).unwrap();
    let error = lower::run(&placed, &lower::Config::nominal(8, 40, 60)).unwrap_err().to_string();
    assert!(error.contains("huge (Poly)") && error.contains("extreme"), "{error}");
}

#[test]
fn sums_of_bound_scales_are_refused_by_name() {
    use fhec_ir::Constant;
    use fhec_ir::layout::{Axis, Factor, Layout};
    use fhec_ir::slot::{SlotGraph, SlotHeader, SlotOp, SlotType};

    // x² and x·y, where y is 2x by its label: the scales differ by 2 whatever that of x is, and no level is to spare.
    let layout = Layout { slots: 4, ciphertexts: 1, axes: vec![Axis::strided(4, 1)], replicas: vec![] };
    let ty = |level: u32| SlotType { layout: layout.clone(), level: Some(level) };
    let build = |top: u32| {
        let mut graph = SlotGraph::new("bound", SlotHeader { slots: 4 });
        graph.add_constant(Constant::new(vec![1], vec![1.0]));
        let x = graph.push(SlotOp::Input { name: "x".into() }, vec![], ty(top), "x");
        let shifts = vec![Factor { extent: 1, stride: 0 }];
        let y = graph.push(SlotOp::ShiftSum { shifts, factor: 2.0 }, vec![x], ty(top), "double");
        let a = graph.push(SlotOp::Mul, vec![x, x], ty(top - 1), "square");
        let b = graph.push(SlotOp::Mul, vec![x, y], ty(0), "product");
        let s = graph.push(SlotOp::Add, vec![a, b], ty(0), "sum");
        graph.add_output("s", s);
        verify(graph).unwrap()
    };
    let config = lower::Config::nominal(2, 40, 60);
    let error = lower::run(&build(1), &config).unwrap_err().to_string();
    assert!(error.contains("sum (Add)") && error.contains("nothing can absorb"), "{error}");
    // With one to spare a product with 1 changes the scale.
    let lowered = verify(lower::run(&build(2), &config).unwrap()).unwrap();
    let got = schedule::interp::interpret(&lowered, &[vec![vec![1.0, 2.0, 3.0, 4.0]]]).unwrap();
    assert_eq!(got[0][0], [3.0, 12.0, 27.0, 48.0]);
}
