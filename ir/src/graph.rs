//! The arena graph that the three IRs share.
//!
//! # Semantics
//! A graph is a list of nodes. Every node computes exactly one value and is named by its position, a
//! [`ValueId`] (`%12`). Operands live in the node, in order. Weights are [`Constant`]s beside the nodes,
//! referred to by [`ConstId`] from inside an op's attributes. Evaluation is in list order.
//!
//! # Invariants (of every IR)
//! * **G1** every operand of a node stands before the node: list order is a topological order.
//! * **G2** every constant that an op names exists, its shape matches its data, and its data is finite.
//! * **G3** every output names an existing value; output names are distinct and there is at least one.
//! * **G4** input nodes have no operands and distinct names.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{ConstId, Constant, Violation};

/// Name of the value that a node computes; displays as `%12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueId(pub u32);

impl ValueId {
    /// Position in the node list.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// An operator set: what makes an IR out of a graph.
pub trait Op: Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned + Send + Sync {
    /// Name of the IR, the first word of its textual form.
    const IR: &'static str;
    /// What is known statically of a value.
    type Type: Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned + Send + Sync;
    /// What holds for the graph as a whole.
    type Header: Clone + PartialEq + fmt::Debug + Default + Serialize + DeserializeOwned + Send + Sync;

    /// Short operator name for reports and drawings; texts have it in lower case.
    fn mnemonic(&self) -> &'static str;

    /// The name of the graph input that this op stands for, if it is one.
    fn input_name(&self) -> Option<&str>;

    /// Calls `f` on every constant that the op refers to.
    fn visit_constants(&self, f: &mut dyn FnMut(ConstId));

    /// Replaces every constant reference by what `f` returns for it.
    fn map_constants(&mut self, f: &mut dyn FnMut(ConstId) -> ConstId);

    /// Calls `f` on every constant that the header refers to.
    fn visit_header_constants(header: &Self::Header, f: &mut dyn FnMut(ConstId)) {
        let _ = (header, f);
    }

    /// Replaces every constant reference of the header by what `f` returns for it.
    fn map_header_constants(header: &mut Self::Header, f: &mut dyn FnMut(ConstId) -> ConstId) {
        let _ = (header, f);
    }

    /// Whether the op happens together with the node right behind it; None if it is not of the kind that can.
    fn with_next(&self) -> Option<bool> {
        None
    }

    /// Checks the IR's own invariants of one node. G1–G4 hold for it already.
    fn check_node(graph: &Graph<Self>, id: ValueId, report: &mut Vec<Violation>);

    /// Checks the IR's invariants that are not about a single node.
    fn check_graph(graph: &Graph<Self>, report: &mut Vec<Violation>) {
        let _ = (graph, report);
    }
}

/// One operation and the value it computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Node<O: Op> {
    /// The operator with its attributes.
    pub op: O,
    /// Operands, in the operator's order.
    pub args: Vec<ValueId>,
    /// Type of the result.
    pub ty: O::Type,
    /// Name of the network node this descends from; empty if there is none. For people only.
    pub name: String,
}

/// A named result of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name in the network.
    pub name: String,
    /// The value.
    pub value: ValueId,
}

/// A program: nodes in evaluation order, constants, outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Graph<O: Op> {
    /// Name of the network.
    pub name: String,
    /// What holds for the graph as a whole.
    pub header: O::Header,
    nodes: Vec<Node<O>>,
    /// Weights, by [`ConstId`].
    pub constants: Vec<Constant>,
    /// Results, in the network's order.
    pub outputs: Vec<Output>,
}

impl<O: Op> Graph<O> {
    /// An empty graph.
    pub fn new(name: impl Into<String>, header: O::Header) -> Self {
        Self { name: name.into(), header, nodes: Vec::new(), constants: Vec::new(), outputs: Vec::new() }
    }

    /// Appends a node and returns the value it computes.
    ///
    /// # Panics
    /// If an operand does not stand before the node (invariant G1), or at 2^32 nodes.
    pub fn push(&mut self, op: O, args: Vec<ValueId>, ty: O::Type, name: impl Into<String>) -> ValueId {
        let id = ValueId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        assert!(args.iter().all(|a| *a < id), "operand of {id} stands after it");
        self.nodes.push(Node { op, args, ty, name: name.into() });
        id
    }

    /// Appends a node without the check of G1; for the parser, whose input is verified afterwards.
    pub(crate) fn push_unchecked(&mut self, node: Node<O>) {
        self.nodes.push(node);
    }

