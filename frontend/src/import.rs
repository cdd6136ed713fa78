//! From the protobuf graph to the tensor IR.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use fhec_ir::tensor::TensorOp;
use fhec_ir::{Constant, Node, Op, ValueId, verify};
use prost::Message;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto, type_proto,
};

use crate::builder::Builder;
use crate::call::{Call, Imported, Value};
use crate::extents::Extents;
use crate::integers::{self, Integers};
use crate::literal::{self, Literal};
use crate::tail::Split;
use crate::{
    Import, ImportError, InputHint, Refusal, advice, branch, fold, functions, hints, network, ops, recognise,
    tail,
};

/// How to import.
#[derive(Clone, Debug)]
pub struct Options {
    /// Extents for symbolic axes, by their name. A symbolic first axis that is not listed gets [`Self::batch`].
    pub dims: HashMap<String, usize>,
    /// Shapes of inputs, for those whose axes are open, by name; without a name that of the only input. What they say of
    /// symbols holds for all inputs.
    pub shapes: Vec<(Option<String>, Vec<usize>)>,
    /// Batch size where the model leaves it open.
    pub batch: usize,
    /// Inputs that are known: they become constants.
    pub bind: HashMap<String, Constant>,
    /// Leave the end of the network to the client, from where it is no polynomial (see [`Import::tail`]).
    pub client_tail: bool,
    /// Recognise activations and polynomials that exporters write as several nodes.
    pub recognise: bool,
    /// Most elements that all constants together may have.
    pub max_constant_elements: usize,
    /// Most elements that an input or a computed value may have.
    pub max_value_elements: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dims: HashMap::new(),
            shapes: Vec::new(),
            batch: 1,
            bind: HashMap::new(),
            client_tail: true,
            recognise: true,
            max_constant_elements: 1 << 29,
            max_value_elements: 1 << 26,
        }
    }
}

/// Imports an ONNX file.
///
/// # Errors
/// If the file cannot be read or compiled; all offending nodes at once.
pub fn import(path: &Path, options: &Options) -> Result<Import, ImportError> {
    let bytes = std::fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    let base = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    import_from(&bytes, base, options)
}

/// Imports an ONNX model that lies in memory. External data is refused.
///
/// # Errors
/// As [`import`].
pub fn import_bytes(bytes: &[u8], options: &Options) -> Result<Import, ImportError> {
    import_from(bytes, None, options)
}

fn import_from(bytes: &[u8], base: Option<&Path>, options: &Options) -> Result<Import, ImportError> {
    if bytes.is_empty() {
        return Err(ImportError::Malformed("it is empty".into()));
    }
    let mut model = ModelProto::decode(bytes).map_err(|e| ImportError::Malformed(e.to_string()))?;
    let mut graph = model.graph.take().ok_or_else(|| ImportError::Malformed("there is no graph".into()))?;
    functions::inline(&mut graph, bytes)?;
    let graph = &graph;
    let default = model.opset_import.iter().find(|o| standard(&o.domain));
    let opset = default.map_or(1, |o| o.version);
    let mut importer = Importer::new(graph, opset, base, options)?;
    importer.declare_inputs()?;
    importer.run()?;
    let mut import = importer.finish()?;
    import.classes = network::classes(&model.metadata_props);
    import.weight_files = base.map_or_else(Vec::new, |base| literal::external_files(graph, base));
    Ok(import)
}

fn standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// Name of a node as messages and the IR give it.
fn name_of(node: &NodeProto) -> String {
    let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    name.cloned().unwrap_or_default()
}

/// What is known of a name while importing.
#[derive(Clone, Debug)]
enum Binding {
    Known(Value),
    /// Computed by a refused node, or from one.
    Refused,
}

/// Weights in the file.
#[derive(Clone, Copy)]
enum Weights<'p> {
    Dense(&'p TensorProto),
    Sparse(&'p SparseTensorProto),
}

/// Weights of a graph by name.
fn weights(graph: &GraphProto) -> impl Iterator<Item = (&str, Weights<'_>)> {
    let dense = graph.initializer.iter().map(|t| (t.name.as_str(), Weights::Dense(t)));
    let sparse = graph.sparse_initializer.iter().filter_map(|t| {
        // A sparse tensor goes by the name of its values.
        t.values.as_ref().map(|values| (values.name.as_str(), Weights::Sparse(t)))
    });
    dense.chain(sparse)
}

struct Importer<'p> {
    graph: &'p GraphProto,
    opset: i64,
    base: Option<&'p Path>,
    options: &'p Options,
    /// Which node and which of its outputs makes a name.
    producers: HashMap<&'p str, usize>,
    initialisers: HashMap<&'p str, Weights<'p>>,
    uses: HashMap<&'p str, usize>,
    env: HashMap<String, Binding>,
    builder: Builder,
    refusals: Vec<Refusal>,
    /// Values of integer types.
    integers: Integers,
    /// What is known of the inputs, by name.
    hints: HashMap<String, InputHint>,
}

