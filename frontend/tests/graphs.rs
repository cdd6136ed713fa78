//! What graphs may be made of besides plain nodes on weights: functions, branches, masks, products of computed values.

#[path = "common/proto.rs"]
mod proto;

use fhec_frontend::{ImportError, Options, import_bytes};
use fhec_ir::tensor::{Tensor, TensorOp, run};
use prost::Message;
use proto::{floats, graph, int, longs, model, node, output};
use tract_onnx::pb::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};

/// 72 numbers for the input [1, 2, 6, 6].
fn x() -> Tensor<f64> {
    Tensor::new([1, 2, 6, 6], (0..72).map(|i| f64::from(i % 11) / 4.0 - 1.0).collect())
}

#[track_caller]
fn outputs(bytes: &[u8]) -> Vec<Tensor<f64>> {
    let import = import_bytes(bytes, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    import.run(&[x()]).unwrap()
}

#[track_caller]
fn computes(bytes: &[u8], wanted: impl Fn(f64) -> f64) {
    let got = outputs(bytes);
    for (x, y) in x().data.iter().zip(&got[0].data) {
        assert!((wanted(*x) - y).abs() < 1e-6, "f({x}) is {} and not {y}", wanted(*x));
    }
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    match import_bytes(bytes, &Options::default()) {
        Ok(import) => panic!("imported: {}", fhec_ir::text::print(&*import.graph)),
        Err(e) => assert!(e.to_string().contains(expected), "{e}"),
    }
}

fn call(function: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { domain: "own".into(), ..node(function, inputs, outputs) }
}

fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: Some(name.into()),
        domain: Some("own".into()),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        node: nodes,
        ..Default::default()
    }
}

fn with_functions(graph: GraphProto, functions: Vec<FunctionProto>) -> Vec<u8> {
    let plain = ModelProto::decode(&model(graph)[..]).unwrap();
    ModelProto { functions, ..plain }.encode_to_vec()
}

