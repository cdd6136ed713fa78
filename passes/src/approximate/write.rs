//! Writes the network with scaled values and polynomials in place of functions.

use fhec_approx::SmoothFit;
use fhec_ir::tensor::bounds::Interval;
use fhec_ir::tensor::{Basis, TensorGraph, TensorOp};
use fhec_ir::{ConstId, Node, ValueId};

use super::facts::{Facts, fitted_range, is_polynomial, largest};
use super::function::{Function, Piecewise, undefined};
use super::method::{Absolute, Method, composite};
use super::report::{Replacement, effort};
use super::ties::{Tie, tie, zip};
use crate::Refusal;
use crate::rescale::{Rescaler, over_axis_1};

/// A network in the making.
pub(super) struct Writer<'g> {
    pub(super) graph: &'g TensorGraph,
    pub(super) facts: &'g Facts<'g>,
    /// Factors of all values, by value and channel.
    pub(super) factors: Vec<Vec<f64>>,
    /// What operands and results are to be scaled to; fixed values are not.
    pub(super) required: &'g [Option<Vec<f64>>],
    pub(super) to: Rescaler<'g>,
    /// What computes each value, times its factor.
    pub(super) map: Vec<ValueId>,
    pub(super) replaced: Vec<Replacement>,
    pub(super) refused: Vec<Refusal>,
}

/// One number if all are the same.
fn shortest(v: &[f64]) -> &[f64] {
    if v.iter().all(|x| *x == v[0]) { &v[..1] } else { v }
}

impl<'g> Writer<'g> {
    pub(super) fn new(
        graph: &'g TensorGraph,
        facts: &'g Facts<'g>,
        factors: Vec<Vec<f64>>,
        required: &'g [Option<Vec<f64>>],
    ) -> Self {
        let to = Rescaler::new(graph);
        Self { graph, facts, factors, required, to, map: Vec::new(), replaced: vec![], refused: vec![] }
    }

    /// Writes all nodes and outputs.
    pub(super) fn write(mut self) -> (TensorGraph, Vec<Replacement>, Vec<Refusal>) {
        for (id, node) in self.graph.iter() {
            let value = match self.replacement(id, node) {
                Ok(Some(value)) => value,
                Ok(None) => self.kept(id, node),
                Err(reason) => {
                    self.refused.push(Refusal::new(self.graph, id, reason));
                    let args = node.args.iter().map(|a| self.map[a.index()]).collect();
                    self.to.new.push(node.op.clone(), args, node.ty.clone(), node.name.clone())
                }
            };
            self.map.push(value);
        }
        for output in &self.graph.outputs {
            let inverse: Vec<f64> = self.factors[output.value.index()].iter().map(|f| 1.0 / f).collect();
            let name = self.graph.node(output.value).name.clone();
            let value = self.affine(self.map[output.value.index()], &inverse, &[0.0], &name);
            self.to.new.add_output(output.name.clone(), value);
        }
        (self.to.new, self.replaced, self.refused)
    }

    pub(super) fn factor(&self, id: ValueId) -> Vec<f64> {
        self.factors[id.index()].clone()
    }

    /// A factor, or a smaller one if with that what is required of a value would exceed 1, as it does where the value is fixed.
    pub(super) fn small_enough(&self, value: ValueId, factor: Vec<f64>) -> Vec<f64> {
        match &self.required[value.index()] {
            Some(required) => zip(&factor, required, |f, r| if f * r > 1.0 + 1e-9 { 1.0 / r } else { f }),
            None => factor,
        }
    }

    pub(super) fn shape(&self, value: ValueId) -> Vec<usize> {
        self.to.new.ty(value).clone()
    }

