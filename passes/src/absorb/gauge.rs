//! Factors per channel on values, and how far they spread.
//!
//! Every value has a factor per index of axis 1 (one for lower rank); the transformed network computes factor·value.
//! Operators relate the factors of what they read and write. *Absorbing* operators (those with weights of their own)
//! allow any. *Rigid* ones (additions, pools, …) determine one from the other, so a request spreads through them.
//! Inputs, outputs, non-polynomial functions and polynomials in their final form allow no change.

use fhec_ir::ValueId;
use fhec_ir::tensor::{Basis, Pool, TensorGraph, TensorOp};

/// The factors found so far.
#[derive(Clone)]
pub(super) struct Gauge<'g> {
    graph: &'g TensorGraph,
    users: std::rc::Rc<Vec<Vec<ValueId>>>,
    output: std::rc::Rc<Vec<bool>>,
    factors: Vec<Vec<f64>>,
    /// Polynomials in their final form.
    frozen: Vec<bool>,
}

/// What an operator makes of a factor on one of its ends.
enum Spread {
    /// It takes any factor.
    Absorbed,
    /// The other end must have this one.
    To(Vec<f64>),
    /// It allows none.
    Refused,
}

fn is_one(s: &[f64]) -> bool {
    s.iter().all(|&x| x == 1.0)
}

/// Length of a value's factor.
fn channels(shape: &[usize]) -> usize {
    if shape.len() < 2 { 1 } else { shape[1] }
}

/// The factor for another shape, if it is the same for all channels.
fn uniform(s: &[f64], shape: &[usize]) -> Spread {
    if s.iter().all(|x| *x == s[0]) { Spread::To(vec![s[0]; channels(shape)]) } else { Spread::Refused }
}

impl<'g> Gauge<'g> {
    pub(super) fn new(graph: &'g TensorGraph) -> Self {
        let mut output = vec![false; graph.len()];
        graph.outputs.iter().for_each(|o| output[o.value.index()] = true);
        Self {
            graph,
            users: graph.users().into(),
            output: output.into(),
            factors: graph.ids().map(|id| vec![1.0; channels(graph.ty(id))]).collect(),
            frozen: vec![false; graph.len()],
        }
    }

    pub(super) fn channels(&self, id: ValueId) -> usize {
        self.factors[id.index()].len()
    }

    pub(super) fn factor(&self, id: ValueId) -> &[f64] {
        &self.factors[id.index()]
    }

    /// Declares the polynomial that computes `id` final.
    pub(super) fn freeze(&mut self, id: ValueId) {
        self.frozen[id.index()] = true;
    }

    /// Multiplies the factor of `value` by `s`, and whatever else must follow. The polynomial `poly` takes any factor
    /// at both ends. False, without any change, if something refuses.
    pub(super) fn request(&mut self, value: ValueId, s: &[f64], poly: ValueId) -> bool {
        if s.iter().any(|x| !x.is_finite() || *x == 0.0) {
            return false;
        }
        let mut wanted: Vec<Option<Vec<f64>>> = vec![None; self.graph.len()];
        let mut work = vec![(value, s.to_vec())];
        while let Some((v, s)) = work.pop() {
            if is_one(&s) {
                if wanted[v.index()].as_ref().is_some_and(|w| !is_one(w)) {
                    return false;
                }
                continue;
            }
            match &wanted[v.index()] {
                Some(w) if *w == s => continue,
                Some(_) => return false,
                None => {}
            }
            if self.output[v.index()] {
                return false;
            }
            if v != poly && !self.backward(v, &s, &mut work) {
                return false;
            }
            let mut users = self.users[v.index()].clone();
            users.dedup();
            for user in users {
                if user != poly && !self.forward(user, v, &s, &wanted, &mut work) {
                    return false;
                }
            }
            wanted[v.index()] = Some(s);
        }
        if !self.products_agree(&wanted) {
            return false;
        }
        for (factor, wanted) in self.factors.iter_mut().zip(&wanted) {
            if let Some(wanted) = wanted {
                factor.iter_mut().zip(wanted).for_each(|(f, w)| *f *= w);
            }
        }
        true
    }

    /// True if every product gets the product of its operands' factors: both may have been reached, separately.
    fn products_agree(&self, wanted: &[Option<Vec<f64>>]) -> bool {
        let at = |v: ValueId, c: usize| wanted[v.index()].as_ref().map_or(1.0, |w| w[c]);
        self.graph.iter().filter(|(_, n)| n.op == TensorOp::Mul).all(|(id, n)| {
            (0..self.channels(id)).all(|c| {
                let product: f64 = n.args.iter().map(|&a| at(a, c)).product();
                (product / at(id, c) - 1.0).abs() < 1e-12
            })
        })
    }

