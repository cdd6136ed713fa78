use proptest::prelude::*;

use super::interp::interpret;
use super::keys::key_needs;
use super::random::{self, Options};
use super::*;
use crate::layout::{Axis, Factor, Layout};
use crate::{Verified, text, verify};

fn options(steps: usize) -> Options {
    let mut moduli = vec![2f64.powi(45)];
    moduli.extend([2f64.powi(30); 5]);
    Options { slots: 16, moduli, scale: 2f64.powi(30), steps, bootstrap: None }
}

/// As [`options`], with a bootstrap from level 2 to level 5 of 8 for odd seeds.
fn any_options(seed: u64, steps: usize) -> Options {
    let plain = options(steps);
    if seed.is_multiple_of(2) {
        return plain;
    }
    let moduli = [plain.moduli, vec![2f64.powi(50); 3]].concat();
    let header =
        BootstrapHeader { level_in: 2, level_out: 5, scale: plain.scale, period: plain.slots as u32 };
    Options { moduli, bootstrap: Some(header), ..plain }
}

fn sample() -> Verified<Schedule> {
    random::schedule(7, &options(30))
}

/// Changes a valid schedule and returns the numbers of the invariants that it then breaks.
fn broken(change: impl FnOnce(&mut Schedule)) -> Vec<&'static str> {
    let mut graph = sample().into_inner();
    change(&mut graph);
    verify(graph).expect_err("the change breaks something").0.iter().map(|v| v.invariant).collect()
}

fn find(graph: &Schedule, what: impl Fn(&ScheduleOp) -> bool) -> crate::ValueId {
    graph.iter().find(|(_, n)| what(&n.op)).map(|(id, _)| id).expect("the sample has such an instruction")
}

#[test]
fn s1_kinds_counts_and_types() {
    assert!(broken(|g| g.node_mut(crate::ValueId(0)).ty.kind = Kind::Ext).contains(&"S1"));
    assert!(
        broken(|g| {
            let id = find(g, |op| matches!(op, ScheduleOp::Rotate { .. }));
            g.node_mut(id).ty.scale *= 2.0;
        })
        .contains(&"S1")
    );
    assert!(
        broken(|g| {
            let id = find(g, |op| matches!(op, ScheduleOp::Rotate { .. }));
            g.node_mut(id).op = ScheduleOp::ModDown;
        })
        .contains(&"S1")
    );
    assert!(
        broken(|g| {
            let id = find(g, |op| matches!(op, ScheduleOp::Rotate { .. }));
            g.node_mut(id).args.clear();
        })
        .contains(&"S1")
    );
}

#[test]
fn s2_levels() {
    assert!(broken(|g| g.node_mut(crate::ValueId(0)).ty.level = 77).contains(&"S2"));
    assert!(broken(|g| g.header.moduli.truncate(1)).contains(&"S2"));
    let mut g = sample().into_inner();
    let low = g.push_inferred(ScheduleOp::Drop { level: 0 }, vec![crate::ValueId(0)], "").unwrap();
    assert_eq!(g.push_inferred(ScheduleOp::Rescale, vec![low], "").unwrap_err().invariant, "S2");
}

#[test]
fn s3_sums() {
    let mut g = sample().into_inner();
    let x = crate::ValueId(0);
    let low = g.push_inferred(ScheduleOp::Drop { level: 1 }, vec![x], "").unwrap();
    assert_eq!(g.push_inferred(ScheduleOp::Add, vec![x, low], "").unwrap_err().invariant, "S3");
    let other = g.push_inferred(ScheduleOp::Relabel { factor: 1.5 }, vec![x], "").unwrap();
    assert_eq!(g.push_inferred(ScheduleOp::Sub, vec![x, other], "").unwrap_err().invariant, "S3");
}

