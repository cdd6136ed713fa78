//! The verifier: every violation at once, by invariant number, and a proof type on success.

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;

use rayon::prelude::*;

use crate::{Graph, Op, ValueId, Violation};

impl Violation {
    /// A violation at the node that computes `id`.
    pub fn at<O: Op>(
        graph: &Graph<O>,
        id: ValueId,
        invariant: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { invariant, place: graph.describe(id), message: message.into() }
    }
}

/// Everything that is wrong with a graph; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the graph breaks {} invariant(s)", self.0.len())?;
        for v in &self.0 {
            write!(f, "\n  {v}")?;
        }
        Ok(())
    }
}

/// A graph whose invariants hold. Only [`verify`] makes one; reading goes through `Deref`.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified<G>(G);

impl<G> Verified<G> {
    /// Gives up the proof to change the graph.
    pub fn into_inner(self) -> G {
        self.0
    }
}

impl<G> Deref for Verified<G> {
    type Target = G;
    fn deref(&self) -> &G {
        &self.0
    }
}

/// Checks all invariants of a graph.
///
/// # Errors
/// All violations. Those of the IR itself are only looked for where G1–G4 hold.
pub fn verify<O: Op>(graph: Graph<O>) -> Result<Verified<Graph<O>>, Violations> {
    let mut report = Vec::new();
    check_shared(&graph, &mut report);
    if report.is_empty() {
        // Linear maps are looked at entry by entry, seconds for a large network.
        let of_node = |id: ValueId| {
            let mut report = Vec::new();
            O::check_node(&graph, id, &mut report);
            report
        };
        let reports: Vec<_> =
            (0..graph.len() as u32).into_par_iter().map(|id| of_node(ValueId(id))).collect();
        report.extend(reports.into_iter().flatten());
        O::check_graph(&graph, &mut report);
    }
    if report.is_empty() { Ok(Verified(graph)) } else { Err(Violations(report)) }
}

fn check_shared<O: Op>(graph: &Graph<O>, report: &mut Vec<Violation>) {
    let mut inputs = HashSet::new();
    for (id, node) in graph.iter() {
        for arg in node.args.iter().filter(|a| **a >= id) {
            report.push(Violation::at(graph, id, "G1", format!("operand {arg} does not stand before it")));
        }
        node.op.visit_constants(&mut |c| {
            if c.index() >= graph.constants.len() {
                report.push(Violation::at(graph, id, "G2", format!("constant {c} does not exist")));
            }
        });
        if let Some(name) = node.op.input_name() {
            if !node.args.is_empty() {
                report.push(Violation::at(graph, id, "G4", "an input has no operands"));
            }
            if !inputs.insert(name) {
                report.push(Violation::at(graph, id, "G4", format!("input name {name:?} is used twice")));
            }
        }
    }
    O::visit_header_constants(&graph.header, &mut |c| {
        if c.index() >= graph.constants.len() {
            report.push(Violation::of_graph("G2", format!("the header's constant {c} does not exist")));
        }
    });
    for (i, c) in graph.constants.iter().enumerate() {
        let size = c.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if size != Some(c.data.len()) {
            let message = format!("constant ${i} of shape {:?} has {} numbers", c.shape, c.data.len());
            report.push(Violation::of_graph("G2", message));
        }
        if let Some(k) = c.data.values().position(|x| !x.is_finite()) {
            report.push(Violation::of_graph("G2", format!("constant ${i} has {} at {k}", c.at(k))));
        }
    }
    if graph.outputs.is_empty() {
        report.push(Violation::of_graph("G3", "there is no output"));
    }
    let mut names = HashSet::new();
    for output in &graph.outputs {
        if output.value.index() >= graph.len() {
            let message = format!("output {:?} names {}, which does not exist", output.name, output.value);
            report.push(Violation::of_graph("G3", message));
        }
        if !names.insert(&output.name) {
            report.push(Violation::of_graph("G3", format!("output name {:?} is used twice", output.name)));
        }
    }
}
