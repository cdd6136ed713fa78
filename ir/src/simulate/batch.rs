//! A batch of images on its way through a schedule.

use std::collections::BTreeMap;

use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;

use super::image::{Excess, Image, Simulated};
use super::slots::{Factors, Plain, Value, multiply_accumulate};
use crate::noise::{NoiseModel, Noisy, Variance, same_operands};
use crate::schedule::interp::{group_outputs, remaining_uses};
use crate::schedule::{Kind, Schedule, ScheduleOp, ScheduleType, scale};
use crate::{Node, ValueId, Verified};

/// Difference of slots that should be the same, over the range of a bootstrap, that noise does not reach.
const UNEVEN: f64 = 1.0 / 64.0;

/// Noise to draw.
#[derive(Clone)]
pub(super) struct Noise {
    /// Its size.
    pub(super) model: NoiseModel,
    /// What it is drawn by.
    pub(super) seed: u64,
}

/// A batch on its way through the schedule.
pub(super) struct Batch<'a> {
    schedule: &'a Verified<Schedule>,
    images: &'a [Image],
    noise: Option<&'a Noise>,
    /// Arguments of Chebyshev polynomials, by the instruction that squares them.
    arguments: &'a BTreeMap<ValueId, ValueId>,
    /// Whether all threads work on it.
    parallel: bool,
    slots: usize,
    /// log2 of half the modulus product, by level.
    room: Vec<f64>,
    values: Vec<Option<Value>>,
    uses: Vec<usize>,
    diverges: Vec<Option<ValueId>>,
    exceeds: Vec<Option<Excess>>,
    uneven: Vec<Option<Excess>>,
    escapes: Vec<Vec<Excess>>,
    factors: Vec<Vec<f64>>,
    /// Buffers of values that are no longer needed.
    buffers: Vec<Vec<f64>>,
}

/// True for instructions that show the noise gathered before them in the slots.
fn draws(op: &ScheduleOp) -> bool {
    use ScheduleOp as O;
    matches!(
        op,
        O::Input { .. }
            | O::Relinearize
            | O::Rescale
            | O::RelinRescale
            | O::ModDown
            | O::ModDownRescale
            | O::Bootstrap { .. }
    )
}

impl<'a> Batch<'a> {
    /// Images at the beginning of a schedule with `arguments` of Chebyshev polynomials; without `noise` all are exact.
    pub(super) fn new(
        schedule: &'a Verified<Schedule>,
        images: &'a [Image],
        noise: Option<&'a Noise>,
        arguments: &'a BTreeMap<ValueId, ValueId>,
    ) -> Self {
        Self {
            schedule,
            images,
            noise,
            arguments,
            parallel: false,
            slots: schedule.header.slots,
            room: scale::room(&schedule.header.moduli),
            values: vec![None; schedule.len()],
            uses: remaining_uses(schedule),
            diverges: vec![None; images.len()],
            exceeds: vec![None; images.len()],
            uneven: vec![None; images.len()],
            escapes: vec![vec![]; images.len()],
            factors: vec![vec![]; images.len()],
            buffers: vec![],
        }
    }

    /// The same on all threads.
    pub(super) fn parallel(self) -> Self {
        Self { parallel: true, ..self }
    }

    /// Executes the next instruction; `see` is shown its result.
    pub(super) fn execute(
        &mut self,
        id: ValueId,
        node: &Node<ScheduleOp>,
        plains: &[&Plain],
        see: &mut dyn FnMut(&Value),
    ) {
        let args: Vec<Value> = node.args.iter().filter_map(|a| self.operand(*a)).collect();
        let pending = self.propagate(node, &args, plains);
        if let ScheduleOp::Bootstrap { range, period, .. } = node.op {
            self.check_range(id, &args[0], range, self.schedule.ty(node.args[0]));
            self.check_period(id, &args[0], range, period as usize);
        }
        if let Some(argument) = self.arguments.get(&id) {
            self.check_argument(id, *argument, &args[0]);
        }
        if node.op == ScheduleOp::Mul {
            for (k, factors) in self.factors.iter_mut().enumerate() {
                factors.push(args.iter().map(|x| x.facts()[k].largest).fold(0.0, f64::max));
            }
        }
        let mut value = self.apply(node, args, plains).with_pending(pending);
        let output = self.schedule.outputs.iter().any(|o| o.value == id);
        if draws(&node.op) || output {
            value = self.draw(id, value);
        }
        if node.ty.kind == Kind::Ct {
            self.check_room(id, &value, &node.ty);
        }
        see(&value);
        if self.uses[id.index()] > 0 {
            self.values[id.index()] = Some(value);
        }
    }

    /// An operand: with its last use it leaves the batch.
    fn operand(&mut self, id: ValueId) -> Option<Value> {
        self.uses[id.index()] -= 1;
        let value = &mut self.values[id.index()];
        if self.uses[id.index()] == 0 { value.take() } else { value.clone() }
    }

