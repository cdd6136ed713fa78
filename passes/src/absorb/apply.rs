//! Writes the transformed network: every constant is rounded once.

use fhec_ir::tensor::{Basis, TensorGraph, TensorOp};
use fhec_ir::{Node, ValueId};

use super::form::Form;
use super::gauge::Gauge;
use super::shift::bias_of;
use crate::rescale::{Rescaler, over_axis_1};

/// The graph with all factors, shifts and forms applied.
pub(super) fn apply(graph: &TensorGraph, gauge: &Gauge, forms: &[Option<Form>]) -> TensorGraph {
    let users = graph.users();
    // Shifts in units of the scaled values, at the node whose bias takes them.
    let mut bias: Vec<Option<Vec<f64>>> = vec![None; graph.len()];
    let mut before: Vec<Option<Vec<f64>>> = vec![None; graph.len()];
    for (id, node) in graph.iter() {
        let Some(form) = &forms[id.index()] else { continue };
        if form.scale.is_some() || form.shift.iter().all(|&t| t == 0.0) {
            continue;
        }
        let x = node.args[0];
        let shift: Vec<f64> = form.shift.iter().zip(gauge.factor(x)).map(|(t, f)| t * f).collect();
        match bias_of(graph, &users, x) {
            Some((target, sign)) => bias[target.index()] = Some(shift.iter().map(|t| sign * t).collect()),
            None => before[id.index()] = Some(shift),
        }
    }
    let mut writer = Writer { graph, gauge, to: Rescaler::new(graph), map: Vec::with_capacity(graph.len()) };
    for (id, node) in graph.iter() {
        let value = match &forms[id.index()] {
            Some(form) => writer.poly(id, node, form, before[id.index()].take()),
            None => writer.node(id, node, bias[id.index()].take()),
        };
        writer.map.push(value);
    }
    let Writer { to: Rescaler { mut new, .. }, map, .. } = writer;
    for output in &graph.outputs {
        new.add_output(output.name.clone(), map[output.value.index()]);
    }
    new
}

struct Writer<'g> {
    graph: &'g TensorGraph,
    gauge: &'g Gauge<'g>,
    to: Rescaler<'g>,
    map: Vec<ValueId>,
}

impl Writer<'_> {
    fn push(&mut self, id: ValueId, op: TensorOp, args: Vec<ValueId>) -> ValueId {
        let node = self.graph.node(id);
        self.to.new.push(op, args, node.ty.clone(), node.name.clone())
    }

    /// x + shift.
    fn shifted(&mut self, id: ValueId, x: ValueId, shift: &[f64]) -> ValueId {
        let shift = self.to.add(over_axis_1(self.graph.ty(id).len(), shift.len()), shift);
        self.push(id, TensorOp::Affine { scale: None, shift: Some(shift) }, vec![x])
    }

    fn poly(&mut self, id: ValueId, node: &Node<TensorOp>, form: &Form, before: Option<Vec<f64>>) -> ValueId {
        let mut x = self.map[node.args[0].index()];
        if let Some(shift) = before {
            x = self.shifted(id, x, &shift);
        }
        let (mut fx, fy) = (self.gauge.factor(node.args[0]), self.gauge.factor(id));
        if let Some(scale) = &form.scale {
            let rank = self.graph.ty(id).len();
            let ratio: Vec<f64> = scale.iter().zip(fx).map(|(s, f)| s / f).collect();
            let shift: Vec<f64> = scale.iter().zip(&form.shift).map(|(s, t)| s * t).collect();
            let shifted = shift.iter().any(|t| *t != 0.0);
            let factor = Some(self.to.add(over_axis_1(rank, ratio.len()), &ratio));
            let shift = shifted.then(|| self.to.add(over_axis_1(rank, shift.len()), &shift));
            x = self.push(id, TensorOp::Affine { scale: factor, shift }, vec![x]);
            fx = scale;
        }
        let mut powers = form.powers.clone();
        for (k, power) in powers.iter_mut().enumerate() {
            for (c, v) in power.iter_mut().enumerate() {
                // Adding 0 turns −0 into 0.
                *v = *v * fy[c] / fx[c].powi(k as i32) + 0.0;
            }
        }
        let degree = powers.len() - 1;
        let mut behind = None;
        if let Some(sign) = form.monic {
            // Exactly: later passes look for it.
            powers[degree].fill(sign);
            if degree == 2 && powers[0].iter().any(|&c| c != 0.0) {
                behind = Some(std::mem::replace(&mut powers[0], vec![0.0; fx.len()]));
            }
        }
        let alike = powers.iter().all(|p| p.iter().all(|v| *v == p[0]));
        let columns = if alike { 1 } else { fx.len() };
        let data: Vec<f64> = powers.iter().flat_map(|p| &p[..columns]).copied().collect();
        let coeffs = self.to.add(vec![degree + 1, columns], &data);
        let basis = if let TensorOp::Poly { basis, .. } = node.op { basis } else { Basis::Power };
        let y = self.push(id, TensorOp::Poly { coeffs, basis }, vec![x]);
        match behind {
            Some(constant) => self.shifted(id, y, &constant),
            None => y,
        }
    }

    fn node(&mut self, id: ValueId, node: &Node<TensorOp>, shift: Option<Vec<f64>>) -> ValueId {
        let args = node.args.iter().map(|a| self.map[a.index()]).collect();
        let mut op = node.op.clone();
        let one = |s: &[f64]| s.iter().all(|&f| f == 1.0);
        let after = self.gauge.factor(id).to_vec();
        let before = node.args.first().map_or(vec![1.0], |a| self.gauge.factor(*a).to_vec());
        if !(one(&after) && one(&before) && shift.is_none()) {
            self.to.rewrite(&mut op, node, &before, &after, shift);
        }
        self.push(id, op, args)
    }
}
