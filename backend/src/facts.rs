//! What is known of the numbers in a schedule: of its plaintexts by evaluating them, of its values by runs in clear.

use std::collections::HashMap;

use fhec_ir::plan::ParameterData;
use fhec_ir::schedule::interp::{Packed, remaining_uses};
use fhec_ir::schedule::recipes::{RecipeVectors, Vector};
use fhec_ir::schedule::{Kind, Recipe, Schedule};
use fhec_ir::simulate::{self, Image, Simulated, Watch, simulate_once};
use fhec_ir::tensor::Tensor;
use fhec_ir::{ValueId, Verified};

use crate::amplifier::Noise;

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
            header.maps[*map as usize].plaintext_period() as f64 / header.slots as f64
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
    /// Largest magnitude of a slot of every ciphertext, over the runs that do not diverge; 0 for other values, or if there is no
    /// run.
    pub largest: Vec<f64>,
    /// Runs that diverge.
    pub diverging: usize,
    /// By output, what noise does to it; none without a run.
    pub deviations: Vec<Deviation>,
    /// What noise does to every ciphertext in the first run; None for other values, and without a run.
    pub noise: Vec<Option<Noise>>,
}

/// How far results with noise are from those in clear, over the runs that do not diverge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deviation {
    /// Largest magnitude of a result in clear.
    pub largest: f64,
    /// Results of a run.
    pub count: usize,
    /// Runs.
    pub runs: usize,
    /// Root mean square of the deviations of the run where it is largest; not finite if noise destroys results.
    pub rms: f64,
    /// The largest deviation.
    pub worst: f64,
}

impl Deviation {
    fn note(&mut self, exact: &[f64], noisy: &[f64]) {
        let errors: Vec<f64> = exact.iter().zip(noisy).map(|(a, b)| (a - b).abs()).collect();
        // What is not a number would get lost in a maximum.
        let most = |x: f64, y: f64| if y.is_nan() { f64::INFINITY } else { x.max(y) };
        self.count = exact.len();
        self.runs += 1;
        self.largest = exact.iter().fold(self.largest, |largest, x| largest.max(x.abs()));
        self.rms = most(self.rms, root_mean_square(&errors));
        self.worst = errors.iter().fold(self.worst, |worst, e| most(worst, *e));
    }
}

/// A run diverges if a result is so many times as large as any in half of the runs.
const DIVERGED: f64 = (1u64 << 20) as f64;

/// Which runs do not diverge, by the largest magnitude of a result of each. Polynomials that are made for a range can
/// leave any bounds on an image unlike those they were made for; such a run bounds nothing.
pub fn tame(largest: &[f64]) -> Vec<bool> {
    let mut sorted: Vec<f64> = largest.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get((sorted.len().max(1) - 1) / 2).copied().unwrap_or(0.0);
    largest.iter().map(|x| x.is_finite() && *x <= median.max(1.0) * DIVERGED).collect()
}

/// Samples at once: what a plaintext is evaluated for.
const BATCH: usize = 8;

/// Memory that the values of a batch may take.
const BATCH_BYTES: usize = 2 << 30;

/// As many samples as the memory suffices for, each with and without noise.
fn batch(schedule: &Schedule) -> usize {
    let (mut alive, mut most) = (0usize, 0);
    let mut uses = remaining_uses(schedule);
    for (id, node) in schedule.iter() {
        alive += usize::from(uses[id.index()] > 0);
        most = most.max(alive);
        for arg in &node.args {
            uses[arg.index()] -= 1;
            alive -= usize::from(uses[arg.index()] == 0);
        }
    }
    (BATCH_BYTES / (2 * most.max(1) * schedule.header.slots * size_of::<f64>())).clamp(1, BATCH)
}

/// Sees the runs of a batch.
struct Seen<'m> {
    schedule: &'m Schedule,
    slots: f64,
    facts: &'m mut Facts,
    /// By run and value.
    largest: Vec<Vec<f64>>,
    /// By value, of the first run.
    noise: Option<&'m mut [Option<Noise>]>,
}

impl Watch for Seen<'_> {
    fn plaintext(&mut self, recipe: &Recipe, vector: &Vector) {
        let facts = || PlainFacts::of(vector, self.slots);
        self.facts.entry(*recipe).or_insert_with(facts);
    }

    fn value(&mut self, id: ValueId, seen: &simulate::Seen<'_>) {
        if self.schedule.ty(id).kind == Kind::Ct {
            let runs = self.largest.iter_mut().zip(seen.facts());
            runs.for_each(|(largest, facts)| largest[id.index()] = facts.largest);
            if let Some(noise) = &mut self.noise {
                let (difference, slot) = seen.difference(0, 1);
                noise[id.index()] = Some(Noise { rms: seen.facts()[0].rms, error: difference.rms, slot });
            }
        }
    }
}

/// Plaintexts that are multiplied with all samples together, at most: of large schedules fewer samples are run.
const MOST_PRODUCTS: usize = 1 << 16;

/// Samples that are run however large a schedule is.
const LEAST_RUNS: usize = 3;

/// Which samples to run: all, or those with the largest results, first of all ones that do not diverge.
fn chosen(schedule: &Schedule, samples: usize, references: &[Vec<Tensor<f64>>]) -> Vec<usize> {
    let products: usize = schedule.iter().map(|(_, node)| node.op.recipes().len()).sum();
    let count = (MOST_PRODUCTS / products.max(1)).max(LEAST_RUNS);
    let most = |k: &usize| references.get(*k).map_or(0.0, |outputs| largest(outputs.iter().map(|t| &t.data)));
    let sizes: Vec<f64> = (0..samples).map(|k| most(&k)).collect();
    let tame = tame(&sizes);
    let mut all: Vec<usize> = (0..samples).collect();
    if count < samples {
        all.sort_by(|a, b| tame[*b].cmp(&tame[*a]).then(sizes[*b].total_cmp(&sizes[*a])));
        all.truncate(count);
    }
    all
}

