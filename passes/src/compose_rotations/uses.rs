//! The rotations of a schedule, by what they need keys for.

use std::collections::{BTreeMap, BTreeSet};

use fhec_ir::ValueId;
use fhec_ir::plan::Gadget;
use fhec_ir::schedule::{Schedule, ScheduleOp};

/// How a ciphertext is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Form {
    /// `Rotate`, by one rotation step.
    Rotate,
    /// `Giant`, by one step.
    Giant,
    /// `Fold`, by one step, which keeps its key.
    Fold,
    /// `RotateExt` and `RotateHoisted`, by several steps after one `Hoist`.
    Hoisted,
}

/// Rotations that are composed alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Use {
    pub gadget: Gadget,
    pub form: Form,
    pub level: u32,
    /// Rotation steps.
    pub steps: BTreeSet<u32>,
}

impl Use {
    /// The rotations of one ciphertext: of the operand of a hoist by its steps, or one by itself.
    pub(super) fn new(
        schedule: &Schedule,
        gadgets: &[Gadget],
        form: Form,
        level: u32,
        steps: BTreeSet<u32>,
    ) -> Self {
        debug_assert!(steps.iter().all(|step| (*step as usize) < schedule.header.slots));
        Self { gadget: gadgets[level as usize], form, level, steps }
    }
}

/// By value that is a `Hoist`, the rotation steps other than 0.
pub(super) fn hoisted_steps(schedule: &Schedule) -> BTreeMap<ValueId, BTreeSet<u32>> {
    let mut steps: BTreeMap<_, BTreeSet<u32>> = BTreeMap::new();
    for (_, node) in schedule.iter() {
        if let ScheduleOp::RotateExt { .. } | ScheduleOp::RotateHoisted { .. } = node.op {
            steps.entry(node.args[0]).or_default().extend(node.op.rotation());
        }
    }
    steps
}

/// All rotations of a schedule and how often each set of them occurs.
pub(super) fn uses(schedule: &Schedule, gadgets: &[Gadget]) -> BTreeMap<Use, usize> {
    let mut uses = BTreeMap::new();
    let mut count = |form, level, steps| {
        *uses.entry(Use::new(schedule, gadgets, form, level, steps)).or_default() += 1;
    };
    for (_, node) in schedule.iter() {
        match node.op {
            ScheduleOp::Rotate { step } => count(Form::Rotate, node.ty.level, BTreeSet::from([step])),
            ScheduleOp::Giant { step } => count(Form::Giant, node.ty.level, BTreeSet::from([step])),
            ScheduleOp::Fold { step } => count(Form::Fold, node.ty.level, BTreeSet::from([step])),
            _ => {}
        }
    }
    for (digits, steps) in hoisted_steps(schedule) {
        if !steps.is_empty() {
            count(Form::Hoisted, schedule.ty(digits).level, steps);
        }
    }
    uses
}
