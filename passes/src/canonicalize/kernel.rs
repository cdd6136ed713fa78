//! The e-graph of a network.

use std::collections::{HashMap, HashSet};

use egg::{Analysis, DidMerge, EGraph, Id, Language};
use fhec_ir::tensor::{Shape, TensorGraph, TensorOp, infer_shape};
use fhec_ir::{ConstId, Constant, Op};

use super::rules::Rule;

/// An e-node: an interned operator on classes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kernel {
    /// Index into [`Tables::ops`].
    pub op: u32,
    /// Operands.
    pub children: Vec<Id>,
}

impl Language for Kernel {
    type Discriminant = u32;
    fn discriminant(&self) -> u32 {
        self.op
    }
    fn matches(&self, other: &Self) -> bool {
        self.op == other.op
    }
    fn children(&self) -> &[Id] {
        &self.children
    }
    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}

/// Interned operators and constants; the class data is the shape.
#[derive(Default)]
pub(super) struct Tables {
    pub ops: Vec<TensorOp>,
    op_ids: HashMap<String, u32>,
    pub constants: Vec<Constant>,
    constant_ids: HashMap<String, Vec<ConstId>>,
}

impl Analysis<Kernel> for Tables {
    type Data = Shape;
    fn make(egraph: &mut EGraph<Kernel, Self>, kernel: &Kernel, _: Id) -> Shape {
        let shapes: Vec<&[usize]> = kernel.children.iter().map(|c| &egraph[*c].data[..]).collect();
        // Every kernel is checked before it is added.
        infer_shape(&egraph.analysis.constants, &egraph.analysis.ops[kernel.op as usize], &shapes)
            .unwrap_or_default()
    }
    fn merge(&mut self, _: &mut Shape, _: Shape) -> DidMerge {
        DidMerge(false, false)
    }
}

impl Tables {
    /// The id of an equal constant. None if a number is not finite.
    pub(super) fn constant(&mut self, constant: Constant) -> Option<ConstId> {
        if !constant.data.iter().all(|x| x.is_finite()) {
            return None;
        }
        let same = self.constant_ids.entry(constant.digest()).or_default();
        if let Some(id) = same.iter().find(|id| self.constants[id.index()] == constant) {
            return Some(*id);
        }
        let id = ConstId(self.constants.len() as u32);
        same.push(id);
        self.constants.push(constant);
        Some(id)
    }

    fn op(&mut self, op: TensorOp) -> u32 {
        // Debug output is exact: it prints floats so that they read back the same.
        *self.op_ids.entry(format!("{op:?}")).or_insert_with(|| {
            self.ops.push(op);
            self.ops.len() as u32 - 1
        })
    }
}

/// What a rule builds.
pub(super) enum Term {
    /// A class as it is.
    Class(Id),
    /// An operator on other terms, with its name.
    Node(TensorOp, Vec<Term>, String),
}

/// An e-node as rules see it.
#[derive(Clone)]
pub(super) struct View {
    pub op: TensorOp,
    pub children: Vec<Id>,
    pub name: String,
}

