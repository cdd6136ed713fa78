//! The slot interpreter: the meaning of a packed graph, on slot vectors in f64.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, sync_channel};

use rayon::prelude::*;

use super::{LinearMap, SlotGraph, SlotOp, encode};
use crate::layout::{Factor, Layout};
use crate::tensor::{Basis, Tensor, activation, eval_op};
use crate::{Constant, Node, Op, ValueId, Verified};

/// Slot vectors of a value, one per ciphertext.
pub type Slots = Vec<Vec<f64>>;

/// Why a graph could not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Number of inputs or shape of one.
    #[error("input {0}: {1}")]
    Input(usize, String),
    /// A node failed.
    #[error("{0}: {1}")]
    Node(String, String),
}

/// Packs the inputs, runs the graph, unpacks the outputs.
///
/// # Errors
/// If the inputs do not fit the graph.
pub fn run(graph: &Verified<SlotGraph>, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>, RunError> {
    let mut outputs = run_all(graph, &[inputs], &mut |_, _, _| {})?;
    Ok(outputs.pop().unwrap_or_default())
}

/// Runs the graph on several samples side by side, so that plaintexts are computed once for all; `observe` sees every
/// value of every sample that is computed, with the sample's number. Of alternatives only the first is.
///
/// # Errors
/// If the inputs of a sample do not fit the graph.
pub fn run_all<S: AsRef<[Tensor<f64>]>>(
    graph: &Verified<SlotGraph>,
    samples: &[S],
    observe: &mut dyn FnMut(usize, ValueId, &Slots),
) -> Result<Vec<Vec<Tensor<f64>>>, RunError> {
    run_samples(graph, true, samples, observe)
}

/// As [`run_all`], with all linear maps by the ops that they stand for, planned or not, which is quicker. The results
/// are those of the plans up to rounding.
///
/// # Errors
/// As [`run_all`].
pub fn run_by_ops<S: AsRef<[Tensor<f64>]>>(
    graph: &Verified<SlotGraph>,
    samples: &[S],
    observe: &mut dyn FnMut(usize, ValueId, &Slots),
) -> Result<Vec<Vec<Tensor<f64>>>, RunError> {
    run_samples(graph, false, samples, observe)
}

fn run_samples<S: AsRef<[Tensor<f64>]>>(
    graph: &Verified<SlotGraph>,
    by_plan: bool,
    samples: &[S],
    observe: &mut dyn FnMut(usize, ValueId, &Slots),
) -> Result<Vec<Vec<Tensor<f64>>>, RunError> {
    let evaluated = &evaluated(graph);
    std::thread::scope(|scope| {
        // The plaintexts of the next map, while a map is applied.
        let (send, products) = sync_channel(1);
        scope.spawn(move || {
            for (id, node) in graph.iter() {
                if let SlotOp::Linear(map) = &node.op
                    && by_plan
                    && map.plan.is_some()
                    && evaluated[id.index()]
                    && send.send(encode::products(map, &graph.constants)).is_err()
                {
                    break;
                }
            }
        });
        Run { graph, by_plan, evaluated, products }.samples(samples, observe)
    })
}

/// By value, whether it is computed: not if all that reads it belongs to alternatives other than the first.
fn evaluated(graph: &SlotGraph) -> Vec<bool> {
    let mut used = vec![false; graph.len()];
    let mut evaluated = vec![true; graph.len()];
    let mut read = vec![false; graph.len()];
    graph.outputs.iter().for_each(|o| read[o.value.index()] = true);
    for (id, node) in graph.iter().rev() {
        let is_input = node.op.input_name().is_some();
        evaluated[id.index()] = is_input || read[id.index()] || !used[id.index()];
        node.args.iter().for_each(|a| used[a.index()] = true);
        if evaluated[id.index()] {
            read_by(node).iter().for_each(|a| read[a.index()] = true);
        }
    }
    evaluated
}

/// The operands that decide a value.
fn read_by(node: &Node<SlotOp>) -> &[ValueId] {
    if node.op == SlotOp::Alternatives { &node.args[..1] } else { &node.args }
}

struct Run<'g> {
    graph: &'g Verified<SlotGraph>,
    /// Linear maps by their plans, if they have one.
    by_plan: bool,
    evaluated: &'g [bool],
    /// Plaintexts of the planned maps, in order.
    products: Receiver<Result<Vec<Vec<f64>>, String>>,
}