#[test]
fn s4_references_and_layouts() {
    assert_eq!(broken(|g| g.header.maps[0].plan = None)[0], "S4");
    assert!(broken(|g| g.header.layouts.clear()).contains(&"S4"));
    assert_eq!(broken(|g| g.header.outputs[0].layout.slots = 8), ["S4"]);
    assert_eq!(broken(|g| g.header.inputs[0].layout.ciphertexts = 3), ["S4"]);
    assert!(broken(|g| g.header.inputs.truncate(1)).contains(&"S4"));
    assert_eq!(broken(|g| g.outputs.truncate(1)), ["S4"]);
    assert!(broken(|g| g.header.maps[0].terms[0].stages[0].out_shape = vec![1, 5]).contains(&"S4"));
    let constant = |g: &mut Schedule| {
        let stage = &mut g.header.maps[0].terms[0].stages[0];
        stage.op = crate::tensor::TensorOp::Gemm { weight: crate::ConstId(99), bias: None };
    };
    assert_eq!(broken(constant), ["G2"]);
}

#[test]
fn pairs_are_made_folded_and_nothing_else() {
    let mut g = sample().into_inner();
    let digits = g.push_inferred(ScheduleOp::Hoist, vec![crate::ValueId(0)], "").unwrap();
    let x = g.push_inferred(ScheduleOp::RotateExt { step: 1 }, vec![digits], "").unwrap();
    let plain_scale = 2f64.powi(30);
    let product = |product| Recipe::Product { map: 0, product };
    let pair = |re, im| Recipe::Pair { map: 0, re, im };
    let sum = |recipes: Vec<Recipe>| ScheduleOp::MulAcc { recipes, plain_scale };
    let refused = |g: &mut Schedule, op, x| g.push_inferred(op, vec![x], "").unwrap_err().invariant;

    assert_eq!(refused(&mut g, sum(vec![pair(Some(0), None)]), crate::ValueId(0)), "S1");
    let mixed = sum(vec![pair(Some(0), None), product(1)]);
    assert_eq!(g.push_inferred(mixed, vec![x, x], "").unwrap_err().invariant, "S1");
    let z = g.push_inferred(sum(vec![pair(Some(0), Some(1))]), vec![x], "").unwrap();
    assert_eq!(g.ty(z).kind, Kind::ExtPair);
    for op in [ScheduleOp::ModDown, ScheduleOp::Fold { step: 0 }, ScheduleOp::Fold { step: 16 }] {
        let invariant = if matches!(op, ScheduleOp::Fold { .. }) { "S5" } else { "S1" };
        assert_eq!(refused(&mut g, op, z), invariant);
    }
    assert_eq!(refused(&mut g, ScheduleOp::Fold { step: 1 }, x), "S1");
    let adds = ScheduleOp::AddPlain { recipe: pair(Some(0), None) };
    assert_eq!(refused(&mut g, adds, crate::ValueId(0)), "S1");
    let z = g.push_inferred(ScheduleOp::Giant { step: 3 }, vec![z], "").unwrap();
    let y = g.push_inferred(ScheduleOp::Fold { step: 5 }, vec![z], "").unwrap();
    assert_eq!(g.ty(y).kind, Kind::Ext);
    let needs = key_needs(&g);
    assert!([(1, 5), (3, 5), (5, 5), (16, 5), (21, 5)].iter().all(|key| needs.rotations.contains(key)));

    // The pair stands for two sums.
    let parts: Vec<_> = [0, 1]
        .map(|k| {
            let y = g.push_inferred(sum(vec![product(k)]), vec![x], "").unwrap();
            let step = if k == 0 { 3 } else { 8 };
            g.push_inferred(ScheduleOp::Giant { step }, vec![y], "").unwrap()
        })
        .to_vec();
    let expected = g.push_inferred(ScheduleOp::Add, parts, "").unwrap();
    for value in [y, expected] {
        let ct = g.push_inferred(ScheduleOp::ModDown, vec![value], "").unwrap();
        g.header.outputs.push(PackedValue { name: format!("y{value}"), layout: random::flat(16, 1) });
        g.add_output(format!("y{value}"), ct);
    }
    let g = verify(g).unwrap();
    let out = interpret(&g, &random::inputs(1, &g)).unwrap();
    let [found, expected] = out.last_chunk().unwrap();
    assert!(found[0].iter().zip(&expected[0]).all(|(x, y)| (x - y).abs() < 1e-12));

    let broken = |recipe| {
        let mut g = g.clone().into_inner();
        let of_pair = find(
            &g,
            |op| matches!(op, ScheduleOp::MulAcc { recipes, .. } if recipes[0] == pair(Some(0), Some(1))),
        );
        g.node_mut(of_pair).op = sum(vec![recipe]);
        verify(g).unwrap_err().0[0].invariant
    };
    assert_eq!(broken(pair(None, None)), "S4");
    assert_eq!(broken(pair(Some(99), None)), "S4");
    assert_eq!(broken(pair(None, Some(99))), "S4");
    assert_eq!(broken(Recipe::Pair { map: 7, re: Some(0), im: None }), "S4");
}

