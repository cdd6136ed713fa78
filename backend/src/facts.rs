//! What is known of the numbers in a schedule: of its plaintexts by evaluating them, of its values by runs in clear.

use std::collections::HashMap;

use fhec_ir::schedule::interp::{Observer, Packed, interpret_all};
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
    /// Root mean square over the slots of every value in the last run, which the forecast of the precision is for; 1 without
    /// a run.
    pub rms: Vec<f64>,
    /// Largest magnitude of a slot of every value, over the runs that do not diverge; 0 if there is none.
    pub largest: Vec<f64>,
    /// Runs that diverge.
    pub diverging: usize,
}

/// A run diverges if a value is so many times as large as any in half of the runs.
const DIVERGED: f64 = (1u64 << 20) as f64;

/// Which runs do not diverge, by the largest magnitude of any value in each. Polynomials that are made for a range can
/// leave any bounds on an image unlike those they were made for; such a run bounds nothing.
pub fn tame(largest: &[f64]) -> Vec<bool> {
    let mut sorted: Vec<f64> = largest.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get((sorted.len().max(1) - 1) / 2).copied().unwrap_or(0.0);
    largest.iter().map(|x| x.is_finite() && *x <= median.max(1.0) * DIVERGED).collect()
}

/// Runs at once: what a plaintext is evaluated for, and what memory the values take.
const BATCH: usize = 8;

/// Sees the runs of a batch.
struct Seen<'m> {
    slots: f64,
    facts: &'m mut Facts,
    rms: &'m mut [f64],
    /// By run and value.
    largest: Vec<Vec<f64>>,
}

impl Observer for Seen<'_> {
    fn value(&mut self, sample: usize, id: ValueId, slots: &[f64]) {
        // What is not a number would get lost in a maximum.
        let size = |x: &f64| if x.is_finite() { x.abs() } else { f64::INFINITY };
        self.largest[sample][id.index()] = slots.iter().map(size).fold(0.0, f64::max);
        if sample + 1 == self.largest.len() {
            self.rms[id.index()] = root_mean_square(slots);
        }
    }

    fn plaintext(&mut self, recipe: &Recipe, vector: &Vector) {
        let facts = || PlainFacts::of(vector, self.slots);
        self.facts.entry(*recipe).or_insert_with(facts);
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
    let values = schedule.len();
    let mut measured = Measured { largest: vec![0.0; values], ..Measured::default() };
    if samples.is_empty() {
        return Ok(Measured { facts: plain_facts(schedule)?, rms: vec![1.0; values], ..measured });
    }
    measured.rms = vec![0.0; values];
    let mut runs: Vec<Vec<f64>> = Vec::with_capacity(samples.len());
    for batch in samples.chunks(BATCH) {
        let pack = |sample: &Vec<Tensor<f64>>| -> Packed {
            schedule.header.inputs.iter().zip(sample).map(|(input, t)| input.layout.pack(&t.data)).collect()
        };
        let packed: Vec<Packed> = batch.iter().map(pack).collect();
        let mut seen = Seen {
            slots: schedule.header.slots as f64,
            facts: &mut measured.facts,
            rms: &mut measured.rms,
            largest: vec![vec![0.0; values]; batch.len()],
        };
        interpret_all(schedule, &packed, &mut seen).map_err(|e| e.to_string())?;
        runs.append(&mut seen.largest);
    }
    let most = |run: &Vec<f64>| run.iter().copied().fold(0.0, f64::max);
    let tame = tame(&runs.iter().map(most).collect::<Vec<_>>());
    measured.diverging = tame.iter().filter(|tame| !**tame).count();
    for (run, _) in runs.into_iter().zip(tame).filter(|(_, tame)| *tame) {
        measured.largest.iter_mut().zip(run).for_each(|(most, x)| *most = most.max(x));
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::tame;

    #[test]
    fn runs_unlike_most_others_diverge() {
        assert_eq!(tame(&[0.0, 4e29, 3.0, 6.0, f64::INFINITY]), [true, false, true, true, false]);
        assert_eq!(tame(&[3e22, 2e22, 1e22]), [true; 3]);
        assert_eq!(tame(&[f64::INFINITY]), [false]);
        assert!(tame(&[]).is_empty());
    }
}