    /// Spreads a factor on the result of a node to its operands.
    fn backward(&self, id: ValueId, s: &[f64], work: &mut Vec<(ValueId, Vec<f64>)>) -> bool {
        let node = self.graph.node(id);
        match &node.op {
            TensorOp::Constant { .. } => return true,
            TensorOp::Add | TensorOp::Sub => {
                work.extend(node.args.iter().map(|&a| (a, s.to_vec())));
                return true;
            }
            TensorOp::Mul => {
                work.push((node.args[0], s.to_vec()));
                return node.args[0] != node.args[1];
            }
            TensorOp::Concat { axis } => {
                let mut from = 0;
                for &arg in &node.args {
                    let n = self.channels(arg);
                    let part = if *axis == 1 { s[from..from + n].to_vec() } else { s.to_vec() };
                    from += n;
                    work.push((arg, part));
                }
                return true;
            }
            _ => {}
        }
        let Some(&arg) = node.args.first() else { return false };
        match self.operand_factor(id, arg, s) {
            Spread::Absorbed => true,
            Spread::To(s) => {
                work.push((arg, s));
                true
            }
            Spread::Refused => false,
        }
    }

    /// Spreads a factor on the operand `from` of a node to its result.
    fn forward(
        &self,
        id: ValueId,
        from: ValueId,
        s: &[f64],
        wanted: &[Option<Vec<f64>>],
        work: &mut Vec<(ValueId, Vec<f64>)>,
    ) -> bool {
        let node = self.graph.node(id);
        match &node.op {
            TensorOp::Add | TensorOp::Sub => {
                work.push((id, s.to_vec()));
                true
            }
            TensorOp::Mul => {
                let times = node.args.iter().filter(|a| **a == from).count();
                work.push((id, s.iter().map(|x| x.powi(times as i32)).collect()));
                true
            }
            // The request came from the result: the operand must agree with its part.
            TensorOp::Concat { axis: 1 } if wanted[id.index()].is_some() => {
                let all = wanted[id.index()].as_deref().unwrap_or_default();
                let mut at = 0;
                node.args.iter().all(|&a| {
                    at += self.channels(a);
                    a != from || all[at - self.channels(a)..at] == *s
                })
            }
            // The same of what is padded with zeros, which any factor leaves as they are.
            TensorOp::Pad { before, value, .. }
                if *value == 0.0 && s.len() > 1 && wanted[id.index()].is_some() =>
            {
                let all = wanted[id.index()].as_deref().unwrap_or_default();
                all[before[1]..before[1] + s.len()] == *s
            }
            TensorOp::Concat { axis: 1 } => {
                let parts = node
                    .args
                    .iter()
                    .flat_map(|&a| if a == from { s.to_vec() } else { vec![1.0; self.channels(a)] });
                work.push((id, parts.collect()));
                true
            }
            TensorOp::Concat { .. } => {
                work.push((id, s.to_vec()));
                true
            }
            _ => match self.result_factor(id, from, s) {
                Spread::Absorbed => true,
                Spread::To(s) => {
                    work.push((id, s));
                    true
                }
                Spread::Refused => false,
            },
        }
    }

    /// What one-operand operators allow without regard to direction; None if the direction matters.
    fn either(&self, id: ValueId, s: &[f64]) -> Option<Spread> {
        let node = self.graph.node(id);
        Some(match &node.op {
            TensorOp::Conv { .. } | TensorOp::ConvTranspose { .. } => Spread::Absorbed,
            TensorOp::Gemm { .. } if node.ty.len() == 2 || s.iter().all(|x| *x == s[0]) => Spread::Absorbed,
            TensorOp::Affine { scale: Some(_), .. } => Spread::Absorbed,
            TensorOp::Affine { scale: None, .. } => Spread::To(s.to_vec()),
            TensorOp::Poly { basis: Basis::Power, .. } if !self.frozen[id.index()] => Spread::Absorbed,
            TensorOp::Pool { kind: Pool::Average | Pool::AveragePadded, .. } => Spread::To(s.to_vec()),
            _ => return None,
        })
    }