impl Run<'_> {
    fn samples<S: AsRef<[Tensor<f64>]>>(
        &self,
        samples: &[S],
        observe: &mut dyn FnMut(usize, ValueId, &Slots),
    ) -> Result<Vec<Vec<Tensor<f64>>>, RunError> {
        let graph = self.graph;
        let mut last_use: HashMap<_, _> = HashMap::new();
        for (id, node) in graph.iter().filter(|(id, _)| self.evaluated[id.index()]) {
            read_by(node).iter().for_each(|a| {
                last_use.insert(*a, id);
            });
        }
        // By value and sample.
        let mut values: Vec<Option<Vec<Slots>>> = vec![None; graph.len()];
        let mut inputs = 0;
        for (id, node) in graph.iter().filter(|(id, _)| self.evaluated[id.index()]) {
            let value: Vec<Slots> = if node.op.input_name().is_some() {
                inputs += 1;
                samples.iter().map(|s| self.packed(s.as_ref(), inputs - 1, id)).collect::<Result<_, _>>()?
            } else {
                let args: Vec<&Vec<Slots>> = read_by(node)
                    .iter()
                    .map(|a| values[a.index()].as_ref().expect("kept to its last use"))
                    .collect();
                self.node(&node.op, &node.ty.layout, &args, samples.len())
                    .map_err(|e| RunError::Node(graph.describe(id), e))?
            };
            value.iter().enumerate().for_each(|(k, v)| observe(k, id, v));
            values[id.index()] = Some(value);
            for arg in read_by(node) {
                if last_use.get(arg) == Some(&id) && graph.outputs.iter().all(|o| o.value != *arg) {
                    values[arg.index()] = None;
                }
            }
        }
        let output = |o: &crate::Output, sample: usize| {
            let layout = &graph.ty(o.value).layout;
            let slots = &values[o.value.index()].as_ref().expect("outputs are kept")[sample];
            Tensor::new(layout.shape(), layout.unpack(slots))
        };
        let outputs = |sample| graph.outputs.iter().map(|o| output(o, sample)).collect();
        Ok((0..samples.len()).map(outputs).collect())
    }

    /// Input number `k` of a sample, packed.
    fn packed(&self, sample: &[Tensor<f64>], k: usize, id: ValueId) -> Result<Slots, RunError> {
        let declared = self.graph.inputs().count();
        if declared != sample.len() {
            return Err(RunError::Input(sample.len(), format!("the graph has {declared} inputs")));
        }
        let (tensor, layout) = (&sample[k], &self.graph.ty(id).layout);
        if tensor.shape != layout.shape() {
            return Err(RunError::Input(k, format!("shape {:?}, not {:?}", tensor.shape, layout.shape())));
        }
        Ok(layout.pack(&tensor.data))
    }

    /// One op on all samples.
    fn node(
        &self,
        op: &SlotOp,
        out: &Layout,
        args: &[&Vec<Slots>],
        samples: usize,
    ) -> Result<Vec<Slots>, String> {
        let of = |sample: usize| args.iter().map(|a| &a[sample]).collect::<Vec<_>>();
        let constants = &self.graph.constants;
        match op {
            SlotOp::Linear(map) if self.by_plan && map.plan.is_some() => {
                let products = self.products.recv().map_err(|e| e.to_string())??;
                let bias = encode::bias(map, constants)?;
                let of = |k: usize| linear_by_plan(map, &of(k), &products, bias.as_deref());
                (0..samples).into_par_iter().map(of).collect()
            }
            SlotOp::Linear(map) => {
                Ok((0..samples).into_par_iter().map(|k| linear(constants, map, &of(k))).collect())
            }
            _ => (0..samples).into_par_iter().map(|k| eval(constants, op, out, &of(k))).collect(),
        }
    }
}

