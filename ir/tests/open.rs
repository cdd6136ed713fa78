//! Open maps: plaintexts that go on beyond the image, on operands that are 0 there.

use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::slot::routing::Routing;
use fhec_ir::slot::{
    LinearMap, MapPlan, Product, SlotGraph, SlotHeader, SlotOp, Stage, Term, encode, interp,
};
use fhec_ir::tensor::{Tensor, TensorOp, Window};
use fhec_ir::{ConstId, Constant, text, verify};

const SLOTS: usize = 256;

/// Two channels next to each other in pixels of 2 slots times `gap`, more of them in the gaps, rows of 16 slots times `gap`.
fn image(channels: usize, [rows, columns]: [usize; 2], gap: usize) -> Layout {
    let factor = |extent, stride| Factor { extent, stride };
    let mut factors = vec![factor(2, 1)];
    if gap > 1 {
        factors.extend([factor(gap, 2), factor(gap, 16)]);
    }
    let within: usize = factors.iter().map(|f| f.extent).product();
    factors.push(factor(channels.div_ceil(within), SLOTS));
    let ciphertexts = factors.last().unwrap().extent;
    let axes = vec![
        Axis::strided(1, SLOTS * ciphertexts),
        Axis { extent: channels, factors },
        Axis::strided(rows, 16 * gap),
        Axis::strided(columns, 2 * gap),
    ];
    Layout { slots: SLOTS, ciphertexts, axes, replicas: vec![] }
}

struct Case {
    map: LinearMap,
    constants: Vec<Constant>,
}

/// A convolution between images, planned with one baby step for each offset.
fn convolution(input: &Layout, output: &Layout, kernel: usize, stride: usize) -> Case {
    let (from, to) = (input.shape(), output.shape());
    let count = to[1] * from[1] * kernel * kernel;
    let weight: Vec<f32> = (0..count).map(|k| ((k * 37 % 101) as f32 - 50.0) / 64.0).collect();
    let bias: Vec<f32> = (0..to[1]).map(|k| k as f32 / 4.0 + 0.5).collect();
    let constants =
        vec![Constant::new(vec![to[1], from[1], kernel, kernel], weight), Constant::new(vec![to[1]], bias)];
    let window = Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pads: [kernel / 2; 4] };
    let op = TensorOp::Conv { window, groups: 1, weight: ConstId(0), bias: Some(ConstId(1)) };
    let stage = Stage { op, operand: 0, in_shapes: vec![from], out_shape: to };
    let terms = vec![Term { stages: vec![stage] }];
    let mut map =
        LinearMap { inputs: vec![input.clone()], terms, output: output.clone(), open: false, plan: None };
    let classes = Routing::new(&map, &[]).unwrap().classes(&map, &constants);
    let product = |c: &fhec_ir::slot::routing::Class| Product {
        out_ct: c.out_ct,
        giant: 0,
        operand: 0,
        in_ct: c.in_ct,
        baby: c.offset,
    };
    let mut products: Vec<Product> = classes.iter().map(product).collect();
    products.sort_unstable();
    map.plan = Some(MapPlan { products, reduce: vec![], fold: 0 });
    Case { map, constants }
}

/// Slots of an image with numbers in it.
fn filled(layout: &Layout, seed: usize) -> (Tensor<f64>, interp::Slots) {
    let data: Vec<f64> = (0..layout.elements()).map(|k| ((k * 53 + seed) % 97) as f64 / 97.0 - 0.4).collect();
    let slots = layout.pack(&data);
    (Tensor::new(layout.shape(), data), slots)
}

fn run(case: &Case, open: bool, x: &interp::Slots) -> interp::Slots {
    let map = LinearMap { open, ..case.map.clone() };
    let output = map.output.clone();
    interp::eval(&case.constants, &SlotOp::Linear(Box::new(map)), &output, &[x]).unwrap()
}

fn longest(case: &Case, open: bool) -> usize {
    let map = LinearMap { open, ..case.map.clone() };
    encode::products(&map, &case.constants).unwrap().iter().map(Vec::len).max().unwrap()
}