    /// scale·x + shift per channel; x itself where that is the same.
    pub(super) fn affine(&mut self, x: ValueId, scale: &[f64], shift: &[f64], name: &str) -> ValueId {
        let shape = self.shape(x);
        let mut constant = |v: &[f64], neutral: f64| -> Option<ConstId> {
            let v = shortest(v);
            (*v != [neutral]).then(|| self.to.add(over_axis_1(shape.len(), v.len()), v))
        };
        let (scale, shift) = (constant(scale, 1.0), constant(shift, 0.0));
        if scale.is_none() && shift.is_none() {
            return x;
        }
        self.to.new.push(TensorOp::Affine { scale, shift }, vec![x], shape, name.to_string())
    }

    /// A binary operator on values of one shape.
    pub(super) fn binary(&mut self, op: TensorOp, a: ValueId, b: ValueId, name: &str) -> ValueId {
        let shape = self.shape(a);
        self.to.new.push(op, vec![a, b], shape, name.to_string())
    }

    /// Σ_k coeffs[k][c]·T_k(x).
    pub(super) fn poly(&mut self, x: ValueId, coeffs: &[Vec<f64>], name: &str) -> ValueId {
        let columns = coeffs.iter().map(|row| shortest(row).len()).max().unwrap_or(1);
        let rows = coeffs.iter().flat_map(|row| (0..columns).map(|c| row[c % row.len()]));
        let data: Vec<f64> = rows.collect();
        let coeffs = self.to.add(vec![coeffs.len(), columns], &data);
        let shape = self.shape(x);
        let op = TensorOp::Poly { coeffs, basis: Basis::Chebyshev };
        self.to.new.push(op, vec![x], shape, name.to_string())
    }

    /// slope·u + weight·|u| + offset per channel, for |u| ≤ 1.
    pub(super) fn kinked(
        &mut self,
        u: ValueId,
        (slope, weight, offset): (&[f64], &[f64], &[f64]),
        method: &Method,
        name: &str,
    ) -> Result<ValueId, String> {
        let absolute = method.make().map_err(|e| format!("{method} was not found: {e}"))?;
        let scaled = |coeffs: &[f64], by: &[f64]| -> Vec<Vec<f64>> {
            coeffs.iter().map(|c| by.iter().map(|w| w * c).collect()).collect()
        };
        Ok(match &*absolute {
            Absolute::Even(poly) => {
                let mut coeffs = scaled(&poly.coeffs, weight);
                coeffs[0] = zip(&coeffs[0], offset, |c, o| c + o);
                coeffs[1] = slope.to_vec();
                self.poly(u, &coeffs, name)
            }
            Absolute::Composite(sign) => {
                let mut p = u;
                let last = sign.stages.len() - 1;
                for (k, stage) in sign.stages.iter().enumerate() {
                    let coeffs = if k < last {
                        scaled(&stage.coeffs, &[1.0 / sign.stages[k + 1].half_width])
                    } else {
                        let mut coeffs = scaled(&stage.coeffs, weight);
                        coeffs[0] = slope.to_vec();
                        coeffs
                    };
                    p = self.poly(p, &coeffs, &format!("{name}/sign{}", k + 1));
                }
                let product = self.binary(TensorOp::Mul, u, p, name);
                self.affine(product, &[1.0], offset, name)
            }
        })
    }

    /// What a node is replaced by; None if it stays.
    fn replacement(&mut self, id: ValueId, node: &Node<TensorOp>) -> Result<Option<ValueId>, String> {
        match &node.op {
            op if is_polynomial(op) => Ok(None),
            TensorOp::Client(_) => {
                Err("not a polynomial; leave it to the client, at the end of the network".into())
            }
            TensorOp::Pool { window, .. } => self.max_pool(id, node, window).map(Some),
            TensorOp::Max | TensorOp::Min => self.extremum(id, node).map(Some),
            TensorOp::Div => self.quotient(id, node).map(Some),
            _ => {
                let Some(function) = Function::of(self.graph, node) else {
                    return Err("its slopes vary within a channel; use one per channel".into());
                };
                self.function(id, node, function).map(Some)
            }
        }
    }

