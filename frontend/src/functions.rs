//! Functions that a model brings along become the nodes they stand for.
//!
//! A call is replaced by a copy of the function's nodes under names of its own; attributes that the body takes from the
//! caller get the caller's values, or the function's defaults. Recursion is an error, and so is growth beyond a bound.

use std::collections::HashMap;

use prost::Message;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use crate::ImportError;

/// Most functions that call each other in a row, and graphs within graphs in their bodies.
const MAX_DEPTH: usize = 100;
/// Most nodes that calls may become.
const MAX_NODES: usize = 1 << 18;
/// Most bytes that nodes copied from functions may take.
const MAX_BYTES: usize = 1 << 28;

/// The part of an ONNX model that holds its functions. The protobuf types of tract know no default attributes.
#[derive(Clone, PartialEq, Message)]
struct Functions {
    #[prost(message, repeated, tag = "25")]
    list: Vec<Function>,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "4")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    output: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "10")]
    domain: String,
    /// Attributes with default values.
    #[prost(message, repeated, tag = "11")]
    defaults: Vec<AttributeProto>,
}

/// Replaces the calls of the model's functions in its graph.
pub(crate) fn inline(graph: &mut GraphProto, model: &[u8]) -> Result<(), ImportError> {
    let malformed = |m: String| Err(ImportError::Malformed(m));
    let functions = Functions::decode(model).map_err(|e| ImportError::Malformed(e.to_string()))?.list;
    let mut by_name = HashMap::new();
    for function in &functions {
        if by_name.insert((function.domain.as_str(), function.name.as_str()), function).is_some() {
            return malformed(format!("the function `{}` is defined twice", function.name));
        }
    }
    if by_name.is_empty() {
        return Ok(());
    }
    let mut inliner = Inliner {
        functions: by_name,
        path: Vec::new(),
        depth: 0,
        calls: 0,
        nodes: MAX_NODES,
        bytes: MAX_BYTES,
    };
    graph.node = inliner.expanded(std::mem::take(&mut graph.node))?;
    Ok(())
}

struct Inliner<'f> {
    functions: HashMap<(&'f str, &'f str), &'f Function>,
    /// Functions whose bodies are being copied, the outermost first.
    path: Vec<&'f Function>,
    depth: usize,
    /// Calls so far: names of copies are distinct by them.
    calls: usize,
    /// Nodes and bytes that may still be copied.
    nodes: usize,
    bytes: usize,
}

impl<'f> Inliner<'f> {
    /// The nodes with calls replaced, in graphs inside them too.
    fn expanded(&mut self, nodes: Vec<NodeProto>) -> Result<Vec<NodeProto>, ImportError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ImportError::Malformed(
                "its functions and inner graphs are nested too deeply".into(),
            ));
        }
        let mut out = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            for graph in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
                graph.node = self.expanded(std::mem::take(&mut graph.node))?;
            }
            match self.functions.get(&(node.domain.as_str(), node.op_type.as_str())).copied() {
                Some(function) => out.extend(self.body(function, &node)?),
                None => out.push(node),
            }
        }
        self.depth -= 1;
        Ok(out)
    }

    /// What a call stands for.
    fn body(&mut self, function: &'f Function, call: &NodeProto) -> Result<Vec<NodeProto>, ImportError> {
        if self.path.iter().any(|f| std::ptr::eq(*f, function)) {
            return Err(ImportError::Malformed(format!("the function `{}` calls itself", function.name)));
        }
        let bytes: usize = function.node.iter().map(Message::encoded_len).sum();
        let room = self.nodes.checked_sub(function.node.len()).zip(self.bytes.checked_sub(bytes));
        let Some((nodes, bytes)) = room else {
            return Err(ImportError::Malformed(format!(
                "its functions stand for more than {MAX_NODES} nodes or {} MiB",
                MAX_BYTES >> 20
            )));
        };
        (self.nodes, self.bytes) = (nodes, bytes);
        let label = if call.name.is_empty() { &function.name } else { &call.name };
        let scope = Scope::new(function, call, format!("{label}/{}/", self.calls), label);
        self.calls += 1;
        let mut body: Vec<NodeProto> = function.node.iter().map(|node| scope.renamed(node)).collect();
        // An output that is an input is made by no node.
        for (formal, actual) in function.output.iter().zip(&call.output) {
            if function.input.contains(formal) && !actual.is_empty() {
                let input = scope.names.get(formal.as_str()).cloned().unwrap_or_default();
                let op_type = "Identity".to_string();
                body.push(NodeProto {
                    op_type,
                    input: vec![input],
                    output: vec![actual.clone()],
                    ..Default::default()
                });
            }
        }
        self.path.push(function);
        let body = self.expanded(body)?;
        self.path.pop();
        Ok(body)
    }
}

