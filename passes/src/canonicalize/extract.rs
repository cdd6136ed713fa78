//! Extraction: one e-node per e-class, shared e-classes counted once.

use std::collections::HashMap;

use egg::Id;
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{ConstId, Op, ValueId};

use super::enode::ENode;
use super::network::Network;

/// Price of an operator: its levels weigh more than its presence.
fn price(op: &TensorOp) -> u64 {
    const OP: u64 = 2;
    const LEVEL: u64 = 20;
    match op {
        TensorOp::Input { .. } | TensorOp::Constant { .. } => 1,
        TensorOp::Affine { scale: None, .. } => OP,
        // Moving elements costs a level unless it melts into a neighbour, which is not known here.
        TensorOp::Reshape { .. }
        | TensorOp::Transpose { .. }
        | TensorOp::Slice { .. }
        | TensorOp::Pad { .. }
        | TensorOp::Gather { .. }
        | TensorOp::Expand { .. }
        | TensorOp::Concat { .. }
        | TensorOp::Add => OP,
        // A difference is as cheap as a sum, which more rules know.
        TensorOp::Sub => OP + 1,
        TensorOp::Affine { .. } => LEVEL + OP,
        TensorOp::Poly { .. } | TensorOp::Mul => LEVEL + 3 * OP,
        _ => LEVEL + 2 * OP,
    }
}

/// A set of e-classes, as bits.
#[derive(Clone, PartialEq)]
struct Set(Vec<u64>);

impl Set {
    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    fn insert(&mut self, i: usize) -> bool {
        let fresh = self.0[i / 64] >> (i % 64) & 1 == 0;
        self.0[i / 64] |= 1 << (i % 64);
        fresh
    }

    fn remove(&mut self, i: usize) {
        self.0[i / 64] &= !(1 << (i % 64));
    }

    /// Number of elements that both sets have.
    fn common(&self, other: &Self) -> u64 {
        self.0.iter().zip(&other.0).map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }
}

/// The e-classes by the price of their present choice. There are few prices, so a sum over a set of e-classes takes as many
/// steps as the set has words.
struct Prices {
    words: usize,
    classes: Vec<(u64, Set)>,
}

impl Prices {
    /// Notes a choice in place of the former one.
    fn choose(&mut self, class: usize, price: u64) {
        self.classes.iter_mut().for_each(|(_, set)| set.remove(class));
        let at = self.classes.iter().position(|(p, _)| *p == price).unwrap_or_else(|| {
            self.classes.push((price, Set(vec![0; self.words])));
            self.classes.len() - 1
        });
        self.classes[at].1.insert(class);
    }

    fn sum(&self, set: &Set) -> u64 {
        self.classes.iter().map(|(price, classes)| price * classes.common(set)).sum()
    }
}

/// The e-node that is chosen for an e-class, so far.
struct Choice {
    enode: ENode,
    /// All e-classes computed, this one included.
    set: Set,
    total: u64,
}

/// True if the present choices lead from the operands of an e-node to e-class `target`.
fn reaches(best: &[Option<Choice>], enode: &ENode, target: usize, index: impl Fn(Id) -> usize) -> bool {
    let mut seen = Set(vec![0; best.len().div_ceil(64)]);
    let mut stack: Vec<usize> = enode.children.iter().map(|c| index(*c)).collect();
    while let Some(k) = stack.pop() {
        if k == target {
            return true;
        }
        if seen.insert(k) {
            stack.extend(best[k].iter().flat_map(|c| &c.enode.children).map(|c| index(*c)));
        }
    }
    false
}

