//! What a plan says about itself: counts, times, memory and precision.

use std::collections::HashMap;

use fhec_ir::plan::{LayerReport, ParameterData, Report};
use fhec_ir::schedule::interp::{InterpError, interpret_observed};
use fhec_ir::schedule::noise::{NoiseModel, Noisy, same_operands};
use fhec_ir::schedule::recipes::RecipeVectors;
use fhec_ir::schedule::{Recipe, Schedule, ScheduleOp, ScheduleType};
use fhec_ir::tensor::Tensor;
use fhec_ir::{ValueId, Verified};

use crate::cost::CostModel;
use crate::order::peak_bytes;

/// Length and root mean square of a plaintext's slot vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlainFacts {
    /// Period over S.
    pub weight: f64,
    /// Root mean square.
    pub rms: f64,
}

/// Evaluates every plaintext of the schedule once.
///
/// # Errors
/// What is wrong with a recipe.
pub fn plain_facts(schedule: &Schedule) -> Result<HashMap<Recipe, PlainFacts>, String> {
    let vectors = RecipeVectors::new(schedule);
    let slots = schedule.header.slots as f64;
    let mut facts = HashMap::new();
    for (id, node) in schedule.iter() {
        for recipe in node.op.recipes() {
            if !facts.contains_key(recipe) {
                let vector = vectors
                    .get(recipe)
                    .map_err(|e| format!("plaintext of {}: {e}", schedule.describe(id)))?;
                let mean = vector.iter().map(|x| x * x).sum::<f64>() / vector.len() as f64;
                facts.insert(*recipe, PlainFacts { weight: vector.len() as f64 / slots, rms: mean.sqrt() });
            }
            vectors.release(recipe);
        }
    }
    Ok(facts)
}

/// Predicted bits after the binary point of the outputs' slots, −log2 of the largest rms error, for values of the
/// given root mean squares.
pub fn precision_bits(
    schedule: &Schedule,
    parameters: &ParameterData,
    facts: &HashMap<Recipe, PlainFacts>,
    rms: &[f64],
) -> f64 {
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

/// Root mean square over the slots of every value, the largest of the sample runs; 1 without samples.
///
/// # Errors
/// If a sample does not fit the schedule.
pub fn magnitudes(
    schedule: &Verified<Schedule>,
    samples: &[Vec<Tensor<f64>>],
) -> Result<Vec<f64>, InterpError> {
    let mut rms = vec![if samples.is_empty() { 1.0 } else { 0.0 }; schedule.len()];
    for sample in samples {
        let packed: Vec<_> =
            schedule.header.inputs.iter().zip(sample).map(|(input, t)| input.layout.pack(&t.data)).collect();
        interpret_observed(schedule, &packed, |id, slots| {
            let mean = slots.iter().map(|x| x * x).sum::<f64>() / slots.len().max(1) as f64;
            rms[id.index()] = f64::max(rms[id.index()], mean.sqrt());
        })?;
    }
    Ok(rms)
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
pub fn counts(schedule: &Schedule, facts: &HashMap<Recipe, PlainFacts>) -> Vec<LayerReport> {
    layers(schedule, facts, |_, _| 0.0)
}

/// The report, by layers as in [`counts`].
pub fn report(schedule: &Schedule, costs: &CostModel<'_>, facts: &HashMap<Recipe, PlainFacts>) -> Report {
    let layers = layers(schedule, facts, |op, args| {
        let recipes = op.recipes().iter().zip(args);
        let plaintexts = recipes.map(|(r, x)| costs.plaintext(r, *x, facts.get(r).map_or(1.0, |f| f.weight)));
        costs.instruction(op, args) + plaintexts.sum::<f64>()
    });
    Report {
        bootstraps: layers.iter().map(|l| l.bootstraps).sum(),
        predicted_seconds: layers.iter().map(|l| l.predicted_seconds).sum(),
        predicted_peak_bytes: peak_bytes(schedule, costs),
        layers,
        ..Report::default()
    }
}

/// `microseconds` prices an instruction with its plaintexts.
fn layers(
    schedule: &Schedule,
    facts: &HashMap<Recipe, PlainFacts>,
    microseconds: impl Fn(&ScheduleOp, &[ScheduleType]) -> f64,
) -> Vec<LayerReport> {
    let hoisted = hoisted(schedule);
    let mut layers: Vec<LayerReport> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut current = "";
    for (id, node) in schedule.iter().filter(|(_, n)| !matches!(n.op, ScheduleOp::Input { .. })) {
        if !node.name.is_empty() {
            current = &node.name;
        }
        let k = *index.entry(current).or_insert_with(|| {
            let name = current.to_string();
            layers.push(LayerReport { name, level_out: u32::MAX, ..LayerReport::default() });
            layers.len() - 1
        });
        let layer = &mut layers[k];
        let args: Vec<_> = node.args.iter().map(|a| *schedule.ty(*a)).collect();
        let rotation = u64::from(node.op.rotation().is_some());
        layer.instructions += 1;
        layer.rotations += rotation;
        layer.hoisted_rotations += u64::from(hoisted[id.index()]);
        layer.key_switches += rotation + u64::from(node.op.relinearises());
        layer.bootstraps += u64::from(matches!(node.op, ScheduleOp::Bootstrap { .. }));
        layer.level_in = args.iter().map(|t| t.level).fold(layer.level_in, u32::max);
        layer.level_out = layer.level_out.min(node.ty.level);
        let multiplies = matches!(node.op, ScheduleOp::MulAcc { .. });
        for recipe in node.op.recipes() {
            let weight = facts.get(recipe).map_or(1.0, |f| f.weight);
            if multiplies {
                layer.plaintexts += 1;
                layer.plaintext_equivalents += weight;
            }
            if let Recipe::Product { map, .. } | Recipe::Bias { map, .. } = *recipe
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
        layer.predicted_seconds += microseconds(&node.op, &args) * 1e-6;
    }
    layers
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