/// How names and attributes of a function's body read for one call.
struct Scope<'c> {
    /// Names of the function's inputs and outputs at the call.
    names: HashMap<&'c str, String>,
    attributes: HashMap<&'c str, &'c AttributeProto>,
    /// What the body's own tensors are prefixed with.
    tensors: String,
    /// What the body's nodes are prefixed with.
    nodes: &'c str,
}

impl<'c> Scope<'c> {
    fn new(function: &'c Function, call: &'c NodeProto, tensors: String, nodes: &'c str) -> Self {
        let mut names = HashMap::new();
        for (k, formal) in function.output.iter().enumerate() {
            if let Some(actual) = call.output.get(k).filter(|a| !a.is_empty()) {
                names.insert(formal.as_str(), actual.clone());
            }
        }
        // An operand that is not given is an empty name, inside the body too.
        for (k, formal) in function.input.iter().enumerate() {
            names.insert(formal.as_str(), call.input.get(k).cloned().unwrap_or_default());
        }
        let defaults = function.defaults.iter().map(|a| (a.name.as_str(), a));
        let given = call.attribute.iter().map(|a| (a.name.as_str(), a));
        Self { names, attributes: defaults.chain(given).collect(), tensors, nodes }
    }

    fn name(&self, name: &str) -> String {
        match self.names.get(name) {
            Some(actual) => actual.clone(),
            None if name.is_empty() => String::new(),
            None => format!("{}{name}", self.tensors),
        }
    }

    fn renamed(&self, node: &NodeProto) -> NodeProto {
        let own = if node.name.is_empty() { &node.op_type } else { &node.name };
        NodeProto {
            name: format!("{}/{own}", self.nodes),
            input: node.input.iter().map(|n| self.name(n)).collect(),
            output: node.output.iter().map(|n| self.name(n)).collect(),
            attribute: node.attribute.iter().filter_map(|a| self.attribute(a)).collect(),
            ..node.clone()
        }
    }

    /// An attribute of the body; None if the caller should give it and does not.
    fn attribute(&self, attribute: &AttributeProto) -> Option<AttributeProto> {
        if !attribute.ref_attr_name.is_empty() {
            let given = *self.attributes.get(attribute.ref_attr_name.as_str())?;
            return Some(AttributeProto { name: attribute.name.clone(), ..given.clone() });
        }
        let mut attribute = attribute.clone();
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            self.rename_graph(graph);
        }
        Some(attribute)
    }

    fn rename_graph(&self, graph: &mut GraphProto) {
        graph.node = graph.node.iter().map(|node| self.renamed(node)).collect();
        let values = graph.input.iter_mut().chain(&mut graph.output);
        values.for_each(|v| v.name = self.name(&v.name));
        graph.initializer.iter_mut().for_each(|t| t.name = self.name(&t.name));
        for values in graph.sparse_initializer.iter_mut().filter_map(|t| t.values.as_mut()) {
            values.name = self.name(&values.name);
        }
    }
}
