//! Writes the transformed network: every constant is rounded once.

use fhec_ir::tensor::value::{broadcast_steps, for_each_strided};
use fhec_ir::tensor::{Basis, TensorGraph, TensorOp};
use fhec_ir::{ConstId, Constant, Node, ValueId};

use super::form::Form;
use super::gauge::Gauge;
use super::shift::bias_of;

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
    let mut new = TensorGraph::new(graph.name.clone(), ());
    new.constants = graph.constants.clone();
    let mut writer = Writer { graph, gauge, new, map: Vec::with_capacity(graph.len()) };
    for (id, node) in graph.iter() {
        let value = match &forms[id.index()] {
            Some(form) => writer.poly(id, node, form, before[id.index()].take()),
            None => writer.node(id, node, bias[id.index()].take()),
        };
        writer.map.push(value);
    }
    let Writer { mut new, map, .. } = writer;
    for output in &graph.outputs {
        new.add_output(output.name.clone(), map[output.value.index()]);
    }
    new
}

struct Writer<'g> {
    graph: &'g TensorGraph,
    gauge: &'g Gauge<'g>,
    new: TensorGraph,
    map: Vec<ValueId>,
}

/// Shape [1, C, 1, …] of a vector over axis 1.
fn over_axis_1(rank: usize, len: usize) -> Vec<usize> {
    let mut shape = vec![1; rank];
    if rank > 1 {
        shape[1] = len;
    }
    shape
}

impl Writer<'_> {
    fn add(&mut self, shape: Vec<usize>, data: &[f64]) -> ConstId {
        self.new.add_constant(Constant::exact(shape, data))
    }

    fn push(&mut self, id: ValueId, op: TensorOp, args: Vec<ValueId>) -> ValueId {
        let node = self.graph.node(id);
        self.new.push(op, args, node.ty.clone(), node.name.clone())
    }

    /// x + shift.
    fn shifted(&mut self, id: ValueId, x: ValueId, shift: &[f64]) -> ValueId {
        let shift = self.add(over_axis_1(self.graph.ty(id).len(), shift.len()), shift);
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
            let factor = Some(self.add(over_axis_1(rank, ratio.len()), &ratio));
            let shift = shifted.then(|| self.add(over_axis_1(rank, shift.len()), &shift));
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
        let coeffs = self.add(vec![degree + 1, columns], &data);
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
            self.rewrite(&mut op, node, &before, &after, shift);
        }
        self.push(id, op, args)
    }

    /// Applies factors of operand and result, and a shift, to the constants of an op that has any.
    fn rewrite(
        &mut self,
        op: &mut TensorOp,
        node: &Node<TensorOp>,
        before: &[f64],
        after: &[f64],
        shift: Option<Vec<f64>>,
    ) {
        match op {
            TensorOp::Conv { weight, bias, groups, .. } => {
                let shape = self.graph.constant(*weight).shape.clone();
                let (in_group, out_group) = (shape[1], shape[0] / *groups);
                let inputs = |o: usize, i: usize| o / out_group * in_group + i;
                *weight = self.scaled(*weight, |o, i| after[o] / before[inputs(o, i)]);
                *bias = self.bias(*bias, after, shift);
            }
            TensorOp::ConvTranspose { weight, bias, groups, .. } => {
                let shape = self.graph.constant(*weight).shape.clone();
                let (in_group, out_group) = (shape[0] / *groups, shape[1]);
                let outputs = |i: usize, o: usize| i / in_group * out_group + o;
                *weight = self.scaled(*weight, |i, o| after[outputs(i, o)] / before[i]);
                *bias = self.bias(*bias, after, shift);
            }
            TensorOp::Gemm { weight, bias } if node.ty.len() == 2 => {
                *weight = self.scaled(*weight, |o, i| after[o] / before[i]);
                *bias = self.bias(*bias, after, shift);
            }
            TensorOp::Gemm { weight, bias } => {
                *weight = self.scaled(*weight, |_, _| after[0] / before[0]);
                if let Some(b) = bias {
                    let data: Vec<f64> =
                        self.graph.constant(*b).data.values().map(|x| after[0] * x).collect();
                    *b = self.add(vec![data.len()], &data);
                }
            }
            TensorOp::Affine { scale, shift: old } => {
                let rank = node.ty.len();
                let vector = |v: Vec<f64>| (over_axis_1(rank, v.len()), v);
                if let Some(s) = scale {
                    let ratio = after.iter().zip(before).map(|(a, b)| a / b).collect();
                    let constant = self.graph.constant(*s).clone();
                    let (shape, data) = combined(&node.ty, &constant, &vector(ratio), |c, r| c * r);
                    *s = self.add(shape, &data);
                }
                let scaled = old.map(|o| {
                    let constant = self.graph.constant(o).clone();
                    combined(&node.ty, &constant, &vector(after.to_vec()), |c, f| c * f)
                });
                let total = match (scaled, shift) {
                    (Some((shape, data)), Some(t)) => {
                        let constant = Constant::exact(shape, data);
                        Some(combined(&node.ty, &constant, &vector(t), |c, t| c + t))
                    }
                    (Some(scaled), None) => Some(scaled),
                    (None, Some(t)) => Some(vector(t)),
                    (None, None) => None,
                };
                *old = total.map(|(shape, data)| self.add(shape, &data));
            }
            TensorOp::Constant { value } => {
                let constant = self.graph.constant(*value).clone();
                let factor = (over_axis_1(constant.shape.len(), after.len()), after.to_vec());
                let (shape, data) = combined(&constant.shape.clone(), &constant, &factor, |c, f| c * f);
                *value = self.add(shape, &data);
            }
            _ => {}
        }
    }

    /// A weight of shape [a, b, …] times f(index a, index b), rounded to f32.
    fn scaled(&mut self, weight: ConstId, f: impl Fn(usize, usize) -> f64) -> ConstId {
        let constant = self.graph.constant(weight);
        let shape = constant.shape.clone();
        let taps: usize = shape[2..].iter().product();
        let rows = constant.data.chunks(taps.max(1)).enumerate();
        let data: Vec<f64> = rows
            .flat_map(|(k, row)| {
                let factor = f(k / shape[1], k % shape[1]);
                row.iter().map(move |&w| factor * f64::from(w))
            })
            .collect();
        self.new.add_constant(Constant::from_f64(shape, &data))
    }

    fn bias(&mut self, bias: Option<ConstId>, after: &[f64], shift: Option<Vec<f64>>) -> Option<ConstId> {
        if bias.is_none() && shift.is_none() {
            return None;
        }
        let old = |c: usize| bias.map_or(0.0, |b| self.graph.constant(b).at(c));
        let shift = shift.unwrap_or_else(|| vec![0.0; after.len()]);
        let data: Vec<f64> = (0..after.len()).map(|c| old(c) * after[c] + shift[c]).collect();
        Some(self.add(vec![data.len()], &data))
    }
}

/// f of two constants that broadcast to `full`, as large as needed.
fn combined(
    full: &[usize],
    a: &Constant,
    b: &(Vec<usize>, Vec<f64>),
    f: impl Fn(f64, f64) -> f64,
) -> (Vec<usize>, Vec<f64>) {
    let shape: Vec<usize> = (0..full.len()).map(|k| a.shape[k].max(b.0[k])).collect();
    let mut data = Vec::with_capacity(shape.iter().product());
    for_each_strided(&shape, 0, &broadcast_steps(&a.shape), |_, i| data.push(a.at(i)));
    for_each_strided(&shape, 0, &broadcast_steps(&b.0), |o, i| data[o] = f(data[o], b.1[i]));
    (shape, data)
}