/// The cheapest form of the network. Inputs stay in order, used or not.
pub(super) fn extract(graph: &TensorGraph, network: &Network) -> TensorGraph {
    let egraph = &network.egraph;
    let mut classes: Vec<Id> = egraph.classes().map(|c| c.id).collect();
    classes.sort_unstable();
    let index: HashMap<Id, usize> = classes.iter().enumerate().map(|(k, id)| (*id, k)).collect();
    let words = classes.len().div_ceil(64);
    let op = |enode: &ENode| &egraph.analysis.ops[enode.op as usize];
    let mut best: Vec<Option<Choice>> = classes.iter().map(|_| None).collect();
    let mut prices = Prices { words, classes: Vec::new() };
    // Prices only fall, so this ends; ids are nearly topological, so it ends soon.
    loop {
        let mut changed = false;
        for (k, class) in classes.iter().enumerate() {
            let mut enodes: Vec<&ENode> = egraph[*class].nodes.iter().collect();
            enodes.sort_unstable();
            for enode in enodes {
                let mut set = Set(vec![0; words]);
                let children = enode.children.iter().map(|c| best[index[&egraph.find(*c)]].as_ref());
                let known = children.map(|c| c.map(|c| set.join(&c.set))).collect::<Option<Vec<()>>>();
                if known.is_none() {
                    continue;
                }
                let others = prices.sum(&set);
                // An e-class that needs itself is a cycle.
                if !set.insert(k) {
                    continue;
                }
                let total = others + price(op(enode));
                // The sets may be older than the choices: look before closing a cycle. Before its first choice nothing
                // is computed from an e-class.
                let chosen = match &best[k] {
                    None => true,
                    Some(b) => total < b.total && !reaches(&best, enode, k, |c| index[&egraph.find(c)]),
                };
                if chosen {
                    prices.choose(k, price(op(enode)));
                    best[k] = Some(Choice { enode: enode.clone(), set, total });
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    let names = network.names();
    let mut writer = Writer {
        network,
        names,
        best: &best,
        index: &index,
        new: TensorGraph::new(graph.name.clone(), ()),
        values: vec![None; classes.len()],
        constants: HashMap::new(),
    };
    for (id, _) in graph.inputs() {
        writer.write(egraph.find(network.class_of[id.index()]));
    }
    for (output, class) in graph.outputs.iter().zip(&network.outputs) {
        let value = writer.write(egraph.find(*class));
        writer.new.add_output(output.name.clone(), value);
    }
    writer.new
}

struct Writer<'a> {
    network: &'a Network,
    names: HashMap<ENode, &'a str>,
    best: &'a [Option<Choice>],
    index: &'a HashMap<Id, usize>,
    new: TensorGraph,
    values: Vec<Option<ValueId>>,
    constants: HashMap<ConstId, ConstId>,
}

impl Writer<'_> {
    /// Writes an e-class after everything it needs.
    fn write(&mut self, class: Id) -> ValueId {
        let mut stack = vec![class];
        loop {
            let class = stack[stack.len() - 1];
            let k = self.index[&class];
            let enode = &self.best[k].as_ref().expect("every e-class holds an original node").enode;
            let children: Vec<Id> = enode.children.iter().map(|c| self.network.egraph.find(*c)).collect();
            let missing = children.iter().rev().filter(|c| self.values[self.index[c]].is_none());
            let missing: Vec<Id> = missing.copied().collect();
            if self.values[k].is_none() && !missing.is_empty() {
                stack.extend(missing);
                continue;
            }
            let value = match self.values[k] {
                Some(value) => value,
                None => self.push(enode, &children, class),
            };
            self.values[k] = Some(value);
            stack.pop();
            if stack.is_empty() {
                return value;
            }
        }
    }

    fn push(&mut self, enode: &ENode, children: &[Id], class: Id) -> ValueId {
        let mut op = self.network.egraph.analysis.ops[enode.op as usize].clone();
        let (constants, new, network) = (&mut self.constants, &mut self.new, self.network);
        op.map_constants(&mut |c| {
            *constants.entry(c).or_insert_with(|| new.add_constant(network.constant(c).clone()))
        });
        let args = children.iter().map(|c| self.values[self.index[c]].expect("written before")).collect();
        let canonical = ENode { op: enode.op, children: children.to_vec() };
        let name = self.names.get(&canonical).copied().unwrap_or_default();
        self.new.push(op, args, self.network.shape(class).to_vec(), name)
    }
}
