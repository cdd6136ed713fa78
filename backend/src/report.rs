//! What a plan says about itself: counts, times, memory and precision.

use std::collections::{BTreeSet, HashMap};

use fhec_ir::plan::{LayerReport, ParameterData, Report};
use fhec_ir::schedule::interp::{Observer, interpret_observed};
use fhec_ir::schedule::noise::{NoiseModel, Noisy, same_operands};
use fhec_ir::schedule::recipes::{RecipeVectors, Vector};
use fhec_ir::schedule::{Layers, Recipe, Schedule, ScheduleOp};
use fhec_ir::tensor::Tensor;
use fhec_ir::{Node, ValueId, Verified};

use crate::cost::CostModel;

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

/// Predicted bits after the binary point of the outputs' slots, −log2 of the largest rms error, for values of the
/// given root mean squares.
pub fn precision_bits(schedule: &Schedule, parameters: &ParameterData, facts: &Facts, rms: &[f64]) -> f64 {
    let model = NoiseModel::new(parameters);
    let mut variances = Vec::with_capacity(schedule.len());
    for (_, node) in schedule.iter() {
        let noisy =
            |a: &ValueId| Noisy { ty: *schedule.ty(*a), variance: variances[a.index()], rms: rms[a.index()] };
        let args: Vec<_> = node.args.iter().map(noisy).collect();
        let plains: Vec<f64> =
            node.op.recipes().iter().map(|r| facts.get(r).map_or(1.0, |f| f.rms)).collect();
        variances.push(model.propagate(&node.op, &args, &plains, &same_operands(&node.args)));
    }
    let error = |v: ValueId| model.slot_error(variances[v.index()], schedule.ty(v).scale);
    -schedule.outputs.iter().map(|o| error(o.value)).fold(0.0, f64::max).log2()
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

/// Rotations that share their decomposition with another.
fn hoisted(schedule: &Schedule) -> Vec<bool> {
    let users = schedule.users();
    let shares = |id: ValueId| {
        let node = schedule.node(id);
        let hoistable = matches!(node.op, ScheduleOp::RotateHoisted { .. } | ScheduleOp::RotateExt { .. });
        hoistable && node.op.rotation().is_some() && {
            let rotations =
                users[node.args[0].index()].iter().filter(|u| schedule.node(**u).op.rotation().is_some());
            rotations.count() > 1
        }
    };
    schedule.ids().map(shares).collect()
}

/// Counts by layer, in the order of their first instruction, without predicted times: for a schedule that has no
/// parameters yet. Nodes without a name belong to the layer of their predecessor in the list.
pub fn counts(schedule: &Schedule, facts: &Facts) -> Vec<LayerReport> {
    let (mut layers, of) = grouped(schedule);
    let hoisted = hoisted(schedule);
    for (id, node) in schedule.iter() {
        if let Some(k) = of.of(id) {
            count(schedule, id, node, facts, &mut layers[k]);
            // All but the first image of a fold share its decomposition.
            let images = node.op.key_steps(schedule.header.slots).len().saturating_sub(1);
            layers[k].hoisted_rotations += u64::from(hoisted[id.index()]) + images as u64;
        }
    }
    layers
}

/// The report, by layers as in [`counts`]: all but what the schedule does not tell.
pub fn report(schedule: &Schedule, costs: &CostModel<'_>, facts: &Facts) -> Report {
    let mut layers = counts(schedule, facts);
    let (_, of) = grouped(schedule);
    let mut keys = vec![BTreeSet::new(); layers.len()];
    for ((id, node), price) in schedule.iter().zip(costs.schedule(schedule, facts)) {
        let Some(k) = of.of(id) else { continue };
        layers[k].predicted_seconds += price.each * 1e-6;
        layers[k].predicted_plaintext_seconds += price.first * 1e-6;
        let steps = node.op.key_steps(schedule.header.slots).into_iter();
        let steps = steps.chain(node.op.relinearises().then_some(0));
        keys[k].extend(steps.map(|step| (step, schedule.ty(node.args[0]).level)));
    }
    for (layer, keys) in layers.iter_mut().zip(keys) {
        layer.key_bytes = costs.key_bytes(keys);
    }
    Report {
        bootstraps: layers.iter().map(|l| l.bootstraps).sum(),
        pairs: layers.iter().map(|l| l.pairs).sum(),
        predicted_seconds: layers.iter().map(|l| l.predicted_seconds).sum(),
        predicted_plaintext_seconds: layers.iter().map(|l| l.predicted_plaintext_seconds).sum(),
        memory: costs.memory(schedule, facts),
        layers,
        ..Report::default()
    }
}

/// The layers without any number, and which instruction belongs to which.
fn grouped(schedule: &Schedule) -> (Vec<LayerReport>, Layers) {
    let of = Layers::new(schedule);
    let empty =
        |name: &String| LayerReport { name: name.clone(), level_out: u32::MAX, ..LayerReport::default() };
    (of.names.iter().map(empty).collect(), of)
}

/// Adds an instruction to its layer.
fn count(schedule: &Schedule, id: ValueId, node: &Node<ScheduleOp>, facts: &Facts, layer: &mut LayerReport) {
    let rotations = node.op.key_steps(schedule.header.slots).len() as u64;
    let relinearisation = u64::from(node.op.relinearises());
    layer.instructions += 1;
    layer.rotations += rotations;
    layer.relinearisations += relinearisation;
    layer.key_switches += rotations + relinearisation;
    layer.bootstraps += u64::from(matches!(node.op, ScheduleOp::Bootstrap { .. }));
    // A pair counts where its second ciphertext does.
    layer.pairs += u64::from(schedule.partner(id).is_some_and(|first| first < id));
    layer.level_in = node.args.iter().map(|a| schedule.ty(*a).level).fold(layer.level_in, u32::max);
    layer.level_out = layer.level_out.min(schedule.ty(id).level);
    let multiplies = matches!(node.op, ScheduleOp::MulAcc { .. });
    for recipe in node.op.recipes() {
        if multiplies {
            layer.plaintexts += 1;
            layer.multiply_accumulates += 1;
            layer.plaintext_equivalents += facts.get(recipe).map_or(1.0, |f| f.weight);
        }
        if let Recipe::Product { map, .. } | Recipe::Pair { map, .. } | Recipe::Bias { map, .. } = *recipe
            && layer.op.is_empty()
        {
            describe(schedule, map, layer);
        }
    }
    if layer.op.is_empty() && matches!(node.op, ScheduleOp::Mul) {
        layer.op = "polynomial".into();
    }
    if layer.op.is_empty() && matches!(node.op, ScheduleOp::Bootstrap { .. }) {
        layer.op = "bootstrap".into();
    }
}

fn describe(schedule: &Schedule, map: u32, layer: &mut LayerReport) {
    use fhec_ir::Op;
    let map = &schedule.header.maps[map as usize];
    let ops: Vec<_> = map.terms.iter().flat_map(|t| &t.stages).map(|s| s.op.mnemonic()).collect();
    layer.op = if ops.is_empty() { "Repack".into() } else { ops.join("+") };
    layer.op.truncate(60);
    let out = &map.output;
    layer.layout = format!("{:?} in {} × {} slots", out.shape(), out.ciphertexts, out.slots);
}
