//! Proven bounds: which ciphertexts of a schedule fit their moduli whatever the inputs are, within bounds.
//!
//! Intervals per slot are propagated through the instructions, operands counting as independent but for squares. A value that
//! is not proven to fit has none, nor has what follows from it, so the work ends where bounds stop telling anything.

use super::interp::remaining_uses;
use super::recipes::Vector;
use super::stream::Stream;
use super::{Kind, Schedule, ScheduleOp, scale};
use crate::{Node, Verified};

/// What is kept free of a modulus for noise, as a factor.
const SLACK: f64 = 1.0 + 1.0 / 64.0;

/// Slots of a value, of a pair those of both vectors: each lies between its two numbers.
#[derive(Clone, Debug, PartialEq)]
struct Intervals {
    low: Vec<f64>,
    high: Vec<f64>,
}

/// By value, the largest magnitude that it can have for inputs of magnitudes up to the given ones, in their order; None if
/// it is not proven that it and all that it is computed of fits. Slots that no element of an input is packed to hold 0.
///
/// # Errors
/// What is wrong with a plaintext.
pub fn proven(schedule: &Verified<Schedule>, inputs: &[f64]) -> Result<Vec<Option<f64>>, String> {
    let room = scale::room(&schedule.header.moduli);
    let mut uses = remaining_uses(schedule);
    let mut values: Vec<Option<Intervals>> = vec![None; schedule.len()];
    let mut proven = Vec::with_capacity(schedule.len());
    Stream::scope(schedule, |stream| {
        let last_input = schedule.iter().rfind(|(_, n)| matches!(n.op, ScheduleOp::Input { .. }));
        let last_input = last_input.map_or(0, |(id, _)| id.index());
        for (id, node) in schedule.iter() {
            if id.index() > last_input && values.iter().all(Option::is_none) {
                break;
            }
            let known = node.args.iter().all(|a| values[a.index()].is_some());
            let plains = if known { stream.next(node.op.recipes())? } else { vec![] };
            if !known {
                stream.skip(node.op.recipes());
            }
            let value = known.then(|| match &node.op {
                ScheduleOp::Input { input, ct, .. } => {
                    packed(schedule, *input as usize, *ct as usize, inputs)
                }
                _ => {
                    let args: Vec<&Intervals> =
                        node.args.iter().filter_map(|a| values[a.index()].as_ref()).collect();
                    apply(node, schedule.header.slots, &args, &plains)
                }
            });
            let fits = |value: &Intervals| {
                let bits = (value.magnitude() * SLACK).log2() + node.ty.scale.log2();
                node.ty.kind != Kind::Ct || bits <= room[node.ty.level as usize]
            };
            let value = value.filter(|value| value.magnitude().is_finite() && fits(value)).filter(|value| {
                // What is bootstrapped fits a range besides.
                !matches!(node.op, ScheduleOp::Bootstrap { range, .. } if value.magnitude() > range)
            });
            proven.push(value.as_ref().map(Intervals::magnitude));
            for arg in &node.args {
                uses[arg.index()] -= 1;
                if uses[arg.index()] == 0 {
                    values[arg.index()] = None;
                }
            }
            values[id.index()] = value.filter(|_| uses[id.index()] > 0);
        }
        proven.resize(schedule.len(), None);
        Ok(proven)
    })
}

/// Intervals of a packed input's ciphertext.
fn packed(schedule: &Schedule, input: usize, ct: usize, bounds: &[f64]) -> Intervals {
    let layout = &schedule.header.inputs[input].layout;
    let bound = bounds.get(input).copied().unwrap_or(f64::INFINITY);
    let elements = layout.shape().iter().product();
    let high = layout.pack(&vec![bound; elements]).swap_remove(ct);
    Intervals { low: high.iter().map(|x| -x).collect(), high }
}

impl Intervals {
    fn magnitude(&self) -> f64 {
        // What is not a number would get lost in a maximum.
        let size = |x: &f64| if x.is_finite() { x.abs() } else { f64::INFINITY };
        self.low.iter().chain(&self.high).map(size).fold(0.0, f64::max)
    }

    fn each(&self, f: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let (low, high) = self.low.iter().zip(&self.high).map(|(l, h)| f(*l, *h)).unzip();
        Self { low, high }
    }

    fn zip(&self, other: &Self, f: impl Fn((f64, f64), (f64, f64)) -> (f64, f64)) -> Self {
        let pairs = self.low.iter().zip(&self.high).zip(other.low.iter().zip(&other.high));
        let (low, high) = pairs.map(|((l, h), (m, k))| f((*l, *h), (*m, *k))).unzip();
        Self { low, high }
    }

    fn scaled(&self, factor: f64) -> Self {
        self.each(|l, h| ((l * factor).min(h * factor), (l * factor).max(h * factor)))
    }

    /// Adds plaintext ⊙ self to a sum.
    fn multiply_accumulate(&self, sum: (&mut [f64], &mut [f64]), plain: &[f64]) {
        let sums = sum.0.iter_mut().zip(sum.1);
        for (((low, high), (l, h)), p) in sums.zip(self.low.iter().zip(&self.high)).zip(plain.iter().cycle())
        {
            let (up, down) = (p.max(0.0), p.min(0.0));
            *low += up * l + down * h;
            *high += up * h + down * l;
        }
    }
}

fn rotated(x: &[f64], step: usize, slots: usize) -> Vec<f64> {
    x.chunks(slots).flat_map(|x| [&x[step..], &x[..step]].concat()).collect()
}