/// Evaluates one op.
///
/// # Errors
/// What is wrong with a plan or a constant.
pub fn eval(constants: &[Constant], op: &SlotOp, out: &Layout, args: &[&Slots]) -> Result<Slots, String> {
    let unary = |f: &dyn Fn(f64) -> f64| args[0].iter().map(|v| v.iter().map(|&x| f(x)).collect()).collect();
    let binary = |f: &dyn Fn(f64, f64) -> f64| {
        let zip = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect();
        args[0].iter().zip(args[1]).map(zip).collect()
    };
    let spread = |c: crate::ConstId, row: u32| encode::spread(&constants[c.index()], row, out);
    Ok(match op {
        SlotOp::Input { name } => return Err(format!("input {name:?} has no value")),
        SlotOp::Constant { value } => spread(*value, 0)?,
        SlotOp::Linear(map) if map.plan.is_some() => {
            let (products, bias) = (encode::products(map, constants)?, encode::bias(map, constants)?);
            linear_by_plan(map, args, &products, bias.as_deref())?
        }
        SlotOp::Linear(map) => linear(constants, map, args),
        SlotOp::ShiftSum { shifts, factor } => {
            args[0].iter().map(|x| shift_sum(x, shifts, *factor)).collect()
        }
        SlotOp::View | SlotOp::Alternatives | SlotOp::Bootstrap { .. } => args[0].clone(),
        SlotOp::Poly { coeffs, basis: Basis::Chebyshev, .. } => {
            clenshaw(args[0], *coeffs, &constants[coeffs.index()], &spread)?
        }
        SlotOp::Poly { coeffs, .. } => {
            let degree = constants[coeffs.index()].shape[0] - 1;
            let mut y = spread(*coeffs, degree as u32)?;
            for k in (0..degree).rev() {
                let c = spread(*coeffs, k as u32)?;
                for ((y, x), c) in y.iter_mut().zip(args[0]).zip(&c) {
                    y.iter_mut().zip(x).zip(c).for_each(|((y, x), c)| *y = *y * x + c);
                }
            }
            y
        }
        SlotOp::AddConst { value } => {
            let c = spread(*value, 0)?;
            args[0].iter().zip(&c).map(|(x, c)| x.iter().zip(c).map(|(x, c)| x + c).collect()).collect()
        }
        SlotOp::Add => binary(&|a, b| a + b),
        SlotOp::Sub => binary(&|a, b| a - b),
        SlotOp::Mul => binary(&|a, b| a * b),
        SlotOp::Div => binary(&|a, b| a / b),
        SlotOp::Max => binary(&f64::max),
        SlotOp::Min => binary(&f64::min),
        SlotOp::Activation(a) => unary(&|x| activation(*a, x)),
        SlotOp::PRelu { slope } => {
            let s = spread(*slope, 0)?;
            let prelu = |(x, s): (&f64, &f64)| if *x >= 0.0 { *x } else { s * x };
            args[0].iter().zip(&s).map(|(x, s)| x.iter().zip(s).map(prelu).collect()).collect()
        }
    })
}

/// Σ_k c_k·T_k(x) by Clenshaw's rule, on whole slot vectors.
fn clenshaw(
    x: &Slots,
    coeffs: crate::ConstId,
    constant: &Constant,
    spread: &dyn Fn(crate::ConstId, u32) -> Result<Slots, String>,
) -> Result<Slots, String> {
    let zeros = || -> Slots { x.iter().map(|x| vec![0.0; x.len()]).collect() };
    let (mut b1, mut b2) = (zeros(), zeros());
    for k in (0..constant.shape[0] as u32).rev() {
        // The last step has x in place of 2x.
        let factor = if k == 0 { 1.0 } else { 2.0 };
        let mut next = spread(coeffs, k)?;
        for (((next, b1), b2), x) in next.iter_mut().zip(&b1).zip(&b2).zip(x) {
            for (((next, b1), b2), x) in next.iter_mut().zip(b1).zip(b2).zip(x) {
                *next += factor * x * b1 - b2;
            }
        }
        b2 = std::mem::replace(&mut b1, next);
    }
    Ok(b1)
}