impl<'p> Importer<'p> {
    fn new(
        graph: &'p GraphProto,
        opset: i64,
        base: Option<&'p Path>,
        options: &'p Options,
    ) -> Result<Self, ImportError> {
        let malformed = |m: String| Err(ImportError::Malformed(m));
        let mut producers = HashMap::new();
        for (i, node) in graph.node.iter().enumerate() {
            for output in node.output.iter().filter(|o| !o.is_empty()) {
                if producers.insert(output.as_str(), i).is_some() {
                    return malformed(format!("the tensor `{output}` is computed twice"));
                }
            }
        }
        let initialisers = weights(graph).collect();
        if graph.output.is_empty() {
            return malformed("the graph has no output".into());
        }
        Ok(Self {
            graph,
            opset,
            base,
            options,
            producers,
            initialisers,
            uses: HashMap::new(),
            env: HashMap::new(),
            builder: Builder::new(&graph.name, options.max_constant_elements, options.max_value_elements),
            refusals: Vec::new(),
            integers: Integers::default(),
            hints: HashMap::new(),
        })
    }

    fn refuse(&mut self, node: impl Into<String>, op: &str, reason: impl Into<String>) {
        self.refusals.push(Refusal { node: node.into(), op: op.into(), reason: reason.into() });
    }

    fn declare_inputs(&mut self) -> Result<(), ImportError> {
        let given = |i: &&ValueInfoProto| !self.initialisers.contains_key(i.name.as_str());
        let inputs: Vec<&ValueInfoProto> = self.graph.input.iter().filter(given).collect();
        let open = inputs.iter().copied().filter(|i| !self.options.bind.contains_key(&i.name));
        let extents = Extents::new(self.options.dims.clone(), self.options.batch);
        let extents = extents.with_shapes(&self.options.shapes, &open.collect::<Vec<_>>())?;
        for input in inputs {
            let name = input.name.as_str();
            if self.env.contains_key(name) {
                continue;
            }
            let binding = if let Some(constant) = self.options.bind.get(name) {
                let literal = Literal::floats(constant.shape.clone(), constant.data.clone());
                Ok(Value::Const(Rc::new(literal)))
            } else {
                self.element(input).and_then(|()| extents.of(input)).and_then(|shape| {
                    self.builder.name = name.into();
                    let op = TensorOp::Input { name: name.into(), shape };
                    self.builder.push(op, &[]).map(Value::Node)
                })
            };
            let binding = match binding {
                Ok(value) => Binding::Known(value),
                Err(reason) => {
                    self.refuse(name, "input", reason);
                    Binding::Refused
                }
            };
            self.env.insert(name.into(), binding);
        }
        Ok(())
    }

    /// Notes the type of an input.
    fn element(&mut self, input: &ValueInfoProto) -> Imported<()> {
        let Some(type_proto::Value::TensorType(ty)) = input.r#type.as_ref().and_then(|t| t.value.as_ref())
        else {
            return Err("its type is not given".into());
        };
        if let Some((name, ty)) = integers::element(ty.elem_type)? {
            self.integers.declare(&input.name, ty);
            self.hints.insert(input.name.clone(), InputHint { integer: Some(name), normalises: None });
        }
        Ok(())
    }

