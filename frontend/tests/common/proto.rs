//! ONNX graphs built in a test.
#![allow(dead_code, reason = "each test binary uses a part")]

use prost::Message;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as Dim};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, type_proto,
};

pub(crate) fn input(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&d: &i64| Dimension { value: Some(Dim::DimValue(d)), ..Default::default() };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let ty = type_proto::Value::TensorType(type_proto::Tensor { elem_type: 1, shape });
    let r#type = Some(TypeProto { value: Some(ty), ..Default::default() });
    ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

/// The same with a symbol for each extent that has no number, and elements of a type.
pub(crate) fn open_input(name: &str, dims: &[&str], elem_type: i32) -> ValueInfoProto {
    let dim = |d: &&str| Dimension {
        value: Some(d.parse().map_or_else(|_| Dim::DimParam(d.to_string()), Dim::DimValue)),
        ..Default::default()
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let ty = type_proto::Value::TensorType(type_proto::Tensor { elem_type, shape });
    let r#type = Some(TypeProto { value: Some(ty), ..Default::default() });
    ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

pub(crate) fn output(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: name.into(), ..Default::default() }
}

pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        name: format!("the_{op}"),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), ints: ints.to_vec(), r#type: 7, ..Default::default() }
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, r#type: 2, ..Default::default() }
}

pub(crate) fn floats(name: &str, dims: &[i64], data: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: data,
        ..Default::default()
    }
}

pub(crate) fn longs(name: &str, data: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![data.len() as i64],
        data_type: 7,
        int64_data: data.to_vec(),
        ..Default::default()
    }
}

pub(crate) fn graph(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> GraphProto {
    GraphProto {
        name: "g".into(),
        node: nodes,
        initializer,
        input: vec![input("x", &[1, 2, 6, 6])],
        output: vec![output("y")],
        ..Default::default()
    }
}

pub(crate) fn model(graph: GraphProto) -> Vec<u8> {
    let opset = OperatorSetIdProto { version: 17, ..Default::default() };
    ModelProto { graph: Some(graph), opset_import: vec![opset], ir_version: 8, ..Default::default() }
        .encode_to_vec()
}
