//! Simulating batches: with plaintexts that are kept, or evaluated as they are used.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use super::batch::{Batch, Noise};
use super::image::{Facts, Image, SimulateError, Simulated};
use super::slots::{Plain, Value};
use crate::noise::NoiseModel;
use crate::plan::ParameterData;
use crate::schedule::chebyshev::squared_arguments;
use crate::schedule::interp::check_inputs;
use crate::schedule::recipes::{RecipeVectors, Vector};
use crate::schedule::stream::Stream;
use crate::schedule::{Recipe, Schedule};
use crate::{ValueId, Verified};

/// A schedule with its plaintexts, ready to be simulated. Those of large schedules are evaluated anew for every batch.
pub struct Simulator<'s> {
    schedule: &'s Verified<Schedule>,
    /// None where they take more than [`MOST_KEPT`].
    plains: Option<Arc<HashMap<Recipe, Plain>>>,
    noise: Option<Noise>,
    /// See [`squared_arguments`].
    arguments: Arc<BTreeMap<ValueId, ValueId>>,
}

/// Bytes of plaintexts that are kept between batches, at most.
const MOST_KEPT: usize = 3 << 30;

impl<'s> Simulator<'s> {
    /// Evaluates the plaintexts of a schedule, to be simulated with the noise of a parameter set, drawn by a seed.
    ///
    /// # Errors
    /// If a plaintext cannot be computed.
    pub fn new(
        schedule: &'s Verified<Schedule>,
        parameters: &ParameterData,
        seed: u64,
    ) -> Result<Self, SimulateError> {
        let noise = Some(Noise { model: NoiseModel::new(parameters), seed });
        let arguments = Arc::new(squared_arguments(schedule));
        let vectors = RecipeVectors::new(schedule);
        let (mut plains, mut bytes) = (HashMap::new(), 0);
        for (id, node) in schedule.iter() {
            for recipe in node.op.recipes() {
                if !plains.contains_key(recipe) {
                    let vector = vectors.get(recipe).map_err(|message| failed(schedule, id, message))?;
                    bytes += vector.len() * size_of::<f64>();
                    plains.insert(*recipe, Plain::new(&vector, schedule.header.slots));
                }
                vectors.release(recipe);
            }
            if bytes > MOST_KEPT {
                return Ok(Self { schedule, plains: None, noise, arguments });
            }
        }
        Ok(Self { schedule, plains: Some(Arc::new(plains)), noise, arguments })
    }

    /// The same without noise: what the reference interpreter computes.
    pub fn exact(&self) -> Self {
        Self {
            schedule: self.schedule,
            plains: self.plains.clone(),
            noise: None,
            arguments: self.arguments.clone(),
        }
    }

    /// Runs a batch of images on this thread, or on all where plaintexts are not kept. A batch holds each of its values for all
    /// images: a few images make a good one.
    ///
    /// # Errors
    /// If an image does not fit the schedule.
    pub fn run(&self, images: &[Image]) -> Result<Vec<Simulated>, SimulateError> {
        check(self.schedule, images)?;
        let Some(plains) = &self.plains else {
            return streamed(self.schedule, self.noise.as_ref(), &self.arguments, images, &mut ());
        };
        let mut batch = Batch::new(self.schedule, images, self.noise.as_ref(), &self.arguments);
        for (id, node) in self.schedule.iter() {
            let plains: Vec<&Plain> = node.op.recipes().iter().map(|r| &plains[r]).collect();
            batch.execute(id, node, &plains, &mut |_| {});
        }
        Ok(batch.results())
    }
}

/// Sees a simulation.
pub trait Watch {
    /// A plaintext, each time it is used.
    fn plaintext(&mut self, _: &Recipe, _: &Vector) {}

    /// A value.
    fn value(&mut self, _: ValueId, _: &Seen<'_>) {}
}

impl Watch for () {}

/// A value for a watcher.
pub struct Seen<'a> {
    value: &'a Value,
    slots: usize,
}

impl Seen<'_> {
    /// By image.
    pub fn facts(&self) -> &[Facts] {
        self.value.facts()
    }

    /// The difference between the slots of two images, and the slot where it is largest.
    pub fn difference(&self, a: usize, b: usize) -> (Facts, usize) {
        self.value.difference(a, b, self.slots)
    }
}

/// Simulates a batch of images once: all threads work on it, and plaintexts are evaluated as they are used and kept no longer.
///
/// # Errors
/// If an image does not fit the schedule, or a plaintext cannot be computed.
pub fn simulate_once(
    schedule: &Verified<Schedule>,
    parameters: &ParameterData,
    seed: u64,
    images: &[Image],
    watch: &mut dyn Watch,
) -> Result<Vec<Simulated>, SimulateError> {
    check(schedule, images)?;
    let noise = Noise { model: NoiseModel::new(parameters), seed };
    streamed(schedule, Some(&noise), &squared_arguments(schedule), images, watch)
}

fn streamed(
    schedule: &Verified<Schedule>,
    noise: Option<&Noise>,
    arguments: &BTreeMap<ValueId, ValueId>,
    images: &[Image],
    watch: &mut dyn Watch,
) -> Result<Vec<Simulated>, SimulateError> {
    let slots = schedule.header.slots;
    Stream::scope(schedule, |stream| {
        let mut batch = Batch::new(schedule, images, noise, arguments).parallel();
        for (id, node) in schedule.iter() {
            let recipes = node.op.recipes();
            let vectors = stream.next(recipes).map_err(|message| failed(schedule, id, message))?;
            recipes.iter().zip(&vectors).for_each(|(recipe, vector)| watch.plaintext(recipe, vector));
            let plains: Vec<Plain> =
                vectors.into_par_iter().map(|vector| Plain::new(&vector, slots)).collect();
            let plains: Vec<&Plain> = plains.iter().collect();
            batch.execute(id, node, &plains, &mut |value| watch.value(id, &Seen { value, slots }));
        }
        Ok(batch.results())
    })
}

fn check(schedule: &Schedule, images: &[Image]) -> Result<(), SimulateError> {
    images.iter().try_for_each(|image| check_inputs(schedule, &image.inputs)).map_err(SimulateError::Input)
}

fn failed(schedule: &Schedule, id: ValueId, message: String) -> SimulateError {
    SimulateError::Plaintext { place: schedule.describe(id), message }
}