/// The largest magnitude; infinite where one is no number.
fn largest<'t>(results: impl Iterator<Item = &'t Vec<f64>>) -> f64 {
    let size = |x: &f64| if x.is_finite() { x.abs() } else { f64::INFINITY };
    results.flatten().map(size).fold(0.0, f64::max)
}

/// A sample's run with noise.
struct Run {
    /// By value, the largest magnitude.
    largest: Vec<f64>,
    /// Outputs of the network.
    clear: Vec<Vec<f64>>,
    /// Outputs of the run.
    found: Vec<Vec<f64>>,
}

impl Run {
    /// The largest magnitude of a result in clear.
    fn most(&self) -> f64 {
        largest(self.clear.iter())
    }
}

fn root_mean_square(x: &[f64]) -> f64 {
    (x.iter().map(|x| x * x).sum::<f64>() / x.len().max(1) as f64).sqrt()
}

/// The samples as images of a schedule, each with noise; those that `twice` says also without it, before.
pub(crate) fn images(
    schedule: &Schedule,
    samples: &[Vec<Tensor<f64>>],
    first: usize,
    twice: impl Fn(usize) -> bool,
) -> Vec<Image> {
    let pack = |sample: &Vec<Tensor<f64>>| -> Packed {
        schedule.header.inputs.iter().zip(sample).map(|(input, t)| input.layout.pack(&t.data)).collect()
    };
    let of = |(number, sample): (usize, &Vec<Tensor<f64>>)| {
        let noisy = Image { number: number as u64, inputs: pack(sample), exact: false };
        let exact = twice(number).then(|| Image { exact: true, ..noisy.clone() });
        exact.into_iter().chain([noisy])
    };
    (first..).zip(samples).flat_map(of).collect()
}

/// Seed of the noise, beside the number of the sample.
pub(crate) const SEED: u64 = 0;

/// Runs the samples in clear, with the noise of the parameters, of large schedules only some of them. Results are compared with the references, so that
/// what weights lose by being stored counts as well, where polynomials amplify it; without any, with the runs without noise.
///
/// # Errors
/// If a sample does not fit the schedule, or what is wrong with a recipe.
pub fn measure(
    schedule: &Verified<Schedule>,
    parameters: &ParameterData,
    samples: &[Vec<Tensor<f64>>],
    references: &[Vec<Tensor<f64>>],
) -> Result<Measured, String> {
    let values = schedule.len();
    let mut measured =
        Measured { largest: vec![0.0; values], noise: vec![None; values], ..Measured::default() };
    if samples.is_empty() {
        return Ok(Measured { facts: plain_facts(schedule)?, ..measured });
    }
    let chosen = chosen(schedule, samples.len(), references);
    let samples: Vec<Vec<Tensor<f64>>> = chosen.iter().map(|k| samples[*k].clone()).collect();
    let references: Vec<Vec<Tensor<f64>>> =
        chosen.iter().map(|k| references.get(*k).cloned().unwrap_or_default()).collect();
    let mut runs = Vec::with_capacity(samples.len());
    let batch = batch(schedule);
    // What is exact is known by the references; of the first sample, where noise comes from is to be seen.
    let twice = |sample: usize| sample == 0 || references.get(sample).is_none_or(Vec::is_empty);
    for (number, samples) in samples.chunks(batch).enumerate() {
        let first = number * batch;
        let images = images(schedule, samples, first, twice);
        let mut seen = Seen {
            schedule,
            slots: schedule.header.slots as f64,
            facts: &mut measured.facts,
            largest: vec![vec![0.0; values]; images.len()],
            noise: (number == 0).then_some(&mut measured.noise),
        };
        let simulated = simulate_once(schedule, parameters, SEED, &images, &mut seen);
        let simulated = simulated.map_err(|e| e.to_string())?;
        let mut seen = seen.largest.into_iter().zip(&simulated);
        for sample in first..first + samples.len() {
            let exact = if twice(sample) { seen.next() } else { None };
            let Some((largest, noisy)) = seen.next() else { break };
            let unpack = |run: &Simulated| -> Vec<Vec<f64>> {
                let outputs = schedule.header.outputs.iter().zip(&run.outputs);
                outputs.map(|(output, slots)| output.layout.unpack(slots)).collect()
            };
            let reference = references.get(sample).filter(|outputs| !outputs.is_empty());
            let clear = match (reference, exact) {
                (Some(outputs), _) => outputs.iter().map(|t| t.data.clone()).collect(),
                (None, Some((_, exact))) => unpack(exact),
                (None, None) => vec![],
            };
            runs.push(Run { largest, clear, found: unpack(noisy) });
        }
    }
    // By the outputs: what is large only on the way to them has to have room as well.
    let tame = tame(&runs.iter().map(Run::most).collect::<Vec<_>>());
    measured.diverging = tame.iter().filter(|tame| !**tame).count();
    measured.deviations = vec![Deviation::default(); schedule.header.outputs.len()];
    for (run, _) in runs.into_iter().zip(tame).filter(|(_, tame)| *tame) {
        measured.largest.iter_mut().zip(run.largest).for_each(|(most, x)| *most = most.max(x));
        let outputs = measured.deviations.iter_mut().zip(run.clear.iter().zip(&run.found));
        outputs.for_each(|(deviation, (clear, found))| deviation.note(clear, found));
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
