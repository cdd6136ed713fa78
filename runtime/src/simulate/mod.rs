//! Many images through a schedule in clear, with exact levels and scales and modelled noise: how often a plan is right,
//! and on which images its network leaves the ranges that encryption gives it.
//!
//! What [`clear`](crate::clear) computes for one image, here for batches: plaintexts are evaluated once and multiplied
//! with several images while they are in cache, and rotations are not carried out but read. The noise of an instruction
//! that neither divides nor refreshes is carried along as a variance, by the same model, and added to the slots by
//! the next one that does: noise that several results of one value share is independent here until then.
//! Results depend on schedule, image and seed only, not on batches or threads.

mod slots;

use std::collections::HashMap;
use std::sync::Arc;

use fhec_ir::noise::{NoiseModel, Noisy, Variance, same_operands};
use fhec_ir::plan::ParameterData;
use fhec_ir::schedule::interp::{Packed, check_inputs, group_outputs, remaining_uses};
use fhec_ir::schedule::recipes::RecipeVectors;
use fhec_ir::schedule::{Kind, Recipe, Schedule, ScheduleOp, ScheduleType, scale};
use fhec_ir::{Node, ValueId, Verified};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::error::RunError;
use slots::{Plain, Value, multiply_accumulate};

/// An image to simulate.
#[derive(Clone, Debug)]
pub struct Image {
    /// Tells its noise from that of other images.
    pub number: u64,
    /// Slots of every ciphertext of every packed input.
    pub inputs: Packed,
}

/// What became of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// Slots of every ciphertext of every packed output.
    pub outputs: Packed,
    /// The first value that is not finite, or too large for its modulus or for the lowest modulus when it is
    /// bootstrapped: from there on an encrypted run has garbage.
    pub diverges: Option<ValueId>,
    /// The bootstrap whose operand exceeds its range most: an encrypted run is less precise there.
    pub exceeds: Option<Excess>,
    /// The bootstrap whose operand repeats least, though it should, by more than noise: an encrypted run is wrong there.
    pub uneven: Option<Excess>,
    /// By product of ciphertexts, in the order of the schedule, the largest magnitude of its operands: what activations
    /// are applied to.
    pub factors: Vec<f64>,
}

/// A bootstrap's operand that is not what it was promised to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excess {
    /// The bootstrap.
    pub at: ValueId,
    /// Largest magnitude, or largest difference of slots that should be the same, over range.
    pub ratio: f64,
}

/// Difference of slots that should be the same, over the range of a bootstrap, that noise does not reach.
const UNEVEN: f64 = 1.0 / 64.0;

/// A schedule with its plaintexts, ready to be simulated.
pub struct Simulator<'s> {
    schedule: &'s Verified<Schedule>,
    plains: Arc<HashMap<Recipe, Plain>>,
    noise: Option<(NoiseModel, u64)>,
    /// log2 of half the modulus product, by level.
    room: Vec<f64>,
}

impl<'s> Simulator<'s> {
    /// Evaluates the plaintexts of a schedule, to be simulated with the noise of a parameter set, drawn by a seed.
    ///
    /// # Errors
    /// If a plaintext cannot be computed.
    pub fn new(
        schedule: &'s Verified<Schedule>,
        parameters: &ParameterData,
        seed: u64,
    ) -> Result<Self, RunError> {
        let vectors = RecipeVectors::new(schedule);
        let mut plains = HashMap::new();
        for (id, node) in schedule.iter() {
            for recipe in node.op.recipes() {
                if !plains.contains_key(recipe) {
                    let vector = vectors.get(recipe);
                    let failed = |message| RunError::Plaintext { place: schedule.describe(id), message };
                    plains.insert(*recipe, Plain::new(&vector.map_err(failed)?, schedule.header.slots));
                }
                vectors.release(recipe);
            }
        }
        let room = scale::room(&schedule.header.moduli);
        let noise = Some((NoiseModel::new(parameters), seed));
        Ok(Self { schedule, plains: Arc::new(plains), noise, room })
    }

    /// The same without noise: what the reference interpreter computes.
    pub fn exact(&self) -> Self {
        Self { plains: self.plains.clone(), noise: None, room: self.room.clone(), ..*self }
    }

    /// Runs a batch of images on this thread. A batch holds each of its values for all images: a few images make a
    /// good one.
    ///
    /// # Errors
    /// If an image does not fit the schedule.
    pub fn run(&self, images: &[Image]) -> Result<Vec<Simulated>, RunError> {
        for image in images {
            check_inputs(self.schedule, &image.inputs).map_err(RunError::Input)?;
        }
        let mut batch = Batch {
            simulator: self,
            images,
            slots: self.schedule.header.slots,
            values: vec![None; self.schedule.len()],
            uses: remaining_uses(self.schedule),
            diverges: vec![None; images.len()],
            exceeds: vec![None; images.len()],
            uneven: vec![None; images.len()],
            factors: vec![vec![]; images.len()],
            buffers: vec![],
        };
        for (id, node) in self.schedule.iter() {
            batch.execute(id, node);
        }
        Ok(batch.results())
    }
}

