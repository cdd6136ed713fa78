//! The slot IR: every invariant broken once, and the routing of linear maps.

use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::slot::routing::Routing;
use fhec_ir::slot::{
    LinearMap, MapPlan, PolyStrategy, Product, SlotGraph, SlotHeader, SlotOp, SlotType, Stage, Term, encode,
    interp,
};
use fhec_ir::tensor::{Basis, Tensor, TensorOp};
use fhec_ir::{ConstId, Constant, ValueId, text, verify};

const SLOTS: usize = 16;

/// [1, n] at slots 0..n; replicas of extent 2 at the given strides.
fn row(n: usize, replicas: &[usize]) -> Layout {
    let replicas = replicas.iter().map(|&stride| Factor { extent: 2, stride }).collect();
    Layout { slots: SLOTS, ciphertexts: 1, axes: vec![Axis::strided(1, 1), Axis::strided(n, 1)], replicas }
}

fn dense(inputs: usize, outputs: usize) -> Stage {
    Stage {
        op: TensorOp::Gemm { weight: ConstId(0), bias: None },
        operand: 0,
        in_shapes: vec![vec![1, inputs]],
        out_shape: vec![1, outputs],
    }
}

/// A dense layer from 4 numbers, twice in 8 slots or not at all periodic, to 4.
fn dense_map(input: Layout, output: Layout) -> LinearMap {
    let terms = vec![Term { stages: vec![dense(4, 4)] }];
    LinearMap { inputs: vec![input], terms, output, open: false, plan: None }
}

fn weights() -> Vec<Constant> {
    vec![Constant::new(vec![4, 4], (1..=16).map(|x| x as f32).collect::<Vec<_>>())]
}

/// The plan with one baby step per class.
fn plain_plan(map: &LinearMap, constants: &[Constant], reduce: &[Factor]) -> MapPlan {
    let classes = Routing::new(map, reduce).unwrap().classes(map, constants);
    let product = |c: &fhec_ir::slot::routing::Class| Product {
        out_ct: c.out_ct,
        giant: 0,
        operand: c.operand,
        in_ct: c.in_ct,
        baby: c.offset,
    };
    let mut products: Vec<Product> = classes.iter().map(product).collect();
    products.sort_unstable();
    MapPlan { products, reduce: reduce.to_vec(), fold: 0 }
}

/// %0 input, %1 dense, %2 polynomial, %3 sum of %2 and %1, %4 sum of shifts, %5 view; placed.
fn sample() -> SlotGraph {
    let mut graph = SlotGraph::new("sample", SlotHeader { slots: SLOTS });
    graph.constants = weights();
    let coeffs = graph.add_constant(Constant::new(vec![3, 1, 4], vec![0.5; 12]));
    let bias = graph.add_constant(Constant::new(vec![1, 1], vec![0.5]));
    let layout = row(4, &[4, 8]);
    let mut map = dense_map(layout.clone(), layout.clone());
    map.plan = Some(plain_plan(&map, &graph.constants, &[]));
    let ty = |level: u32| SlotType { layout: layout.clone(), level: Some(level) };
    let x = graph.push(SlotOp::Input { name: "x".into() }, vec![], ty(3), "x");
    let y = graph.push(SlotOp::Linear(Box::new(map)), vec![x], ty(2), "dense");
    let poly = SlotOp::Poly { coeffs, basis: Basis::Power, strategy: Some(PolyStrategy::PowerBasis) };
    let z = graph.push(poly, vec![y], ty(0), "poly");
    let s = graph.push(SlotOp::Add, vec![z, y], ty(0), "add");
    let shifts = vec![Factor { extent: 2, stride: 1 }];
    let p = graph.push(SlotOp::ShiftSum { shifts, factor: 0.5 }, vec![s], ty(0), "pool");
    let view = Layout { axes: vec![Axis::strided(4, 1)], ..layout.clone() };
    let v = graph.push(SlotOp::View, vec![p], SlotType { layout: view, level: Some(0) }, "view");
    let b = graph.push(SlotOp::AddConst { value: bias }, vec![s], ty(0), "bias");
    let top = SlotType { layout: layout.clone(), level: Some(5) };
    let fresh = graph.push(SlotOp::Bootstrap { range: 40.0, with_next: false }, vec![b], top, "bias");
    graph.add_output("v", v);
    graph.add_output("b", fresh);
    graph
}

const INPUT: ValueId = ValueId(0);
const DENSE: ValueId = ValueId(1);
const POLY: ValueId = ValueId(2);
const SUM: ValueId = ValueId(3);
const POOL: ValueId = ValueId(4);
const VIEW: ValueId = ValueId(5);
const FRESH: ValueId = ValueId(7);