    /// Nodes that outputs depend on, operands first.
    fn order(&self) -> Result<Vec<usize>, ImportError> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let mut state = vec![State::New; self.graph.node.len()];
        let mut order = Vec::new();
        for output in &self.graph.output {
            let mut stack: Vec<usize> =
                self.producers.get(output.name.as_str()).copied().into_iter().collect();
            while let Some(&node) = stack.last() {
                if state[node] == State::New {
                    state[node] = State::Open;
                    for input in branch::needed(&self.graph.node[node]) {
                        match self.producers.get(input) {
                            Some(&p) if state[p] == State::New => stack.push(p),
                            Some(&p) if state[p] == State::Open => {
                                let name = name_of(&self.graph.node[p]);
                                return Err(ImportError::Malformed(format!(
                                    "the graph has a cycle through `{name}`"
                                )));
                            }
                            _ => {}
                        }
                    }
                } else {
                    stack.pop();
                    if state[node] == State::Open {
                        state[node] = State::Done;
                        order.push(node);
                    }
                }
            }
        }
        Ok(order)
    }

    fn run(&mut self) -> Result<(), ImportError> {
        let order = self.order()?;
        for &i in &order {
            for input in branch::needed(&self.graph.node[i]) {
                *self.uses.entry(input).or_insert(0) += 1;
            }
        }
        for output in &self.graph.output {
            *self.uses.entry(output.name.as_str()).or_insert(0) += 1;
        }
        for i in order {
            self.import_node(&self.graph.node[i])?;
        }
        Ok(())
    }

    /// The value of a name; weights are decoded when they are first used.
    fn look_up(&mut self, name: &str, user: &str) -> Result<Binding, ImportError> {
        if let Some(binding) = self.env.get(name) {
            return Ok(binding.clone());
        }
        let binding = match self.initialisers.get(name) {
            Some(&weights) => self.decoded(name, weights)?,
            None => {
                let message = format!("`{user}` uses the tensor `{name}`, which does not exist");
                return Err(ImportError::Malformed(message));
            }
        };
        self.env.insert(name.into(), binding.clone());
        Ok(binding)
    }

    fn decoded(&mut self, name: &str, weights: Weights) -> Result<Binding, ImportError> {
        let limit = self.builder.budget;
        let literal = match weights {
            Weights::Dense(tensor) => literal::from_proto(tensor, self.base, limit),
            Weights::Sparse(tensor) => literal::from_sparse(tensor, self.base, limit),
        };
        let literal = literal
            .and_then(|l| self.builder.spend(l.len()).map(|()| l))
            .map_err(|e| ImportError::Malformed(format!("the tensor `{name}`: {e}")))?;
        Ok(Binding::Known(Value::Const(Rc::new(literal))))
    }

    fn import_node(&mut self, node: &'p NodeProto) -> Result<(), ImportError> {
        let name = name_of(node);
        let (mut inputs, mut refused) = (Vec::with_capacity(node.input.len()), false);
        for input in &node.input {
            inputs.push(match input.as_str() {
                "" => None,
                input => match self.look_up(input, &name)? {
                    Binding::Known(value) => Some(value),
                    Binding::Refused => {
                        refused = true;
                        None
                    }
                },
            });
        }
        let used = node.output.iter().map(|o| self.uses.contains_key(o.as_str())).collect();
        let call = Call { proto: node, inputs, opset: self.opset, used };
        self.builder.name = name.clone();
        let widened = match self.integers.admit(node, &call) {
            Ok(widened) => widened,
            Err(reason) => {
                self.refuse(name, &node.op_type, reason);
                self.bind(node, Vec::new());
                return Ok(());
            }
        };
        let result = if !standard(&node.domain) {
            Err(advice::domain(&node.domain, &node.op_type))
        } else if refused {
            // Only its operator can be judged.
            match advice::known(&node.op_type) {
                true => Ok(None),
                false => Err(advice::unsupported(&node.op_type)),
            }
        } else if node.op_type == "If" {
            match branch::chosen(&call) {
                Ok(graph) => {
                    let values = self.import_branch(graph, &name)?;
                    self.bind(node, values);
                    return Ok(());
                }
                Err(reason) => Err(reason),
            }
        } else if widened {
            ops::shape::identity(&mut self.builder, &call).map(Some)
        } else {
            self.import_call(&call).map(Some)
        };
        let outputs = match result {
            Ok(Some(values)) => values.into_iter().map(Binding::Known).collect(),
            Ok(None) => Vec::new(),
            Err(reason) => {
                self.refuse(name, &node.op_type, reason);
                Vec::new()
            }
        };
        self.bind(node, outputs);
        Ok(())
    }

    /// Names a node's outputs; those without a value are refused where they are used.
    fn bind(&mut self, node: &NodeProto, values: Vec<Binding>) {
        let mut values = values.into_iter();
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            self.env.insert(output.clone(), values.next().unwrap_or(Binding::Refused));
        }
    }

    /// The outputs of a graph inside a node. It sees the names around it, and its own are gone afterwards.
    fn import_branch(&mut self, graph: &'p GraphProto, user: &str) -> Result<Vec<Binding>, ImportError> {
        let live = branch::live(graph);
        let own = graph.initializer.len() + graph.sparse_initializer.len() + graph.node.len();
        let mut hidden: Vec<(&str, Option<Binding>)> = Vec::with_capacity(own);
        for (name, weights) in weights(graph).filter(|(name, _)| live.names.contains(name)) {
            let binding = self.decoded(name, weights)?;
            hidden.push((name, self.env.insert(name.into(), binding)));
        }
        let outer = std::mem::take(&mut self.uses);
        self.uses = live.names.iter().map(|&name| (name, 1)).collect();
        for &node in &live.nodes {
            let outputs = node.output.iter().filter(|o| !o.is_empty());
            hidden.extend(outputs.map(|o| (o.as_str(), self.env.remove(o))));
            self.import_node(node)?;
        }
        self.uses = outer;
        let outputs = graph.output.iter().map(|o| self.look_up(&o.name, user));
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        for (name, binding) in hidden.into_iter().rev() {
            match binding {
                Some(binding) => self.env.insert(name.into(), binding),
                None => self.env.remove(name),
            };
        }
        Ok(outputs)
    }

    fn import_call(&mut self, call: &Call) -> Imported {
        if let Some(values) = fold::fold(&mut self.builder, call, self.base)? {
            return Ok(values);
        }
        match ops::importer(&call.proto.op_type) {
            Some(importer) => importer(&mut self.builder, call),
            None => Err(advice::unsupported(&call.proto.op_type)),
        }
    }

    /// The value of an output as a node. One that does not depend on the input becomes its sum with 0 times an input, so
    /// that it is encrypted like the others.
    fn computed(&mut self, value: &Value) -> Imported<ValueId> {
        let input = self.builder.graph.inputs().map(|(id, _)| id).next();
        let (Value::Const(constant), Some(input)) = (value, input) else { return self.builder.node(value) };
        let rank = self.builder.shape(input).len();
        let first = TensorOp::Slice { start: vec![0; rank], step: vec![1; rank], out: vec![1; rank] };
        let first = self.builder.push(first, &[input])?;
        let first = self.builder.reshape(first, &vec![1; constant.shape.len()])?;
        let spread = self.builder.expand(first, &constant.shape)?;
        self.builder.affine(spread, Some(Constant::scalar(0.0)), Some(constant.to_constant()))
    }

    fn finish(mut self) -> Result<Import, ImportError> {
        for output in self.graph.output.iter().map(|o| o.name.as_str()) {
            let value = match self.look_up(output, output)? {
                Binding::Known(value) => value,
                Binding::Refused => continue,
            };
            self.builder.name = output.into();
            match self.computed(&value) {
                Ok(id) => self.builder.graph.add_output(output, id),
                Err(reason) => self.refuse(output, "output", reason),
            }
        }
        if !self.refusals.is_empty() {
            return Err(ImportError::Unsupported(self.refusals));
        }
        let graph = self.builder.graph;
        let graph = if self.options.recognise { recognise::run(&graph) } else { graph };
        let graph = graph.compacted();
        let split = if self.options.client_tail {
            tail::split(&graph).map_err(|refusal| ImportError::Unsupported(vec![refusal]))?
        } else {
            Split { encrypted: graph, tail: None }
        };
        let encrypted = tail::without_softmax(&split.encrypted);
        let refusals: Vec<Refusal> = encrypted.iter().filter_map(|(_, node)| inside(node)).collect();
        if !refusals.is_empty() {
            return Err(ImportError::Unsupported(refusals));
        }
        let hint = |(id, name): (ValueId, &str)| InputHint {
            normalises: hints::normalising_node(&encrypted, id),
            ..self.hints.get(name).cloned().unwrap_or_default()
        };
        let inputs = encrypted.inputs().map(hint).collect();
        let tail = split.tail.map(verify).transpose()?;
        Ok(Import { graph: verify(encrypted)?, tail, classes: vec![], inputs, weight_files: vec![] })
    }
}

/// Why a node cannot stand in the encrypted part, if that is so.
fn inside(node: &Node<TensorOp>) -> Option<Refusal> {
    let op = node.op.mnemonic();
    let reason = match node.op {
        TensorOp::Div => "division by a value computed from the input is not supported".into(),
        TensorOp::Client(_) => advice::inside(op),
        _ => return None,
    };
    Some(Refusal { node: node.name.clone(), op: op.into(), reason })
}
