//! The slot interpreter: the meaning of a packed graph, on slot vectors in f64.

use std::collections::HashMap;

use super::{LinearMap, SlotGraph, SlotOp, encode};
use crate::layout::{Factor, Layout};
use crate::tensor::{Tensor, activation};
use crate::{Constant, Op, ValueId, Verified};

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
    run_observed(graph, inputs, &mut |_, _| {})
}

/// [`run`], `observe` seeing every value.
///
/// # Errors
/// As [`run`].
pub fn run_observed(
    graph: &Verified<SlotGraph>,
    inputs: &[Tensor<f64>],
    observe: &mut dyn FnMut(ValueId, &Slots),
) -> Result<Vec<Tensor<f64>>, RunError> {
    let declared: Vec<_> = graph.inputs().map(|(id, _)| id).collect();
    if declared.len() != inputs.len() {
        return Err(RunError::Input(inputs.len(), format!("the graph has {} inputs", declared.len())));
    }
    let mut last_use: HashMap<_, _> = HashMap::new();
    for (id, node) in graph.iter() {
        node.args.iter().for_each(|a| {
            last_use.insert(*a, id);
        });
    }
    let mut values: Vec<Option<Slots>> = vec![None; graph.len()];
    let mut input = declared.iter().zip(inputs).enumerate();
    for (id, node) in graph.iter() {
        let layout = &node.ty.layout;
        let value = if node.op.input_name().is_some() {
            let (k, (_, tensor)) = input.next().expect("as many as declared");
            if tensor.shape != layout.shape() {
                return Err(RunError::Input(
                    k,
                    format!("shape {:?}, not {:?}", tensor.shape, layout.shape()),
                ));
            }
            layout.pack(&tensor.data)
        } else {
            let args: Vec<&Slots> =
                node.args.iter().map(|a| values[a.index()].as_ref().expect("kept to its last use")).collect();
            eval(&graph.constants, &node.op, layout, &args)
                .map_err(|e| RunError::Node(graph.describe(id), e))?
        };
        observe(id, &value);
        values[id.index()] = Some(value);
        for arg in &node.args {
            if last_use.get(arg) == Some(&id) && graph.outputs.iter().all(|o| o.value != *arg) {
                values[arg.index()] = None;
            }
        }
    }
    let output = |o: &crate::Output| {
        let layout = &graph.ty(o.value).layout;
        let slots = values[o.value.index()].as_ref().expect("outputs are kept");
        Tensor::new(layout.shape(), layout.unpack(slots))
    };
    Ok(graph.outputs.iter().map(output).collect())
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
    let spread = |c: crate::ConstId, row: u32| -> Result<Slots, String> {
        (0..out.ciphertexts as u32).map(|ct| encode::spread(&constants[c.index()], row, out, ct)).collect()
    };
    Ok(match op {
        SlotOp::Input { name } => return Err(format!("input {name:?} has no value")),
        SlotOp::Constant { value } => spread(*value, 0)?,
        SlotOp::Linear(map) if map.plan.is_some() => linear_by_plan(constants, map, args)?,
        SlotOp::Linear(map) => linear(constants, map, args)?,
        SlotOp::ShiftSum { shifts, factor } => {
            args[0].iter().map(|x| shift_sum(x, shifts, *factor)).collect()
        }
        SlotOp::View | SlotOp::Bootstrap { .. } => args[0].clone(),
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

/// y = A·x + b straight from the entries, into every replica.
fn linear(constants: &[Constant], map: &LinearMap, args: &[&Slots]) -> Result<Slots, String> {
    let output = map.output.positions();
    let mut y = vec![0.0; output.len()];
    for ((term, input), x) in map.terms.iter().zip(&map.inputs).zip(args) {
        let x = input.unpack(x);
        term.for_each_entry(x.len(), constants, |o, i, w| y[o] += w * x[i]);
        if let Some(b) = term.constant_part(constants) {
            y.iter_mut().zip(b).for_each(|(y, b)| *y += b);
        }
    }
    Ok(map.output.pack(&y))
}

/// The same by the plan's rotations and plaintexts, as a schedule will do it.
fn linear_by_plan(constants: &[Constant], map: &LinearMap, args: &[&Slots]) -> Result<Slots, String> {
    let plan = map.plan.as_ref().ok_or("no plan")?;
    let slots = map.output.slots;
    let mut y = vec![vec![0.0; slots]; map.output.ciphertexts];
    for (product, p) in plan.products.iter().zip(encode::products(map, constants)?) {
        let x = &args[product.operand as usize][product.in_ct as usize];
        let y = &mut y[product.out_ct as usize];
        for s in 0..slots {
            // rot(P ⊙ rot(x, B), G)[s] = P[s + G]·x[s + G + B]
            let at = s + product.giant as usize;
            y[s] += p[at & (p.len() - 1)] * x[(at + product.baby as usize) & (slots - 1)];
        }
    }
    for y in &mut y {
        *y = shift_sum(y, &plan.reduce, 1.0);
    }
    if let Some(bias) = encode::bias(map, constants)? {
        y.iter_mut().zip(&bias).for_each(|(y, b)| y.iter_mut().zip(b).for_each(|(y, b)| *y += b));
    }
    Ok(y)
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