/// Changes the sample and expects a violation of `invariant` at `at`, before any other.
#[track_caller]
fn broken(invariant: &str, at: ValueId, change: impl FnOnce(&mut SlotGraph)) {
    let mut graph = sample();
    change(&mut graph);
    let place = graph.describe(at);
    let report = verify(graph).expect_err("the change breaks something");
    assert_eq!((report.0[0].invariant, &report.0[0].place), (invariant, &place), "{report}");
}

#[track_caller]
fn broken_map(invariant: &str, change: impl FnOnce(&mut LinearMap)) {
    broken(invariant, DENSE, |g| {
        let SlotOp::Linear(map) = &mut g.node_mut(DENSE).op else { panic!("%1 is linear") };
        change(map);
    });
}

#[track_caller]
fn broken_plan(change: impl FnOnce(&mut MapPlan)) {
    broken_map("L5", |map| change(map.plan.as_mut().expect("a plan")));
}

#[test]
fn the_sample_is_valid_and_round_trips() {
    let graph = verify(sample()).unwrap();
    assert_eq!(text::parse::<SlotOp>(&text::print(&*graph), &text::Constants::of(&graph)).unwrap(), *graph);
}

#[test]
fn l1_operands() {
    broken("L1", DENSE, |g| g.node_mut(DENSE).args.clear());
    broken("L1", SUM, |g| g.node_mut(SUM).args.push(INPUT));
    broken("L1", POLY, |g| g.node_mut(POLY).args.push(INPUT));
}

#[test]
fn l2_layouts() {
    broken("L2", INPUT, |g| g.node_mut(INPUT).ty.layout.slots = 32);
    broken("L2", POOL, |g| g.node_mut(POOL).ty.layout.axes[1].factors[0].stride = 0);
}

#[test]
fn l3_element_wise_layouts() {
    broken("L3", POLY, |g| g.node_mut(POLY).ty.layout = row(4, &[8]));
    broken("L3", POOL, |g| {
        let layout = &mut g.node_mut(POOL).ty.layout;
        *layout = Layout { ciphertexts: 2, ..layout.clone() };
    });
    broken("L3", VIEW, |g| g.node_mut(VIEW).ty.layout.axes[0] = Axis::strided(3, 1));
    broken("L3", VIEW, |g| g.node_mut(VIEW).ty.layout.replicas.truncate(1));
}

#[test]
fn l4_maps_fit_their_values() {
    broken_map("L4", |m| m.output = row(4, &[8]));
    broken_map("L4", |m| m.inputs[0] = row(4, &[8]));
    broken_map("L4", |m| m.terms.clear());
    broken_map("L4", |m| m.terms[0].stages[0].op = TensorOp::Add);
    broken_map("L4", |m| m.terms[0].stages[0].operand = 1);
    broken_map("L4", |m| m.terms[0].stages[0].in_shapes[0] = vec![1, 1, 4]);
    broken_map("L4", |m| m.terms[0].stages[0].out_shape = vec![1, 5]);
    // As many elements in another shape: a following stage would be evaluated on the wrong axes.
    let reshape = |out: Vec<usize>| Stage {
        op: TensorOp::Reshape { out: out.clone() },
        operand: 0,
        in_shapes: vec![vec![1, 4]],
        out_shape: out,
    };
    broken_map("L4", |m| m.terms[0].stages.insert(0, reshape(vec![2, 2])));
    broken_map("L4", |m| m.terms[0].stages.push(reshape(vec![4, 1])));
}

#[test]
fn l5_plans_cover_their_maps() {
    broken_plan(|p| {
        p.products.pop();
    });
    broken_plan(|p| p.products.push(*p.products.last().expect("products")));
    broken_plan(|p| p.products.swap(0, 1));
    broken_plan(|p| p.products.last_mut().expect("products").baby += 1);
    broken_plan(|p| p.products.last_mut().expect("products").baby = SLOTS as u32);
    broken_plan(|p| p.products.last_mut().expect("products").giant = SLOTS as u32);
    broken_plan(|p| p.products.last_mut().expect("products").operand = 1);
    broken_plan(|p| p.products.last_mut().expect("products").in_ct = 1);
    broken_plan(|p| p.products.last_mut().expect("products").out_ct = 1);
    broken_plan(|p| p.reduce.push(Factor { extent: 2, stride: 4 }));
    broken_plan(|p| p.fold = SLOTS as u32);
    broken_plan(|p| {
        p.fold = 1;
        p.products.iter_mut().for_each(|p| std::mem::swap(&mut p.baby, &mut p.giant));
        p.products.sort_unstable();
    });
}

