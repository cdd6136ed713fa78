//! Maps that have the same plans, and plans that were made before.

use fhec_ir::slot::{LinearMap, MapPlan, SlotGraph, SlotOp};
use fhec_ir::{ConstId, Constant, ValueId};

/// Linear maps that have the same plans: they differ in numbers only.
pub(super) struct Kind<'g> {
    /// The first of them.
    pub map: &'g LinearMap,
    pub key: Key,
    /// The values that they compute.
    pub values: Vec<ValueId>,
}

/// What maps of a kind have in common: all but their constants and, where constants may decide about plans, these.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    map: LinearMap,
    constants: Vec<Constant>,
}

impl<'g> Kind<'g> {
    /// The maps without a plan.
    pub(super) fn all(graph: &'g SlotGraph) -> Vec<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        for (id, node) in graph.iter() {
            let SlotOp::Linear(map) = &node.op else { continue };
            if map.plan.is_some() {
                continue;
            }
            let key = Self::key(map, &graph.constants);
            match kinds.iter_mut().find(|k| k.key == key) {
                Some(kind) => kind.values.push(id),
                None => kinds.push(Self { map, key, values: vec![id] }),
            }
        }
        kinds
    }

    /// Plans depend on which entries of a map are 0, not on the others' values: constants matter only where they hold a 0 or
    /// where entries are made of several.
    fn key(map: &LinearMap, constants: &[Constant]) -> Key {
        let mut key = Key { map: map.clone(), constants: vec![] };
        let mut dense = map.terms.iter().all(|t| t.stages.len() <= 1);
        key.map.map_constants(&mut |c| {
            dense &= constants[c.index()].data.iter().all(|x| *x != 0.0);
            key.constants.push(constants[c.index()].clone());
            ConstId(0)
        });
        if dense {
            key.constants.clear();
        }
        key
    }

    /// Gives all maps of the kind a plan.
    pub(super) fn set(&self, graph: &mut SlotGraph, plan: &MapPlan) {
        for id in &self.values {
            if let SlotOp::Linear(map) = &mut graph.node_mut(*id).op {
                map.plan = Some(plan.clone());
            }
        }
    }
}

/// The cheapest plans of maps that were met before, for [`planned`](super::planned).
#[derive(Debug, Default)]
pub(crate) struct Memo(pub(super) Vec<(Key, MapPlan)>);

impl Memo {
    pub(super) fn get(&self, key: &Key) -> Option<&MapPlan> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, plan)| plan)
    }
}