/// A batch on its way through the schedule.
struct Batch<'a> {
    simulator: &'a Simulator<'a>,
    images: &'a [Image],
    slots: usize,
    values: Vec<Option<Value>>,
    uses: Vec<usize>,
    diverges: Vec<Option<ValueId>>,
    exceeds: Vec<Option<Excess>>,
    uneven: Vec<Option<Excess>>,
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

impl Batch<'_> {
    fn execute(&mut self, id: ValueId, node: &Node<ScheduleOp>) {
        let args: Vec<Value> = node.args.iter().filter_map(|a| self.operand(*a)).collect();
        let pending = self.propagate(node, &args);
        if let ScheduleOp::Bootstrap { range, period, .. } = node.op {
            self.check_range(id, &args[0], range, self.simulator.schedule.ty(node.args[0]));
            self.check_period(id, &args[0], range, period as usize);
        }
        if node.op == ScheduleOp::Mul {
            for (k, factors) in self.factors.iter_mut().enumerate() {
                factors.push(args.iter().map(|x| x.facts()[k].largest).fold(0.0, f64::max));
            }
        }
        let mut value = self.apply(node, args).with_pending(pending);
        let output = self.simulator.schedule.outputs.iter().any(|o| o.value == id);
        if draws(&node.op) || output {
            value = self.draw(id, value);
        }
        if node.ty.kind == Kind::Ct {
            self.check_room(id, &value, &node.ty);
        }
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
    fn propagate(&self, node: &Node<ScheduleOp>, args: &[Value]) -> Vec<Variance> {
        use ScheduleOp as O;
        let Some((model, _)) = &self.simulator.noise else { return vec![Variance::ZERO; self.images.len()] };
        let magnitudes = matches!(node.op, O::MulAcc { .. } | O::MulScalar { .. } | O::Mul);
        let types: Vec<_> = node.args.iter().map(|a| *self.simulator.schedule.ty(*a)).collect();
        let plains: Vec<f64> = node.op.recipes().iter().map(|r| self.simulator.plains[r].rms).collect();
        let same = same_operands(&node.args);
        let of_image = |image: usize| {
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
    fn apply(&mut self, node: &Node<ScheduleOp>, mut args: Vec<Value>) -> Value {
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
            O::MulAcc { recipes, .. } => {
                let plains = || recipes.iter().map(|r| &self.simulator.plains[r]);
                let mut sum = self.buffer();
                let terms: Vec<_> = args.iter().zip(plains().map(|p| &p.re)).collect();
                multiply_accumulate(&mut sum, &terms, self.slots);
                if node.op.makes_pair() {
                    let mut second = self.buffer();
                    let terms: Vec<_> = args.iter().zip(plains().filter_map(|p| p.im.as_ref())).collect();
                    multiply_accumulate(&mut second, &terms, self.slots);
                    sum.append(&mut second);
                }
                args.into_iter().for_each(|x| self.recycle(x));
                Value::new(sum, vec![])
            }
            O::AddPlain { recipe } => {
                let mut slots = self.owned(args.swap_remove(0));
                self.simulator.plains[recipe].re.add_to(&mut slots);
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
        let Some((model, seed)) = &self.simulator.noise else { return x };
        let scale = self.simulator.schedule.ty(id).scale;
        let mut pending = x.pending.clone();
        let mut slots = self.owned(x);
        for ((slots, image), variance) in
            slots.chunks_exact_mut(self.slots).zip(self.images).zip(&mut pending)
        {
            let sigma = model.slot_error(*variance, scale);
            variance.re = 0.0;
            let mut generator = generator(*seed, image.number, id);
            for x in slots {
                let noise: f64 = StandardNormal.sample(&mut generator);
                *x += sigma * noise;
            }
        }
        Value::new(slots, pending)
    }

    /// Notes the images whose slots do not fit the modulus of their level.
    fn check_room(&mut self, id: ValueId, x: &Value, ty: &ScheduleType) {
        let room = self.simulator.room[ty.level as usize];
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

    fn results(mut self) -> Vec<Simulated> {
        let schedule = self.simulator.schedule;
        let mut outputs: Vec<Vec<Vec<f64>>> = vec![vec![]; self.images.len()];
        for output in &schedule.outputs {
            let slots = self.operand(output.value).map_or_else(Vec::new, |x| self.owned(x));
            for (k, slots) in slots.chunks_exact(self.slots).enumerate() {
                outputs[k].push(slots.to_vec());
            }
        }
        let notes = self.diverges.into_iter().zip(self.exceeds).zip(self.uneven).zip(self.factors);
        let result = |(outputs, (((diverges, exceeds), uneven), factors))| {
            let outputs = group_outputs(schedule, outputs);
            Simulated { outputs, diverges, exceeds, uneven, factors }
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
