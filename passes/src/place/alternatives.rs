//! The alternatives for every value of a slot graph: its e-graph, and the extraction problem that it poses.

use std::collections::HashMap;

use egg::{EGraph, Id, Runner};
use fhec_ir::slot::{LinearMap, PolyStrategy, SlotGraph, SlotOp};
use fhec_ir::tensor::{Basis, is_even_but_linear};
use fhec_ir::{ConstId, ValueId};

use super::config::{Bootstrap, Config};
use super::enode::{ENode, Facts, PolyForm, Way};
use super::extract::{Alternative, Bootstraps, EClass, Problem};
use super::rules::rules;
use crate::maps::{Parts, Prices};
use crate::open_rows::to_be_cleared;

/// Price of clearing a ciphertext, in rotations: a product, its plaintext, rescaling.
const CLEARING: f64 = 0.8;

/// How a value is computed: as which value of the graph, itself unless the graph has alternatives for it, and in which way.
pub(super) type Computation = (ValueId, Way);

/// What the linear map of a value consists of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MapParts {
    /// As it is, if it has a plan.
    pub given: Option<Parts>,
    /// As an open map whose result is cleared, if that is possible.
    pub opened: Option<Parts>,
}

/// The alternatives for every value. E-class k of the problem is value %k. Values that are alternatives for another one
/// are alternatives of its e-class, and their own e-classes are empty.
pub(super) struct Alternatives {
    pub problem: Problem,
    /// What stands behind the alternatives of each e-class.
    computations: Vec<Vec<Computation>>,
}

impl Alternatives {
    /// The alternatives for a graph whose maps consist of `parts`.
    pub(super) fn new(graph: &SlotGraph, parts: &[MapParts], config: &Config) -> Self {
        let bootstrap = config.bootstrap.as_ref();
        let polys = graph.iter().filter_map(|(id, node)| match &node.op {
            SlotOp::Poly { coeffs, basis, .. } => Some((id.0, form(graph, *coeffs, *basis))),
            _ => None,
        });
        let eithers = graph.iter().filter(|(_, n)| n.op == SlotOp::Alternatives).map(|(id, _)| id.0);
        let pays = |id: &ValueId| {
            let price = |way| measure(graph, (*id, parts[id.index()]), way, &config.prices).1;
            parts[id.index()].opened.is_some() && price(Way::Opened) < price(Way::Given)
        };
        let opens = graph.ids().filter(pays).map(|id| id.0);
        let facts = Facts { polys: polys.collect(), eithers: eithers.collect(), opens: opens.collect() };
        let mut egraph = EGraph::new(facts);
        let mut class_of: Vec<Id> = Vec::with_capacity(graph.len());
        for (id, node) in graph.iter() {
            let children = node.args.iter().map(|a| class_of[a.index()]).collect();
            class_of.push(egraph.add(ENode { value: id.0, way: Way::Given, children }));
        }
        egraph.rebuild();
        // One round finds everything: no rule matches what a rule added.
        let egraph = Runner::default().with_egraph(egraph).with_iter_limit(2).run(&rules()).egraph;

        // Of an e-class of several values the last stands for it: it is the one that is read.
        let value_of: HashMap<Id, usize> =
            class_of.iter().enumerate().map(|(k, id)| (egraph.find(*id), k)).collect();
        let computes = |enode: &ENode| {
            let is_poly = matches!(graph.node(ValueId(enode.value)).op, SlotOp::Poly { .. });
            enode.way.strategy().is_some() == is_poly && !egraph.analysis.eithers.contains(&enode.value)
        };
        let headroom = bootstrap.map_or_else(|| vec![0; graph.len()], |b| headroom(graph, b));
        let mut computations: Vec<Vec<Computation>> = Vec::new();
        let mut classes = Vec::new();
        for id in graph.ids() {
            let class = egraph.find(class_of[id.index()]);
            let is_read = value_of[&class] == id.index();
            let mut enodes: Vec<&ENode> =
                egraph[class].nodes.iter().filter(|k| is_read && computes(k)).collect();
            enodes.sort_unstable_by_key(|k| (k.value, k.way));
            computations.push(enodes.iter().map(|k| (ValueId(k.value), k.way)).collect());
            let alternatives = enodes.iter().map(|enode| {
                let value = ValueId(enode.value);
                let (depth, price) = measure(graph, (value, parts[value.index()]), enode.way, &config.prices);
                Alternative {
                    children: enode.children.iter().map(|c| value_of[&egraph.find(*c)]).collect(),
                    depth,
                    headroom: headroom[value.index()],
                    rotations: price,
                }
            });
            classes.push(EClass { alternatives: alternatives.collect() });
        }
        let outputs = graph.outputs.iter().map(|o| o.value.index()).collect();
        let bootstraps = bootstrap.map(|b| Bootstraps {
            levels: b.levels,
            floor: b.level_in,
            prices: graph.ids().map(|id| b.price_of(graph, id)).collect(),
            shares: graph.ids().map(|id| b.share_of(graph, id)).collect(),
        });
        Self { problem: Problem { classes, outputs, price: config.levels.clone(), bootstraps }, computations }
    }