    fn function(
        &mut self,
        id: ValueId,
        node: &Node<TensorOp>,
        function: Function,
    ) -> Result<ValueId, String> {
        let (given, fy) = (self.factor(node.args[0]), self.factor(id));
        let fx = self.small_enough(node.args[0], given.clone());
        let down = zip(&fx, &given, |f, g| f / g);
        let x = self.affine(self.map[node.args[0].index()], &down, &[0.0], &node.name);
        let ratio = zip(&fy, &fx, |y, x| y / x);
        let bounds = self.facts.bounds(self.graph, node.args[0])?;
        let range = bounds.hull();
        let method = self.facts.method(&node.name).clone();
        match function {
            Function::Piecewise(f) => {
                let f = f.within(range);
                self.report(node, range, &f, &method);
                self.piecewise(x, &f, &fx, &fy, &ratio, &method, &node.name)
            }
            Function::Gated(f) => {
                let f = f.within(range);
                self.report(node, range, &f, &method);
                let gate = format!("{}/gate", node.name);
                let h =
                    self.piecewise(x, &f, &fx, &ratio, &zip(&ratio, &fx, |r, f| r / f), &method, &gate)?;
                Ok(self.binary(TensorOp::Mul, x, h, &node.name))
            }
            Function::Step(at) => {
                let Some(composite) = composite(self.facts.alpha) else {
                    return Err("no composition is precise enough".into());
                };
                let absolute = composite.make().map_err(|e| e.to_string())?;
                let Absolute::Composite(sign) = &*absolute else { unreachable!("made by a composite") };
                let shift: Vec<f64> = fx.iter().map(|f| -f * at).collect();
                let mut p = self.affine(x, &[1.0], &shift, &node.name);
                let last = sign.stages.len() - 1;
                for (k, stage) in sign.stages.iter().enumerate() {
                    let by = if k < last {
                        vec![1.0 / sign.stages[k + 1].half_width]
                    } else {
                        zip(&ratio, &[0.5], |r, h| r * h)
                    };
                    let mut coeffs: Vec<Vec<f64>> =
                        stage.coeffs.iter().map(|c| by.iter().map(|w| w * c).collect()).collect();
                    if k == last {
                        coeffs[0] = by;
                    }
                    p = self.poly(p, &coeffs, &format!("{}/sign{}", node.name, k + 1));
                }
                Ok(self.binary(TensorOp::Mul, x, p, &node.name))
            }
            Function::Smooth(a) => {
                if let Some(reason) = undefined(a, range) {
                    return Err(reason);
                }
                let f = move |v: f64| fhec_ir::tensor::activation(a, v);
                self.smooth(x, node, range, &f, &fx, &fy)
            }
            Function::Exponential { scale, alpha } => {
                let f = move |v: f64| scale * if v > 0.0 { v } else { alpha * v.exp_m1() };
                self.smooth(x, node, range, &f, &fx, &fy)
            }
        }
    }

    /// f_y·f(x) of f_x·x, by `ratio` = f_y/f_x.
    #[allow(clippy::too_many_arguments, reason = "three factors, each of which is needed")]
    fn piecewise(
        &mut self,
        x: ValueId,
        f: &Piecewise,
        fx: &[f64],
        fy: &[f64],
        ratio: &[f64],
        method: &Method,
        name: &str,
    ) -> Result<ValueId, String> {
        let slope = zip(&f.slope, ratio, |s, r| s * r);
        let offset: Vec<f64> = fy.iter().map(|y| y * f.offset).collect();
        if f.kinks.is_empty() {
            return Ok(self.affine(x, &slope, &offset, name));
        }
        let mut sum: Option<ValueId> = None;
        for (k, kink) in f.kinks.iter().enumerate() {
            let first = sum.is_none();
            let inner = if f.kinks.len() == 1 { name.to_string() } else { format!("{name}/kink{}", k + 1) };
            let shift: Vec<f64> = fx.iter().map(|f| -f * kink.at).collect();
            let u = self.affine(x, &[1.0], &shift, &inner);
            let weight = zip(&kink.weight, ratio, |w, r| w * r);
            // slope·x = slope·u + slope·f_x·at
            let moved = zip(&slope, &shift, |s, h| -s * h);
            let (slope, offset) = match first {
                true => (slope.clone(), zip(&offset, &moved, |o, m| o + m)),
                false => (vec![0.0], vec![0.0]),
            };
            let term = self.kinked(u, (&slope, &weight, &offset), method, &inner)?;
            sum = Some(match sum {
                None => term,
                Some(sum) => self.binary(TensorOp::Add, sum, term, name),
            });
        }
        Ok(sum.expect("at least one kink"))
    }

