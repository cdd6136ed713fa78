//! What a plan says about itself: counts, times and memory.

use std::collections::BTreeSet;

use fhec_ir::plan::{LayerReport, Report};
use fhec_ir::schedule::{Layers, Recipe, Schedule, ScheduleOp};
use fhec_ir::{Node, ValueId};

use crate::cost::CostModel;
use crate::facts::Facts;
use crate::memory::memory;

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
        memory: memory(schedule, costs, facts),
        layers,
        ..Report::default()
    }
}

/// Notes of which layers all ciphertexts are proven to fit their moduli.
pub(crate) fn note_proven(report: &mut Report, schedule: &Schedule, proven: &[Option<f64>]) {
    let (_, of) = grouped(schedule);
    report.layers.iter_mut().for_each(|layer| layer.proven = true);
    for (id, k) in schedule.ids().filter_map(|id| Some((id, of.of(id)?))) {
        report.layers[k].proven &= proven[id.index()].is_some();
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