#[test]
fn l6_constants_and_shifts() {
    let constant = |g: &mut SlotGraph, id: usize, shape: &[usize]| {
        g.constants[id] = Constant::new(shape.to_vec(), vec![0.5; shape.iter().product()]);
    };
    broken("L6", POLY, |g| constant(g, 1, &[3, 1, 3]));
    broken("L6", POLY, |g| constant(g, 1, &[3, 4]));
    broken("L6", POLY, |g| constant(g, 1, &[1, 1, 4]));
    broken("L6", ValueId(6), |g| constant(g, 2, &[4]));
    let pool = |shifts: &[(usize, usize)], factor: f64| {
        let shifts = shifts.iter().map(|&(extent, stride)| Factor { extent, stride }).collect();
        broken("L6", POOL, |g| g.node_mut(POOL).op = SlotOp::ShiftSum { shifts, factor });
    };
    pool(&[(2, 1)], 0.0);
    pool(&[(2, 1)], f64::INFINITY);
    pool(&[(0, 1)], 1.0);
    pool(&[(17, 1)], 1.0);
    pool(&[(1 << 40, 1), (1 << 40, 1)], 1.0);
    pool(&[(2, usize::MAX)], 1.0);
}

#[test]
fn l6_sums_of_shifts_repeat_as_they_say() {
    let summed = |input: Layout, shifts: &[(usize, usize)], output: Layout| {
        let mut graph = SlotGraph::new("sum", SlotHeader { slots: SLOTS });
        let x = graph.push_packed(SlotOp::Input { name: "x".into() }, vec![], input, "");
        let shifts = shifts.iter().map(|&(extent, stride)| Factor { extent, stride }).collect();
        let y = graph.push_packed(SlotOp::ShiftSum { shifts, factor: 1.0 }, vec![x], output, "");
        graph.add_output("y", y);
        verify(graph)
    };
    // Replicas come from shifts that make up whole periods, largest or smallest first.
    for shifts in [[(2, 8), (2, 4)], [(2, 4), (2, 8)]] {
        let graph = summed(row(4, &[]), &shifts, row(4, &[4, 8])).unwrap();
        let x = Tensor::new(vec![1, 4], vec![0.5, -0.25, 1.0, 0.125]);
        let observe = &mut |_, id: ValueId, slots: &interp::Slots| {
            let period = graph.ty(id).layout.period();
            assert!((0..SLOTS - period).all(|s| slots[0][s] == slots[0][s + period]), "{id}: {slots:?}");
        };
        assert_eq!(interp::run_all(&graph, &[vec![x.clone()]], observe).unwrap(), [vec![x]]);
    }
    let refused = |input, shifts: &[(usize, usize)], output| {
        let report = summed(input, shifts, output).unwrap_err();
        assert_eq!(report.0[0].invariant, "L6", "{report}");
    };
    refused(row(4, &[]), &[(2, 8)], row(4, &[4, 8]));
    refused(row(4, &[]), &[(2, 4)], row(4, &[4, 8]));
    refused(row(4, &[]), &[(2, 1)], row(4, &[8]));
    refused(row(4, &[]), &[(3, 8)], row(4, &[8]));
    refused(row(4, &[8]), &[], row(4, &[4, 8]));
}

#[test]
fn l7_levels_fall() {
    broken("L7", DENSE, |g| g.node_mut(DENSE).ty.level = Some(3));
    broken("L7", POLY, |g| g.node_mut(POLY).ty.level = Some(1));
    broken("L7", SUM, |g| g.node_mut(SUM).ty.level = Some(1));
    let mut unplaced = sample();
    unplaced.node_mut(SUM).ty.level = None;
    assert!(verify(unplaced).is_ok());
}

#[test]
fn l8_bootstraps() {
    for range in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        broken("L8", FRESH, |g| g.node_mut(FRESH).op = SlotOp::Bootstrap { range, with_next: false });
    }
    broken("L3", FRESH, |g| g.node_mut(FRESH).ty.layout = row(4, &[8]));
    let second = ValueId(8);
    let twice = |level: u32| {
        let mut graph = sample();
        let ty = SlotType { level: Some(level), ..graph.ty(FRESH).clone() };
        graph.push(SlotOp::Bootstrap { range: 1.0, with_next: false }, vec![POLY], ty, "again");
        graph
    };
    assert!(verify(twice(5)).is_ok());
    let report = verify(twice(4)).unwrap_err();
    assert_eq!((report.0[0].invariant, &report.0[0].place), ("L8", &twice(4).describe(second)));
}

