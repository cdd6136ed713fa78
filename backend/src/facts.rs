//! What is known of the numbers in a schedule: of its plaintexts by evaluating them, of its values by runs in clear.

use std::collections::HashMap;

use fhec_ir::schedule::interp::{Observer, interpret_observed};
use fhec_ir::schedule::recipes::{RecipeVectors, Vector};
use fhec_ir::schedule::{Recipe, Schedule};
use fhec_ir::tensor::Tensor;
use fhec_ir::{ValueId, Verified};

/// Length and root mean square of a plaintext's slots, as they are encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlainFacts {
    /// Period over S.
    pub weight: f64,
    /// Root mean square.
    pub rms: f64,
}

impl PlainFacts {
    fn of(vector: &Vector, slots: f64) -> Self {
        Self { weight: vector.period() as f64 / slots, rms: vector.rms() }
    }
}

/// What is known of plaintexts.
pub type Facts = HashMap<Recipe, PlainFacts>;

/// Evaluates every plaintext of the schedule once.
///
/// # Errors
/// What is wrong with a recipe.
pub fn plain_facts(schedule: &Schedule) -> Result<Facts, String> {
    let vectors = RecipeVectors::new(schedule);
    let slots = schedule.header.slots as f64;
    let mut facts = HashMap::new();
    for (id, node) in schedule.iter() {
        for recipe in node.op.recipes() {
            if !facts.contains_key(recipe) {
                let vector = vectors
                    .get(recipe)
                    .map_err(|e| format!("plaintext of {}: {e}", schedule.describe(id)))?;
                facts.insert(*recipe, PlainFacts::of(&vector, slots));
            }
            vectors.release(recipe);
        }
    }
    Ok(facts)
}

/// What is known of the plaintexts of a schedule without evaluating any: how often they repeat, at least.
pub fn estimated_facts(schedule: &Schedule) -> Facts {
    let header = &schedule.header;
    let weight = |recipe: &Recipe| match recipe {
        Recipe::Product { map, .. } | Recipe::Pair { map, .. } => {
            header.maps[*map as usize].output.period() as f64 / header.slots as f64
        }
        Recipe::Bias { .. } | Recipe::Spread { .. } => 1.0,
    };
    let recipes = schedule.iter().flat_map(|(_, node)| node.op.recipes());
    recipes.map(|recipe| (*recipe, PlainFacts { weight: weight(recipe), rms: 1.0 })).collect()
}

/// What runs in clear tell about a schedule.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Its plaintexts.
    pub facts: Facts,
    /// Root mean square over the slots of every value, the largest of the runs; 1 without a run.
    pub rms: Vec<f64>,
}

/// Sees one run.
struct Seen<'m> {
    slots: f64,
    measured: &'m mut Measured,
}

impl Observer for Seen<'_> {
    fn value(&mut self, id: ValueId, slots: &[f64]) {
        let rms = &mut self.measured.rms[id.index()];
        *rms = rms.max(root_mean_square(slots));
    }

    fn plaintext(&mut self, recipe: &Recipe, vector: &Vector) {
        let facts = || PlainFacts::of(vector, self.slots);
        self.measured.facts.entry(*recipe).or_insert_with(facts);
    }
}

fn root_mean_square(x: &[f64]) -> f64 {
    (x.iter().map(|x| x * x).sum::<f64>() / x.len().max(1) as f64).sqrt()
}

/// Runs the samples in clear.
///
/// # Errors
/// If a sample does not fit the schedule, or what is wrong with a recipe.
pub fn measure(schedule: &Verified<Schedule>, samples: &[Vec<Tensor<f64>>]) -> Result<Measured, String> {
    if samples.is_empty() {
        return Ok(Measured { facts: plain_facts(schedule)?, rms: vec![1.0; schedule.len()] });
    }
    let mut measured = Measured { facts: HashMap::new(), rms: vec![0.0; schedule.len()] };
    for sample in samples {
        let packed: Vec<_> =
            schedule.header.inputs.iter().zip(sample).map(|(input, t)| input.layout.pack(&t.data)).collect();
        let mut seen = Seen { slots: schedule.header.slots as f64, measured: &mut measured };
        interpret_observed(schedule, &packed, &mut seen).map_err(|e| e.to_string())?;
    }
    Ok(measured)
}