#[test]
fn s5_steps() {
    let rotate = |step| {
        broken(move |g| {
            let id = find(g, |op| matches!(op, ScheduleOp::Rotate { .. }));
            g.node_mut(id).op = ScheduleOp::Rotate { step };
        })
    };
    assert_eq!(rotate(0), ["S5"]);
    assert_eq!(rotate(16), ["S5"]);
}

#[test]
fn s6_scales() {
    let input = |scale| broken(move |g| g.node_mut(crate::ValueId(0)).ty.scale = scale);
    assert!(input(f64::NAN).contains(&"S6"));
    assert!(input(-1.0).contains(&"S6"));
    assert!(input(2f64.powi(400)).contains(&"S6"));
    assert!(broken(|g| g.header.moduli[0] = f64::INFINITY).contains(&"S6"));
}

#[test]
fn s7_bootstraps() {
    let sample = || random::schedule(3, &any_options(3, 30)).into_inner();
    let broken = |change: &dyn Fn(&mut Schedule)| {
        let mut graph = sample();
        change(&mut graph);
        let violations = verify(graph).expect_err("the change breaks something").0;
        assert!(violations.iter().any(|v| v.invariant == "S7"), "{violations:?}");
    };
    let header = |change: &dyn Fn(&mut BootstrapHeader)| {
        broken(&|g| change(g.header.bootstrap.as_mut().unwrap()));
    };
    broken(&|g| g.header.bootstrap = None);
    header(&|b| b.level_in = 0);
    header(&|b| b.level_in = 3);
    header(&|b| b.level_out = 2);
    header(&|b| b.level_out = 9);
    header(&|b| b.scale = f64::NAN);
    header(&|b| b.scale /= 1000.0);
    let range = |range: f64| {
        broken(&|g| {
            let id = find(g, |op| matches!(op, ScheduleOp::Bootstrap { .. }));
            let ScheduleOp::Bootstrap { range: known, .. } = &mut g.node_mut(id).op else { return };
            *known = range;
        });
    };
    [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9].into_iter().for_each(range);
    let all = sample().header.slots as u32;
    for period in [0, 3, 2 * all, u32::MAX] {
        header(&|b| b.period = period);
    }
    // Promised to repeat after more slots than the bootstrap keeps apart, or after an odd number.
    header(&|b| b.period = all / 2);
    let period = |period: u32| {
        broken(&|g| {
            let id = find(g, |op| matches!(op, ScheduleOp::Bootstrap { .. }));
            let ScheduleOp::Bootstrap { period: known, .. } = &mut g.node_mut(id).op else { return };
            *known = period;
        });
    };
    [0, 3, all - 1, 2 * all].into_iter().for_each(period);

    let mut g = sample();
    let x = crate::ValueId(0);
    let refused =
        |g: &mut Schedule, x, range| g.push_inferred(refresh(range), vec![x], "").unwrap_err().invariant;
    assert_eq!(refused(&mut g, x, 1.0), "S7", "inputs are at another level");
    let low = g.push_inferred(ScheduleOp::Drop { level: 2 }, vec![x], "").unwrap();
    assert_eq!(refused(&mut g, low, 1.01), "S7");
    // Larger slots at a smaller scale.
    let small = g.push_inferred(ScheduleOp::Relabel { factor: 8.0 }, vec![low], "").unwrap();
    let y = g.push_inferred(refresh(8.0), vec![small], "").unwrap();
    assert_eq!(*g.ty(y), ScheduleType { level: 5, ..*g.ty(small) });
    let digits = g.push_inferred(ScheduleOp::Hoist, vec![low], "").unwrap();
    assert_eq!(g.push_inferred(refresh(1.0), vec![digits], "").unwrap_err().invariant, "S1");
}