#[test]
fn l9_alternatives_belong_to_their_value() {
    let with = |placed: bool, change: &dyn Fn(&mut SlotGraph, [ValueId; 3])| {
        let mut graph = sample();
        let layout = graph.ty(SUM).layout.clone();
        let ty = SlotType { layout, level: placed.then_some(0) };
        if !placed {
            graph.ids().for_each(|id| graph.node_mut(id).ty.level = None);
        }
        let other = graph.push(SlotOp::Add, vec![POLY, DENSE], ty.clone(), "other");
        let another = graph.push(SlotOp::Add, vec![DENSE, POLY], ty.clone(), "another");
        let either = graph.push(SlotOp::Alternatives, vec![other, another], ty, "add");
        graph.add_output("e", either);
        change(&mut graph, [other, another, either]);
        (verify(graph), either)
    };
    assert!(with(false, &|_, _| {}).0.is_ok());
    let breaks = |placed, invariant: &str, change: &dyn Fn(&mut SlotGraph, [ValueId; 3])| {
        let (result, either) = with(placed, change);
        let report = result.expect_err("the change breaks something");
        let first = &report.0[0];
        assert_eq!(first.invariant, invariant, "{report}");
        assert!(first.place.starts_with(&either.to_string()), "{report}");
    };
    breaks(true, "L9", &|_, _| {});
    breaks(false, "L9", &|g, [other, ..]| g.add_output("o", other));
    breaks(false, "L9", &|g, [other, _, either]| g.node_mut(either).args.push(other));
    breaks(false, "L9", &|g, [.., either]| g.node_mut(either).args[0] = INPUT);
    breaks(false, "L1", &|g, [.., either]| g.node_mut(either).args.truncate(1));
    breaks(false, "L3", &|g, [.., either]| g.node_mut(either).args.push(VIEW));
}

#[test]
fn the_first_alternative_stands_for_its_value() {
    let mut graph = SlotGraph::new("alternatives", SlotHeader { slots: SLOTS });
    let layout = row(4, &[4, 8]);
    let x = graph.push_packed(SlotOp::Input { name: "x".into() }, vec![], layout.clone(), "x");
    let sum = graph.push_packed(SlotOp::Add, vec![x, x], layout.clone(), "sum");
    let product = graph.push_packed(SlotOp::Mul, vec![x, x], layout.clone(), "product");
    let inner = graph.push_packed(SlotOp::Sub, vec![product, x], layout.clone(), "inner");
    let square = graph.push_packed(SlotOp::Mul, vec![inner, inner], layout.clone(), "square");
    let either = graph.push_packed(SlotOp::Alternatives, vec![sum, square], layout.clone(), "either");
    graph.add_output("y", either);
    let graph = verify(graph).unwrap();
    let mut seen = Vec::new();
    let inputs = [Tensor::new(vec![1, 4], vec![1.0, 2.0, 3.0, 4.0])];
    let got = interp::run_all(&graph, &[&inputs], &mut |_, id, _| seen.push(id)).unwrap();
    assert_eq!(got[0][0].data, [2.0, 4.0, 6.0, 8.0]);
    assert_eq!(seen, [x, sum, either], "nothing else is computed");
    assert_eq!(text::parse::<SlotOp>(&text::print(&*graph), &text::Constants::of(&graph)).unwrap(), *graph);
}

#[test]
fn l8_two_bootstraps_at_once() {
    let pair = |operand: ValueId, second: SlotOp| {
        let mut graph = sample();
        let ty = graph.ty(FRESH).clone();
        let first =
            graph.push(SlotOp::Bootstrap { range: 1.0, with_next: true }, vec![POLY], ty.clone(), "a");
        let operand = if operand == FRESH { first } else { operand };
        graph.push(second, vec![operand], ty, "b");
        (verify(graph), first)
    };
    let second = SlotOp::Bootstrap { range: 2.0, with_next: false };
    let (good, first) = pair(SUM, second.clone());
    assert_eq!(good.unwrap().partner(first), Some(ValueId(first.0 + 1)));
    // `FRESH` stands for the first of the two.
    let refused = |operand, second| {
        let report = pair(operand, second).0.unwrap_err();
        assert_eq!(report.0[0].invariant, "L8", "{report}");
    };
    refused(FRESH, second);
    refused(SUM, SlotOp::Bootstrap { range: 2.0, with_next: true });
    let mut last = sample();
    last.node_mut(FRESH).op = SlotOp::Bootstrap { range: 1.0, with_next: true };
    assert_eq!(verify(last).unwrap_err().0[0].invariant, "L8");
}

