//! The tensor IR: text form, linear structure, verifier.

use fhec_ir::tensor::random::{self, Options, Rng};
use fhec_ir::tensor::{
    Basis, Pool, Tensor, TensorGraph, TensorOp, Window, eval_op, infer_shape, linear, run, run_observed,
};
use fhec_ir::{ConstId, Constant, ValueId, text, verify};
use proptest::prelude::*;

fn sample(seed: u64) -> fhec_ir::Verified<TensorGraph> {
    let options =
        Options { nodes: 4 + (seed % 20) as usize, classifier: seed.is_multiple_of(2), ..Options::default() };
    random::graph(seed, &options)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_round_trip(seed: u64) {
        let graph = sample(seed).into_inner();
        let constants = text::Constants::of(&graph);
        prop_assert_eq!(&text::parse::<TensorOp>(&text::print(&graph), &constants).unwrap(), &graph);
        let whole = text::print_whole(&graph);
        prop_assert_eq!(text::parse::<TensorOp>(&whole, &text::Constants::default()).unwrap(), graph);
    }

    /// Matrix from entries · x + constant part = interpreter, for every linear node of a network.
    #[test]
    fn entries_are_the_operator(seed: u64) {
        let graph = sample(seed);
        let mut values: Vec<Tensor<f64>> = Vec::new();
        run_observed(&graph, &random::inputs(&graph, seed), |_, v| values.push(v.clone())).unwrap();
        for (id, node) in graph.iter().filter(|(_, n)| linear::is_linear(&n.op)) {
            let args: Vec<&Tensor<f64>> = node.args.iter().map(|a| &values[a.index()]).collect();
            let shapes: Vec<&[usize]> = args.iter().map(|a| &a.shape[..]).collect();
            let want = &values[id.index()];
            let mut got = linear::constant_part(&graph.constants, &node.op, &shapes, &node.ty)
                .unwrap_or_else(|| vec![0.0; want.data.len()]);
            for (k, x) in args.iter().enumerate() {
                let add = |o: usize, i: usize, w: f64| got[o] += w * x.data[i];
                linear::for_each_entry(&graph.constants, &node.op, k, &shapes, &node.ty, add);
            }
            for (a, b) in got.iter().zip(&want.data) {
                prop_assert!((a - b).abs() <= 1e-9 * (1.0 + b.abs()), "{}: {a} for {b}", graph.describe(id));
            }
        }
    }

    #[test]
    fn f32_and_f64_agree(seed: u64) {
        let graph = random::graph(seed, &Options { poly: false, products: false, ..Options::default() });
        let inputs = random::inputs(&graph, seed);
        let exact = run(&graph, &inputs).unwrap();
        let single: Vec<Tensor<f32>> = inputs.iter().map(Tensor::cast).collect();
        for (a, b) in run(&graph, &single).unwrap().iter().zip(&exact) {
            let scale = b.data.iter().fold(1.0f64, |m, x| m.max(x.abs()));
            for (x, y) in a.data.iter().zip(&b.data) {
                prop_assert!((f64::from(*x) - y).abs() <= 1e-4 * scale, "{x} for {y}");
            }
        }
    }
}

fn cells([a, b, c]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..a * b * c).map(move |i| [i / (b * c), i / c % b, i % c])
}

/// Convolution by its definition, with every index written out.
#[test]
fn convolution_by_definition() {
    let mut rng = Rng(7);
    for case in 0..60 {
        let groups = rng.range(1, 3);
        let (cg, og) = (rng.range(1, 3), rng.range(1, 3));
        let window = Window {
            kernel: [rng.range(1, 4), rng.range(1, 3)],
            stride: [rng.range(1, 3), rng.range(1, 4)],
            dilation: [rng.range(1, 2), rng.range(1, 3)],
            pads: std::array::from_fn(|_| rng.range(0, 5)),
        };
        let (h, w) = (rng.range(4, 9), rng.range(4, 9));
        let x = random::tensor(&mut rng, &[2, cg * groups, h, w]);
        let weight = random::tensor(&mut rng, &[og * groups, cg, window.kernel[0], window.kernel[1]]);
        let constants = [weight.to_constant()];
        let op = TensorOp::Conv { window, groups, weight: ConstId(0), bias: None };
        let Ok(out) = infer_shape(&constants, &op, &[&x.shape]) else { continue };
        let y = eval_op(&constants, &op, &[&x]);
        let at = |t: &Tensor<f64>, i: [usize; 4]| {
            t.data[((i[0] * t.shape[1] + i[1]) * t.shape[2] + i[2]) * t.shape[3] + i[3]]
        };
        for n in 0..2 {
            for [o, oy, ox] in cells([out[1], out[2], out[3]]) {
                let mut sum = 0.0;
                for [c, ty, tx] in cells([cg, window.kernel[0], window.kernel[1]]) {
                    let iy =
                        (oy * window.stride[0] + ty * window.dilation[0]) as isize - window.pads[0] as isize;
                    let ix =
                        (ox * window.stride[1] + tx * window.dilation[1]) as isize - window.pads[1] as isize;
                    if (0..h as isize).contains(&iy) && (0..w as isize).contains(&ix) {
                        sum += at(&weight, [o, c, ty, tx])
                            * at(&x, [n, o / og * cg + c, iy as usize, ix as usize]);
                    }
                }
                let got = at(&y, [n, o, oy, ox]);
                assert!((got - sum).abs() < 1e-6, "case {case} {window:?}: {got} for {sum}");
            }
        }
    }
}

fn input(graph: &mut TensorGraph, shape: &[usize]) -> ValueId {
    let name = format!("x{}", graph.len());
    graph.push(TensorOp::Input { name, shape: shape.to_vec() }, vec![], shape.to_vec(), "x")
}

