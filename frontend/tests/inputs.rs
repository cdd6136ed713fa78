//! Inputs with open axes, and of other types than float.

#[path = "common/proto.rs"]
mod proto;

use fhec_frontend::{Import, ImportError, Options, import_bytes};
use fhec_ir::tensor::{Tensor, run};
use proto::{floats, graph, int, ints, model, node, open_input, output};
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT64: i32 = 7;
const DOUBLE: i32 = 11;

fn network(inputs: Vec<ValueInfoProto>, nodes: Vec<NodeProto>, weights: Vec<TensorProto>) -> Vec<u8> {
    model(GraphProto { input: inputs, output: vec![output("y")], ..graph(nodes, weights) })
}

fn with_shapes(bytes: &[u8], shapes: &[(Option<&str>, &[usize])]) -> Result<Import, ImportError> {
    let shapes = shapes.iter().map(|(name, shape)| (name.map(String::from), shape.to_vec())).collect();
    import_bytes(bytes, &Options { shapes, ..Options::default() })
}

fn shapes(import: &Import) -> Vec<Vec<usize>> {
    import.graph.inputs().map(|(id, _)| import.graph.ty(id).clone()).collect()
}

fn square() -> NodeProto {
    node("Mul", &["x", "x"], &["y"])
}

#[test]
fn open_axes_get_the_extents_that_are_given() {
    let open = |dims: &[&str]| network(vec![open_input("x", dims, FLOAT)], vec![square()], vec![]);
    let bytes = open(&["N", "3", "H", "W"]);
    let refused = |shapes: &[(Option<&str>, &[usize])]| with_shapes(&bytes, shapes).unwrap_err().to_string();
    let none = refused(&[]);
    assert!(none.contains("axis 2 is symbolic (H); --input-shape x=1,3,N,N gives it"), "{none}");
    let given: &[usize] = &[1, 3, 8, 6];
    assert_eq!(shapes(&with_shapes(&bytes, &[(Some("x"), given)]).unwrap()), [given]);
    assert_eq!(shapes(&with_shapes(&bytes, &[(None, given)]).unwrap()), [given]);
    assert!(refused(&[(Some("z"), given)]).contains("no input `z`; the inputs are x"));
    assert!(refused(&[(None, &[1, 3, 8])]).contains("`x` has 4 axes, not 3"));
    assert!(refused(&[(None, &[1, 4, 8, 8])]).contains("axis 1 of the input `x` has the extent 3, not 4"));
    assert!(refused(&[(None, given), (Some("x"), given)]).contains("two shapes"));
    // The first axis is that of a batch.
    assert_eq!(shapes(&with_shapes(&open(&["N", "3"]), &[]).unwrap()), [[1, 3]]);
    // A symbol is the same number everywhere.
    let two = |dims: &[&str]| {
        let inputs = vec![open_input("x", &["N", "C", "8", "8"], FLOAT), open_input("z", dims, FLOAT)];
        network(inputs, vec![node("Mul", &["x", "z"], &["y"])], vec![])
    };
    let import = with_shapes(&two(&["N", "C", "8", "8"]), &[(Some("z"), &[1, 5, 8, 8])]).unwrap();
    assert_eq!(shapes(&import), [[1, 5, 8, 8]; 2]);
    let several = with_shapes(&two(&["N", "C", "8", "8"]), &[(None, given)]).unwrap_err().to_string();
    assert!(several.contains("the inputs are x, z"), "{several}");
    let both: &[(Option<&str>, &[usize])] = &[(Some("x"), &[1, 5, 8, 8]), (Some("z"), &[1, 4, 8, 8])];
    let differ = with_shapes(&two(&["N", "C", "8", "8"]), both).unwrap_err().to_string();
    assert!(differ.contains("`C` would be 5 and 4"), "{differ}");
}

#[test]
fn integers_are_moved_and_cast_but_not_computed_with() {
    let to = |to: i64, from: &str, out: &str| {
        let cast = node("Cast", &[from], &[out]);
        NodeProto { attribute: vec![int("to", to)], ..cast }
    };
    let moved = NodeProto { attribute: vec![ints("perm", &[0, 2, 1])], ..node("Transpose", &["x"], &["t"]) };
    let input = |ty| vec![open_input("x", &["1", "2", "2"], ty)];
    let real = |from: &str| vec![to(1, from, "f"), node("Mul", &["f", "f"], &["y"])];
    let bytes = network(input(UINT8), [vec![moved.clone(), to(6, "t", "i")], real("i")].concat(), vec![]);
    let import = with_shapes(&bytes, &[]).unwrap();
    assert_eq!(import.inputs[0].integer, Some("uint8"));
    let x = Tensor::new([1, 2, 2], vec![0.0, 255.0, 3.0, 4.0]);
    assert_eq!(run(&import.graph, std::slice::from_ref(&x)).unwrap()[0].data, [0.0, 9.0, 65025.0, 16.0]);
    for (ty, name) in [(INT64, Some("int64")), (DOUBLE, None)] {
        let import = with_shapes(&network(input(ty), real("x"), vec![]), &[]).unwrap();
        assert_eq!(import.inputs[0].integer, name);
    }
    let refused = |nodes: Vec<NodeProto>| {
        with_shapes(&network(input(UINT8), nodes, vec![]), &[]).unwrap_err().to_string()
    };
    let sum = refused([vec![node("Add", &["x", "x"], &["s"])], real("s")].concat());
    assert!(sum.contains("computes with uint8 numbers: cast the input to float first"), "{sum}");
    let narrowed = refused([vec![to(3, "x", "i")], real("i")].concat());
    assert!(narrowed.contains("does not hold all of its numbers"), "{narrowed}");
    // Whole numbers that stand for others.
    let zero = TensorProto { data_type: UINT8, int32_data: vec![4], ..floats("zero", &[], vec![]) };
    let nodes = vec![node("DequantizeLinear", &["x", "scale", "zero"], &["y"])];
    let bytes = network(input(UINT8), nodes, vec![floats("scale", &[], vec![0.5]), zero]);
    let import = with_shapes(&bytes, &[]).unwrap();
    assert_eq!(run(&import.graph, &[x]).unwrap()[0].data, [-2.0, 125.5, -0.5, 0.0]);
}

#[test]
fn networks_that_normalise_bytes_are_recognised() {
    let hint = |op: &str, number: f32| {
        let nodes = vec![node(op, &["x", "c"], &["n"]), node("Mul", &["n", "n"], &["y"])];
        let inputs = vec![open_input("x", &["1", "1", "2", "2"], FLOAT)];
        let bytes = network(inputs, nodes, vec![floats("c", &[], vec![number])]);
        with_shapes(&bytes, &[]).unwrap().inputs[0].normalises.clone()
    };
    assert_eq!(hint("Div", 255.0).as_deref(), Some("the_Div"));
    assert_eq!(hint("Mul", 1.0 / 127.5).as_deref(), Some("the_Mul"));
    assert_eq!(hint("Sub", 123.68).as_deref(), Some("the_Sub"));
    assert_eq!(hint("Sub", 0.485), None);
    assert_eq!(hint("Div", 0.229), None);
}
