//! The reference interpreter: slot vectors in f64, no noise, exact levels and scales.
//!
//! Values stand for themselves (not multiplied by their scales), so a schedule whose scale arithmetic is wrong
//! gives right numbers here; that it is right is what the verifier proves.

use rayon::prelude::*;

use super::recipes::Vector;
use super::stream::Stream;
use super::{Recipe, Schedule, ScheduleOp};
use crate::slot::interp::multiply_accumulate;
use crate::{ValueId, Verified};

/// Why a schedule cannot be interpreted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterpError {
    /// The packed inputs are not of the number or length that the schedule wants.
    #[error("packed inputs do not fit the schedule: {0}")]
    Input(String),
    /// A plaintext cannot be computed.
    #[error("plaintext of {place}: {message}")]
    Recipe {
        /// The instruction.
        place: String,
        /// What is wrong.
        message: String,
    },
}

/// Slot vectors, one for each ciphertext, of every packed value.
pub type Packed = Vec<Vec<Vec<f64>>>;

/// Runs a schedule on packed inputs (see [`Layout::pack`](crate::layout::Layout::pack)), in the header's order,
/// and returns packed outputs.
///
/// # Errors
/// If the inputs do not fit, or a recipe cannot be evaluated.
pub fn interpret(schedule: &Verified<Schedule>, inputs: &[Vec<Vec<f64>>]) -> Result<Packed, InterpError> {
    let outputs = interpret_all(schedule, &[inputs], &mut ())?;
    Ok(outputs.into_iter().next().unwrap_or_default())
}

/// Sees what an interpretation computes.
pub trait Observer {
    /// The slots of a value in the run of the sample of this number.
    fn value(&mut self, _sample: usize, _: ValueId, _: &[f64]) {}

    /// The vector of a plaintext, each time it is used.
    fn plaintext(&mut self, _: &Recipe, _: &Vector) {}
}

impl Observer for () {}

/// [`interpret`] for several samples side by side, so that plaintexts are computed once for all, observed. All samples'
/// values are in memory at once.
///
/// # Errors
/// As [`interpret`].
pub fn interpret_all<S: AsRef<[Vec<Vec<f64>>]> + Sync>(
    schedule: &Verified<Schedule>,
    samples: &[S],
    observer: &mut impl Observer,
) -> Result<Vec<Packed>, InterpError> {
    samples.iter().try_for_each(|s| check_inputs(schedule, s.as_ref())).map_err(InterpError::Input)?;
    Stream::scope(schedule, |plaintexts| execute(schedule, samples, observer, plaintexts))
}

fn execute<S: AsRef<[Vec<Vec<f64>>]> + Sync>(
    schedule: &Verified<Schedule>,
    samples: &[S],
    observer: &mut impl Observer,
    plaintexts: &mut Stream<'_>,
) -> Result<Vec<Packed>, InterpError> {
    let mut uses = remaining_uses(schedule);
    // By value and sample.
    let mut values: Vec<Option<Vec<Vec<f64>>>> = vec![None; schedule.len()];
    for (id, node) in schedule.iter() {
        let plains = plaintexts.next(node.op.recipes());
        let plains =
            plains.map_err(|message| InterpError::Recipe { place: schedule.describe(id), message })?;
        let plains: Vec<&Vector> = plains.iter().collect();
        node.op.recipes().iter().zip(&plains).for_each(|(recipe, plain)| observer.plaintext(recipe, plain));
        let of = |(k, inputs): (usize, &S)| match &node.op {
            ScheduleOp::Input { input, ct, .. } => inputs.as_ref()[*input as usize][*ct as usize].clone(),
            op => {
                let arg = |a: &ValueId| values[a.index()].as_ref().map_or(&[][..], |samples| &samples[k]);
                let args: Vec<&[f64]> = node.args.iter().map(arg).collect();
                apply(op, schedule.header.slots, &args, &plains)
            }
        };
        let value: Vec<Vec<f64>> = samples.par_iter().enumerate().map(of).collect();
        value.iter().enumerate().for_each(|(k, slots)| observer.value(k, id, slots));
        for arg in &node.args {
            uses[arg.index()] -= 1;
            if uses[arg.index()] == 0 {
                values[arg.index()] = None;
            }
        }
        if uses[id.index()] > 0 {
            values[id.index()] = Some(value);
        }
    }
    let of = |v: ValueId, k: usize| values[v.index()].as_ref().map_or_else(Vec::new, |v| v[k].clone());
    let outputs = |k| group_outputs(schedule, schedule.outputs.iter().map(|o| of(o.value, k)));
    Ok((0..samples.len()).map(outputs).collect())
}