/// Builds a graph of one op on inputs of the given shapes and expects a violation of `invariant`.
#[track_caller]
fn broken(invariant: &str, constants: Vec<Constant>, op: TensorOp, shapes: &[&[usize]], ty: &[usize]) {
    let mut graph = TensorGraph::new("t", ());
    graph.constants = constants;
    let args = shapes.iter().map(|s| input(&mut graph, s)).collect();
    let y = graph.push(op, args, ty.to_vec(), "y");
    graph.add_output("y", y);
    let report = verify(graph).unwrap_err();
    assert_eq!(report.0.len(), 1, "{report}");
    assert_eq!(report.0[0].invariant, invariant, "{report}");
}

const WINDOW: Window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [0; 4] };

fn ones(shape: &[usize]) -> Constant {
    Constant::new(shape.to_vec(), vec![1.0; shape.iter().product()])
}

#[test]
fn every_invariant_is_checked() {
    let x: &[usize] = &[1, 2, 4, 4];
    let conv = |window, groups, bias| TensorOp::Conv { window, groups, weight: ConstId(0), bias };
    broken("T1", vec![], TensorOp::Add, &[x], x);
    broken("T1", vec![], TensorOp::Add, &[x, &[1, 2, 4, 5]], x);
    broken("T1", vec![], TensorOp::Concat { axis: 1 }, &[], x);
    broken("T2", vec![ones(&[3, 2, 3, 3])], conv(WINDOW, 1, None), &[x], &[1, 3, 2, 3]);
    broken("T3", vec![ones(&[3, 2, 3, 3])], conv(WINDOW, 0, None), &[x], &[1, 3, 2, 2]);
    broken("T3", vec![ones(&[3, 1, 3, 3])], conv(WINDOW, 1, None), &[x], &[1, 3, 2, 2]);
    broken("T3", vec![ones(&[3, 2, 3, 3])], conv(Window { stride: [0, 1], ..WINDOW }, 1, None), &[x], x);
    broken("T3", vec![ones(&[3, 2, 3, 3])], conv(Window { dilation: [2, 1], ..WINDOW }, 1, None), &[x], x);
    let huge = Window { dilation: [usize::MAX, 1], ..WINDOW };
    broken("T3", vec![ones(&[3, 2, 3, 3])], conv(huge, 1, None), &[x], x);
    let biased = conv(WINDOW, 1, Some(ConstId(1)));
    broken("T3", vec![ones(&[3, 2, 3, 3]), ones(&[2])], biased, &[x], &[1, 3, 2, 2]);
    broken("T3", vec![ones(&[5, 3])], TensorOp::Gemm { weight: ConstId(0), bias: None }, &[&[1, 4]], &[1, 5]);
    let affine = TensorOp::Affine { scale: Some(ConstId(0)), shift: None };
    broken("T3", vec![ones(&[2])], affine.clone(), &[x], x);
    broken("T3", vec![ones(&[1, 3, 1, 1])], affine, &[x], x);
    broken("T3", vec![ones(&[3, 3])], TensorOp::Poly { coeffs: ConstId(0), basis: Basis::Power }, &[x], x);
    broken("T3", vec![], TensorOp::Transpose { perm: vec![0, 1, 1, 2] }, &[x], x);
    broken("T3", vec![], TensorOp::Reshape { out: vec![31] }, &[x], &[31]);
    broken("T3", vec![], TensorOp::Expand { out: vec![1, 3, 4, 4] }, &[x], &[1, 3, 4, 4]);
    broken("T3", vec![], TensorOp::Concat { axis: 4 }, &[x, x], x);
    broken("T3", vec![], TensorOp::Gather { axis: 1, indices: vec![0, 2] }, &[x], x);
    let slice = |start, step, out| TensorOp::Slice { start: vec![start], step: vec![step], out: vec![out] };
    broken("T3", vec![], slice(0, 2, 3), &[&[4]], &[3]);
    broken("T3", vec![], slice(1, -1, 3), &[&[4]], &[3]);
    broken("T3", vec![], slice(0, 0, 2), &[&[4]], &[2]);
    broken("T3", vec![], slice(4, 1, 1), &[&[4]], &[1]);
    let pool = |window, out| TensorOp::Pool { kind: Pool::Average, window, out };
    broken("T3", vec![], pool(WINDOW, [2, 7]), &[x], &[1, 2, 2, 7]);
    let all_padding = Window { kernel: [1, 1], pads: [2, 0, 0, 0], ..WINDOW };
    broken("T3", vec![], pool(all_padding, [6, 4]), &[x], &[1, 2, 6, 4]);
    let axes = vec![2, 1];
    let reduce = TensorOp::Reduce { kind: fhec_ir::tensor::ReduceKind::Sum, axes, keep: false };
    broken("T3", vec![], reduce, &[x], &[1, 4]);
    let bent = TensorOp::Activation(fhec_ir::tensor::Activation::LeakyRelu(f32::NAN));
    broken("T3", vec![], bent, &[x], x);
    broken("T4", vec![], TensorOp::Gather { axis: 1, indices: vec![] }, &[x], &[1, 0, 4, 4]);
    broken("T4", vec![], TensorOp::Expand { out: vec![1 << 20, 1 << 20] }, &[&[1, 1]], &[1 << 20, 1 << 20]);
    broken("G2", vec![], conv(WINDOW, 1, None), &[x], &[1, 3, 2, 2]);
    broken("G2", vec![Constant::scalar(f32::NAN)], TensorOp::Constant { value: ConstId(0) }, &[], &[]);
}
