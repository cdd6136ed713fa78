//! Rules at work on the e-graph.

use std::collections::{HashMap, HashSet};

use egg::Id;
use fhec_ir::tensor::infer_shape;

use super::enode::ENode;
use super::network::Network;
use super::rule::{Rule, Term, View};

/// Scans all e-nodes once with a rule. True if something was added.
pub(super) fn apply(network: &mut Network, rule: &Rule) -> bool {
    let replaced: HashSet<ENode> = network.replaced.iter().map(|k| network.canonical(k)).collect();
    let names: HashMap<ENode, String> =
        network.names().into_iter().map(|(k, n)| (k, n.to_string())).collect();
    count_users(network, &replaced);
    let view = |this: &Network, enode: &ENode| View {
        op: this.egraph.analysis.ops[enode.op as usize].clone(),
        children: enode.children.clone(),
        name: names.get(enode).cloned().unwrap_or_default(),
    };
    let live = |this: &Network, class: Id| -> Vec<ENode> {
        let nodes = this.egraph[class].nodes.iter().map(|k| this.canonical(k));
        let mut nodes: Vec<ENode> = nodes.filter(|k| !replaced.contains(k)).collect();
        nodes.sort_unstable();
        nodes
    };
    let mut classes: Vec<Id> = network.users.keys().copied().collect();
    classes.sort_unstable();
    let mut found: Vec<(Id, ENode, Term)> = Vec::new();
    for class in classes {
        for enode in live(network, class) {
            if !rule.may_match(&network.egraph.analysis.ops[enode.op as usize]) {
                continue;
            }
            match rule {
                Rule::Node { rewrite, .. } => {
                    let node = view(network, &enode);
                    found.extend(rewrite(network, &node).map(|term| (class, enode, term)));
                }
                Rule::Pair { name, rewrite, .. } => {
                    let node = view(network, &enode);
                    'slots: for (slot, &child) in enode.children.iter().enumerate() {
                        for inner in live(network, network.egraph.find(child)) {
                            let key = (*name, enode.clone(), inner.clone());
                            if network.applied.contains(&key) {
                                continue;
                            }
                            let below = view(network, &inner);
                            if let Some(term) = rewrite(network, &node, slot, &below) {
                                network.applied.insert(key);
                                found.push((class, enode.clone(), term));
                                break 'slots;
                            }
                        }
                    }
                }
            }
        }
    }
    let mut changed = false;
    for (class, enode, term) in found {
        let Some(id) = add(network, term) else { continue };
        if network.shape(id) != network.shape(class) {
            debug_assert!(false, "a rule changed a shape");
            continue;
        }
        network.replaced.push(enode);
        network.egraph.union(class, id);
        changed = true;
    }
    network.egraph.rebuild();
    changed
}

/// Adds a term; None if its shapes do not fit.
fn add(network: &mut Network, term: Term) -> Option<Id> {
    match term {
        Term::Class(id) => Some(id),
        Term::Node(op, args, name) => {
            let children = args.into_iter().map(|a| add(network, a)).collect::<Option<Vec<Id>>>()?;
            let shapes: Vec<&[usize]> = children.iter().map(|&c| network.shape(c)).collect();
            infer_shape(&network.egraph.analysis.constants, &op, &shapes).ok()?;
            let op = network.egraph.analysis.op(op);
            Some(network.insert(ENode { op, children }, name))
        }
    }
}

/// Counts users: walks from the outputs over the e-nodes that no rule has replaced.
fn count_users(network: &mut Network, replaced: &HashSet<ENode>) {
    let mut users: HashMap<Id, usize> = HashMap::new();
    let mut stack = Vec::new();
    for output in &network.outputs {
        let class = network.egraph.find(*output);
        // An output is a use that no fold may take over.
        if users.insert(class, 2).is_none() {
            stack.push(class);
        }
    }
    while let Some(class) = stack.pop() {
        let enodes = network.egraph[class].nodes.iter().map(|k| network.canonical(k));
        let enodes: Vec<ENode> = enodes.filter(|k| !replaced.contains(k)).collect();
        let children: HashSet<Id> = enodes.into_iter().flat_map(|k| k.children).collect();
        for child in children {
            let count = users.entry(child).or_insert_with(|| {
                stack.push(child);
                0
            });
            *count += 1;
        }
    }
    network.users = users;
}