fn refresh(range: f64) -> ScheduleOp {
    ScheduleOp::Bootstrap { range, period: 4, with_next: false }
}

#[test]
fn s7_two_bootstraps_at_once() {
    let mut g = random::schedule(3, &any_options(3, 30)).into_inner();
    let low = |g: &mut Schedule, k| {
        g.push_inferred(ScheduleOp::Drop { level: 2 }, vec![crate::ValueId(k)], "").unwrap()
    };
    let (x, y) = (low(&mut g, 0), low(&mut g, 1));
    let first = ScheduleOp::Bootstrap { range: 1.0, period: 4, with_next: true };
    let pair = |second: ScheduleOp, operand| {
        let mut g = g.clone();
        let a = g.push_inferred(first.clone(), vec![x], "").unwrap();
        let b = g.push_inferred(second, vec![operand], "").unwrap();
        (verify(g), a, b)
    };
    let (good, a, b) = pair(refresh(0.5), y);
    let good = good.unwrap();
    assert_eq!((good.partner(a), good.partner(b)), (Some(b), Some(a)));
    assert_eq!(good.partner(x), None);
    assert!(pair(refresh(1.0), x).0.is_ok(), "twice the same operand is no use, but possible");
    for second in [ScheduleOp::Rotate { step: 1 }, first.clone()] {
        let report = pair(second, y).0.unwrap_err();
        assert!(report.0.iter().any(|v| v.invariant == "S7"), "{report}");
    }
    let a = g.push_inferred(first.clone(), vec![x], "").unwrap();
    assert_eq!(verify(g.clone()).unwrap_err().0[0].invariant, "S7", "nothing behind it");
    let later = g.push_inferred(ScheduleOp::Drop { level: 2 }, vec![a], "").unwrap();
    g.push_inferred(refresh(1.0), vec![later], "").unwrap();
    assert_eq!(verify(g).unwrap_err().0[0].invariant, "S7", "something between them");
}

#[test]
fn a_bootstrap_adds_its_own_error_to_that_of_its_operand() {
    use crate::noise;
    use crate::plan::{BootstrapData, EvalModData, ParameterData};
    let (delta, error) = (2f64.powi(40), 1e-6);
    let bootstrap = BootstrapData {
        log_slots: 9,
        slots_to_coeffs: vec![],
        residual_levels: 1,
        eval_mod: EvalModData { bound: 15, degree: 30, doublings: 3 },
        coeffs_to_slots: vec![],
        message_ratio: 9.0,
        scale: delta,
        error,
    };
    let parameters = ParameterData {
        id: [0; 32],
        log_n: 10,
        q: vec![1 << 40; 3],
        p: vec![],
        scale_bits: 40,
        gadgets: vec![],
        bootstrap: Some(bootstrap),
    };
    let model = noise::NoiseModel::new(&parameters);
    let op = refresh(1.0);
    for scale in [delta, delta / 8.0] {
        let before: f64 = 1e-5;
        let variance = (before * scale).powi(2) * 2.0 / 1024.0;
        let ty = ScheduleType { kind: Kind::Ct, level: 1, scale };
        let variance = noise::Variance::even(variance);
        let after = model.propagate(&op, &[noise::Noisy { ty, variance, rms: 1.0 }], &[], &[0]);
        let expected = before.hypot(error * delta / scale);
        assert!((model.slot_error(after, scale) / expected - 1.0).abs() < 1e-9);
    }
}

