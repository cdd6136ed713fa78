//! Where a network ends for encrypted evaluation and the client goes on.

mod common;
#[path = "common/proto.rs"]
mod proto;

use common::{case, difference, read_npy};
use fhec_frontend::{Import, Options, import, import_bytes};
use fhec_ir::Op;
use fhec_ir::tensor::{Tensor, TensorGraph};
use proto::{floats, graph, int, ints, longs, model, node, output};
use tract_onnx::pb::{GraphProto, NodeProto, StringStringEntryProto, TensorProto};

fn with(mut node: NodeProto, attributes: Vec<tract_onnx::pb::AttributeProto>) -> NodeProto {
    node.attribute = attributes;
    node
}

/// 1 × 1 convolution of the input [1, 2, 6, 6] to as many channels, with a name.
fn conv(from: &str, to: &str) -> NodeProto {
    NodeProto { name: format!("conv_{to}"), ..node("Conv", &[from, "w"], &[to]) }
}

fn weights() -> Vec<TensorProto> {
    vec![
        floats("w", &[2, 2, 1, 1], vec![1.0, 0.5, -0.25, 2.0]),
        longs("flat", &[1, -1]),
        longs("k", &[3]),
        longs("six", &[6]),
    ]
}

fn imported(nodes: Vec<NodeProto>, outputs: &[&str]) -> Result<Import, String> {
    let outputs = outputs.iter().map(|o| output(o)).collect();
    let graph = GraphProto { output: outputs, ..graph(nodes, weights()) };
    import_bytes(&model(graph), &Options { ..Options::default() }).map_err(|e| e.to_string())
}

fn ops(graph: &TensorGraph) -> Vec<&'static str> {
    graph.iter().map(|(_, n)| n.op.mnemonic()).collect()
}

fn tail(import: &Import) -> Vec<&'static str> {
    import.tail.as_ref().map_or(vec![], |t| ops(t))
}

/// 72 numbers for the input [1, 2, 6, 6].
fn x() -> Tensor<f64> {
    Tensor::new([1, 2, 6, 6], (0..72).map(|i| f64::from(i * 7 % 11) / 4.0 - 1.0).collect())
}

#[test]
fn polynomials_have_no_tail() {
    let nodes =
        vec![conv("x", "a"), node("Mul", &["a", "a"], &["b"]), node("Reshape", &["b", "flat"], &["y"])];
    assert!(imported(nodes, &["y"]).unwrap().tail.is_none());
}

#[test]
fn top_k_through_moves() {
    let nodes = vec![
        conv("x", "a"),
        conv("a", "b"),
        with(node("Concat", &["a", "b"], &["c"]), vec![int("axis", 1)]),
        with(node("Transpose", &["c"], &["t"]), vec![ints("perm", &[0, 2, 3, 1])]),
        node("Reshape", &["t", "flat"], &["r"]),
        node("Sigmoid", &["r"], &["s"]),
        node("TopK", &["s", "k"], &["values", "indices"]),
        // Whole numbers are divided without fraction.
        node("Div", &["indices", "six"], &["rows"]),
    ];
    let import = imported(nodes, &["values", "indices", "rows"]).unwrap();
    let raw: Vec<_> = import.graph.outputs.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(raw, ["conv_a", "conv_b"]);
    assert_eq!(ops(&import.graph), ["Input", "Conv", "Conv"]);
    let found = tail(&import);
    assert!(
        found.starts_with(&["Input", "Input", "Concat", "Transpose", "Reshape", "Sigmoid", "TopK"]),
        "{found:?}"
    );
    assert_eq!(import.output_names().collect::<Vec<_>>(), ["values", "indices", "rows"]);
    let raw = fhec_ir::tensor::run(&import.graph, &[x()]).unwrap();
    let outputs = import.run(&[x()]).unwrap();
    let at = |i: usize| {
        let (pixel, channel) = (i / 4, i % 4);
        raw[channel / 2].data[channel % 2 * 36 + pixel]
    };
    let mut order: Vec<usize> = (0..144).collect();
    order.sort_by(|a, b| at(*b).total_cmp(&at(*a)));
    for k in 0..3 {
        assert_eq!(outputs[1].data[k], order[k] as f64);
        assert_eq!(outputs[2].data[k], (order[k] / 6) as f64);
        assert!((outputs[0].data[k] - 1.0 / (1.0 + (-at(order[k])).exp())).abs() < 1e-12);
    }
}

