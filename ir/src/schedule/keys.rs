//! Which evaluation keys a schedule needs.

use std::collections::BTreeSet;

use super::{Schedule, ScheduleOp};
use crate::ValueId;

/// Rotations and relinearisations with the levels at which they happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyNeeds {
    /// (step, level) of every rotation; steps as in [`ScheduleOp::key_steps`].
    pub rotations: BTreeSet<(u32, u32)>,
    /// Levels of relinearisations.
    pub relinearisations: BTreeSet<u32>,
}

/// Collects the keys that the instructions of a schedule use.
pub fn key_needs(schedule: &Schedule) -> KeyNeeds {
    let mut needs = KeyNeeds::default();
    for (_, node) in schedule.iter() {
        let level = || schedule.ty(node.args[0]).level;
        let steps = node.op.key_steps(schedule.header.slots);
        needs.rotations.extend(steps.into_iter().map(|step| (step, level())));
        if node.op.relinearises() {
            needs.relinearisations.insert(level());
        }
    }
    needs
}

impl Schedule {
    /// True for every instruction that reads digits or decomposes: what one key-switch shape per level must fit.
    pub fn key_switches(&self, id: ValueId) -> bool {
        let op = &self.node(id).op;
        matches!(op, ScheduleOp::Hoist) || op.rotation().is_some() || op.relinearises()
    }
}