    /// Factor of the result if operand `from` gets `s`.
    fn result_factor(&self, id: ValueId, from: ValueId, s: &[f64]) -> Spread {
        if let Some(spread) = self.either(id, s) {
            return spread;
        }
        let node = self.graph.node(id);
        let (x, y) = (self.graph.ty(from), &node.ty);
        let same = || Spread::To(s.to_vec());
        match &node.op {
            TensorOp::Reduce { axes, .. } if axes[0] > 1 => same(),
            TensorOp::Slice { start, step, .. } if x.len() > 1 => {
                let at = |i: usize| s[start[1].wrapping_add_signed(i as isize * step[1])];
                Spread::To((0..y[1]).map(at).collect())
            }
            TensorOp::Pad { before, value, .. } if *value == 0.0 && x.len() > 1 => {
                let mut out = vec![1.0; y[1]];
                out[before[1]..before[1] + x[1]].copy_from_slice(s);
                Spread::To(out)
            }
            TensorOp::Gather { axis: 1, indices } => Spread::To(indices.iter().map(|&i| s[i]).collect()),
            TensorOp::Gather { .. } => same(),
            TensorOp::Resample { axis, .. } if *axis != 1 => same(),
            TensorOp::Reshape { .. } => reshaped(s, x, y),
            TensorOp::Transpose { perm } if perm.get(1) == Some(&1) => same(),
            TensorOp::Expand { .. } if x.len() > 1 && x[1] == y[1] => same(),
            TensorOp::Reduce { .. }
            | TensorOp::Resample { .. }
            | TensorOp::Transpose { .. }
            | TensorOp::Slice { .. }
            | TensorOp::Expand { .. } => uniform(s, y),
            _ => Spread::Refused,
        }
    }

    /// Factor of operand `arg` if the result of node `id` gets `s`.
    fn operand_factor(&self, id: ValueId, arg: ValueId, s: &[f64]) -> Spread {
        if let Some(spread) = self.either(id, s) {
            return spread;
        }
        let node = self.graph.node(id);
        let (x, y) = (self.graph.ty(arg), &node.ty);
        let same = || Spread::To(s.to_vec());
        match &node.op {
            // Its coefficients take what its result gets; its operand stays within [−1, 1].
            TensorOp::Poly { basis: Basis::Chebyshev, .. } => Spread::Absorbed,
            TensorOp::Reduce { axes, .. } if axes[0] > 1 => same(),
            TensorOp::Slice { start, step, .. } if x.len() > 1 => {
                let mut out = vec![1.0; x[1]];
                for (i, &f) in s.iter().enumerate() {
                    out[start[1].wrapping_add_signed(i as isize * step[1])] = f;
                }
                Spread::To(out)
            }
            TensorOp::Pad { before, value, .. } if *value == 0.0 && x.len() > 1 => {
                Spread::To(s[before[1]..before[1] + x[1]].to_vec())
            }
            TensorOp::Gather { axis, .. } if *axis != 1 => same(),
            TensorOp::Resample { axis, .. } if *axis != 1 => same(),
            TensorOp::Reshape { .. } if reshaped_back(s, x, y).is_some() => {
                reshaped_back(s, x, y).map_or(Spread::Refused, Spread::To)
            }
            TensorOp::Transpose { perm } if perm.get(1) == Some(&1) => same(),
            TensorOp::Expand { .. } if x.len() > 1 && x[1] == y[1] => same(),
            TensorOp::Reduce { .. }
            | TensorOp::Gather { .. }
            | TensorOp::Resample { .. }
            | TensorOp::Transpose { .. }
            | TensorOp::Slice { .. }
            | TensorOp::Expand { .. }
            | TensorOp::Reshape { .. } => uniform(s, x),
            _ => Spread::Refused,
        }
    }
}

/// Elements of one index of axis 1 of `x` that lie behind one another, if `y` = [N, C·k, …] divides them up.
fn flattened(x: &[usize], y: &[usize]) -> Option<usize> {
    let per_channel: usize = x.get(2..)?.iter().product();
    let rest: usize = y.get(2..)?.iter().product();
    (x[0] == y[0] && per_channel.is_multiple_of(rest) && y[1] == x[1] * (per_channel / rest))
        .then_some(per_channel / rest)
}

fn reshaped(s: &[f64], x: &[usize], y: &[usize]) -> Spread {
    match flattened(x, y) {
        Some(times) => Spread::To(s.iter().flat_map(|&f| std::iter::repeat_n(f, times)).collect()),
        None => match reshaped_back(s, y, x) {
            Some(s) => Spread::To(s),
            None => uniform(s, y),
        },
    }
}

/// The factor of `x` whose reshaping to `y` has the factor `s`.
fn reshaped_back(s: &[f64], x: &[usize], y: &[usize]) -> Option<Vec<f64>> {
    let times = flattened(x, y)?;
    s.chunks(times).map(|group| group.iter().all(|f| *f == group[0]).then_some(group[0])).collect()
}