/// How often each value is still needed: by nodes, and once by each output that names it.
pub fn remaining_uses(schedule: &Schedule) -> Vec<usize> {
    let mut uses = vec![0usize; schedule.len()];
    for arg in schedule.iter().flat_map(|(_, n)| &n.args) {
        uses[arg.index()] += 1;
    }
    for output in &schedule.outputs {
        uses[output.value.index()] += 1;
    }
    uses
}

/// Splits the graph's outputs into the header's packed outputs.
pub fn group_outputs<T>(schedule: &Schedule, outputs: impl IntoIterator<Item = T>) -> Vec<Vec<T>> {
    let mut outputs = outputs.into_iter();
    schedule.header.outputs.iter().map(|p| outputs.by_ref().take(p.layout.ciphertexts).collect()).collect()
}

/// Checks number and lengths of packed inputs.
///
/// # Errors
/// What does not fit.
pub fn check_inputs(schedule: &Schedule, inputs: &[Vec<Vec<f64>>]) -> Result<(), String> {
    let header = &schedule.header;
    if inputs.len() != header.inputs.len() {
        return Err(format!("{} inputs instead of {}", inputs.len(), header.inputs.len()));
    }
    for (given, wanted) in inputs.iter().zip(&header.inputs) {
        let (count, expected) = (given.len(), wanted.layout.ciphertexts);
        if count != expected {
            return Err(format!("input {:?}: {count} ciphertexts instead of {expected}", wanted.name));
        }
        if let Some(v) = given.iter().find(|v| v.len() != header.slots) {
            return Err(format!("input {:?}: {} slots instead of {}", wanted.name, v.len(), header.slots));
        }
    }
    Ok(())
}

/// What an instruction other than `Input` computes on slot vectors, of `slots` slots: the semantics of the IR. The two
/// vectors of a pair stand one after the other.
pub fn apply(op: &ScheduleOp, slots: usize, args: &[&[f64]], plains: &[&Vector]) -> Vec<f64> {
    use ScheduleOp as O;
    let x = args.first().copied().unwrap_or(&[]);
    let zip = |f: fn(f64, f64) -> f64| x.iter().zip(args[1]).map(|(a, b)| f(*a, *b)).collect();
    match op {
        O::RotateHoisted { step } | O::RotateExt { step } | O::Rotate { step } | O::Giant { step } => {
            let rotated = |x: &[f64]| {
                let (head, tail) = x.split_at(*step as usize);
                [tail, head].concat()
            };
            x.chunks(slots).flat_map(rotated).collect()
        }
        O::Fold { step } => {
            let (u, v) = x.split_at(slots);
            let (head, tail) = v.split_at(*step as usize);
            u.iter().zip(tail.iter().chain(head)).map(|(u, v)| u + v).collect()
        }
        O::MulAcc { .. } => {
            let mut sum = vec![0.0; if op.makes_pair() { 2 * slots } else { slots }];
            for (arg, plain) in args.iter().zip(plains) {
                let (u, v) = sum.split_at_mut(slots);
                multiply_accumulate(u, (arg, 0), (&plain.re, 0));
                if let Some(im) = &plain.im {
                    multiply_accumulate(v, (arg, 0), (im, 0));
                }
            }
            sum
        }
        O::AddPlain { .. } => x.iter().zip(plains[0].re.iter().cycle()).map(|(a, p)| a + p).collect(),
        O::MulScalar { value, .. } => x.iter().map(|a| a * value).collect(),
        O::AddScalar { value } => x.iter().map(|a| a + value).collect(),
        O::Add => {
            let mut sum = x.to_vec();
            for arg in &args[1..] {
                sum.iter_mut().zip(*arg).for_each(|(s, a)| *s += a);
            }
            sum
        }
        O::Sub => zip(|a, b| a - b),
        O::Mul => zip(|a, b| a * b),
        O::Relabel { factor } => x.iter().map(|a| a * factor).collect(),
        O::Input { .. }
        | O::Hoist
        | O::Relinearize
        | O::Rescale
        | O::RelinRescale
        | O::ModDown
        | O::ModDownRescale
        | O::Drop { .. }
        | O::Bootstrap { .. } => x.to_vec(),
    }
}
