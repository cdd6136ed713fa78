//! The clear engine: slots in f64, levels and scales exact, noise modelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fhec_ir::noise::{NoiseModel, Noisy, Variance, same_operands};
use fhec_ir::plan::ParameterData;
use fhec_ir::schedule::interp;
use fhec_ir::schedule::recipes::Vector;
use fhec_ir::schedule::{
    BootstrapHeader, Kind, Schedule, ScheduleHeader, ScheduleOp, ScheduleType, infer, scale,
};
use fhec_ir::{Node, ValueId};

use crate::engine::{Engine, Place};
use crate::error::EngineError;

/// A value in clear.
#[derive(Clone, Debug, PartialEq)]
pub struct ClearValue {
    /// Kind, level, scale.
    pub ty: ScheduleType,
    /// The slots; of a pair those of the one vector, then those of the other.
    pub slots: Vec<f64>,
    /// Modelled variance of the error polynomial's coefficients; 0 without a model.
    pub variance: Variance,
    rms: f64,
}

impl ClearValue {
    fn noisy(&self) -> Noisy {
        Noisy { ty: self.ty, variance: self.variance, rms: self.rms }
    }
}

/// A plaintext in clear.
#[derive(Clone, Debug)]
pub struct ClearPlain {
    vector: Vector,
    rms: f64,
}

/// Slots that should be equal may differ by their noise: by so many of its standard deviations, which it never reaches.
const MOST_DEVIATIONS: f64 = 12.0;

/// They may also differ because sums were rounded in another order: by this part of the largest slot's magnitude.
const ROUNDING: f64 = 1e-6;

/// Computes on slots. Results depend on the schedule, the inputs and the seed only, not on threads or order.
#[derive(Debug)]
pub struct ClearEngine {
    header: ScheduleHeader,
    model: Option<NoiseModel>,
    /// log2 of half the modulus product, by level.
    room: Vec<f64>,
    seed: Option<u64>,
    overflows: AtomicUsize,
}

impl ClearEngine {
    /// An engine without noise: what the reference interpreter computes.
    pub fn exact(schedule: &Schedule) -> Self {
        Self::new(schedule, None, None)
    }

    /// An engine that tracks the variance of every value. With a seed it also adds Gaussian noise of that variance
    /// to the slots, where an engine would add its own.
    pub fn modelled(schedule: &Schedule, parameters: &ParameterData, seed: Option<u64>) -> Self {
        Self::new(schedule, Some(NoiseModel::new(parameters)), seed)
    }

    fn new(schedule: &Schedule, model: Option<NoiseModel>, seed: Option<u64>) -> Self {
        let header = schedule.header.clone();
        let room = scale::room(&header.moduli);
        Self { header, model, room, seed, overflows: AtomicUsize::new(0) }
    }

    /// How many values had a slot too large for the modulus of their level, or for the bootstrap they went into: an
    /// encrypted run is garbage there.
    pub fn overflows(&self) -> usize {
        self.overflows.load(Ordering::Relaxed)
    }

    /// Modelled rms error of the slots of a value; 0 without a model.
    pub fn slot_error(&self, value: &ClearValue) -> f64 {
        self.model.as_ref().map_or(0.0, |m| m.slot_error(value.variance, value.ty.scale))
    }

    /// Encrypts, so to speak. `stream` tells inputs apart and must not be the number of a value.
    pub fn input(&self, slots: Vec<f64>, level: u32, scale: f64, stream: u64) -> ClearValue {
        let ty = ScheduleType { kind: Kind::Ct, level, scale };
        let variance = self.model.as_ref().map_or(0.0, NoiseModel::fresh_public);
        let variance = Variance::even(variance);
        self.finish(ty, slots, variance, variance, stream | 1 << 63)
    }

