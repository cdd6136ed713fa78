//! The e-graph of a network.

use std::collections::{HashMap, HashSet};

use egg::{EGraph, Id, Language};
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{ConstId, Constant, Op};

use super::enode::{ENode, Tables};

/// The e-graph with what egg does not keep.
pub(super) struct Network {
    pub egraph: EGraph<ENode, Tables>,
    /// E-class of every node of the original graph.
    pub class_of: Vec<Id>,
    /// E-classes of the outputs.
    pub outputs: Vec<Id>,
    names: Vec<(ENode, String)>,
    /// E-nodes that a rule has replaced: they no longer count as users.
    pub replaced: Vec<ENode>,
    /// Applications of pair rules that succeeded. Failures are not kept: what a rule asks for may come about later.
    pub applied: HashSet<(&'static str, ENode, ENode)>,
    /// Number of e-classes that need an e-class, as of the current scan.
    pub users: HashMap<Id, usize>,
}

impl Network {
    pub(super) fn new(graph: &TensorGraph) -> Self {
        let mut network = Self {
            egraph: EGraph::new(Tables::default()),
            class_of: Vec::with_capacity(graph.len()),
            outputs: Vec::new(),
            names: Vec::new(),
            replaced: Vec::new(),
            applied: HashSet::new(),
            users: HashMap::new(),
        };
        let constants: Vec<ConstId> = graph
            .constants
            .iter()
            .map(|c| network.egraph.analysis.constant(c.clone()).expect("verified constants are finite"))
            .collect();
        for (_, node) in graph.iter() {
            let mut op = node.op.clone();
            op.map_constants(&mut |c| constants[c.index()]);
            let children = node.args.iter().map(|a| network.class_of[a.index()]).collect();
            let op = network.egraph.analysis.op(op);
            let id = network.insert(ENode { op, children }, node.name.clone());
            network.class_of.push(id);
        }
        network.outputs = graph.outputs.iter().map(|o| network.class_of[o.value.index()]).collect();
        network.egraph.rebuild();
        network
    }

    /// Adds an e-node under the name of the network node that it comes from.
    pub(super) fn insert(&mut self, enode: ENode, name: String) -> Id {
        let id = self.egraph.add(enode.clone());
        self.names.push((enode, name));
        id
    }

    /// The e-node with the representatives of its operands' e-classes.
    pub(super) fn canonical(&self, enode: &ENode) -> ENode {
        enode.clone().map_children(|c| self.egraph.find(c))
    }

    /// Names by canonical e-node; the first one given stays.
    pub(super) fn names(&self) -> HashMap<ENode, &str> {
        let mut names = HashMap::new();
        for (enode, name) in &self.names {
            names.entry(self.canonical(enode)).or_insert(name.as_str());
        }
        names
    }

    /// Shape of an e-class.
    pub(super) fn shape(&self, class: Id) -> &[usize] {
        &self.egraph[class].data
    }

    /// A constant by id.
    pub(super) fn constant(&self, id: ConstId) -> &Constant {
        &self.egraph.analysis.constants[id.index()]
    }

    /// Interns a constant, exactly. None if it is not finite.
    pub(super) fn intern(&mut self, shape: Vec<usize>, data: &[f64]) -> Option<ConstId> {
        self.egraph.analysis.constant(Constant::exact(shape, data))
    }

    /// Interns weights of a layer, rounded to f32: they are many. None if one is not finite.
    pub(super) fn intern_weight(&mut self, shape: Vec<usize>, data: &[f64]) -> Option<ConstId> {
        self.egraph.analysis.constant(Constant::from_f64(shape, data))
    }

    /// True if at most one e-class needs this one, and no output is computed from it directly.
    pub(super) fn single_use(&self, class: Id) -> bool {
        self.users.get(&self.egraph.find(class)).is_none_or(|&n| n <= 1)
    }

    /// The constant that an e-class is, if it is one.
    pub(super) fn literal(&self, class: Id) -> Option<ConstId> {
        self.egraph[class].nodes.iter().find_map(|k| match self.egraph.analysis.ops[k.op as usize] {
            TensorOp::Constant { value } => Some(value),
            _ => None,
        })
    }
}