    /// A polynomial for a smooth function on a range.
    pub(super) fn smooth(
        &mut self,
        x: ValueId,
        node: &Node<TensorOp>,
        range: Interval,
        f: &dyn Fn(f64) -> f64,
        fx: &[f64],
        fy: &[f64],
    ) -> Result<ValueId, String> {
        let range = fitted_range(range);
        let error = largest(f, range) * (-self.facts.alpha).exp2();
        // Around 0 many functions are even or odd, but for a line, which takes half as many products.
        let around = Interval::new(-range.magnitude(), range.magnitude());
        let fits = [range, around].map(|r| fhec_approx::smooth(f, r.lo, r.hi, error, MAX_DEGREE));
        let cheapest = |a: &SmoothFit, b: &SmoothFit| effort(&a.poly).cmp(&effort(&b.poly));
        let [own, around] = fits;
        let fit = match (own, around) {
            (Ok(own), Ok(around)) => {
                if cheapest(&own, &around).is_le() {
                    own
                } else {
                    around
                }
            }
            (Ok(fit), Err(_)) | (Err(_), Ok(fit)) => fit,
            (Err(e), Err(_)) => {
                return Err(format!(
                    "no polynomial of degree {MAX_DEGREE} or less is within {error:.2e} of it on {:.3e}..{:.3e}: {e}",
                    range.lo, range.hi
                ));
            }
        };
        let poly = &fit.poly;
        let scale: Vec<f64> = fx.iter().map(|f| 1.0 / (f * poly.half_width)).collect();
        let t = self.affine(x, &scale, &[-poly.centre / poly.half_width], &node.name);
        let coeffs: Vec<Vec<f64>> =
            poly.coeffs.iter().map(|c| shortest(fy).iter().map(|f| f * c).collect()).collect();
        self.replaced.push(Replacement::smooth(node, range, &fit));
        Ok(self.poly(t, &coeffs, &node.name))
    }

    /// max(a, b) = b + ReLU(a − b); min(a, b) = a − ReLU(a − b).
    fn extremum(&mut self, id: ValueId, node: &Node<TensorOp>) -> Result<ValueId, String> {
        let [a, b] = [0, 1].map(|k| self.map[node.args[k].index()]);
        let f = self.small_enough(id, self.factor(id));
        let [a, b] = [0, 1].map(|k| {
            let ratio = zip(&f, &self.factor(node.args[k]), |y, x| y / x);
            self.affine([a, b][k], &ratio, &[0.0], &node.name)
        });
        let method = self.facts.method(&node.name).clone();
        let difference = self.binary(TensorOp::Sub, a, b, &format!("{}/difference", node.name));
        let relu =
            self.kinked(difference, (&[0.5], &[0.5], &[0.0]), &method, &format!("{}/relu", node.name))?;
        let reach = f.iter().fold(0.0, |most: f64, f| most.max(1.0 / f));
        self.replaced.push(Replacement::kinked(node, Interval::new(-reach, reach), &method, reach));
        let result = match node.op {
            TensorOp::Max => self.binary(TensorOp::Add, b, relu, &node.name),
            _ => self.binary(TensorOp::Sub, a, relu, &node.name),
        };
        let up = zip(&self.factor(id), &f, |y, f| y / f);
        Ok(self.affine(result, &up, &[0.0], &node.name))
    }