    /// What is behind alternative `chosen` of a value.
    pub(super) fn computation(&self, id: ValueId, chosen: usize) -> Computation {
        self.computations[id.index()][chosen]
    }
}

/// What the planned linear maps of a graph consist of, by value.
pub(super) fn parts(graph: &SlotGraph) -> Vec<MapParts> {
    let parts = |map: &LinearMap| map.plan.as_ref().map(|plan| Parts::of(map, plan));
    let of = |op: &SlotOp| match op {
        SlotOp::Linear(map) => MapParts { given: parts(map), opened: None },
        _ => MapParts::default(),
    };
    graph.iter().map(|(_, node)| of(&node.op)).collect()
}

/// As [`parts`], and where maps can be opened, and need clearing then, what they consist of as open ones.
pub(super) fn parts_given_and_opened(graph: &SlotGraph) -> Vec<MapParts> {
    let mut all = parts(graph);
    for (parts, opened) in all.iter_mut().zip(to_be_cleared(graph)) {
        parts.opened = opened.and_then(|map| Some(Parts::of(&map, map.plan.as_ref()?)));
    }
    all
}

/// Levels that values have to stay below the bootstraps' level when they are computed. A bootstrap leaves slots of range
/// r at r times less than the usual scale. Linear maps give their results any scale, but a product would lose twice the
/// bits: it leaves a level to restore the scale before.
fn headroom(graph: &SlotGraph, bootstrap: &Bootstrap) -> Vec<u32> {
    let mut low: Vec<bool> = Vec::with_capacity(graph.len());
    let mut headroom = Vec::with_capacity(graph.len());
    for (id, node) in graph.iter() {
        let reads_low = node.args.iter().any(|a| low[a.index()]);
        let multiplies = matches!(node.op, SlotOp::Poly { .. } | SlotOp::Mul);
        headroom.push(u32::from(multiplies && reads_low));
        let keeps_level = node.op.depth(&graph.constants) == 0;
        let is_input = node.args.is_empty();
        let wide = !is_input && bootstrap.range(graph, id).is_some_and(|r| r > 1.0);
        low.push(wide || keeps_level && reads_low);
    }
    headroom
}

/// Depth and price, in rotations, of a computation; `parts` of a linear map.
fn measure(graph: &SlotGraph, (id, parts): (ValueId, MapParts), way: Way, prices: &Prices) -> (u32, f64) {
    let node = graph.node(id);
    let cts = node.ty.layout.ciphertexts as f64;
    match (&node.op, way) {
        (SlotOp::Poly { coeffs, .. }, Way::By(strategy)) => {
            let degree = graph.constant(*coeffs).shape[0] - 1;
            let plain = match strategy {
                PolyStrategy::MonicSquare => 0,
                PolyStrategy::MonicQuartic | PolyStrategy::Horner => 1,
                PolyStrategy::PowerBasis | PolyStrategy::BabyGiant => degree,
                PolyStrategy::EvenBabyGiant => degree / 2 + 1,
            };
            let each = f64::from(strategy.products(degree)) * 1.1 + plain as f64 * prices.product;
            (strategy.depth(degree), cts * each)
        }
        (SlotOp::Linear(_), Way::Opened) => {
            (2, parts.opened.map_or(f64::INFINITY, |parts| parts.price(prices)) + CLEARING * cts)
        }
        (SlotOp::Linear(_), _) => (1, parts.given.map_or(1.0, |parts| parts.price(prices))),
        (SlotOp::ShiftSum { shifts, .. }, _) => {
            let sums: u32 = shifts.iter().map(|s| s.extent.next_power_of_two().trailing_zeros()).sum();
            (0, cts * f64::from(sums) * prices.rotation)
        }
        (SlotOp::Mul, _) => (1, cts * 1.1),
        _ => (0, cts * 0.01),
    }
}

/// Below this degree other ways are as short.
const LEAST_EVEN: usize = 5;

fn form(graph: &SlotGraph, coeffs: ConstId, basis: Basis) -> PolyForm {
    let constant = graph.constant(coeffs);
    let degree = constant.shape[0] - 1;
    let channels = constant.len() / constant.shape[0];
    let all = |k: usize, x: f64| (0..channels).all(|c| constant.at(k * channels + c) == x);
    let powers = basis == Basis::Power;
    let [steps, even] =
        [PolyStrategy::BabyGiant, PolyStrategy::EvenBabyGiant].map(|s| (s.depth(degree), s.products(degree)));
    PolyForm {
        powers,
        steps: steps.1 < PolyStrategy::PowerBasis.products(degree)
            || steps.0 < PolyStrategy::PowerBasis.depth(degree),
        even: degree > LEAST_EVEN && is_even_but_linear(constant) && (even.0 < steps.0 || even.1 < steps.1),
        monic_square: powers && degree == 2 && all(1, 0.0) && all(2, 1.0),
        monic_quartic: powers && degree == 4 && all(3, 0.0) && (all(4, 1.0) || all(4, -1.0)),
    }
}