/// y = A·x + b by the network's own ops, into every replica.
fn linear(constants: &[Constant], map: &LinearMap, args: &[&Slots]) -> Slots {
    let mut y = vec![0.0; map.output.elements()];
    for ((term, input), slots) in map.terms.iter().zip(&map.inputs).zip(args) {
        let mut x = Tensor::new(input.shape(), input.unpack(slots));
        for stage in &term.stages {
            let others: Vec<Tensor<f64>> = stage.in_shapes.iter().map(|s| Tensor::zeros(s.clone())).collect();
            let args: Vec<&Tensor<f64>> = others
                .iter()
                .enumerate()
                .map(|(k, other)| if k == stage.operand { &x } else { other })
                .collect();
            x = eval_op(constants, &stage.op, &args);
        }
        y.iter_mut().zip(&x.data).for_each(|(y, x)| *y += x);
    }
    map.output.pack(&y)
}

/// The same by the plan's rotations and plaintexts, as a schedule will do it.
fn linear_by_plan(
    map: &LinearMap,
    args: &[&Slots],
    products: &[Vec<f64>],
    bias: Option<&[Vec<f64>]>,
) -> Result<Slots, String> {
    let plan = map.plan.as_ref().ok_or("no plan")?;
    let mut y = vec![vec![0.0; map.output.slots]; map.output.ciphertexts];
    for (product, p) in plan.products.iter().zip(products) {
        let x = &args[product.operand as usize][product.in_ct as usize];
        // rot(P ⊙ rot(x, B), G)[s] = P[s + G]·x[s + G + B]
        let (giant, baby) = (product.giant as usize, product.baby as usize);
        multiply_accumulate(&mut y[product.out_ct as usize], (x, giant + baby), (p, giant));
    }
    for y in &mut y {
        *y = shift_sum(y, &plan.reduce, 1.0);
    }
    if let Some(bias) = bias {
        y.iter_mut().zip(bias).for_each(|(y, b)| y.iter_mut().zip(b).for_each(|(y, b)| *y += b));
    }
    Ok(y)
}

/// Shortest run of a periodic vector that is worth a loop.
const RUN: usize = 256;

/// y[s] += x[s + i]·p[s + j], x and p read periodically; the lengths are powers of two.
pub(crate) fn multiply_accumulate(y: &mut [f64], (x, i): (&[f64], usize), (p, j): (&[f64], usize)) {
    if p.len() < RUN.min(y.len()) {
        return multiply_accumulate(y, (x, i), (&p.repeat(RUN / p.len()), j));
    }
    let mut s = 0;
    while s < y.len() {
        let (x, p) = (&x[(s + i) & (x.len() - 1)..], &p[(s + j) & (p.len() - 1)..]);
        let run = (y.len() - s).min(x.len()).min(p.len());
        y[s..s + run].iter_mut().zip(x).zip(p).for_each(|((y, x), p)| *y += x * p);
        s += run;
    }
}

fn shift_sum(x: &[f64], shifts: &[Factor], factor: f64) -> Vec<f64> {
    let mut sum = x.to_vec();
    for shift in shifts {
        let x = sum.clone();
        for k in 1..shift.extent {
            let by = k * shift.stride % x.len();
            sum.iter_mut().enumerate().for_each(|(s, y)| *y += x[(s + by) % x.len()]);
        }
    }
    sum.iter_mut().for_each(|y| *y *= factor);
    sum
}
