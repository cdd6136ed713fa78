//! Activations that exporters write as several nodes: SiLU, HardSwish, Mish, GELU, Softsign, Sigmoid.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use fhec_ir::tensor::{Activation, Basis, TensorGraph, TensorOp};
use fhec_ir::{Constant, ValueId};

/// Most affine nodes in a row that are looked through.
const AFFINES: usize = 8;

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-5 * b.abs().max(1e-3)
}

/// Reads patterns off a graph.
struct Matcher<'g> {
    graph: &'g TensorGraph,
}

impl Matcher<'_> {
    fn op(&self, v: ValueId) -> (&TensorOp, &[ValueId]) {
        let node = self.graph.node(v);
        (&node.op, &node.args)
    }

    fn activation(&self, v: ValueId) -> Option<(Activation, ValueId)> {
        match self.op(v) {
            (TensorOp::Activation(a), args) => Some((*a, args[0])),
            _ => None,
        }
    }

    /// v = scale·x + shift with numbers, through a few affine nodes, as many as exporters write; the deepest such x.
    fn peel(&self, v: ValueId) -> (ValueId, f32, f32) {
        let (mut x, mut scale, mut shift) = (v, 1.0, 0.0);
        for _ in 0..AFFINES {
            let (TensorOp::Affine { scale: s, shift: h }, args) = self.op(x) else { break };
            let uniform = |c: &Option<fhec_ir::ConstId>, neutral: f32| match c {
                None => Some(neutral),
                Some(c) => {
                    let data = &self.graph.constant(*c).data;
                    data.iter().all(|d| d == &data[0]).then(|| data[0])
                }
            };
            let (Some(s), Some(h)) = (uniform(s, 1.0), uniform(h, 0.0)) else { break };
            (x, scale, shift) = (args[0], scale * s, shift + scale * h);
        }
        (x, scale, shift)
    }

    /// The factor c with v = c·x, through affine nodes without shift.
    fn multiple(&self, v: ValueId, x: ValueId) -> Option<f32> {
        if v == x {
            return Some(1.0);
        }
        // Down from v only as far as x.
        let (mut at, mut factor) = (v, 1.0);
        while let (TensorOp::Affine { scale: Some(s), shift: None }, args) = self.op(at) {
            let data = &self.graph.constant(*s).data;
            if !data.iter().all(|d| d == &data[0]) {
                return None;
            }
            factor *= data[0];
            at = args[0];
            if at == x {
                return Some(factor);
            }
        }
        None
    }

    /// Operand candidates of which `v` is a multiple: itself, and what lies below its scales.
    fn bases(&self, v: ValueId) -> Vec<ValueId> {
        let mut bases = vec![v];
        while let (TensorOp::Affine { scale: Some(_), shift: None }, args) = self.op(bases[bases.len() - 1]) {
            if bases.len() > AFFINES {
                break;
            }
            bases.push(args[0]);
        }
        bases
    }

    /// v = scale·f(x) + shift, where f(x) is the gate of a gated activation x·gate.
    fn gated(&self, gate: ValueId, x: ValueId) -> Option<(Activation, f32)> {
        let (f, scale, shift) = self.peel(gate);
        let (inner, arg) = self.activation(f)?;
        match inner {
            Activation::Sigmoid if shift == 0.0 => {
                self.multiple(arg, x).map(|alpha| (Activation::Swish(alpha), scale))
            }
            Activation::HardSigmoid(a, b) if shift == 0.0 && arg == x => {
                (close(a, 1.0 / 6.0) && close(b, 0.5)).then_some((Activation::HardSwish, scale))
            }
            // relu6(x + 3) = 6·hardsigmoid(x)
            Activation::Clip(0.0, hi) if shift == 0.0 => {
                let (base, one, three) = self.peel(arg);
                (base == x && close(hi, 6.0) && close(one, 1.0) && close(three, 3.0))
                    .then_some((Activation::HardSwish, 6.0 * scale))
            }
            Activation::Tanh if shift == 0.0 => {
                let (softplus, operand) = self.activation(arg)?;
                (softplus == Activation::Softplus && operand == x).then_some((Activation::Mish, scale))
            }
            Activation::Erf if close(shift, scale) => {
                let factor = self.multiple(arg, x)?;
                close(factor, FRAC_1_SQRT_2).then_some((Activation::Gelu, 2.0 * scale))
            }
            Activation::Tanh if close(shift, scale) => {
                let (TensorOp::Poly { coeffs, basis: Basis::Power }, args) = self.op(arg) else {
                    return None;
                };
                let c = &self.graph.constant(*coeffs);
                let k = (2.0 / PI).sqrt();
                let fits = c.shape[..] == [4, 1]
                    && args[0] == x
                    && c.data[0] == 0.0
                    && c.data[2] == 0.0
                    && close(c.data[1], k)
                    && close(c.data[3], 0.044715 * k);
                fits.then_some((Activation::GeluTanh, 2.0 * scale))
            }
            _ => None,
        }
    }

    /// v = factor·activation(x).
    fn recognise(&self, v: ValueId) -> Option<(Activation, ValueId, f32)> {
        match self.op(v) {
            (TensorOp::Mul, &[a, b]) => [(a, b), (b, a)].into_iter().find_map(|(left, gate)| {
                self.bases(left).into_iter().find_map(|x| {
                    let (activation, factor) = self.gated(gate, x)?;
                    Some((activation, x, factor * self.multiple(left, x)?))
                })
            }),
            (TensorOp::Div, &[x, divisor]) => {
                let (f, scale, shift) = self.peel(divisor);
                let (inner, arg) = self.activation(f)?;
                let one = close(scale, 1.0) && close(shift, 1.0);
                match inner {
                    Activation::Abs if one && arg == x => Some((Activation::Softsign, x, 1.0)),
                    Activation::Exp if one => {
                        self.multiple(arg, x).map(|alpha| (Activation::Swish(-alpha), x, 1.0))
                    }
                    _ => None,
                }
            }
            (TensorOp::Activation(Activation::Reciprocal), &[divisor]) => {
                let (f, scale, shift) = self.peel(divisor);
                let (Activation::Exp, arg) = self.activation(f)? else { return None };
                // 1/(1 + e^−x); the operand must be the negated value itself.
                let (x, minus, zero) = self.peel(arg);
                (close(scale, 1.0) && close(shift, 1.0) && minus == -1.0 && zero == 0.0).then_some((
                    Activation::Sigmoid,
                    x,
                    1.0,
                ))
            }
            // relu6(x + 3)/6
            (TensorOp::Affine { .. }, _) => {
                let (f, scale, shift) = self.peel(v);
                let (Activation::Clip(0.0, hi), arg) = self.activation(f)? else { return None };
                let (x, one, three) = self.peel(arg);
                let fits = close(hi, 6.0) && close(scale, 1.0 / 6.0) && shift == 0.0;
                (fits && close(one, 1.0) && close(three, 3.0)).then_some((
                    Activation::HardSigmoid(1.0 / 6.0, 0.5),
                    x,
                    1.0,
                ))
            }
            _ => None,
        }
    }
}