#[test]
fn hostile_layouts_are_refused_without_work() {
    let base = Layout { slots: 16, ciphertexts: 1, axes: vec![Axis::strided(16, 1)], replicas: vec![] };
    assert_eq!(base.check(), Ok(()));
    let huge = usize::MAX;
    for (slots, ciphertexts, extent, stride) in [
        (1 << 40, 1, 1, 1),
        (16, huge, 1, 1),
        (16, 1, huge, 1),
        (16, 1, 2, huge),
        (16, 1, 0, 1),
        (0, 1, 1, 1),
    ] {
        let axes = vec![Axis { extent: extent.min(1 << 60), factors: vec![Factor { extent, stride }] }];
        assert!(Layout { slots, ciphertexts, axes, replicas: vec![] }.check().is_err());
    }
    let replicas = vec![Factor { extent: 0, stride: 1 }];
    assert!(Layout { replicas, ..base.clone() }.check().is_err());
    assert!(Layout { axes: vec![Axis::strided(1, 1); 1 << 20], ..base.clone() }.check().is_err());
    let total = broken(|g| {
        for k in 0..40 {
            let axes = vec![Axis::strided(1, k)];
            g.header.layouts.push(Layout { slots: 16, ciphertexts: 1 << 22, axes, replicas: vec![] });
        }
    });
    assert_eq!(total, ["S4"]);
}

#[test]
fn the_interpreter_agrees_with_arithmetic_by_hand() {
    let header = ScheduleHeader {
        slots: 4,
        moduli: vec![2f64.powi(40); 2],
        inputs: vec![PackedValue { name: "x".into(), layout: random::flat(4, 1) }],
        outputs: vec![PackedValue { name: "y".into(), layout: random::flat(4, 1) }],
        layouts: vec![random::flat(4, 1)],
        ..ScheduleHeader::default()
    };
    let mut g = Schedule::new("hand", header);
    let value = g.add_constant(crate::Constant::new([4], [1.0, 10.0, 100.0, 1000.0]));
    let x = g.push_input(0, 0, 1, 2f64.powi(30));
    let r = g.push_inferred(ScheduleOp::Rotate { step: 1 }, vec![x], "").unwrap();
    let recipe = Recipe::Spread { value, row: 0, layout: 0, ct: 0 };
    let plain_scale = 2f64.powi(40);
    let mac = ScheduleOp::MulAcc { recipes: vec![recipe], plain_scale };
    let y = g.push_inferred(mac, vec![r], "").unwrap();
    let y = g.push_inferred(ScheduleOp::Rescale, vec![y], "").unwrap();
    let y = g.push_inferred(ScheduleOp::Relabel { factor: 2.0 }, vec![y], "").unwrap();
    g.add_output("y#0", y);
    assert_eq!(g.ty(y).scale, 2f64.powi(29));
    let needs = key_needs(&g);
    assert_eq!(needs.rotations.into_iter().collect::<Vec<_>>(), [(1, 1)]);
    let g = verify(g).unwrap();
    let out = interpret(&g, &[vec![vec![1.0, 2.0, 3.0, 4.0]]]).unwrap();
    assert_eq!(out, [[[4.0, 60.0, 800.0, 2000.0]]]);
    assert!(interpret(&g, &[]).is_err());
    assert!(interpret(&g, &[vec![vec![1.0; 3]]]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_round_trip(seed in any::<u64>()) {
        let graph = random::schedule(seed, &any_options(seed, 25));
        let constants = text::Constants::of(&graph);
        prop_assert_eq!(&text::parse::<ScheduleOp>(&text::print(&*graph), &constants).unwrap(), &*graph);
    }

    #[test]
    fn compaction_changes_no_result(seed in any::<u64>()) {
        let graph = random::schedule(seed, &any_options(seed, 25));
        let inputs = random::inputs(seed, &graph);
        let small = verify(graph.compacted()).unwrap();
        let out = interpret(&graph, &inputs).unwrap();
        prop_assert!(out.iter().flatten().flatten().all(|x| x.abs() <= 4.0 + 1e-9));
        prop_assert_eq!(out, interpret(&small, &inputs).unwrap());
    }

    #[test]
    fn mutated_text_never_panics(seed in any::<u64>(), at in any::<prop::sample::Index>(), byte in 32u8..127) {
        let mut bytes = text::print_whole(&*random::schedule(seed % 8, &any_options(seed, 12))).into_bytes();
        let k = at.index(bytes.len());
        bytes[k] = byte;
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(graph) = text::parse::<ScheduleOp>(&text, &text::Constants::default()) {
            let _ = verify(graph);
        }
    }
}
