//! Factors per channel on what operators read and write, taken up by the constants that the operators have.

use fhec_ir::tensor::value::{broadcast_steps, for_each_strided};
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{ConstId, Constant, Node};

/// Rewrites operators of one graph for another one.
pub(crate) struct Rescaler<'g> {
    /// Where the constants of the operators are.
    pub(crate) graph: &'g TensorGraph,
    /// Where new ones go; it has those of `graph`, too.
    pub(crate) new: TensorGraph,
}

/// Shape [1, C, 1, …] of a vector over axis 1.
pub(crate) fn over_axis_1(rank: usize, len: usize) -> Vec<usize> {
    let mut shape = vec![1; rank];
    if rank > 1 {
        shape[1] = len;
    }
    shape
}

impl<'g> Rescaler<'g> {
    /// With an empty graph that has the constants of another one.
    pub(crate) fn new(graph: &'g TensorGraph) -> Self {
        let mut new = TensorGraph::new(graph.name.clone(), ());
        new.constants = graph.constants.clone();
        Self { graph, new }
    }

    /// A constant that is not rounded.
    pub(crate) fn add(&mut self, shape: Vec<usize>, data: &[f64]) -> ConstId {
        self.new.add_constant(Constant::exact(shape, data))
    }

    /// Applies factors of operand and result, and a shift, to the constants of an op that has any.
    pub(crate) fn rewrite(
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