/// An attribute that a function's body takes from its caller.
fn taken(name: &str, from: &str) -> AttributeProto {
    AttributeProto { name: name.into(), ref_attr_name: from.into(), r#type: 1, ..Default::default() }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f, r#type: 1, ..Default::default() }
}

fn with(mut node: NodeProto, attributes: Vec<AttributeProto>) -> NodeProto {
    node.attribute = attributes;
    node
}

#[test]
fn functions_call_functions_and_pass_attributes() {
    // Names of the body are its own: `h` is used inside and outside.
    let leaky = with(node("LeakyRelu", &["a"], &["b"]), vec![taken("alpha", "slope")]);
    let inner = function("Inner", &["a"], &["b"], vec![leaky]);
    let twice = vec![
        with(call("Inner", &["u"], &["h"]), vec![taken("slope", "outer_slope")]),
        node("Add", &["h", "u"], &["v"]),
    ];
    let outer = function("Outer", &["u"], &["v"], twice);
    let nodes = vec![
        node("Neg", &["x"], &["h"]),
        with(call("Outer", &["h"], &["g"]), vec![float("outer_slope", 0.5)]),
        node("Add", &["g", "h"], &["y"]),
    ];
    let bytes = with_functions(graph(nodes, vec![]), vec![outer, inner]);
    computes(&bytes, |x| if -x >= 0.0 { -3.0 * x } else { -2.5 * x });
}

#[test]
fn default_attributes_of_functions() {
    let leaky = with(node("LeakyRelu", &["a"], &["b"]), vec![taken("alpha", "slope")]);
    let mut bytes = with_functions(graph(vec![], vec![]), vec![]);
    // A FunctionProto with field 11, which tract's types do not have: the default of `slope`.
    let mut body = function("F", &["a"], &["b"], vec![leaky]).encode_to_vec();
    let default = float("slope", 0.25).encode_to_vec();
    body.extend([11 << 3 | 2, default.len() as u8]);
    body.extend(&default);
    let nodes = vec![call("F", &["x"], &["y"])];
    bytes = ModelProto { graph: Some(graph(nodes, vec![])), ..ModelProto::decode(&bytes[..]).unwrap() }
        .encode_to_vec();
    bytes.extend([(25u32 << 3 | 2) as u8 | 0x80, (25u32 << 3 >> 7) as u8, body.len() as u8]);
    bytes.extend(&body);
    computes(&bytes, |x| if x >= 0.0 { x } else { 0.25 * x });
}

#[test]
fn hostile_functions() {
    let once = |name: &str, calls: &str| function(name, &["a"], &["b"], vec![call(calls, &["a"], &["b"])]);
    let main = || graph(vec![call("F0", &["x"], &["y"])], vec![]);
    refused(&with_functions(main(), vec![once("F0", "F1"), once("F1", "F0")]), "calls itself");
    let same = function("F0", &["a"], &["a"], vec![]);
    computes(&with_functions(main(), vec![same]), |x| x);
    refused(&with_functions(main(), vec![]), "domain `own`");
    // Each calls the next twice: 2^40 nodes.
    let doubling = |k: usize| {
        let next = format!("F{}", k + 1);
        let nodes = vec![call(&next, &["a"], &["c"]), call(&next, &["c"], &["b"])];
        function(&format!("F{k}"), &["a"], &["b"], nodes)
    };
    let mut functions: Vec<FunctionProto> = (0..40).map(doubling).collect();
    functions.push(function("F40", &["a"], &["b"], vec![node("Neg", &["a"], &["b"])]));
    refused(&with_functions(main(), functions), "stand for more than");
    let mut chain: Vec<FunctionProto> =
        (0..5000).map(|k| once(&format!("F{k}"), &format!("F{}", k + 1))).collect();
    chain.push(function("F5000", &["a"], &["b"], vec![node("Neg", &["a"], &["b"])]));
    refused(&with_functions(main(), chain), "nested too deeply");
}

fn branch(nodes: Vec<NodeProto>, name: &str, initializer: Vec<TensorProto>) -> GraphProto {
    GraphProto { node: nodes, output: vec![output(name)], initializer, ..Default::default() }
}

fn chooses(condition: &str, then: GraphProto, other: GraphProto) -> NodeProto {
    let attribute = |name: &str, g: GraphProto| AttributeProto {
        name: name.into(),
        g: Some(g),
        r#type: 5,
        ..Default::default()
    };
    with(
        node("If", &[condition], &["y"]),
        vec![attribute("then_branch", then), attribute("else_branch", other)],
    )
}

#[test]
fn branches_on_shapes() {
    // As exporters write `if x.shape[0] == 1`: only the branch that is taken has to be importable.
    let then = branch(
        vec![
            node("Mul", &["h", "two"], &["t"]),
            node("Add", &["t", "x"], &["r"]),
            node("NonZero", &["h"], &["dead"]),
        ],
        "r",
        vec![floats("two", &[], vec![2.0])],
    );
    let other = branch(vec![node("NonZero", &["x"], &["r"])], "r", vec![]);
    let nodes = |one: &str| {
        vec![
            node("Neg", &["x"], &["h"]),
            node("Shape", &["h"], &["shape"]),
            node("Gather", &["shape", "zero"], &["batch"]),
            node("Equal", &["batch", one], &["is_one"]),
            chooses("is_one", then.clone(), other.clone()),
        ]
    };
    let scalar = |name: &str, v: i64| TensorProto { dims: vec![], ..longs(name, &[v]) };
    let weights = || vec![scalar("zero", 0), scalar("one", 1), scalar("three", 3)];
    computes(&model(graph(nodes("one"), weights())), |x| -x);
    refused(&model(graph(nodes("three"), weights())), "NonZero");
    let bytes = model(graph(vec![chooses("x", then, other)], vec![]));
    refused(&bytes, "its condition depends on the input");
}

#[test]
fn masks_choose_between_computed_values() {
    let mask =
        TensorProto { data_type: 9, int32_data: vec![1, 0, 1, 0, 1, 0], ..floats("mask", &[6], vec![]) };
    let nodes = vec![node("Neg", &["x"], &["h"]), node("Where", &["mask", "x", "h"], &["y"])];
    let got = outputs(&model(graph(nodes, vec![mask.clone()])));
    for (i, (x, y)) in x().data.iter().zip(&got[0].data).enumerate() {
        assert_eq!(*y, if i % 2 == 0 { *x } else { -x });
    }
    // What is not chosen may be infinite.
    let other = floats("c", &[6], vec![f32::INFINITY, 1.0, f32::NAN, 2.0, f32::NEG_INFINITY, 3.0]);
    let nodes = vec![node("Where", &["mask", "x", "c"], &["y"])];
    let got = outputs(&model(graph(nodes, vec![mask, other])));
    assert_eq!(got[0].data[..4], [x().data[0], 1.0, x().data[2], 2.0]);
    let choice = |result: &str| {
        vec![
            node("Neg", &["x"], &["h"]),
            node("Greater", &["x", "h"], &["m"]),
            node("Where", &["m", "x", "h"], &[result]),
        ]
    };
    computes(&model(graph(choice("y"), vec![])), f64::abs);
    // With encrypted evaluation behind it a choice is none that can be made.
    let kernel = floats("w", &[2, 2, 1, 1], vec![1.0; 4]);
    let nodes = [choice("c"), vec![node("Conv", &["c", "w"], &["y"])]].concat();
    refused(&model(graph(nodes, vec![kernel])), "a comparison of encrypted values is no polynomial");
}

#[test]
fn the_square_of_a_norm_is_a_polynomial() {
    let axes = || longs("axes", &[2, 3]);
    let nodes = vec![node("ReduceL2", &["x", "axes"], &["n"]), node("Mul", &["n", "n"], &["y"])];
    let import = import_bytes(&model(graph(nodes, vec![axes()])), &Options::default()).unwrap();
    assert!(import.graph.iter().all(|(_, n)| !matches!(n.op, TensorOp::Activation(_))));
    let direct = outputs(&model(graph(vec![node("ReduceSumSquare", &["x", "axes"], &["y"])], vec![axes()])));
    assert_eq!(run(&import.graph, &[x()]).unwrap(), direct);
    assert_eq!(direct[0].shape, [1, 2, 1, 1]);
}

#[test]
fn norms_of_weights_fold() {
    // As weight normalisation is exported: g·v/‖v‖.
    let weights = vec![floats("v", &[2, 2, 1, 1], vec![3.0, 4.0, 6.0, 8.0]), longs("axes", &[1, 2, 3])];
    let nodes = vec![
        node("ReduceL2", &["v", "axes"], &["norm"]),
        node("Div", &["v", "norm"], &["w"]),
        node("Conv", &["x", "w"], &["y"]),
    ];
    let got = outputs(&model(graph(nodes, weights)));
    let want = 0.6 * x().data[0] + 0.8 * x().data[36];
    assert!((got[0].data[0] - want).abs() < 1e-6 && (got[0].data[36] - want).abs() < 1e-6);
}

#[test]
fn weights_quantised_and_back() {
    let weights = vec![
        floats("w", &[2, 2, 1, 1], vec![0.26, -3.0, 1.0, 100.0]),
        floats("scale", &[2], vec![0.5, 0.25]),
        TensorProto { data_type: 3, int32_data: vec![0, 0], ..floats("zero", &[2], vec![]) },
    ];
    let nodes = vec![
        with(node("QuantizeLinear", &["w", "scale", "zero"], &["q"]), vec![int("axis", 0)]),
        with(node("DequantizeLinear", &["q", "scale", "zero"], &["d"]), vec![int("axis", 0)]),
        node("Conv", &["x", "d"], &["y"]),
    ];
    let got = outputs(&model(graph(nodes, weights)));
    // 0.26/0.5 rounds to 1, 100/0.25 stops at 127.
    let (a, b) = (x().data[0], x().data[36]);
    assert_eq!([got[0].data[0], got[0].data[36]], [0.5 * a - 3.0 * b, a + 31.75 * b]);
    refused(
        &model(graph(vec![node("QuantizeLinear", &["x", "s"], &["y"])], vec![floats("s", &[], vec![0.1])])),
        "before quantisation",
    );
}

#[test]
fn einsum_as_matrix_products() {
    let equation = |text: &str| {
        vec![AttributeProto { name: "equation".into(), s: text.into(), r#type: 3, ..Default::default() }]
    };
    let einsum = |text: &str, inputs: &[&str]| with(node("Einsum", inputs, &["y"]), equation(text));
    let weight = || floats("w", &[6, 3], (0..18).map(|i| i as f32 / 8.0).collect());
    let values = x().data;
    let at = |c: usize, i: usize, j: usize| values[c * 36 + i * 6 + j];

    let got = outputs(&model(graph(vec![einsum("bcij,bckj->bcki", &["x", "x"])], vec![])));
    let want: f64 = (0..6).map(|j| at(1, 2, j) * at(1, 4, j)).sum();
    assert_eq!(got[0].shape, [1, 2, 6, 6]);
    assert!((got[0].data[36 + 4 * 6 + 2] - want).abs() < 1e-9);

    let got = outputs(&model(graph(vec![einsum("jo,bcij->obic", &["w", "x"])], vec![weight()])));
    let want: f64 = (0..6).map(|j| at(1, 5, j) * (j * 3 + 2) as f64 / 8.0).sum();
    assert_eq!(got[0].shape, [3, 1, 6, 2]);
    assert!((got[0].data[2 * 12 + 5 * 2 + 1] - want).abs() < 1e-9);

    let got = outputs(&model(graph(vec![einsum("bcij->cb", &["x"])], vec![])));
    assert!((got[0].data[1] - values[36..].iter().sum::<f64>()).abs() < 1e-9);

    refused(&model(graph(vec![einsum("bcii->bc", &["x"])], vec![])), "names an axis of one operand twice");
    let big = GraphProto {
        input: vec![proto::input("x", &[512, 512])],
        ..graph(vec![node("MatMul", &["x", "x"], &["y"])], vec![])
    };
    refused(&model(big), "products of elements");
}

/// A Chebyshev recurrence of degree 65, as libraries write it.
#[test]
fn a_long_recurrence_keeps_its_precision() {
    let mut nodes = vec![
        node("Mul", &["x", "two"], &["x2"]),
        node("Mul", &["x2", "x"], &["a2"]),
        node("Sub", &["a2", "one"], &["T2"]),
    ];
    let mut sum = "x".to_string();
    for k in 3..=65 {
        let before = if k == 3 { "x".to_string() } else { format!("T{}", k - 2) };
        nodes.push(node("Mul", &["x2", &format!("T{}", k - 1)], &[&format!("a{k}")]));
        nodes.push(node("Sub", &[&format!("a{k}"), &before], &[&format!("T{k}")]));
        nodes.push(node("Add", &[&sum, &format!("T{k}")], &[&format!("s{k}")]));
        sum = format!("s{k}");
    }
    let weights = vec![floats("two", &[], vec![2.0]), floats("one", &[], vec![1.0])];
    let g = GraphProto {
        output: vec![ValueInfoProto { name: sum, ..Default::default() }],
        ..graph(nodes, weights)
    };
    // T_k(x) = cos(k·arccos x) within [-1, 1].
    let got = outputs(&model(g));
    for (x, y) in x().data.iter().zip(&got[0].data).filter(|(x, _)| x.abs() <= 1.0) {
        let want = x + (3..=65).map(|k| (f64::from(k) * x.acos()).cos()).sum::<f64>();
        assert!((want - y).abs() < 1e-8, "{x}: {want} {y}");
    }
}

#[test]
fn messages_name_an_alternative() {
    for (op, advice) in [
        ("LayerNormalization", "batch normalisation"),
        ("LSTM", "unrolled"),
        ("QLinearConv", "before quantisation"),
        ("NonZero", "leave it to the client"),
    ] {
        refused(&model(graph(vec![node(op, &["x"], &["y"])], vec![])), advice);
    }
    match import_bytes(b"", &Options::default()) {
        Err(ImportError::Malformed(why)) => assert_eq!(why, "it is empty"),
        other => panic!("{other:?}"),
    }
}