#[test]
fn bootstraps_keep_values() {
    let graph = verify(sample()).unwrap();
    let mut without = sample();
    without.outputs[1].value = ValueId(6);
    let x = Tensor::new(vec![1, 4], vec![0.5, -0.25, 1.0, 0.125]);
    let inputs = [x];
    assert_eq!(
        interp::run(&graph, &inputs).unwrap(),
        interp::run(&verify(without).unwrap(), &inputs).unwrap()
    );
}

/// With one product per class, and whatever the plan reduces over, the plan computes the map.
#[test]
fn plans_of_all_classes_compute_the_map() {
    let factor = |stride| Factor { extent: 2, stride };
    let cases: [(Layout, Layout, Vec<Factor>, usize); 6] = [
        (row(4, &[]), row(4, &[]), vec![], 7),
        (row(4, &[4, 8]), row(4, &[4, 8]), vec![], 4),
        (row(4, &[]), row(4, &[4, 8]), vec![], 16),
        (row(4, &[]), row(4, &[4, 8]), vec![factor(8)], 8),
        (row(4, &[]), row(4, &[4, 8]), vec![factor(4), factor(8)], 4),
        (row(4, &[8]), row(4, &[4, 8]), vec![factor(4)], 4),
    ];
    for (input, output, reduce, products) in cases {
        let constants = weights();
        let mut map = dense_map(input.clone(), output.clone());
        let plan = plain_plan(&map, &constants, &reduce);
        assert_eq!(plan.products.len(), products, "{reduce:?}");
        map.plan = Some(plan);
        // Replicas that take the same products are not computed twice.
        let length = if reduce.is_empty() { input.period().max(output.period()) } else { SLOTS };
        let plaintexts = encode::products(&map, &constants).unwrap();
        assert!(plaintexts.iter().all(|v| v.len() <= length), "{reduce:?}");
        let mut graph = SlotGraph::new("map", SlotHeader { slots: SLOTS });
        graph.constants = constants;
        let x = graph.push_packed(SlotOp::Input { name: "x".into() }, vec![], input, "");
        let y = graph.push_packed(SlotOp::Linear(Box::new(map)), vec![x], output.clone(), "");
        graph.add_output("y", y);
        let graph = verify(graph).unwrap();
        let x = Tensor::new(vec![1, 4], vec![1.0, -2.0, 3.0, 0.5]);
        let want: Vec<f64> = (0..4)
            .map(|o| x.data.iter().enumerate().map(|(i, x)| x * (1 + 4 * o + i) as f64).sum())
            .collect();
        let other = Tensor::new(x.shape.clone(), x.data.iter().map(|x| 1.0 - x).collect());
        let samples = [vec![x.clone()], vec![other.clone()]];
        let mut seen = [0; 2];
        let both = interp::run_all(&graph, &samples, &mut |sample, _, _| seen[sample] += 1).unwrap();
        assert_eq!(seen, [graph.len(); 2]);
        assert_eq!(both[1], interp::run(&graph, &[other]).unwrap());
        let got = interp::run(&graph, &[x]).unwrap();
        assert_eq!(both[0], got);
        assert_eq!(got[0].data, want, "{reduce:?}");
    }
}

#[test]
fn reductions_that_are_no_chains_are_refused() {
    let refused = |input: Layout, output: Layout, reduce: &[(usize, usize)], why: &str| {
        let reduce: Vec<Factor> = reduce.iter().map(|&(extent, stride)| Factor { extent, stride }).collect();
        let error = Routing::new(&dense_map(input, output), &reduce).expect_err(why);
        assert!(error.contains(why), "{error}");
    };
    let full = || row(4, &[4, 8]);
    refused(row(4, &[]), row(4, &[8]), &[(2, 4)], "not in the output layout");
    refused(row(4, &[]), full(), &[(2, 8), (2, 8)], "not in the output layout");
    let fourfold = Layout { replicas: vec![Factor { extent: 4, stride: 4 }], ..row(4, &[]) };
    refused(row(4, &[]), fourfold, &[(4, 4)], "extent 2");
    // Up to 8, where the input repeats only after 16; and beyond the input's period.
    refused(row(4, &[]), full(), &[(2, 4)], "no chain");
    refused(full(), full(), &[(2, 4)], "no chain");
    refused(full(), full(), &[(2, 4), (2, 8)], "no chain");
    let two = |l: Layout| Layout { ciphertexts: 2, ..l };
    refused(row(4, &[]), two(row(4, &[8])), &[], "several ciphertexts");
}
