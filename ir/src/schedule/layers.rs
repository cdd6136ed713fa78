//! Which layer of the network an instruction belongs to.

use std::collections::HashMap;

use super::{Kind, Schedule, ScheduleOp};
use crate::ValueId;

/// The layers of a schedule in the order of their first instruction, as in a plan's report: an instruction without a
/// name belongs to the layer of the one before it, inputs belong to none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Names, as the network has them.
    pub names: Vec<String>,
    /// By instruction.
    of: Vec<Option<usize>>,
}

impl Layers {
    /// Groups the instructions of a schedule by name.
    pub fn new(schedule: &Schedule) -> Self {
        let mut names: Vec<String> = vec![];
        let mut index: HashMap<&str, usize> = HashMap::new();
        let mut current = "";
        let mut of = Vec::with_capacity(schedule.len());
        for (_, node) in schedule.iter() {
            if matches!(node.op, ScheduleOp::Input { .. }) {
                of.push(None);
                continue;
            }
            if !node.name.is_empty() {
                current = &node.name;
            }
            let known = *index.entry(current).or_insert(names.len());
            if known == names.len() {
                names.push(current.to_string());
            }
            of.push(Some(known));
        }
        Self { names, of }
    }

    /// The layer of an instruction, as an index into the names; none for inputs.
    pub fn of(&self, id: ValueId) -> Option<usize> {
        self.of[id.index()]
    }

    /// The name of an instruction's layer; empty for inputs.
    pub fn name(&self, id: ValueId) -> &str {
        self.of(id).map_or("", |k| &self.names[k])
    }

    /// Ciphertexts that leave their layer: those that other layers use, and outputs. With each its layer.
    pub fn results(&self, schedule: &Schedule) -> Vec<(ValueId, usize)> {
        let mut leaves = vec![false; schedule.len()];
        for (id, node) in schedule.iter() {
            node.args.iter().filter(|a| self.of(**a) != self.of(id)).for_each(|a| leaves[a.index()] = true);
        }
        schedule.outputs.iter().for_each(|o| leaves[o.value.index()] = true);
        let result = |id: ValueId| Some((id, self.of(id)?));
        let ciphertexts = schedule.iter().filter(|(id, n)| n.ty.kind == Kind::Ct && leaves[id.index()]);
        ciphertexts.filter_map(|(id, _)| result(id)).collect()
    }
}