/// The e-graph with what egg does not keep.
pub(super) struct Network {
    pub egraph: EGraph<Kernel, Tables>,
    /// Class of every node of the original graph.
    pub class_of: Vec<Id>,
    /// Classes of the outputs.
    pub outputs: Vec<Id>,
    names: Vec<(Kernel, String)>,
    /// Kernels that a rule has replaced: they no longer count as users.
    replaced: Vec<Kernel>,
    /// Applications of pair rules that succeeded. Failures are not kept: what a rule asks for may come about later.
    applied: HashSet<(&'static str, Kernel, Kernel)>,
    /// Number of classes that need a class, as of the current scan.
    users: HashMap<Id, usize>,
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
            let id = network.insert(Kernel { op, children }, node.name.clone());
            network.class_of.push(id);
        }
        network.outputs = graph.outputs.iter().map(|o| network.class_of[o.value.index()]).collect();
        network.egraph.rebuild();
        network
    }

    fn insert(&mut self, kernel: Kernel, name: String) -> Id {
        let id = self.egraph.add(kernel.clone());
        self.names.push((kernel, name));
        id
    }

    fn canonical(&self, kernel: &Kernel) -> Kernel {
        kernel.clone().map_children(|c| self.egraph.find(c))
    }

    /// Names by canonical kernel; the first one given stays.
    pub(super) fn names(&self) -> HashMap<Kernel, &str> {
        let mut names = HashMap::new();
        for (kernel, name) in &self.names {
            names.entry(self.canonical(kernel)).or_insert(name.as_str());
        }
        names
    }

    /// Shape of a class.
    pub(super) fn shape(&self, class: Id) -> &[usize] {
        &self.egraph[class].data
    }

    /// A constant by id.
    pub(super) fn constant(&self, id: ConstId) -> &Constant {
        &self.egraph.analysis.constants[id.index()]
    }

    /// Interns a constant. None if it is not finite.
    pub(super) fn intern(&mut self, shape: Vec<usize>, data: &[f64]) -> Option<ConstId> {
        self.egraph.analysis.constant(Constant::from_f64(shape, data))
    }

    /// True if at most one class needs this one, and no output is computed from it directly.
    pub(super) fn single_use(&self, class: Id) -> bool {
        self.users.get(&self.egraph.find(class)).is_none_or(|&n| n <= 1)
    }

    /// The constant that a class is, if it is one.
    pub(super) fn literal(&self, class: Id) -> Option<ConstId> {
        self.egraph[class].nodes.iter().find_map(|k| match self.egraph.analysis.ops[k.op as usize] {
            TensorOp::Constant { value } => Some(value),
            _ => None,
        })
    }

    /// Scans all kernels once with a rule. True if something was added.
    pub(super) fn apply(&mut self, rule: &Rule) -> bool {
        let replaced: HashSet<Kernel> = self.replaced.iter().map(|k| self.canonical(k)).collect();
        let names: HashMap<Kernel, String> =
            self.names().into_iter().map(|(k, n)| (k, n.to_string())).collect();
        self.count_users(&replaced);
        let view = |this: &Self, kernel: &Kernel| View {
            op: this.egraph.analysis.ops[kernel.op as usize].clone(),
            children: kernel.children.clone(),
            name: names.get(kernel).cloned().unwrap_or_default(),
        };
        let live = |this: &Self, class: Id| -> Vec<Kernel> {
            let nodes = this.egraph[class].nodes.iter().map(|k| this.canonical(k));
            let mut nodes: Vec<Kernel> = nodes.filter(|k| !replaced.contains(k)).collect();
            nodes.sort_unstable();
            nodes
        };
        let mut classes: Vec<Id> = self.users.keys().copied().collect();
        classes.sort_unstable();
        let mut found: Vec<(Id, Kernel, Term)> = Vec::new();
        for class in classes {
            for kernel in live(self, class) {
                if !rule.may_match(&self.egraph.analysis.ops[kernel.op as usize]) {
                    continue;
                }
                match rule {
                    Rule::Node { rewrite, .. } => {
                        let node = view(self, &kernel);
                        found.extend(rewrite(self, &node).map(|term| (class, kernel, term)));
                    }
                    Rule::Pair { name, rewrite, .. } => {
                        let node = view(self, &kernel);
                        'slots: for (slot, &child) in kernel.children.iter().enumerate() {
                            for inner in live(self, self.egraph.find(child)) {
                                let key = (*name, kernel.clone(), inner.clone());
                                if self.applied.contains(&key) {
                                    continue;
                                }
                                let below = view(self, &inner);
                                if let Some(term) = rewrite(self, &node, slot, &below) {
                                    self.applied.insert(key);
                                    found.push((class, kernel.clone(), term));
                                    break 'slots;
                                }
                            }
                        }
                    }
                }
            }
        }
        let mut changed = false;
        for (class, kernel, term) in found {
            let Some(id) = self.add(term) else { continue };
            if self.shape(id) != self.shape(class) {
                debug_assert!(false, "a rule changed a shape");
                continue;
            }
            self.replaced.push(kernel);
            self.egraph.union(class, id);
            changed = true;
        }
        self.egraph.rebuild();
        changed
    }

    fn add(&mut self, term: Term) -> Option<Id> {
        match term {
            Term::Class(id) => Some(id),
            Term::Node(op, args, name) => {
                let children = args.into_iter().map(|a| self.add(a)).collect::<Option<Vec<Id>>>()?;
                let shapes: Vec<&[usize]> = children.iter().map(|&c| self.shape(c)).collect();
                infer_shape(&self.egraph.analysis.constants, &op, &shapes).ok()?;
                let op = self.egraph.analysis.op(op);
                Some(self.insert(Kernel { op, children }, name))
            }
        }
    }

    /// Walks from the outputs over the kernels that no rule has replaced.
    fn count_users(&mut self, replaced: &HashSet<Kernel>) {
        let mut users: HashMap<Id, usize> = HashMap::new();
        let mut stack = Vec::new();
        for output in &self.outputs {
            let class = self.egraph.find(*output);
            // An output is a use that no fold may take over.
            if users.insert(class, 2).is_none() {
                stack.push(class);
            }
        }
        while let Some(class) = stack.pop() {
            let kernels = self.egraph[class].nodes.iter().map(|k| self.canonical(k));
            let kernels: Vec<Kernel> = kernels.filter(|k| !replaced.contains(k)).collect();
            let children: HashSet<Id> = kernels.into_iter().flat_map(|k| k.children).collect();
            for child in children {
                let count = users.entry(child).or_insert_with(|| {
                    stack.push(child);
                    0
                });
                *count += 1;
            }
        }
        self.users = users;
    }
}
