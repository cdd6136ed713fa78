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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{PackedValue, ScheduleHeader, random};

    #[test]
    fn instructions_belong_to_the_layer_before_them() {
        let packed = |name: &str| PackedValue { name: name.into(), layout: random::flat(16, 1) };
        let header = ScheduleHeader {
            slots: 16,
            moduli: vec![2f64.powi(50), 2f64.powi(40)],
            inputs: vec![packed("x")],
            outputs: vec![packed("y")],
            ..ScheduleHeader::default()
        };
        let mut g = Schedule::new("layers", header);
        let x = g.push_input(0, 0, 1, 2f64.powi(40));
        let shifted = g.push_inferred(ScheduleOp::Rotate { step: 1 }, vec![x], "conv").unwrap();
        let sum = g.push_inferred(ScheduleOp::Add, vec![x, shifted], "").unwrap();
        let product = g.push_inferred(ScheduleOp::Mul, vec![sum, sum], "act").unwrap();
        let square = g.push_inferred(ScheduleOp::RelinRescale, vec![product], "").unwrap();
        let late = g.push_inferred(ScheduleOp::AddScalar { value: 1.0 }, vec![sum], "conv").unwrap();
        g.add_output("y#0", square);
        let layers = Layers::new(&g);
        assert_eq!(layers.names, ["conv", "act"]);
        assert_eq!((layers.of(x), layers.name(x)), (None, ""));
        assert_eq!(
            [shifted, sum, product, square, late].map(|id| layers.name(id)),
            ["conv", "conv", "act", "act", "conv"]
        );
        assert_eq!(layers.results(&g), [(sum, 0), (square, 1)]);
    }
}
