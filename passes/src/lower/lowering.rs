//! The state of a lowering, and how ops read their operands.

use fhec_ir::ValueId;
use fhec_ir::schedule::{Schedule, ScheduleHeader, scale};
use fhec_ir::slot::{SlotGraph, relied_on};

use super::config::Config;
use super::emit::Emitter;
use super::refreshed::Refreshed;
use super::scales::{Edges, Targets};

/// One round of lowering.
pub(super) struct Lowering<'g> {
    pub graph: &'g SlotGraph,
    pub config: &'g Config,
    pub targets: &'g Targets,
    pub freed: &'g Edges,
    pub out: Emitter,
    /// Bootstraps met so far.
    pub refreshed: Vec<Refreshed>,
    /// Ciphertexts of the next value, a bootstrap together with the last one.
    pub paired: Option<Vec<ValueId>>,
    /// By packed value, whether its slots without an element have to be 0.
    pub relied_on: Vec<bool>,
    /// Ciphertexts of each packed value.
    pub values: Vec<Vec<ValueId>>,
}

impl<'g> Lowering<'g> {
    pub(super) fn new(
        graph: &'g SlotGraph,
        config: &'g Config,
        targets: &'g Targets,
        freed: &'g Edges,
    ) -> Self {
        let header = ScheduleHeader {
            slots: graph.header.slots,
            moduli: config.moduli.clone(),
            bootstrap: config.bootstrap,
            ..ScheduleHeader::default()
        };
        let mut schedule = Schedule::new(graph.name.clone(), header);
        schedule.constants.clone_from(&graph.constants);
        let out = Emitter::new(schedule);
        let relied_on = relied_on(graph);
        let (refreshed, values) = (Vec::new(), Vec::new());
        Self { graph, config, targets, freed, out, refreshed, paired: None, relied_on, values }
    }

    /// Level of the schedule at which a value becomes available.
    pub(super) fn level(&self, id: ValueId) -> u32 {
        self.graph.ty(id).level.expect("checked before") + self.config.floor()
    }

    /// Ciphertext `ct` of operand `k` of `id`, at `level`; a freed one at the usual scale.
    pub(super) fn arg(&mut self, id: ValueId, k: usize, ct: usize, level: u32) -> ValueId {
        let value = self.values[self.graph.node(id).args[k].index()][ct];
        if self.freed.contains(&(id, k)) {
            self.out.at_scale(value, level, self.config.scale)
        } else {
            self.out.at_level(value, level)
        }
    }

    /// Ciphertext `ct` of both operands of a sum, at the sum's level; one that is freed follows the other.
    pub(super) fn summands(&mut self, id: ValueId, ct: usize) -> (ValueId, ValueId) {
        let level = self.level(id);
        let follows = |k: usize| self.freed.contains(&(id, k));
        match (follows(0), follows(1)) {
            (false, true) => {
                let a = self.arg(id, 0, ct, level);
                (a, self.arg_like(id, 1, ct, a))
            }
            (true, false) => {
                let b = self.arg(id, 1, ct, level);
                (self.arg_like(id, 0, ct, b), b)
            }
            _ => (self.arg(id, 0, ct, level), self.arg(id, 1, ct, level)),
        }
    }

    /// Ciphertext `ct` of operand `k` of `id`, at level and scale of `like`.
    pub(super) fn arg_like(&mut self, id: ValueId, k: usize, ct: usize, like: ValueId) -> ValueId {
        let value = self.values[self.graph.node(id).args[k].index()][ct];
        let ty = self.out.ty(like);
        self.out.at_scale(value, ty.level, ty.scale)
    }

    /// Scale that the result of `id` should have, where it is free.
    pub(super) fn target(&self, id: ValueId) -> f64 {
        self.config.scale * self.targets.factor(id)
    }

    /// Plaintext scale that brings x, once rescaled, to the target.
    pub(super) fn plain_scale(&self, x: ValueId, level: u32, target: f64) -> f64 {
        scale::plain_scale_for(target, self.out.ty(x).scale, self.config.moduli[level as usize])
    }
}