    /// a·(1/b).
    fn quotient(&mut self, id: ValueId, node: &Node<TensorOp>) -> Result<ValueId, String> {
        let range = self.facts.bounds(self.graph, node.args[1])?.hull();
        if let Some(reason) = undefined(fhec_ir::tensor::Activation::Reciprocal, range) {
            return Err(reason);
        }
        let (a, b) = (self.map[node.args[0].index()], self.map[node.args[1].index()]);
        let fb = self.factor(node.args[1]);
        let inner = Node { name: format!("{}/reciprocal", node.name), ..node.clone() };
        let inverse = self.smooth(b, &inner, range, &|v| 1.0 / v, &fb, &self.factor(id))?;
        Ok(self.binary(TensorOp::Mul, a, inverse, &node.name))
    }

    fn report(&mut self, node: &Node<TensorOp>, range: Interval, f: &Piecewise, method: &Method) {
        self.replaced.push(match f.kinks.is_empty() {
            true => Replacement::linear(node, range),
            false => Replacement::kinked(node, range, method, f.reach(range)),
        });
    }

    /// An operator that stays, between scaled values.
    fn kept(&mut self, id: ValueId, node: &Node<TensorOp>) -> ValueId {
        let after = self.factor(id);
        let mut args: Vec<ValueId> = node.args.iter().map(|a| self.map[a.index()]).collect();
        let mut before: Vec<Vec<f64>> = node.args.iter().map(|a| self.factor(*a)).collect();
        let mut rescaled = false;
        for k in 0..args.len() {
            let pairs = match tie(self.graph, id, k) {
                Tie::Pairs(pairs) => pairs,
                Tie::Loose => (0..before[k].len()).map(|c| (c, c)).collect(),
                Tie::Uniform => vec![(0, 0)],
                _ => continue,
            };
            if pairs.iter().all(|(from, to)| before[k][*from] == after[*to]) {
                continue;
            }
            let wanted = if args.len() == 1 {
                // What only moves elements may read one channel for several of another scale.
                rescaled = true;
                vec![1.0; before[k].len()]
            } else {
                let mut wanted = before[k].clone();
                pairs.iter().for_each(|(from, to)| wanted[*from] = after[*to]);
                wanted
            };
            args[k] = self.affine(args[k], &zip(&wanted, &before[k], |w, b| w / b), &[0.0], &node.name);
            before[k] = wanted;
        }
        let target = if rescaled { vec![1.0; after.len()] } else { after.clone() };
        let first = before.first().cloned().unwrap_or_else(|| vec![1.0]);
        let one = |s: &[f64]| s.iter().all(|&f| f == 1.0);
        let mut op = node.op.clone();
        match &mut op {
            TensorOp::Poly { coeffs, basis } if !(one(&target) && one(&first)) => {
                *coeffs = self.rescaled_coefficients(*coeffs, *basis, &first, &target);
            }
            _ if !(one(&target) && one(&first)) => self.to.rewrite(&mut op, node, &first, &target, None),
            _ => {}
        }
        let value = self.to.new.push(op, args, node.ty.clone(), node.name.clone());
        if rescaled { self.affine(value, &after, &[0.0], &node.name) } else { value }
    }

    fn rescaled_coefficients(&mut self, coeffs: ConstId, basis: Basis, fx: &[f64], fy: &[f64]) -> ConstId {
        let constant = self.graph.constant(coeffs).clone();
        let (rows, columns) = (constant.shape[0], constant.shape[1]);
        let count = columns.max(shortest(fx).len()).max(shortest(fy).len());
        let number = |k: usize, c: usize| {
            let power = if basis == Basis::Power { fx[c % fx.len()].powi(k as i32) } else { 1.0 };
            constant.at(k * columns + c % columns) * fy[c % fy.len()] / power
        };
        let data: Vec<f64> =
            (0..rows).flat_map(|k| (0..count).map(move |c| (k, c))).map(|(k, c)| number(k, c)).collect();
        self.to.add(vec![rows, count], &data)
    }
}

/// Highest degree of polynomials for smooth functions: eight levels.
const MAX_DEGREE: usize = 255;