pub(super) fn run(graph: &mut TensorGraph) {
    for v in graph.ids() {
        let Some((activation, x, factor)) = (Matcher { graph }).recognise(v) else { continue };
        if close(factor, 1.0) {
            let node = graph.node_mut(v);
            node.op = TensorOp::Activation(activation);
            node.args = vec![x];
            continue;
        }
        // factor·f(x) needs a second node, which takes the place of an operand that goes away: only possible if one
        // of them has no other user.
        let Some(spare) = spare_operand(graph, v) else { continue };
        if spare <= x {
            continue;
        }
        let rank = graph.ty(v).len();
        let scale = Some(graph.add_constant(Constant::new(vec![1; rank], vec![factor])));
        let name = graph.node(v).name.clone();
        let shape = graph.ty(v).clone();
        let inner = graph.node_mut(spare);
        (inner.op, inner.args, inner.ty, inner.name) =
            (TensorOp::Activation(activation), vec![x], shape, name);
        let node = graph.node_mut(v);
        (node.op, node.args) = (TensorOp::Affine { scale, shift: None }, vec![spare]);
    }
}

/// An operand of `v` that nothing else uses.
fn spare_operand(graph: &TensorGraph, v: ValueId) -> Option<ValueId> {
    let only_here = |a: &ValueId| {
        graph.iter().flat_map(|(_, n)| &n.args).filter(|x| *x == a).count() == 1
            && graph.outputs.iter().all(|o| o.value != *a)
    };
    graph.node(v).args.iter().copied().find(only_here)
}