    /// Noise to come, by image.
    fn propagate(&self, node: &Node<ScheduleOp>, args: &[Value], plains: &[&Plain]) -> Vec<Variance> {
        use ScheduleOp as O;
        let Some(Noise { model, .. }) = self.noise else { return vec![Variance::ZERO; self.images.len()] };
        let magnitudes = matches!(node.op, O::MulAcc { .. } | O::MulScalar { .. } | O::Mul);
        let types: Vec<_> = node.args.iter().map(|a| *self.schedule.ty(*a)).collect();
        let plains: Vec<f64> = plains.iter().map(|p| p.rms).collect();
        let same = same_operands(&node.args);
        let of_image = |image: usize| {
            if self.images[image].exact {
                return Variance::ZERO;
            }
            let noisy = |(x, ty): (&Value, &ScheduleType)| Noisy {
                ty: *ty,
                variance: x.pending[image],
                rms: if magnitudes { x.facts()[image].rms } else { 0.0 },
            };
            let args: Vec<_> = args.iter().zip(&types).map(noisy).collect();
            model.propagate(&node.op, &args, &plains, &same)
        };
        (0..self.images.len()).map(of_image).collect()
    }

    /// The slots of a result, without noise of its own.
    fn apply(&mut self, node: &Node<ScheduleOp>, mut args: Vec<Value>, plains: &[&Plain]) -> Value {
        use ScheduleOp as O;
        match &node.op {
            O::Input { input, ct, .. } => {
                let mut slots = self.buffer();
                for (slots, image) in slots.chunks_exact_mut(self.slots).zip(self.images) {
                    slots.copy_from_slice(&image.inputs[*input as usize][*ct as usize]);
                }
                Value::new(slots, vec![])
            }
            O::RotateHoisted { step } | O::RotateExt { step } | O::Rotate { step } | O::Giant { step } => {
                args.swap_remove(0).rotated(*step as usize, self.slots)
            }
            O::Fold { step } => {
                let [u, v] = args.swap_remove(0).halves(|| self.buffer());
                self.fold(vec![u, v.rotated(*step as usize, self.slots)], |u, v| *u += v)
            }
            O::MulAcc { .. } => {
                let re = plains.iter().map(|p| Some(&p.re));
                let mut sum = self.sum(&args, re);
                if node.op.makes_pair() {
                    sum.append(&mut self.sum(&args, plains.iter().map(|p| p.im.as_ref())));
                }
                args.into_iter().for_each(|x| self.recycle(x));
                Value::new(sum, vec![])
            }
            O::AddPlain { .. } => {
                let mut slots = self.owned(args.swap_remove(0));
                plains[0].re.add_to(&mut slots);
                Value::new(slots, vec![])
            }
            O::MulScalar { value, .. } => self.each(args.swap_remove(0), |x| *x *= value),
            O::AddScalar { value } => self.each(args.swap_remove(0), |x| *x += value),
            O::Relabel { factor } => self.each(args.swap_remove(0), |x| *x *= factor),
            O::Mul if node.args[0] == node.args[1] => {
                args.truncate(1);
                self.each(args.swap_remove(0), |x| *x *= *x)
            }
            O::Mul => self.fold(args, |x, y| *x *= y),
            O::Add => self.fold(args, |x, y| *x += y),
            O::Sub => self.fold(args, |x, y| *x -= y),
            O::Hoist
            | O::Relinearize
            | O::Rescale
            | O::RelinRescale
            | O::ModDown
            | O::ModDownRescale
            | O::Drop { .. }
            | O::Bootstrap { .. } => args.swap_remove(0),
        }
    }