    /// Adds a constant.
    pub fn add_constant(&mut self, constant: Constant) -> ConstId {
        self.constants.push(constant);
        ConstId(self.constants.len() as u32 - 1)
    }

    /// The constant behind `id`.
    ///
    /// # Panics
    /// If it does not exist (invariant G2).
    pub fn constant(&self, id: ConstId) -> &Constant {
        &self.constants[id.index()]
    }

    /// Declares a result.
    pub fn add_output(&mut self, name: impl Into<String>, value: ValueId) {
        self.outputs.push(Output { name: name.into(), value });
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True without any node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node that computes `id`.
    ///
    /// # Panics
    /// If it does not exist.
    pub fn node(&self, id: ValueId) -> &Node<O> {
        &self.nodes[id.index()]
    }

    /// Mutable access to a node; operands must keep standing before it.
    ///
    /// # Panics
    /// If it does not exist.
    pub fn node_mut(&mut self, id: ValueId) -> &mut Node<O> {
        &mut self.nodes[id.index()]
    }

    /// Type of a value.
    ///
    /// # Panics
    /// If it does not exist.
    pub fn ty(&self, id: ValueId) -> &O::Type {
        &self.nodes[id.index()].ty
    }

    /// All value ids in evaluation order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ValueId> + ExactSizeIterator + use<O> {
        (0..self.nodes.len() as u32).map(ValueId)
    }

    /// All nodes with their ids in evaluation order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ValueId, &Node<O>)> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(i, n)| (ValueId(i as u32), n))
    }

    /// The input nodes with their names, in order.
    pub fn inputs(&self) -> impl Iterator<Item = (ValueId, &str)> {
        self.iter().filter_map(|(id, n)| n.op.input_name().map(|name| (id, name)))
    }

    /// For every value the nodes that use it, in order; a node using it twice stands twice.
    pub fn users(&self) -> Vec<Vec<ValueId>> {
        let mut users = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.iter() {
            for arg in &node.args {
                users[arg.index()].push(id);
            }
        }
        users
    }

    /// The node right before or behind `id` that it happens together with ([`Op::with_next`]): neither reads the other.
    pub fn partner(&self, id: ValueId) -> Option<ValueId> {
        let marked = |id: ValueId| self.nodes.get(id.index()).and_then(|n| n.op.with_next());
        let second = |first: ValueId| {
            let second = ValueId(first.0.checked_add(1)?);
            let pair = marked(first) == Some(true) && marked(second) == Some(false);
            (pair && !self.node(second).args.contains(&first)).then_some(second)
        };
        let before = id.0.checked_sub(1).map(ValueId);
        second(id).or_else(|| before.filter(|first| second(*first) == Some(id)))
    }

    /// `%12 conv1`: how messages name a value.
    pub fn describe(&self, id: ValueId) -> String {
        let node = self.node(id);
        if node.name.is_empty() {
            format!("{id} ({})", node.op.mnemonic())
        } else {
            format!("{id} `{}` ({})", node.name, node.op.mnemonic())
        }
    }

    /// The same program without unused nodes and constants; inputs stay, ids are renumbered densely.
    pub fn compacted(&self) -> Self {
        let mut live = vec![false; self.nodes.len()];
        for output in &self.outputs {
            live[output.value.index()] = true;
        }
        for (id, node) in self.iter().rev() {
            // All readers of both stand behind both.
            if node.op.input_name().is_some() || self.partner(id).is_some_and(|p| live[p.index()]) {
                live[id.index()] = true;
            }
            if live[id.index()] {
                node.args.iter().for_each(|a| live[a.index()] = true);
            }
        }
        let mut new = Self::new(self.name.clone(), self.header.clone());
        let mut renamed = vec![None; self.nodes.len()];
        let mut constants = vec![None; self.constants.len()];
        let mut header = self.header.clone();
        O::map_header_constants(&mut header, &mut |c| {
            *constants[c.index()].get_or_insert_with(|| new.add_constant(self.constant(c).clone()))
        });
        new.header = header;
        for (id, node) in self.iter().filter(|(id, _)| live[id.index()]) {
            let mut node = node.clone();
            node.args.iter_mut().for_each(|a| *a = renamed[a.index()].expect("operands come first"));
            node.op.map_constants(&mut |c| {
                *constants[c.index()].get_or_insert_with(|| new.add_constant(self.constant(c).clone()))
            });
            renamed[id.index()] = Some(new.push(node.op, node.args, node.ty, node.name));
        }
        for output in &self.outputs {
            new.add_output(output.name.clone(), renamed[output.value.index()].expect("outputs are live"));
        }
        new
    }
}
