//! The language of the IRs: graphs that no pass makes, and texts that are no graphs.

use std::path::Path;

use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::schedule::{Kind, Schedule, ScheduleHeader, ScheduleOp, ScheduleType};
use fhec_ir::slot::{LinearMap, MapPlan, Product, SlotGraph, SlotHeader, SlotOp, SlotType, Stage, Term};
use fhec_ir::tensor::{Activation, Pool, TensorGraph, TensorOp, Window};
use fhec_ir::text::{Constants, ParseError, Syntax, ir_of, parse, print, print_whole};
use fhec_ir::{ConstId, Constant, Graph};

/// The error of a text of any IR.
fn error(text: &str) -> ParseError {
    let constants = Constants::default();
    match ir_of(text) {
        Some("tensor") => parse::<TensorOp>(text, &constants).map(drop),
        Some("slot") => parse::<SlotOp>(text, &constants).map(drop),
        _ => parse::<ScheduleOp>(text, &constants).map(drop),
    }
    .expect_err("the text is broken")
}

/// Each file of `tests/cases/text` names the error that is found in the line it is found at, behind `// error:`.
#[test]
fn errors_are_found_where_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/text");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("a folder of cases").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("a text");
        let expected = text.lines().enumerate().find_map(|(k, line)| {
            let (_, message) = line.split_once("// error: ")?;
            Some(ParseError { line: k + 1, message: message.into() })
        });
        assert_eq!(Some(error(&text)), expected, "{}", file.path().display());
        count += 1;
    }
    assert!(count > 5, "only {count} cases");
}

#[track_caller]
fn round_trips<O: Syntax>(graph: &Graph<O>) {
    let text = print(graph);
    assert_eq!(parse(&text, &Constants::of(graph)).as_ref(), Ok(graph), "{text}");
    let text = print_whole(graph);
    assert_eq!(parse(&text, &Constants::default()).as_ref(), Ok(graph), "{text}");
}

/// Attributes that do not follow from anything, names that need quotes, numbers that are not finite. Nothing of it is
/// verified: the language can say what the verifier refuses.
#[test]
fn odd_tensors_round_trip() {
    let mut graph = TensorGraph::new("a \"name\"\n", ());
    let odd = [f32::NAN, f32::NEG_INFINITY, -0.0, 1e-45, f32::MAX];
    graph.add_constant(Constant::new(vec![5], odd));
    graph.add_constant(Constant::new(vec![0, 3], Vec::<f32>::new()));
    graph.add_constant(Constant::scalar(f32::NAN));
    graph.add_constant(Constant::new(vec![3, 4], (0..12).map(|x| x as f32 / 3.0).collect::<Vec<_>>()));
    let input = TensorOp::Input { name: "x \\ \"y\"".into(), shape: vec![1, 2, 9, 9] };
    let x = graph.push(input, vec![], vec![1, 2, 9, 8], " leading space");
    let window = Window { kernel: [3, 2], stride: [2, 3], dilation: [1, 2], pads: [0, 1, 2, 3] };
    let conv = TensorOp::Conv { window, groups: 2, weight: ConstId(77), bias: Some(ConstId(0)) };
    let x = graph.push(conv, vec![x, x, x], vec![], "; // \t");
    let pool = TensorOp::Pool { kind: Pool::AveragePadded, window, out: [4, 5] };
    graph.push(pool, vec![x], vec![1, 2, 3, 4], "\"quoted\"");
    let slice = TensorOp::Slice { start: vec![1, 2], step: vec![-1, 3], out: vec![7] };
    let x = graph.push(slice, vec![], vec![8], "");
    let x = graph.push(TensorOp::Gather { axis: 3, indices: vec![] }, vec![x], vec![0], "ä\u{7f}");
    let pad = TensorOp::Pad { before: vec![], after: vec![1], value: -0.0 };
    let x = graph.push(pad, vec![x], vec![], "");
    let affine = TensorOp::Affine { scale: None, shift: None };
    let x = graph.push(affine, vec![x], vec![], "");
    let clip = TensorOp::Activation(Activation::Clip(f32::NEG_INFINITY, 6.0));
    let x = graph.push(clip, vec![x], vec![], "");
    graph.add_output("", x);
    graph.add_output("", x);
    round_trips(&graph);
}