    /// Σ plaintext ⊙ x, of those that there are.
    fn sum<'p>(&mut self, args: &[Value], plains: impl Iterator<Item = Option<&'p Factors>>) -> Vec<f64> {
        let mut sum = self.buffer();
        let terms: Vec<_> = args.iter().zip(plains).filter_map(|(x, plain)| Some((x, plain?))).collect();
        multiply_accumulate(&mut sum, &terms, self.slots, self.parallel);
        sum
    }

    fn each(&mut self, x: Value, f: impl Fn(&mut f64)) -> Value {
        let mut slots = self.owned(x);
        slots.iter_mut().for_each(f);
        Value::new(slots, vec![])
    }

    fn fold(&mut self, args: Vec<Value>, f: impl Fn(&mut f64, f64)) -> Value {
        let mut args = args.into_iter();
        let Some(first) = args.next() else { return Value::new(vec![], vec![]) };
        let mut slots = self.owned(first);
        for x in args {
            x.combine(&mut slots, self.slots, &f);
            self.recycle(x);
        }
        Value::new(slots, vec![])
    }

    /// The slots of a value in a buffer of their own.
    fn owned(&mut self, x: Value) -> Vec<f64> {
        let (slots, length) = (self.slots, x.len());
        let buffers = &mut self.buffers;
        x.into_slots(slots, || {
            let mut buffer = buffers.pop().unwrap_or_default();
            buffer.resize(length, 0.0);
            buffer
        })
    }

    fn buffer(&mut self) -> Vec<f64> {
        self.buffers.pop().unwrap_or_else(|| vec![0.0; self.slots * self.images.len()])
    }

    fn recycle(&mut self, x: Value) {
        let length = self.slots * self.images.len();
        self.buffers.extend(x.into_buffer().map(|mut buffer| {
            buffer.truncate(length);
            buffer
        }));
    }

    /// Adds the noise to come to the slots.
    fn draw(&mut self, id: ValueId, x: Value) -> Value {
        let Some(Noise { model, seed }) = self.noise else { return x };
        let scale = self.schedule.ty(id).scale;
        let mut pending = x.pending.clone();
        let mut slots = self.owned(x);
        let noisy = |((slots, image), variance): ((&mut [f64], &Image), &mut Variance)| {
            if image.exact {
                return;
            }
            let sigma = model.slot_error(*variance, scale);
            variance.re = 0.0;
            let mut generator = generator(*seed, image.number, id);
            for x in slots {
                let noise: f64 = StandardNormal.sample(&mut generator);
                *x += sigma * noise;
            }
        };
        if self.parallel {
            let images = slots.par_chunks_exact_mut(self.slots).zip(self.images).zip(&mut pending);
            images.for_each(noisy);
        } else {
            slots.chunks_exact_mut(self.slots).zip(self.images).zip(&mut pending).for_each(noisy);
        }
        Value::new(slots, pending)
    }

    /// Notes the images whose slots do not fit the modulus of their level.
    fn check_room(&mut self, id: ValueId, x: &Value, ty: &ScheduleType) {
        let room = self.room[ty.level as usize];
        for (facts, diverges) in x.facts().iter().zip(&mut self.diverges) {
            if !facts.largest.is_finite() || facts.largest.log2() + ty.scale.log2() > room {
                diverges.get_or_insert(id);
            }
        }
    }

    /// Notes the images that a bootstrap is not made for.
    fn check_range(&mut self, id: ValueId, x: &Value, range: f64, ty: &ScheduleType) {
        self.check_room(id, x, &ScheduleType { level: 0, ..*ty });
        for (facts, exceeds) in x.facts().iter().zip(&mut self.exceeds) {
            let ratio = facts.largest / range;
            if ratio > 1.0 + scale::RANGE_SLACK && exceeds.is_none_or(|e| e.ratio < ratio) {
                *exceeds = Some(Excess { at: id, ratio });
            }
        }
    }

    /// Notes the images on which the argument of a polynomial, squared here, leaves [−1, 1]; where it follows from
    /// garbage, nothing is said.
    fn check_argument(&mut self, id: ValueId, argument: ValueId, x: &Value) {
        for ((facts, diverges), escapes) in x.facts().iter().zip(&self.diverges).zip(&mut self.escapes) {
            let ratio = facts.largest;
            let meant = ratio.is_finite() && diverges.is_none_or(|at| at >= argument);
            if meant && ratio > 1.0 + scale::RANGE_SLACK {
                escapes.push(Excess { at: id, ratio });
            }
        }
    }

    /// Notes the images whose slots do not repeat as a bootstrap takes for granted; of those beyond its range, where
    /// noise has grown with the slots, nothing is said.
    fn check_period(&mut self, id: ValueId, x: &Value, range: f64, period: usize) {
        if period >= self.slots {
            return;
        }
        let differences = x.unevenness(self.slots, period);
        for ((difference, facts), uneven) in differences.iter().zip(x.facts()).zip(&mut self.uneven) {
            let (ratio, within) = (difference / range, facts.largest <= range * (1.0 + scale::RANGE_SLACK));
            if within && ratio > UNEVEN && uneven.is_none_or(|u| u.ratio < ratio) {
                *uneven = Some(Excess { at: id, ratio });
            }
        }
    }

    /// What became of the images.
    pub(super) fn results(mut self) -> Vec<Simulated> {
        let schedule = self.schedule;
        let mut outputs: Vec<Vec<Vec<f64>>> = vec![vec![]; self.images.len()];
        for output in &schedule.outputs {
            let slots = self.operand(output.value).map_or_else(Vec::new, |x| self.owned(x));
            for (k, slots) in slots.chunks_exact(self.slots).enumerate() {
                outputs[k].push(slots.to_vec());
            }
        }
        let ranges = self.exceeds.into_iter().zip(self.uneven).zip(self.escapes);
        let notes = self.diverges.into_iter().zip(ranges).zip(self.factors);
        let result = |(outputs, ((diverges, ((exceeds, uneven), escapes)), factors))| {
            let outputs = group_outputs(schedule, outputs);
            Simulated { outputs, diverges, exceeds, uneven, escapes, factors }
        };
        outputs.into_iter().zip(notes).map(result).collect()
    }
}

/// Noise of a value of an image.
fn generator(seed: u64, image: u64, id: ValueId) -> Xoshiro256PlusPlus {
    let mut hasher = blake3::Hasher::new();
    for word in [seed, image, u64::from(id.0)] {
        hasher.update(&word.to_le_bytes());
    }
    Xoshiro256PlusPlus::from_seed(*hasher.finalize().as_bytes())
}