#[test]
fn encrypted_work_below_keeps_it_encrypted() {
    let nodes = vec![conv("x", "a"), node("Relu", &["a"], &["r"]), conv("r", "y")];
    let import = imported(nodes, &["y"]).unwrap();
    assert!(import.tail.is_none() && ops(&import.graph).contains(&"Relu"));
    // A ReLU before a maximum at the end goes with it, one before an average does not.
    let pool = |op: &str| vec![conv("x", "a"), node("Relu", &["a"], &["r"]), node(op, &["r"], &["y"])];
    let import = imported(pool("GlobalMaxPool"), &["y"]).unwrap();
    assert_eq!(ops(&import.graph), ["Input", "Conv"]);
    assert!(imported(pool("GlobalAveragePool"), &["y"]).unwrap().tail.is_none());
    // What is inside a network and only clients evaluate is refused by name.
    let nodes = vec![conv("x", "a"), node("LogSoftmax", &["a"], &["s"]), conv("s", "y")];
    assert!(imported(nodes, &["y"]).unwrap_err().contains("`the_LogSoftmax`"));
    let nodes = vec![conv("x", "a"), node("Softmax", &["a"], &["s"]), conv("s", "y")];
    assert!(ops(&imported(nodes, &["y"]).unwrap().graph).contains(&"Exp"), "passes refuse it by name");
}

#[test]
fn outputs_before_and_behind_the_tail() {
    let nodes = vec![
        conv("x", "scores"),
        node("Softmax", &["scores"], &["p"]),
        with(node("ArgMax", &["scores"], &["class"]), vec![int("axis", 1), int("keepdims", 0)]),
    ];
    let import = imported(nodes, &["p", "scores", "class"]).unwrap();
    assert_eq!(import.graph.outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["scores"]);
    assert_eq!(import.output_names().collect::<Vec<_>>(), ["p", "scores", "class"]);
    let outputs = import.run(&[x()]).unwrap();
    assert_eq!(outputs[2].shape, [1, 6, 6]);
    let best = usize::from(outputs[1].data[36] > outputs[1].data[0]);
    assert_eq!(outputs[2].data[0], best as f64);
}

#[test]
fn tails_that_are_too_large_are_refused_by_name() {
    let input = proto::input("x", &[1, 2, 2048, 2048]);
    let nodes = vec![conv("x", "a"), node("Sigmoid", &["a"], &["y"])];
    let graph = GraphProto { input: vec![input], ..graph(nodes, weights()) };
    let error = import_bytes(&model(graph), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("too large for a client"), "{error}");
}

#[test]
fn names_of_classes_come_with_the_file() {
    use prost::Message;
    let nodes = vec![conv("x", "a"), node("Sigmoid", &["a"], &["y"])];
    let mut proto = tract_onnx::pb::ModelProto::decode(&model(graph(nodes, weights()))[..]).unwrap();
    let note = StringStringEntryProto { key: "names".into(), value: "{0: 'person', 1: 'car'}".into() };
    proto.metadata_props.push(note);
    let import = import_bytes(&proto.encode_to_vec(), &Options::default()).unwrap();
    assert_eq!(import.classes, ["person", "car"]);
}

#[test]
fn cases_end_at_the_client() {
    for (name, last) in [("sigmoid_last", "Sigmoid"), ("log_softmax_last", "LogSoftmax")] {
        let Some(folder) = case(name) else { return };
        let import = import(&folder.join("model.onnx"), &Options::default()).unwrap();
        assert_eq!(tail(&import), ["Input", last]);
        let got = import.run(&[read_npy(&folder.join("in0.npy"))]).unwrap();
        assert!(difference(&got[0], &read_npy(&folder.join("out0.npy"))) < 1e-5);
    }
}

/// A slice of channels.
fn channels(from: &str, to: &str, [start, end]: [&str; 2]) -> NodeProto {
    node("Slice", &[from, start, end, "one"], &[to])
}