#[test]
fn open_maps_give_the_same_image_from_plaintexts_of_a_row() {
    let cases = [
        // Input, result, kernel, stride of the kernel, whether the result is clean.
        (image(2, [6, 6], 1), image(2, [6, 6], 1), 3, 1, false),
        (image(2, [6, 6], 1), image(3, [6, 6], 1), 1, 1, true),
        (image(2, [7, 5], 1), image(2, [7, 5], 1), 3, 1, false),
        (image(2, [6, 6], 1), image(8, [3, 3], 2), 3, 2, false),
        (image(8, [3, 3], 2), image(8, [3, 3], 2), 3, 1, false),
        (image(8, [3, 3], 2), image(16, [3, 3], 2), 1, 1, true),
        (image(2, [6, 6], 1), image(8, [3, 3], 2), 1, 2, true),
        (image(2, [9, 6], 1), image(2, [9, 6], 1), 5, 1, false),
        // No room below the image, and none needed.
        (image(2, [16, 6], 1), image(4, [16, 6], 1), 1, 1, true),
    ];
    for (k, (input, output, kernel, stride, clean)) in cases.into_iter().enumerate() {
        let case = convolution(&input, &output, kernel, stride);
        assert_eq!(case.map.opens(&case.constants), Some(clean), "case {k}");
        let (_, x) = filled(&input, k);
        let [closed, open] = [false, true].map(|open| run(&case, open, &x));
        let (closed_image, open_image) = (output.unpack(&closed), output.unpack(&open));
        let difference = closed_image.iter().zip(&open_image).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(difference < 1e-12, "case {k}: {difference}");
        let stride = output.rows().unwrap().1;
        assert_eq!(LinearMap { open: true, ..case.map.clone() }.plaintext_period(), stride);
        assert!(longest(&case, true) <= stride, "case {k}");
        assert!(longest(&case, false) > stride || output.shape()[2] == 16, "case {k}");
        let beside = |y: &interp::Slots| {
            let image = output.pack(&output.unpack(y));
            y.iter().flatten().zip(image.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        assert!(beside(&closed) == 0.0, "case {k}");
        assert_eq!(beside(&open) < 1e-12, clean, "case {k}: {}", beside(&open));
    }
}

#[test]
fn maps_that_would_read_another_row_stay_closed() {
    let closed = [
        // The kernel hangs over the edge of a full tile; over a margin that is too small for it.
        (image(2, [16, 6], 1), image(2, [16, 6], 1), 3, 1),
        (image(2, [15, 6], 1), image(2, [15, 6], 1), 5, 1),
    ];
    for (input, output, kernel, stride) in closed {
        let case = convolution(&input, &output, kernel, stride);
        assert_eq!(case.map.opens(&case.constants), None);
        let map = LinearMap { open: true, ..case.map };
        assert!(encode::products(&map, &case.constants).is_err());
    }
    // One free row serves a kernel of 3 on both edges.
    let case = convolution(&image(2, [15, 6], 1), &image(2, [15, 6], 1), 3, 1);
    assert_eq!(case.map.opens(&case.constants), Some(false));
}

#[test]
fn an_open_map_needs_a_clean_operand() {
    let layout = image(2, [6, 6], 1);
    let case = convolution(&layout, &layout, 3, 1);
    let graph = |opens: [bool; 2]| {
        let mut graph = SlotGraph::new("two", SlotHeader { slots: SLOTS });
        graph.constants.clone_from(&case.constants);
        let mut x = graph.push(SlotOp::Input { name: "x".into() }, vec![], layout.clone().into(), "x");
        for open in opens {
            let map = LinearMap { open, ..case.map.clone() };
            x = graph.push(SlotOp::Linear(Box::new(map)), vec![x], layout.clone().into(), "conv");
        }
        graph.add_output("y", x);
        graph
    };
    for opens in [[true, false], [false, true]] {
        let graph = verify(graph(opens)).unwrap();
        assert_eq!(text::parse::<SlotOp>(&text::print_whole(&*graph), &Default::default()).unwrap(), *graph);
    }
    let violations = verify(graph([true, true])).unwrap_err().to_string();
    assert!(violations.contains("L10"), "{violations}");
}