fn layout(slots: usize, stride: usize) -> Layout {
    let axes = vec![
        Axis { extent: 5, factors: vec![Factor { extent: 2, stride }, Factor { extent: 3, stride: 7 }] },
        Axis { extent: 1, factors: vec![] },
        Axis { extent: 9, factors: vec![] },
    ];
    Layout { slots, ciphertexts: 3, axes, replicas: vec![Factor { extent: 3, stride: 0 }] }
}

#[test]
fn odd_packed_values_round_trip() {
    let mut graph = SlotGraph::new("odd", SlotHeader { slots: 16 });
    let (a, b) = (layout(16, 1), layout(8, 2));
    let packed = |layout: &Layout| SlotType { layout: layout.clone(), level: Some(u32::MAX) };
    let x = graph.push(SlotOp::Input { name: String::new() }, vec![], packed(&a), "");
    let stage = |op, out_shape| Stage { op, operand: 4, in_shapes: vec![vec![], vec![2]], out_shape };
    let stages = vec![
        stage(TensorOp::Concat { axis: 9 }, vec![1]),
        stage(TensorOp::Reshape { out: vec![3] }, vec![4]),
        stage(TensorOp::Add, vec![]),
    ];
    let product = |giant, baby| Product { out_ct: 9, giant, operand: 8, in_ct: 7, baby };
    let plan = |products| Some(MapPlan { products, reduce: vec![Factor { extent: 5, stride: 1 }], fold: 20 });
    // In order, out of order, twice the same, none; steps that are no rotations.
    for products in [
        vec![product(0, 1), product(1, 15), product(17, 2)],
        vec![product(3, 1), product(1, 2)],
        vec![product(3, 1), product(3, 1)],
        vec![],
    ] {
        let terms = vec![Term { stages: stages.clone() }, Term { stages: vec![] }];
        let inputs = vec![b.clone(), a.clone()];
        let map = LinearMap { inputs, terms, output: b.clone(), open: false, plan: plan(products) };
        graph.push(SlotOp::Linear(Box::new(map)), vec![x, x], packed(&a), "map");
    }
    let shift = SlotOp::ShiftSum { shifts: vec![], factor: f64::INFINITY };
    let y = graph.push(shift, vec![], packed(&a), "");
    graph.push(SlotOp::Bootstrap { range: -0.0, with_next: true }, vec![y, x], packed(&b), "");
    graph.push(SlotOp::Alternatives, vec![], packed(&b), "");
    round_trips(&graph);
}

#[test]
fn odd_schedules_round_trip() {
    let moduli =
        vec![0.0, -1.5, f64::INFINITY, 2f64.powi(1023), f64::MIN_POSITIVE / 8.0, 1.0 + f64::EPSILON, 1.0];
    let mut graph = Schedule::new("odd", ScheduleHeader { slots: 16, moduli, ..ScheduleHeader::default() });
    let ty = |level, scale| ScheduleType { kind: Kind::Ct, level, scale };
    let input = ScheduleOp::Input { name: "elsewhere".into(), input: 3, ct: 1 };
    let x = graph.push(input, vec![], ty(7, 0.1 + 0.2), "a");
    for step in [0, 15, 16, 40, 3, 4, 5] {
        graph.push(ScheduleOp::Rotate { step }, vec![x], ty(7, 1.0), "");
    }
    for k in 1..4 {
        graph.push(ScheduleOp::Hoist, vec![fhec_ir::ValueId(k)], ty(7, 1.0), "b; c");
    }
    graph.push(ScheduleOp::Drop { level: 5 }, vec![x], ty(4, 1e-300), "b; c");
    graph.push(ScheduleOp::MulAcc { recipes: vec![], plain_scale: 3.0 }, vec![], ty(4, 1.0), "b; c");
    round_trips(&graph);
}