fn imported_parts(nodes: Vec<NodeProto>, outputs: &[&str]) -> Import {
    let outputs = outputs.iter().map(|o| output(o)).collect();
    let mut initializers = weights();
    initializers.extend([longs("zero", &[0]), longs("one", &[1]), longs("end", &[2])]);
    initializers.extend([
        floats("eight", &[], vec![8.0]),
        floats("grid", &[1, 1, 6, 6], (0..36).map(|k| k as f32).collect()),
    ]);
    let graph = GraphProto { output: outputs, ..graph(nodes, initializers) };
    import_bytes(&model(graph), &Options::default()).unwrap()
}

#[test]
fn heads_in_parts_are_decrypted_as_a_whole() {
    // A sigmoid of one part, a decoding of the other one.
    let nodes = vec![
        conv("x", "a"),
        channels("a", "score", ["zero", "one"]),
        channels("a", "place", ["one", "end"]),
        node("Sigmoid", &["score"], &["p"]),
        node("Mul", &["place", "eight"], &["scaled"]),
        node("Add", &["scaled", "grid"], &["decoded"]),
        with(node("Concat", &["p", "decoded"], &["y"]), vec![int("axis", 1)]),
    ];
    let import = imported_parts(nodes, &["y"]);
    assert_eq!(ops(&import.graph), ["Input", "Conv"]);
    let raw = fhec_ir::tensor::run(&import.graph, &[x()]).unwrap().remove(0);
    let y = import.run(&[x()]).unwrap().remove(0);
    for k in 0..36 {
        assert!((y.data[k] - 1.0 / (1.0 + (-raw.data[k]).exp())).abs() < 1e-12);
        assert!((y.data[36 + k] - (8.0 * raw.data[36 + k] + k as f64)).abs() < 1e-9);
    }
}

#[test]
fn what_is_decrypted_does_not_grow() {
    // The other half of `a` is not wanted.
    let nodes =
        vec![conv("x", "a"), channels("a", "score", ["zero", "one"]), node("Sigmoid", &["score"], &["y"])];
    let import = imported_parts(nodes, &["y"]);
    assert_eq!(ops(&import.graph), ["Input", "Conv", "Slice"]);
    // It is, by an output of its own.
    let nodes = vec![
        conv("x", "a"),
        channels("a", "score", ["zero", "one"]),
        node("Sigmoid", &["score"], &["y"]),
        node("Reshape", &["a", "flat"], &["all"]),
    ];
    let import = imported_parts(nodes, &["y", "all"]);
    assert_eq!(ops(&import.graph), ["Input", "Conv"]);
    assert_eq!(import.run(&[x()]).unwrap()[1].shape, [1, 72]);
}

#[test]
fn moves_at_the_end_of_other_outputs_are_the_client_s() {
    let perm = || vec![ints("perm", &[0, 2, 3, 1])];
    let nodes = vec![
        conv("x", "a"),
        conv("x", "b"),
        with(node("Transpose", &["a"], &["t"]), perm()),
        node("Sigmoid", &["t"], &["scores"]),
        with(node("Transpose", &["b"], &["places"]), perm()),
        // Encrypted work goes on behind this one.
        with(node("Transpose", &["b"], &["u"]), vec![ints("perm", &[0, 1, 3, 2])]),
        node("Mul", &["u", "u"], &["squares"]),
    ];
    let import = imported_parts(nodes, &["scores", "places", "squares"]);
    assert_eq!(ops(&import.graph), ["Input", "Conv", "Conv", "Transpose", "Poly"]);
    let raw: Vec<_> = import.graph.outputs.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(raw, ["conv_a", "conv_b", "squares"]);
    assert_eq!(import.output_names().collect::<Vec<_>>(), ["scores", "places", "squares"]);
    let places = import.run(&[x()]).unwrap().swap_remove(1);
    let b = fhec_ir::tensor::run(&import.graph, &[x()]).unwrap().swap_remove(1);
    assert_eq!((places.shape, places.data[1]), (vec![1, 6, 6, 2], b.data[36]));
}

#[test]
fn affine_maps_before_moves_are_weights() {
    let nodes = vec![
        conv("x", "a"),
        node("Mul", &["a", "eight"], &["s"]),
        with(node("Transpose", &["s"], &["t"]), vec![ints("perm", &[0, 2, 3, 1])]),
        node("Sigmoid", &["t"], &["y"]),
    ];
    let import = imported_parts(nodes, &["y"]);
    assert!(!tail(&import).contains(&"Affine") && ops(&import.graph).contains(&"Affine"));
}
