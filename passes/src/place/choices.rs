//! The e-graph of a slot graph, and the extraction problem that it poses.

use std::collections::HashMap;

use egg::{EGraph, Id, Runner};
use fhec_ir::slot::{PolyStrategy, SlotGraph, SlotOp};
use fhec_ir::{ConstId, ValueId};

use super::extract::{Alternative, Class, Problem};
use super::rotation_price;
use super::rules::{PolyForm, rules};
use crate::minimize_rotations::{Prices, count};

/// An e-node: a way to compute a value of the slot graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kernel {
    /// Index of the value.
    pub value: u32,
    /// How a polynomial is evaluated; None on other ops, and on polynomials before the rules ran.
    pub strategy: Option<PolyStrategy>,
    /// Classes of the operands.
    pub children: Vec<Id>,
}

/// What rules ask about values.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Form of each polynomial.
    pub polys: HashMap<u32, PolyForm>,
}

/// The alternatives of every value. Class k of the problem is value %k.
pub(super) struct Choices {
    pub problem: Problem,
    strategies: Vec<Vec<Option<PolyStrategy>>>,
}

impl Choices {
    pub(super) fn new(graph: &SlotGraph, prices: &Prices) -> Self {
        let polys = graph.iter().filter_map(|(id, node)| match &node.op {
            SlotOp::Poly { coeffs, .. } => Some((id.0, form(graph, *coeffs))),
            _ => None,
        });
        let mut egraph = EGraph::new(Facts { polys: polys.collect() });
        let mut class_of: Vec<Id> = Vec::with_capacity(graph.len());
        for (id, node) in graph.iter() {
            let children = node.args.iter().map(|a| class_of[a.index()]).collect();
            class_of.push(egraph.add(Kernel { value: id.0, strategy: None, children }));
        }
        egraph.rebuild();
        // One round finds everything: no rule matches what a rule added.
        let egraph = Runner::default().with_egraph(egraph).with_iter_limit(2).run(&rules()).egraph;

        let value_of: HashMap<Id, usize> =
            class_of.iter().enumerate().map(|(k, id)| (egraph.find(*id), k)).collect();
        let mut strategies = Vec::new();
        let mut classes = Vec::new();
        for (id, node) in graph.iter() {
            let is_poly = matches!(node.op, SlotOp::Poly { .. });
            let mut kernels: Vec<&Kernel> = egraph[class_of[id.index()]]
                .nodes
                .iter()
                .filter(|k| k.strategy.is_some() == is_poly)
                .collect();
            kernels.sort_unstable_by_key(|k| k.strategy);
            strategies.push(kernels.iter().map(|k| k.strategy).collect());
            let alternatives = kernels.iter().map(|kernel| {
                let (depth, price) = measure(graph, id, kernel.strategy, prices);
                Alternative {
                    children: kernel.children.iter().map(|c| value_of[&egraph.find(*c)]).collect(),
                    depth,
                    rotations: price,
                }
            });
            classes.push(Class { alternatives: alternatives.collect() });
        }
        let outputs = graph.outputs.iter().map(|o| o.value.index()).collect();
        Self { problem: Problem { classes, outputs, price: rotation_price }, strategies }
    }

    /// The strategy behind alternative `chosen` of a value.
    pub(super) fn strategy(&self, id: ValueId, chosen: Option<usize>) -> Option<PolyStrategy> {
        chosen.and_then(|k| self.strategies[id.index()][k])
    }
}

/// Depth and price, in rotations, of one way to compute a value.
fn measure(graph: &SlotGraph, id: ValueId, strategy: Option<PolyStrategy>, prices: &Prices) -> (u32, f64) {
    let node = graph.node(id);
    let cts = node.ty.layout.ciphertexts as f64;
    match (&node.op, strategy) {
        (SlotOp::Poly { coeffs, .. }, Some(strategy)) => {
            let degree = graph.constant(*coeffs).shape[0] - 1;
            let plain = match strategy {
                PolyStrategy::MonicSquare => 0,
                PolyStrategy::MonicQuartic | PolyStrategy::Horner => 1,
                PolyStrategy::PowerBasis => degree,
            };
            let each = f64::from(strategy.products(degree)) * 1.1 + plain as f64 * prices.product;
            (strategy.depth(degree), cts * each)
        }
        (SlotOp::Linear(map), _) => {
            let rotations = map.plan.as_ref().map_or(1.0, |plan| {
                let c = count(map, plan);
                let hoists: usize = map.inputs.iter().map(|l| l.ciphertexts).sum();
                prices.hoist * hoists as f64
                    + prices.baby * c.babies as f64
                    + prices.giant * c.giants as f64
                    + prices.rotation * c.sums as f64
                    + (prices.product + prices.encode) * c.products as f64
            });
            (1, rotations)
        }
        (SlotOp::ShiftSum { shifts, .. }, _) => {
            let sums: u32 = shifts.iter().map(|s| s.extent.next_power_of_two().trailing_zeros()).sum();
            (0, cts * f64::from(sums) * prices.rotation)
        }
        (SlotOp::Mul, _) => (1, cts * 1.1),
        _ => (0, cts * 0.01),
    }
}

fn form(graph: &SlotGraph, coeffs: ConstId) -> PolyForm {
    let constant = graph.constant(coeffs);
    let degree = constant.shape[0] - 1;
    let channels = constant.len() / constant.shape[0];
    let all = |k: usize, x: f32| constant.data[k * channels..(k + 1) * channels].iter().all(|c| *c == x);
    PolyForm {
        monic_square: degree == 2 && all(1, 0.0) && all(2, 1.0),
        monic_quartic: degree == 4 && all(3, 0.0) && (all(4, 1.0) || all(4, -1.0)),
    }
}