    /// Counts a bootstrap's operand that is too large for it.
    fn check_range(&self, x: &ClearValue) {
        let largest = x
            .slots
            .iter()
            .fold(0.0, |largest: f64, x| if x.is_nan() { f64::INFINITY } else { largest.max(x.abs()) });
        let fits = |b: BootstrapHeader| scale::bootstrappable(x.ty.scale, largest, b.scale);
        if !self.header.bootstrap.is_some_and(fits) {
            self.overflows.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Refuses a bootstrap's operand whose slots do not repeat, but for noise.
    fn check_period(&self, x: &ClearValue, period: u32) -> Result<(), EngineError> {
        let later = x.slots.get(period as usize..).unwrap_or(&[]);
        let (mut difference, mut largest) = (0f64, 1f64);
        for (a, b) in x.slots.iter().zip(later).filter(|(a, b)| a.is_finite() && b.is_finite()) {
            difference = difference.max((a - b).abs());
            largest = largest.max(a.abs());
        }
        let noise = if self.seed.is_some() { self.slot_error(x) } else { 0.0 };
        if difference > MOST_DEVIATIONS * noise + ROUNDING * largest {
            return Err(EngineError::Period { period, difference });
        }
        Ok(())
    }

    fn finish(
        &self,
        ty: ScheduleType,
        mut slots: Vec<f64>,
        variance: Variance,
        own: Variance,
        stream: u64,
    ) -> ClearValue {
        if let (Some(model), Some(seed)) = (&self.model, self.seed)
            && own.re > 0.0
        {
            // A pair is encrypted by halves.
            let whole = if ty.kind == Kind::ExtPair { 2.0 } else { 1.0 };
            let sigma = whole * model.slot_error(own, ty.scale);
            let mut noise = Gaussian::new(seed, stream);
            slots.iter_mut().for_each(|x| *x += sigma * noise.next());
        }
        let (mut sum, mut largest) = (0.0, 0f64);
        for x in &slots {
            sum += x * x;
            largest = largest.max(x.abs());
        }
        let room = self.room.get(ty.level as usize).copied().unwrap_or(0.0);
        if !largest.is_finite() || largest.log2() + ty.scale.log2() > room {
            self.overflows.fetch_add(1, Ordering::Relaxed);
        }
        let rms = (sum / slots.len().max(1) as f64).sqrt();
        ClearValue { ty, slots, variance, rms }
    }
}

/// Gaussian samples, one sequence per seed and stream: splitmix64 and the Box–Muller transform. Not for secrets.
struct Gaussian {
    state: u64,
    spare: Option<f64>,
}

impl Gaussian {
    fn new(seed: u64, stream: u64) -> Self {
        let mut this = Self { state: seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95), spare: None };
        this.bits();
        this
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn next(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let radius = (-2.0 * unit(self.bits()).ln()).sqrt();
        let angle = std::f64::consts::TAU * unit(self.bits());
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

impl Engine for ClearEngine {
    type Value = ClearValue;
    type Plain = ClearPlain;

    fn encode(&self, vector: &Vector, _: Place) -> Result<ClearPlain, EngineError> {
        Ok(ClearPlain { rms: vector.rms(), vector: vector.clone() })
    }

    fn apply(
        &self,
        id: ValueId,
        node: &Node<ScheduleOp>,
        args: &[&ClearValue],
        plains: &[Arc<ClearPlain>],
    ) -> Result<ClearValue, EngineError> {
        let types: Vec<_> = args.iter().map(|a| a.ty).collect();
        let ty = infer(&self.header, &node.op, &types).map_err(|_| EngineError::Kind(0))?;
        let slots: Vec<&[f64]> = args.iter().map(|a| a.slots.as_slice()).collect();
        let vectors: Vec<&Vector> = plains.iter().map(|p| &p.vector).collect();
        let slots = interp::apply(&node.op, self.header.slots, &slots, &vectors);
        if let ScheduleOp::Bootstrap { period, .. } = node.op {
            args.iter().for_each(|x| self.check_range(x));
            args.iter().try_for_each(|x| self.check_period(x, period))?;
        }
        let Some(model) = &self.model else {
            return Ok(self.finish(ty, slots, Variance::ZERO, Variance::ZERO, 0));
        };
        let rms: Vec<f64> = plains.iter().map(|p| p.rms).collect();
        let same = same_operands(&node.args);
        let mut noisy: Vec<_> = args.iter().map(|a| a.noisy()).collect();
        let variance = model.propagate(&node.op, &noisy, &rms, &same);
        noisy.iter_mut().for_each(|n| *n = n.shown());
        let own = model.propagate(&node.op, &noisy, &rms, &same);
        Ok(self.finish(ty, slots, variance, own, u64::from(id.0)))
    }

    fn ty(&self, value: &ClearValue) -> ScheduleType {
        value.ty
    }

    fn value_bytes(&self, value: &ClearValue) -> usize {
        8 * value.slots.len()
    }

    fn plain_bytes(&self, plain: &ClearPlain) -> usize {
        8 * plain.vector.len()
    }
}
