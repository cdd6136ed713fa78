//! Which evaluation keys a schedule needs.

use std::collections::BTreeSet;

use super::{Schedule, ScheduleOp};
use crate::ValueId;

/// Rotations, conjugations and relinearisations with the levels at which they happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyNeeds {
    /// (step, level) of every rotation.
    pub rotations: BTreeSet<(u32, u32)>,
    /// Levels of conjugations.
    pub conjugations: BTreeSet<u32>,
    /// Levels of relinearisations.
    pub relinearisations: BTreeSet<u32>,
}

/// Collects the keys that the instructions of a schedule use.
pub fn key_needs(schedule: &Schedule) -> KeyNeeds {
    let mut needs = KeyNeeds::default();
    for (_, node) in schedule.iter() {
        let level = || schedule.ty(node.args[0]).level;
        if let Some(step) = node.op.rotation() {
            needs.rotations.insert((step, level()));
        }
        if node.op.conjugates() {
            needs.conjugations.insert(level());
        }
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