/// The instruction other than `Input` on intervals.
fn apply(node: &Node<ScheduleOp>, slots: usize, args: &[&Intervals], plains: &[Vector]) -> Intervals {
    use ScheduleOp as O;
    let x = args[0];
    let add = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
    match &node.op {
        O::RotateHoisted { step } | O::RotateExt { step } | O::Rotate { step } | O::Giant { step } => {
            let rotated = |x: &[f64]| rotated(x, *step as usize, slots);
            Intervals { low: rotated(&x.low), high: rotated(&x.high) }
        }
        O::Fold { step } => {
            let folded = |x: &[f64]| -> Vec<f64> {
                let (u, v) = x.split_at(slots);
                u.iter().zip(rotated(v, *step as usize, slots)).map(|(u, v)| u + v).collect()
            };
            Intervals { low: folded(&x.low), high: folded(&x.high) }
        }
        O::MulAcc { .. } => {
            let length = if node.op.makes_pair() { 2 * slots } else { slots };
            let mut sum = Intervals { low: vec![0.0; length], high: vec![0.0; length] };
            for (x, plain) in args.iter().zip(plains) {
                let ((l, v), (h, w)) = (sum.low.split_at_mut(slots), sum.high.split_at_mut(slots));
                x.multiply_accumulate((l, h), &plain.re);
                if let Some(im) = &plain.im {
                    x.multiply_accumulate((v, w), im);
                }
            }
            sum
        }
        O::AddPlain { .. } => {
            let plain = plains[0].re.iter().cycle();
            let (low, high) = x.low.iter().zip(&x.high).zip(plain).map(|((l, h), p)| (l + p, h + p)).unzip();
            Intervals { low, high }
        }
        O::MulScalar { value, .. } => x.scaled(*value),
        O::AddScalar { value } => x.each(|l, h| (l + value, h + value)),
        O::Relabel { factor } => x.scaled(*factor),
        O::Add => args[1..].iter().fold(x.clone(), |sum, y| sum.zip(y, add)),
        O::Sub => x.zip(args[1], |a, b| (a.0 - b.1, a.1 - b.0)),
        O::Mul if node.args[0] == node.args[1] => x.each(|l, h| {
            let least = if l <= 0.0 && h >= 0.0 { 0.0 } else { l.abs().min(h.abs()) };
            (least * least, l.abs().max(h.abs()).powi(2))
        }),
        O::Mul => x.zip(args[1], |a, b| {
            let products = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
            (
                products.into_iter().fold(f64::INFINITY, f64::min),
                products.into_iter().fold(f64::NEG_INFINITY, f64::max),
            )
        }),
        O::Input { .. }
        | O::Hoist
        | O::Relinearize
        | O::Rescale
        | O::RelinRescale
        | O::ModDown
        | O::ModDownRescale
        | O::Drop { .. }
        | O::Bootstrap { .. } => x.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ValueId;
    use crate::schedule::interp::{Observer, interpret_all};
    use crate::schedule::random;

    /// Compares values with what was proven of them.
    struct Within<'a>(&'a Schedule, &'a [Option<f64>]);

    impl Observer for Within<'_> {
        fn value(&mut self, _: usize, id: ValueId, slots: &[f64]) {
            if let Some(bound) = self.1[id.index()] {
                let largest = slots.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                assert!(largest <= bound * (1.0 + 1e-9), "{}: {largest} > {bound}", self.0.describe(id));
            }
        }
    }

    proptest! {
        #[test]
        fn values_keep_within_what_is_proven(seed in any::<u64>(), size in 0.1..3.0) {
            let scale = 2f64.powi(30);
            let moduli = vec![2f64.powi(45), scale, scale, scale];
            let options = random::Options { slots: 16, moduli, scale, steps: 25, bootstrap: None };
            let schedule = random::schedule(seed, &options);
            let bounds = vec![size; schedule.header.inputs.len()];
            let proven = proven(&schedule, &bounds).unwrap();
            prop_assert!(proven[0].is_some_and(|bound| bound == size));
            for seed in 0..4 {
                let mut inputs = random::inputs(seed, &schedule);
                let largest = inputs.iter().flatten().flatten().fold(0.0, |most: f64, x| most.max(x.abs()));
                inputs.iter_mut().flatten().flatten().for_each(|x| *x *= size / largest);
                interpret_all(&schedule, &[inputs], &mut Within(&schedule, &proven)).unwrap();
            }
        }
    }

    #[test]
    fn nothing_is_proven_behind_what_does_not_fit() {
        let (slots, scale) = (16, 2f64.powi(30));
        let moduli = vec![2f64.powi(37), scale];
        let options = random::Options { slots, moduli, scale, steps: 0, bootstrap: None };
        let mut schedule = (*random::schedule(1, &options)).clone();
        let x = schedule.push_inferred(ScheduleOp::Drop { level: 0 }, vec![ValueId(0)], "dropped").unwrap();
        schedule.push_inferred(ScheduleOp::AddScalar { value: 1.0 }, vec![x], "more").unwrap();
        let schedule = crate::verify(schedule).unwrap();
        let last = |bound: f64| {
            let proven = proven(&schedule, &vec![bound; schedule.header.inputs.len()]).unwrap();
            (proven[x.index()], proven[x.index() + 1])
        };
        assert_eq!(last(1.0), (Some(1.0), Some(2.0)));
        assert_eq!(last(62.5), (Some(62.5), None));
        assert_eq!(last(100.0), (None, None));
    }
}
